"""The global XDM classes and field groups that the emulator knows: enough for profiles and simple events.

They carry the names and types of the fields that the tutorials use, not Adobe's full definitions.
"""

from __future__ import annotations

from typing import Any

PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
EVENT_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"

_TEXT: dict[str, Any] = {"type": "string"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_EMAIL = _object(primary=_FLAG, address=_TEXT, type=_TEXT, status=_TEXT, label=_TEXT)
_PHONE = _object(primary=_FLAG, number=_TEXT, countryCode=_TEXT, extension=_TEXT, status=_TEXT)
_ADDRESS = _object(
    primary=_FLAG,
    street1=_TEXT,
    street2=_TEXT,
    city=_TEXT,
    stateProvince=_TEXT,
    postalCode=_TEXT,
    country=_TEXT,
    countryCode=_TEXT,
)
_IDENTITY = _object(id=_TEXT, primary=_FLAG, authenticatedState=_TEXT)
_NAME = _object(
    firstName=_TEXT, middleName=_TEXT, lastName=_TEXT, fullName=_TEXT, courtesyTitle=_TEXT, suffix=_TEXT
)
_PERSON = _object(
    name=_NAME,
    birthDate={"type": "string", "format": "date"},
    birthDay={"type": "integer"},
    birthMonth={"type": "integer"},
    birthYear={"type": "integer"},
    gender=_TEXT,
    nationality=_TEXT,
)
_PURCHASE = _object(priceTotal={"type": "number"}, currencyCode=_TEXT, purchaseID=_TEXT)
_VALUE = _object(value={"type": "number"}, id=_TEXT)


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
                "_id": _TEXT,
                "_repo": _object(createDate=_MOMENT, modifyDate=_MOMENT),
                "createdByBatchID": _TEXT,
                "modifiedByBatchID": _TEXT,
                "personID": _TEXT,
                "repositoryCreatedBy": _TEXT,
                "repositoryLastModifiedBy": _TEXT,
            },
        ),
        _resource(
            EVENT_CLASS,
            "classes",
            "XDM ExperienceEvent",
            {"_id": _TEXT, "timestamp": _MOMENT, "eventType": _TEXT, "producedBy": _TEXT},
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
                        SKU=_TEXT, name=_TEXT, quantity={"type": "integer"}, priceTotal={"type": "number"}
                    ),
                },
            },
        ),
    )
}
