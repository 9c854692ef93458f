"""Descriptors of Schema Registry, which say more about the fields of a schema.

Adobe's pages have the fields and the media types, and that a schema has one primary identity at most. How Schema
Registry refuses what is wrong is a guess. Of the members that belong to one type alone, those of identities and the
other schema of a relationship are checked.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.schemas import query
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError, invalid, not_found
from airflow_provider_flowservice.emulator.schemas.forms import DEPRECATED
from airflow_provider_flowservice.emulator.schemas.references import Schema
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore, container_named, has_field
from airflow_provider_flowservice.emulator.world import Store, World

BASE_PATH = "/data/foundation/schemaregistry"
router = APIRouter(prefix=BASE_PATH)

_IDENTITY = "xdm:descriptorIdentity"
_RELATIONSHIPS = ("xdm:descriptorOneToOne", "xdm:descriptorRelationship")
_PRIMARY_KEY = "xdm:descriptorPrimaryKey"
_GRANULARITY = "xdm:descriptorTimeSeriesGranularity"
#: The guide has no version of the schema for these.
_WITHOUT_VERSION = (_PRIMARY_KEY, "xdm:descriptorVersion", "xdm:descriptorTimestamp")
# The last two are known from Adobe's own client, like that the granularity has no field.
_TYPES = (
    _IDENTITY,
    "xdm:alternateDisplayInfo",
    "xdm:descriptorReferenceIdentity",
    *_RELATIONSHIPS,
    *_WITHOUT_VERSION,
    DEPRECATED,
    "xdm:descriptorLabel",
    _GRANULARITY,
)
# The reference calls the version a string, and has a number in every example.
_DESCRIPTOR = {
    "@type": str,
    "xdm:sourceSchema": str,
    "xdm:sourceVersion": (int, str),
    "xdm:sourceProperty": (str, [str]),
    "xdm:destinationSchema": str,
    "xdm:namespace": str,
    "xdm:property": str,
    "xdm:isPrimary": bool,
}
_ACCEPT = re.compile(r"application/vnd\.adobe\.xdm(?P<paged>-v2)?(-(?P<form>id|link))?\+json")
_LOOKUP = "application/vnd.adobe.xdm+json"
_PATH = "/{container}/descriptors/{descriptor_id}"


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
        for descriptor in self.of_schema(schema_id):
            self.delete(descriptor["@id"])

    def of_schema(self, schema_id: str) -> list[dict[str, Any]]:
        """Return the descriptors of a schema, oldest first."""
        return [each for each in self.all() if each["xdm:sourceSchema"] == schema_id]

    def identities(self, schema_id: str) -> list[dict[str, Any]]:
        """Return the identities of a schema."""
        return [each for each in self.of_schema(schema_id) if each["@type"] == _IDENTITY]

    def primary_identity(self, schema_id: str) -> dict[str, Any] | None:
        """Return the primary identity of a schema, or None."""
        return next((each for each in self.identities(schema_id) if each.get("xdm:isPrimary")), None)


@router.get("/{container}/descriptors")
async def list_descriptors(container: str, call: AuthorizedCall) -> Response:
    """List descriptors by type, of which one without any is left out; the forms ``-v2`` list them page by page."""
    accept = call.request.headers.get("accept", "").strip()
    found = _ACCEPT.fullmatch(accept)
    if found is None:
        raise _accept_error("1008", accept)
    parameters = call.request.query_params
    is_tenant = container_named(container) == "tenant"
    page = query.page(
        DescriptorStore.of(call.sandbox).all() if is_tenant else (),
        parameters,
        call.world.switches,
        most=query.PAGE_LIMIT if found["paged"] else sys.maxsize,
    )
    if found["paged"]:
        url = f"{call.base_url}{call.request.url.path}"
        return JSONResponse(
            page.as_json(url, parameters, [_shown(each, found["form"]) for each in page.items])
        )
    groups: dict[str, list[Any]] = {}
    for descriptor in page.items:
        groups.setdefault(descriptor["@type"], []).append(_shown(descriptor, found["form"]))
    return JSONResponse(groups)


@router.get(_PATH)
async def get_descriptor(container: str, descriptor_id: str, call: AuthorizedCall) -> Response:
    """Look a descriptor up by its ``@id``.

    The guide says that no Accept header is needed, and the reference refuses those of other resources.
    """
    accept = call.request.headers.get("accept", "").strip()
    if "vnd.adobe" in accept and accept != _LOOKUP:
        raise _accept_error("1009", accept)
    if container_named(container) != "tenant":
        raise not_found(descriptor_id)
    return JSONResponse(_find(descriptor_id, call))


@router.post("/tenant/descriptors")
async def create_descriptor(call: AuthorizedCall) -> Response:
    """Create a descriptor; the response has all of it."""
    descriptor = _stored(secrets.token_hex(20), await call.json(_DESCRIPTOR, invalid), call)
    DescriptorStore.of(call.sandbox).put(descriptor)
    return JSONResponse(descriptor, 201)


@router.put("/tenant/descriptors/{descriptor_id}")
async def replace_descriptor(descriptor_id: str, call: AuthorizedCall) -> Response:
    """Replace a descriptor; the pages document 201 and the ``@id`` as the response."""
    _find(descriptor_id, call)
    DescriptorStore.of(call.sandbox).put(_stored(descriptor_id, await call.json(_DESCRIPTOR, invalid), call))
    return JSONResponse({"@id": descriptor_id}, 201)


@router.delete("/tenant/descriptors/{descriptor_id}")
async def delete_descriptor(descriptor_id: str, call: AuthorizedCall) -> Response:
    """Delete a descriptor."""
    _find(descriptor_id, call)
    DescriptorStore.of(call.sandbox).delete(descriptor_id)
    return Response(status_code=204)


def _accept_error(number: str, accept: str) -> SchemaError:
    message = f"The supplied Accept header is not valid: {accept} ({_LOOKUP} is)"
    return SchemaError(400, number, "Accept header invalid", message)


def _shown(descriptor: Mapping[str, Any], form: str | None) -> Any:
    if form == "id":
        return descriptor["@id"]
    return f"/tenant/descriptors/{descriptor['@id']}" if form == "link" else descriptor


def _find(descriptor_id: str, call: Call) -> dict[str, Any]:
    descriptor = DescriptorStore.of(call.sandbox).find(descriptor_id)
    if descriptor is None:
        raise not_found(descriptor_id)
    return descriptor


def _stored(descriptor_id: str, body: Any, call: Call) -> dict[str, Any]:
    """Return a descriptor as it is stored.

    :raises SchemaError: if the body is not well formed, or does not fit the schema or its other identities.
    """
    if not body or body.get("@type") not in _TYPES:
        raise invalid(f"@type must be one of {', '.join(_TYPES)}")
    schema = _schema("xdm:sourceSchema", body, call)
    kind = body["@type"]
    if body.get("xdm:sourceVersion", 1 if kind in _WITHOUT_VERSION else None) not in (1, "1"):
        raise invalid("xdm:sourceVersion must be 1, the major version of the schema")
    if kind != _GRANULARITY:
        _check_fields(body.get("xdm:sourceProperty"), kind, schema, call)
    if kind == _IDENTITY:
        _check_identity(descriptor_id, body, schema["$id"], call)
    if kind in _RELATIONSHIPS:
        _schema("xdm:destinationSchema", body, call)
    now, credential = call.world.clock.now_ms(), call.world.settings.credential
    held = DescriptorStore.of(call.sandbox).find(descriptor_id) or {}
    return {
        **body,
        "@id": descriptor_id,
        "xdm:sourceSchema": schema["$id"],
        "version": "1",
        "imsOrg": credential.org_id,
        "created": held.get("created", now),
        "updated": now,
        "createdUser": credential.technical_account,
        "updatedUser": credential.technical_account,
        "createdClient": credential.client_id,
        "meta:containerId": "tenant",
        "meta:sandboxId": call.sandbox.id,
    }


def _schema(member: str, body: dict[str, Any], call: Call) -> Schema:
    schema = SchemaStore.of(call.sandbox).find(body.get(member))
    if schema is None or schema["meta:resourceType"] != "schemas":
        raise invalid(f"{member} {body.get(member)} is not a schema of this sandbox")
    return schema


def _check_fields(value: Any, kind: str, schema: Schema, call: Call) -> None:
    paths = value if kind == _PRIMARY_KEY and isinstance(value, list) and value else [value]
    full = SchemaStore.of(call.sandbox).resolved(schema)
    for path in paths:
        if not isinstance(path, str) or not path.startswith("/") or path.endswith("/"):
            raise invalid("xdm:sourceProperty must begin with / and must not end with it")
        # One of the guide's examples has the name in standard XDM.
        if not has_field(full, path.removeprefix("/").replace("xdm:", "").replace("/", ".")):
            raise invalid(f"xdm:sourceProperty {path} is not a field of the schema")


def _check_identity(descriptor_id: str, body: dict[str, Any], schema_id: str, call: Call) -> None:
    namespace, kind = body.get("xdm:namespace"), body.get("xdm:property")
    if not namespace or kind not in ("xdm:code", "xdm:id"):
        raise invalid("An identity must have xdm:namespace, and xdm:property must be xdm:code or xdm:id")
    if (kind == "xdm:id") is not namespace.isdecimal():
        raise invalid(f"xdm:property {kind} does not fit the namespace {namespace}")
    for other in DescriptorStore.of(call.sandbox).identities(schema_id):
        if other["@id"] == descriptor_id:
            continue
        if other["xdm:sourceProperty"] == body["xdm:sourceProperty"]:
            raise invalid(f"{body['xdm:sourceProperty']} already is an identity: {other['@id']}")
        if body.get("xdm:isPrimary") and other.get("xdm:isPrimary"):
            raise invalid(f"The schema already has a primary identity: {other['xdm:sourceProperty']}")
