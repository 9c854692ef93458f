"""Descriptors of Schema Registry, which say more about the fields of a schema: only identities are checked.

Adobe's pages have the fields and the media types, and that a schema has one primary identity at most. How Schema
Registry refuses what is wrong is a guess.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError, invalid
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore, has_field
from airflow_provider_flowservice.emulator.world import Store, World

BASE_PATH = "/data/foundation/schemaregistry"
router = APIRouter(prefix=BASE_PATH)

_IDENTITY = "xdm:descriptorIdentity"
_TYPES = (
    _IDENTITY,
    "xdm:alternateDisplayInfo",
    "xdm:descriptorReferenceIdentity",
    "xdm:descriptorOneToOne",
    "xdm:descriptorRelationship",
)
_ACCEPT = re.compile(r"application/vnd\.adobe\.xdm(?P<paged>-v2)?(-(?P<form>id|link))?\+json")
_PATH = "/tenant/descriptors/{descriptor_id}"


class DescriptorStore(Store):
    """The descriptors of one sandbox."""

    kept = (("_descriptors", dict[str, dict[str, Any]]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._descriptors: dict[str, dict[str, Any]] = {}

    def all(self) -> list[dict[str, Any]]:
        """Return every descriptor, oldest first."""
        return list(self._descriptors.values())

    def find(self, descriptor_id: str) -> dict[str, Any] | None:
        """Return a descriptor by ``@id``, or None."""
        return self._descriptors.get(descriptor_id)

    def put(self, descriptor: dict[str, Any]) -> None:
        """Add a descriptor, or replace the one with its ``@id``."""
        self._descriptors[descriptor["@id"]] = descriptor

    def delete(self, descriptor_id: str) -> None:
        """Remove a descriptor."""
        del self._descriptors[descriptor_id]

    def forget(self, schema_id: str) -> None:
        """Remove the descriptors of a schema."""
        for descriptor in self.all():
            if descriptor["xdm:sourceSchema"] == schema_id:
                self.delete(descriptor["@id"])

    def identities(self, schema_id: str) -> list[dict[str, Any]]:
        """Return the identities of a schema."""
        return [
            each
            for each in self.all()
            if each["@type"] == _IDENTITY and each["xdm:sourceSchema"] == schema_id
        ]

    def primary_identity(self, schema_id: str) -> dict[str, Any] | None:
        """Return the primary identity of a schema, or None."""
        return next((each for each in self.identities(schema_id) if each.get("xdm:isPrimary")), None)


@router.get("/tenant/descriptors")
async def list_descriptors(call: AuthorizedCall) -> Response:
    """List descriptors by type; a type of which there are none is left out."""
    accept = call.request.headers.get("accept", "").strip()
    found = _ACCEPT.fullmatch(accept)
    if found is None:
        raise SchemaError(
            400, "1008", "Accept header invalid", f"The supplied Accept header is not valid: {accept}"
        )
    if found["paged"]:
        raise SchemaError(501, "1000", "Not Implemented", "The emulator has no paged list of descriptors")
    groups: dict[str, list[Any]] = {}
    for descriptor in DescriptorStore.of(call.sandbox).all():
        groups.setdefault(descriptor["@type"], []).append(_shown(descriptor, found["form"]))
    return JSONResponse(groups)


@router.get(_PATH)
async def get_descriptor(descriptor_id: str, call: AuthorizedCall) -> Response:
    """Look a descriptor up by its ``@id``; any Accept header will do."""
    return JSONResponse(_find(descriptor_id, call))


@router.post("/tenant/descriptors")
async def create_descriptor(call: AuthorizedCall) -> Response:
    """Create a descriptor; the response has all of it."""
    descriptor = _stored(secrets.token_hex(20), await call.json(), call)
    DescriptorStore.of(call.sandbox).put(descriptor)
    return JSONResponse(descriptor, 201)


@router.put(_PATH)
async def replace_descriptor(descriptor_id: str, call: AuthorizedCall) -> Response:
    """Replace a descriptor; the pages document 201 and the ``@id`` as the response."""
    _find(descriptor_id, call)
    DescriptorStore.of(call.sandbox).put(_stored(descriptor_id, await call.json(), call))
    return JSONResponse({"@id": descriptor_id}, 201)


@router.delete(_PATH)
async def delete_descriptor(descriptor_id: str, call: AuthorizedCall) -> Response:
    """Delete a descriptor."""
    _find(descriptor_id, call)
    DescriptorStore.of(call.sandbox).delete(descriptor_id)
    return Response(status_code=204)


def _shown(descriptor: dict[str, Any], form: str | None) -> Any:
    if form == "id":
        return descriptor["@id"]
    return f"/tenant/descriptors/{descriptor['@id']}" if form == "link" else descriptor


def _find(descriptor_id: str, call: Call) -> dict[str, Any]:
    descriptor = DescriptorStore.of(call.sandbox).find(descriptor_id)
    if descriptor is None:
        raise SchemaError(
            404, "1012", "Resource Not Found", f"Requested resource {descriptor_id} is not found"
        )
    return descriptor


def _stored(descriptor_id: str, body: Any, call: Call) -> dict[str, Any]:
    """Return a descriptor as it is stored.

    :raises SchemaError: if the body is not well formed, or does not fit the schema or its other identities.
    """
    if not isinstance(body, dict) or body.get("@type") not in _TYPES:
        raise invalid(f"@type must be one of {', '.join(_TYPES)}")
    schemas = SchemaStore.of(call.sandbox)
    schema = schemas.find(body.get("xdm:sourceSchema"))
    if schema is None or schema["meta:resourceType"] != "schemas":
        raise invalid(f"xdm:sourceSchema {body.get('xdm:sourceSchema')} is not a schema of this sandbox")
    # The reference calls it a string, and has a number in every example.
    if body.get("xdm:sourceVersion") not in (1, "1"):
        raise invalid("xdm:sourceVersion must be 1, the major version of the schema")
    path = body.get("xdm:sourceProperty")
    if not isinstance(path, str) or not path.startswith("/") or path.endswith("/"):
        raise invalid("xdm:sourceProperty must begin with / and must not end with it")
    if not has_field(schemas.resolved(schema), path.removeprefix("/").replace("/", ".")):
        raise invalid(f"xdm:sourceProperty {path} is not a field of the schema")
    if body["@type"] == _IDENTITY:
        _check_identity(descriptor_id, body, schema["$id"], call)
    return {
        **body,
        "@id": descriptor_id,
        "xdm:sourceSchema": schema["$id"],
        "version": "1",
        "imsOrg": call.world.settings.credential.org_id,
        "meta:containerId": "tenant",
        "meta:sandboxId": call.sandbox.id,
    }


def _check_identity(descriptor_id: str, body: dict[str, Any], schema_id: str, call: Call) -> None:
    namespace, kind = body.get("xdm:namespace"), body.get("xdm:property")
    if not isinstance(namespace, str) or not namespace or kind not in ("xdm:code", "xdm:id"):
        raise invalid("An identity must have xdm:namespace, and xdm:property must be xdm:code or xdm:id")
    if (kind == "xdm:id") is not namespace.isdecimal():
        raise invalid(f"xdm:property {kind} does not fit the namespace {namespace}")
    if not isinstance(body.get("xdm:isPrimary", False), bool):
        raise invalid("xdm:isPrimary must be true or false")
    for other in DescriptorStore.of(call.sandbox).identities(schema_id):
        if other["@id"] == descriptor_id:
            continue
        if other["xdm:sourceProperty"] == body["xdm:sourceProperty"]:
            raise invalid(f"{body['xdm:sourceProperty']} already is an identity: {other['@id']}")
        if body.get("xdm:isPrimary") and other.get("xdm:isPrimary"):
            raise invalid(f"The schema already has a primary identity: {other['xdm:sourceProperty']}")
