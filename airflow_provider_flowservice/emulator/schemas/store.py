"""The schemas, classes, field groups and data types of one sandbox, and the references between them."""

from __future__ import annotations

import secrets
from copy import deepcopy
from typing import Any

from airflow_provider_flowservice.emulator.schemas.core import GLOBAL_RESOURCES
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError, invalid
from airflow_provider_flowservice.emulator.world import Store, World

TENANT = "emulator"
# Field groups were called mixins, and are still stored under that name.
_STORED_AS = {
    "schemas": "schemas",
    "classes": "classes",
    "datatypes": "datatypes",
    "fieldgroups": "mixins",
    "mixins": "mixins",
}
_TAGS = "meta:immutableTags"
_UNCHANGEABLE = ("$id", "meta:altId", "meta:resourceType", "meta:containerId")


class SchemaStore(Store):
    """A tenant's own resources, beside the global ones that every tenant has."""

    kept = (("_tenant", dict[str, dict[str, Any]]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tenant: dict[str, dict[str, Any]] = {}

    def create(self, collection: str, body: Any, org_id: str) -> dict[str, Any]:
        """Add a resource of the tenant.

        :param collection: ``schemas``, ``classes``, ``fieldgroups`` or ``datatypes``.
        :raises SchemaError: if the body is not well formed or refers to something unknown.
        """
        kind = stored_kind(collection)
        self._check(kind, body)
        name = secrets.token_hex(24)
        resource = {
            **body,
            "$id": f"https://ns.adobe.com/{TENANT}/{kind}/{name}",
            "meta:altId": f"_{TENANT}.{kind}.{name}",
            "meta:resourceType": kind,
            "version": "1.0",
            "imsOrg": org_id,
            "meta:extensible": False,
            "meta:abstract": False,
            "meta:xdmType": "object",
            "meta:containerId": "tenant",
            "meta:tenantNamespace": f"_{TENANT}",
            "meta:registryMetadata": self._metadata(self.world.clock.now_ms()),
            **self._derived(kind, body),
        }
        self._tenant[resource["$id"]] = resource
        return resource

    def all(self, container: str, collection: str) -> list[dict[str, Any]]:
        """Return every resource of a collection.

        :param container: ``tenant`` or ``global``.
        """
        kind = stored_kind(collection)
        resources = GLOBAL_RESOURCES if container == "global" else self._tenant
        return [resource for resource in resources.values() if resource["meta:resourceType"] == kind]

    def find(self, resource_id: object) -> dict[str, Any] | None:
        """Return a resource by ``$id`` or ``meta:altId``, or None."""
        if not isinstance(resource_id, str):
            return None
        for resources in (self._tenant, GLOBAL_RESOURCES):
            if resource_id in resources:
                return resources[resource_id]
            for resource in resources.values():
                if resource["meta:altId"] == resource_id:
                    return resource
        return None

    def replace(self, resource: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
        """Store a changed resource under the id of the old one, with the next minor version.

        :raises SchemaError: if the change makes it ill-formed.
        """
        self._check(resource["meta:resourceType"], changed)
        kept = {name: resource[name] for name in _UNCHANGEABLE}
        major, _, minor = resource["version"].partition(".")
        self._tenant[resource["$id"]] = {
            **changed,
            **kept,
            **self._derived(resource["meta:resourceType"], changed),
            "version": f"{major}.{int(minor) + 1}",
            "meta:registryMetadata": self._metadata(resource["meta:registryMetadata"]["repo:createdDate"]),
        }
        return self._tenant[resource["$id"]]

    def delete(self, resource: dict[str, Any]) -> None:
        """Remove a resource of the tenant."""
        del self._tenant[resource["$id"]]

    def resolved(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return a resource with all references replaced by what they refer to."""
        full: dict[str, Any] = self._expand(resource)
        return full

    def _expand(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._expand(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            referred = self.find(value["$ref"])
            return self._expand(_only_schema(referred)) if referred else {}
        expanded = {name: self._expand(entry) for name, entry in value.items() if name != "allOf"}
        for part in value.get("allOf", []):
            _merge(expanded, self._expand(part))
        return expanded

    def _derived(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the members that follow from ``allOf``."""
        extends = [entry["$ref"] for entry in body.get("allOf", []) if "$ref" in entry]
        class_of_schema = {"meta:class": self._class_of(extends)} if kind == "schemas" else {}
        return {"meta:extends": list(dict.fromkeys(extends)), **class_of_schema}

    def _metadata(self, created_at: int) -> dict[str, Any]:
        return {
            "repo:createdDate": created_at,
            "repo:lastModifiedDate": self.world.clock.now_ms(),
            "eTag": secrets.token_hex(32),
        }

    def _check(self, kind: str, body: Any) -> None:
        if not isinstance(body, dict) or not isinstance(body.get("title"), str) or not body["title"]:
            raise invalid("title is required")
        _check_json_schema(body)
        parts = body.get("allOf", [])
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise invalid("allOf must be a list of objects")
        tags = body.get(_TAGS, [])
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise invalid(f"{_TAGS} must be a list of strings")
        for part in parts:
            if "$ref" in part and self.find(part["$ref"]) is None:
                raise invalid(f"allOf refers to {part['$ref']}, which does not exist")
        if kind == "schemas":
            self._class_of([part["$ref"] for part in parts if "$ref" in part])

    def _class_of(self, references: list[str]) -> str:
        found = [reference for reference in references if self._is_class(reference)]
        if len(found) != 1:
            raise invalid(f"allOf must refer to exactly one class, not {len(found)}")
        return found[0]

    def _is_class(self, reference: str) -> bool:
        resource = self.find(reference)
        return resource is not None and resource["meta:resourceType"] == "classes"


def is_enabled(schema: Any) -> bool:
    """Return whether a schema, or what is to become one, is enabled for Profile."""
    tags = schema.get(_TAGS) if isinstance(schema, dict) else None
    return isinstance(tags, list) and "union" in tags


def has_field(schema: dict[str, Any], path: str) -> bool:
    """Return whether a schema has a field.

    :param schema: with its references resolved.
    :param path: dotted path; ``[...]`` after a name stands for the elements of a list.
    """
    current: Any = schema
    for name in path.split("."):
        current = _step(current, name.partition("[")[0], into_list="[" in name)
        if current is None:
            return False
    return True


def _step(schema: dict[str, Any], name: str, *, into_list: bool) -> dict[str, Any] | None:
    found = schema.get("properties", {}).get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    if into_list and isinstance(found, dict):
        found = found.get("items")
    return found if isinstance(found, dict) else None


def stored_kind(collection: str) -> str:
    """Return the kind under which a collection's resources are stored.

    :raises SchemaError: 404 for an unknown collection.
    """
    if collection not in _STORED_AS:
        raise SchemaError(404, "1012", "Resource Not Found", f"There is no collection {collection}")
    return _STORED_AS[collection]


def _check_json_schema(body: dict[str, Any]) -> None:
    # It takes as long to import as the rest of the emulator.
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]
    from jsonschema.exceptions import SchemaError as JsonSchemaError  # type: ignore[import-untyped]

    try:
        Draft7Validator.check_schema(body)
    except JsonSchemaError as error:
        raise invalid(f"The schema is not valid: {error.message}") from error


def _only_schema(resource: dict[str, Any]) -> dict[str, Any]:
    parts = ("type", "properties", "required", "allOf", "items", "definitions")
    return {name: resource[name] for name in parts if name in resource}


def _merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    for name, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif name == "required" and name in target:
            target[name] = sorted({*target[name], *value})
        else:
            target.setdefault(name, deepcopy(value))
