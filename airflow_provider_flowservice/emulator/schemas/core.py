"""The global XDM resources that the emulator knows: enough for profiles and simple events.

They have the names and types of the fields that the tutorials use, not Adobe's full definitions. Each field also has
its name in standard XDM (``meta:xdmField``), which most often is the name with the prefix ``xdm:``.
"""

from __future__ import annotations

from typing import Any

PROFILE_CLASS = "https://ns.adobe.com/xdm/context/profile"
EVENT_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"
RECORD = "https://ns.adobe.com/xdm/data/record"
TIME_SERIES = "https://ns.adobe.com/xdm/data/time-series"
AD_HOC = "https://ns.adobe.com/xdm/data/adhoc"
#: An object that standard XDM does not have: its fields stand beside it there.
REPOSITORY = "_repo"

_STANDARD_NAMES = {"_id": "@id", "createDate": "repo:createDate", "modifyDate": "repo:modifyDate"}
_XDM_TYPES = {"integer": "int"}

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


def _named(properties: dict[str, Any]) -> dict[str, Any]:
    """Return fields with their names and types in standard XDM."""
    return {name: _described(name, field) for name, field in properties.items()}


def _described(name: str, field: dict[str, Any]) -> dict[str, Any]:
    found = {
        **field,
        "meta:xdmField": _STANDARD_NAMES.get(name, f"xdm:{name}"),
        "meta:xdmType": field.get("format") or _XDM_TYPES.get(field["type"], field["type"]),
    }
    if "properties" in field:
        found["properties"] = _named(field["properties"])
    for holder in ("items", "additionalProperties"):
        if isinstance(found.get(holder), dict):
            found[holder] = _anonymous(found[holder])
    if name == REPOSITORY:
        del found["meta:xdmField"]
    return found


def _anonymous(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what has no name of its own, such as the elements of a list."""
    described = _described("", schema)
    del described["meta:xdmField"]
    return described


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
        "properties": _named(properties),
        "meta:containerId": "global",
        "meta:xdmType": "object",
        **more,
    }


def _behavior(resource_id: str, title: str, properties: dict[str, Any]) -> dict[str, Any]:
    return _resource(resource_id, "behaviors", title, properties, **{"meta:abstract": True})


def _data_type(name: str, title: str, fields: dict[str, Any]) -> dict[str, Any]:
    return _resource(f"https://ns.adobe.com/xdm/{name}", "datatypes", title, fields["properties"])


def _field_group(name: str, title: str, on: str, properties: dict[str, Any]) -> dict[str, Any]:
    resource_id = f"https://ns.adobe.com/xdm/context/{name}"
    return _resource(resource_id, "mixins", title, properties, **{"meta:intendedToExtend": [on]})


GLOBAL_RESOURCES: dict[str, dict[str, Any]] = {
    resource["$id"]: resource
    for resource in (
        _behavior(RECORD, "Record Schema", {"_id": _STRING}),
        _behavior(AD_HOC, "Ad Hoc Schema", {}),
        _behavior(TIME_SERIES, "Time-series Schema", {"_id": _STRING, "timestamp": _DATE_TIME}),
        _data_type("context/person", "Person", _PERSON),
        _data_type("context/person-name", "Person name", _NAME),
        _data_type("context/emailaddress", "Email address", _EMAIL),
        _data_type("context/phonenumber", "Phone number", _PHONE),
        _data_type("common/address", "Postal address", _ADDRESS),
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
            **{"meta:extends": [RECORD]},
        ),
        _resource(
            EVENT_CLASS,
            "classes",
            "XDM ExperienceEvent",
            {"_id": _STRING, "timestamp": _DATE_TIME, "eventType": _STRING, "producedBy": _STRING},
            required=["_id", "timestamp"],
            **{"meta:extends": [TIME_SERIES]},
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
