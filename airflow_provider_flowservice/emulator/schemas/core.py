"""The global XDM classes and field groups that the emulator knows: enough for profiles and simple events.

They have the names and types of the fields that the tutorials use, not Adobe's full definitions.
"""

from __future__ import annotations

from typing import Any

PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
EVENT_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"

_STRING: dict[str, Any] = {"type": "string"}
_BOOLEAN: dict[str, Any] = {"type": "boolean"}
_DATE_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_EMAIL = _object(primary=_BOOLEAN, address=_STRING, type=_STRING, status=_STRING, label=_STRING)
_PHONE = _object(primary=_BOOLEAN, number=_STRING, countryCode=_STRING, extension=_STRING, status=_STRING)
_ADDRESS = _object(
    primary=_BOOLEAN,
    street1=_STRING,
    street2=_STRING,
    city=_STRING,
    stateProvince=_STRING,
    postalCode=_STRING,
    country=_STRING,
    countryCode=_STRING,
)
_IDENTITY = _object(id=_STRING, primary=_BOOLEAN, authenticatedState=_STRING)
_NAME = _object(
    firstName=_STRING,
    middleName=_STRING,
    lastName=_STRING,
    fullName=_STRING,
    courtesyTitle=_STRING,
    suffix=_STRING,
)
_PERSON = _object(
    name=_NAME,
    birthDate={"type": "string", "format": "date"},
    birthDay={"type": "integer"},
    birthMonth={"type": "integer"},
    birthYear={"type": "integer"},
    gender=_STRING,
    nationality=_STRING,
)
_PURCHASE = _object(priceTotal={"type": "number"}, currencyCode=_STRING, purchaseID=_STRING)
_VALUE = _object(value={"type": "number"}, id=_STRING)


def _resource(
    resource_id: str, kind: str, title: str, properties: dict[str, Any], **more: Any
) -> dict[str, Any]:
    alternative = resource_id.removeprefix("https://ns.adobe.com/").replace("/", ".")
    return {
        "$id": resource_id,
        "meta:altId": f"_{alternative}",
        "meta:resourceType": kind,
        "version": "1",
        "title": title,
        "type": "object",
        "properties": properties,
        "meta:containerId": "global",
        "meta:xdmType": "object",
        **more,
    }


def _field_group(name: str, title: str, on: str, properties: dict[str, Any]) -> dict[str, Any]:
    resource_id = f"https://ns.adobe.com/xdm/context/{name}"
    return _resource(resource_id, "mixins", title, properties, **{"meta:intendedToExtend": [on]})


GLOBAL_RESOURCES: dict[str, dict[str, Any]] = {
    resource["$id"]: resource
    for resource in (
        _resource(
            PROFILE_CLASS,
            "classes",
            "XDM Individual Profile",
            {
                "_id": _STRING,
                "_repo": _object(createDate=_DATE_TIME, modifyDate=_DATE_TIME),
                "createdByBatchID": _STRING,
                "modifiedByBatchID": _STRING,
                "personID": _STRING,
                "repositoryCreatedBy": _STRING,
                "repositoryLastModifiedBy": _STRING,
            },
        ),
        _resource(
            EVENT_CLASS,
            "classes",
            "XDM ExperienceEvent",
            {"_id": _STRING, "timestamp": _DATE_TIME, "eventType": _STRING, "producedBy": _STRING},
            required=["_id", "timestamp"],
        ),
        _field_group("profile-person-details", "Demographic Details", PROFILE_CLASS, {"person": _PERSON}),
        _field_group(
            "profile-personal-details",
            "Personal Contact Details",
            PROFILE_CLASS,
            {"personalEmail": _EMAIL, "homeAddress": _ADDRESS, "homePhone": _PHONE, "mobilePhone": _PHONE},
        ),
        _field_group(
            "profile-work-details",
            "Work Contact Details",
            PROFILE_CLASS,
            {"workEmail": _EMAIL, "workAddress": _ADDRESS, "workPhone": _PHONE},
        ),
        _field_group(
            "identitymap",
            "IdentityMap",
            PROFILE_CLASS,
            {
                "identityMap": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": _IDENTITY},
                }
            },
        ),
        _field_group(
            "experienceevent-commerce",
            "Commerce Details",
            EVENT_CLASS,
            {
                "commerce": _object(order=_PURCHASE, productViews=_VALUE, purchases=_VALUE),
                "productListItems": {
                    "type": "array",
                    "items": _object(
                        SKU=_STRING, name=_STRING, quantity={"type": "integer"}, priceTotal={"type": "number"}
                    ),
                },
            },
        ),
    )
}
