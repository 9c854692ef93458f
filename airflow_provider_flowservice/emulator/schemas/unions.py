"""Unions: for each class, all fields of the schemas that are enabled for Profile. AEP makes and updates them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_flowservice.emulator.schemas.references import Schema

SUFFIX = "__union"
_TAGS = "meta:immutableTags"
_MAP: Schema = {"type": "object", "additionalProperties": {"type": "object"}}
#: The fields that every union has, whatever its schemas; their types are a guess.
_OWN_FIELDS: Schema = {
    "identityMap": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "object"}}},
    "segmentMembership": {"type": "object", "additionalProperties": _MAP},
    "timeSeriesEvents": {"type": "array", "items": {"type": "object"}},
}


def is_enabled(schema: Any) -> bool:
    """Return whether a schema, or what is to become one, is enabled for Profile."""
    tags = schema.get(_TAGS) if isinstance(schema, dict) else None
    return isinstance(tags, list) and "union" in tags


def unions(schemas: Iterable[Schema], classes: dict[str, Schema]) -> list[Schema]:
    """Return a union for each class of which a schema is enabled for Profile.

    :param classes: by id.
    """
    members: dict[str, list[Schema]] = {}
    for schema in schemas:
        if is_enabled(schema) and schema["meta:class"] in classes:
            members.setdefault(schema["meta:class"], []).append(schema)
    return [_union(classes[class_id], found) for class_id, found in members.items()]


def _union(of_class: Schema, schemas: list[Schema]) -> Schema:
    class_id = of_class["$id"]
    parts = {str(part): part for schema in schemas for part in schema["allOf"]}
    return {
        "$id": f"{class_id}{SUFFIX}",
        "meta:altId": f"{of_class['meta:altId']}{SUFFIX}",
        "meta:resourceType": "unions",
        "version": "1.0",
        "title": f"Union object for {class_id}",
        "description": f"Union view of all schemas that extend {class_id}",
        "type": "object",
        "properties": _OWN_FIELDS,
        "allOf": list(parts.values()),
        "meta:class": class_id,
        "meta:extends": list(dict.fromkeys(each for schema in schemas for each in schema["meta:extends"])),
        "meta:containerId": "tenant",
        "meta:registryMetadata": {},
    }
