"""The schemas, classes, field groups and data types of one sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.emulator.gateway import Call
from airflow_provider_flowservice.emulator.json_body import check_shape
from airflow_provider_flowservice.emulator.schemas.core import AD_HOC, GLOBAL_RESOURCES, RECORD, TIME_SERIES
from airflow_provider_flowservice.emulator.schemas.errors import invalid, not_found
from airflow_provider_flowservice.emulator.schemas.references import (
    Resolver,
    Schema,
    check_json_schema,
    pointed_at,
    references,
)
from airflow_provider_flowservice.emulator.schemas.unions import SUFFIX, unions
from airflow_provider_flowservice.emulator.world import Store, World

if TYPE_CHECKING:
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]

TENANT = "emulator"
_GLOBAL_NAMESPACE = "https://ns.adobe.com/"
NAMESPACE = f"{_GLOBAL_NAMESPACE}{TENANT}/"
#: Kinds that a tenant can make, by the name in the path. Field groups were called mixins, and still are stored so.
EDITABLE = {
    "schemas": "schemas",
    "classes": "classes",
    "datatypes": "datatypes",
    "fieldgroups": "mixins",
    "mixins": "mixins",
}
KINDS = {**EDITABLE, "behaviors": "behaviors", "unions": "unions"}
_TAGS = "meta:immutableTags"
_RESOURCE = {"title": str, "description": str, "allOf": [{"$ref": str}], _TAGS: [str]}
#: Names of the behaviors where a dataset is classified.
_BEHAVIORS = {RECORD: "record", TIME_SERIES: "time-series", AD_HOC: "adhoc"}
#: Members that are AEP's own and never change.
_FIXED = (
    "$id",
    "meta:altId",
    "meta:resourceType",
    "imsOrg",
    "meta:sandboxId",
    "meta:sandboxType",
    "meta:extensible",
    "meta:abstract",
    "meta:xdmType",
    "meta:containerId",
    "meta:tenantNamespace",
)
_GLOBAL_IDS = {resource["meta:altId"]: resource_id for resource_id, resource in GLOBAL_RESOURCES.items()}


class SchemaStore(Store):
    """A tenant's own resources, beside the global ones that every tenant has."""

    kept = (
        ("_tenant", dict[str, dict[str, Any]]),
        ("_ids", dict[str, str]),
        ("_earlier", dict[str, list[dict[str, Any]]]),
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tenant: dict[str, Schema] = {}
        self._ids: dict[str, str] = {}
        self._earlier: dict[str, list[Schema]] = {}
        self._resolved: dict[str, Schema] = {}
        self._validators: dict[str, Draft7Validator] = {}

    def create(self, kind: str, body: Any, owner: Schema, *, name: str | None = None) -> Schema:
        """Add a resource of the tenant.

        :param kind: under which it is stored.
        :param owner: members that say whose it is.
        :param name: last part of its id; a new one by default.
        :raises SchemaError: if the body is not well formed or refers to something unknown.
        """
        self._check(kind, body)
        name = name or secrets.token_hex(24)
        now = self.world.clock.now_ms()
        is_schema = kind == "schemas"
        resource = {
            **body,
            "$id": f"{NAMESPACE}{kind}/{name}",
            "meta:altId": f"_{TENANT}.{kind}.{name}",
            "meta:resourceType": kind,
            "version": "1.0",
            **owner,
            "meta:extensible": not is_schema,
            "meta:abstract": not is_schema,
            "meta:xdmType": "object",
            "meta:containerId": "tenant",
            "meta:tenantNamespace": f"_{TENANT}",
            "meta:registryMetadata": self._metadata(now),
            **self._derived(kind, body),
        }
        return self._put(resource)

    def all(self, container: str, kind: str) -> list[Schema]:
        """Return every resource of a kind.

        :param container: ``tenant`` or ``global``.
        """
        if kind == "unions":
            return self._unions() if container == "tenant" else []
        resources = GLOBAL_RESOURCES if container == "global" else self._tenant
        return [resource for resource in resources.values() if resource["meta:resourceType"] == kind]

    def find(self, resource_id: object) -> Schema | None:
        """Return a resource by ``$id`` or ``meta:altId``, or None."""
        if not isinstance(resource_id, str):
            return None
        if resource_id.endswith(SUFFIX):
            ids = ("$id", "meta:altId")
            return next(
                (each for each in self._unions() if resource_id in [each[name] for name in ids]), None
            )
        full_id = self._ids.get(resource_id) or _GLOBAL_IDS.get(resource_id, resource_id)
        return self._tenant.get(full_id) or GLOBAL_RESOURCES.get(full_id)

    def replace(self, resource: Schema, changed: Any) -> Schema:
        """Store a changed resource under the id of the old one, with the next minor version.

        :raises SchemaError: if the change makes it ill-formed.
        """
        kind = resource["meta:resourceType"]
        self._check(kind, changed)
        major, _, minor = resource["version"].partition(".")
        self._earlier.setdefault(resource["$id"], []).append(resource)
        return self._put(
            {
                **changed,
                **{name: resource[name] for name in _FIXED},
                **self._derived(kind, changed),
                "version": f"{major}.{int(minor) + 1}",
                "meta:registryMetadata": self._metadata(
                    resource["meta:registryMetadata"]["repo:createdDate"]
                ),
            }
        )

    def history(self, resource: Schema) -> list[Schema]:
        """Return a resource in all its states, the oldest one first."""
        return [*self._earlier.get(resource["$id"], ()), resource]

    def delete(self, resource: Schema) -> None:
        """Remove a resource of the tenant."""
        del self._tenant[resource["$id"]]
        del self._ids[resource["meta:altId"]]
        self._earlier.pop(resource["$id"], None)
        self._forget_derived()

    def resolved(self, resource: Schema) -> Schema:
        """Return a resource with all references replaced by what they refer to; it must not be changed.

        :raises SchemaError: if that makes it too large.
        """
        key = resource.get("$id")
        if key not in self._resolved:
            full = Resolver(self.find).resolve(resource)
            if key is None:
                return full
            self._resolved[key] = full
        return self._resolved[key]

    def validator(self, schema_id: object) -> Draft7Validator | None:
        """Return what checks a record against a schema; None if there is no such schema."""
        # It takes as long to import as the rest of the emulator.
        from jsonschema import Draft7Validator

        schema = self.find(schema_id)
        if schema is None:
            return None
        key = schema["$id"]
        if key not in self._validators:
            self._validators[key] = Draft7Validator(self.resolved(schema))
        return self._validators[key]

    def _forget_derived(self) -> None:
        self._resolved.clear()
        self._validators.clear()

    def _put(self, resource: Schema) -> Schema:
        self._tenant[resource["$id"]] = resource
        self._ids[resource["meta:altId"]] = resource["$id"]
        # What refers to it has changed too.
        self._forget_derived()
        return resource

    def _unions(self) -> list[Schema]:
        classes = [*GLOBAL_RESOURCES.values(), *self._tenant.values()]
        return unions(
            self.all("tenant", "schemas"),
            {each["$id"]: each for each in classes if each["meta:resourceType"] == "classes"},
        )

    def _derived(self, kind: str, body: Schema) -> Schema:
        """Return the members that follow from ``allOf``."""
        direct = _extended(body)
        inherited = [
            each
            for reference in direct
            for each in (self.find(reference.partition("#")[0]) or {}).get("meta:extends", ())
        ]
        class_of_schema = {"meta:class": self._class_of(direct)} if kind == "schemas" else {}
        return {"meta:extends": list(dict.fromkeys([*direct, *inherited])), **class_of_schema}

    def _metadata(self, created_at: int) -> Schema:
        credential = self.world.settings.credential
        return {
            "repo:createdDate": created_at,
            "repo:lastModifiedDate": self.world.clock.now_ms(),
            "xdm:createdClientId": credential.client_id,
            "xdm:lastModifiedClientId": credential.client_id,
            "xdm:createdUserId": credential.technical_account,
            "xdm:lastModifiedUserId": credential.technical_account,
            "eTag": secrets.token_hex(32),
        }

    def _check(self, kind: str, body: Any) -> None:
        check_shape(body, (_RESOURCE, None), invalid)
        if not body or not body.get("title"):
            raise invalid("title is required")
        check_json_schema(body)
        extended = _extended(body)
        for reference in set(references(body)):
            self._check_reference(reference, body, is_part=reference in extended)
        if kind == "schemas":
            self._class_of(extended)
        elif kind == "classes" and not any(each in _BEHAVIORS for each in extended):
            raise invalid(f"allOf of a class must refer to a behavior, one of {', '.join(_BEHAVIORS)}")
        Resolver(self.find).resolve(body)

    def _check_reference(self, reference: str, body: Schema, *, is_part: bool) -> None:
        """Check that a reference can be followed.

        The emulator knows few global resources, so a field may refer to any other one.

        :param is_part: whether it stands in ``allOf`` of the resource.
        :raises SchemaError: if it cannot be followed.
        """
        base, _, pointer = reference.partition("#")
        document = self.find(base) if base else body
        if document is None and (
            is_part or base.startswith(NAMESPACE) or not base.startswith(_GLOBAL_NAMESPACE)
        ):
            raise invalid(f"{'allOf' if is_part else '$ref'} refers to {reference}, which does not exist")
        if not base and pointed_at(body, pointer) is None:
            raise invalid(f"$ref {reference} points to nothing in the resource")

    def _class_of(self, extended: list[str]) -> str:
        found = [reference for reference in extended if self._is_class(reference)]
        if len(found) != 1:
            raise invalid(f"allOf must refer to exactly one class, not {len(found)}")
        return found[0]

    def _is_class(self, reference: str) -> bool:
        resource = self.find(reference)
        return resource is not None and resource["meta:resourceType"] == "classes"


def owner_of(call: Call) -> Schema:
    """Return the members of a resource that say whose it is."""
    return {
        "imsOrg": call.world.settings.credential.org_id,
        "meta:sandboxId": call.sandbox.id,
        "meta:sandboxType": call.sandbox.type,
    }


def behavior_of(schema: Schema) -> str:
    """Return the name of the behavior that a schema has from its class; a schema that says of none is a record."""
    return next((_BEHAVIORS[each] for each in schema.get("meta:extends", ()) if each in _BEHAVIORS), "record")


def has_field(schema: Schema, path: str) -> bool:
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


def _step(schema: Schema, name: str, *, into_list: bool) -> Schema | None:
    found = schema.get("properties", {}).get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    if into_list and isinstance(found, dict):
        found = found.get("items")
    return found if isinstance(found, dict) else None


def stored_kind(collection: str, kinds: Mapping[str, str] = KINDS) -> str:
    """Return the kind under which a collection's resources are stored.

    :param kinds: the collections that there are.
    :raises SchemaError: 404 for an unknown collection.
    """
    if collection not in kinds:
        raise not_found(f"collection {collection}")
    return kinds[collection]


def container_named(name: str) -> str:
    """Return the container's name.

    :raises SchemaError: 404 if it is neither ``tenant`` nor ``global``.
    """
    if name not in ("tenant", "global"):
        raise not_found(f"container {name}")
    return name


def _extended(body: Schema) -> list[str]:
    """Return the ids of the resources that ``allOf`` refers to."""
    references = [part["$ref"] for part in body.get("allOf", ()) if "$ref" in part]
    return [each for each in references if not each.startswith("#")]
