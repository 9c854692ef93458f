"""Remote procedure calls of Schema Registry (``/rpc``): export and import, sample data, the log of changes.

They need no Accept header. What sample data consists of is a guess where Adobe's example has no such field.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import jsonpatch
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.exchange import notes_of
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.schemas.descriptors import BASE_PATH
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError, not_found
from airflow_provider_flowservice.emulator.schemas.forms import Form
from airflow_provider_flowservice.emulator.schemas.references import Schema, references
from airflow_provider_flowservice.emulator.schemas.store import (
    EDITABLE,
    NAMESPACE,
    TENANT,
    SchemaStore,
    owner_of,
)

router = APIRouter(prefix=f"{BASE_PATH}/rpc")

_IMPORT_FAILED = "3005"
_TENANT_FIELD = re.compile(rf"(?<![0-9A-Za-z])_{TENANT}(?![0-9A-Za-z])")
_PLACEHOLDER = "<XDM_TENANTID_PLACEHOLDER>"
#: What an export leaves out: what it belongs to is decided by the import.
_LEFT_OUT = ("imsOrg", "meta:containerId", "meta:tenantNamespace", "meta:registryMetadata")
_BY_FORMAT = {
    "date-time": "2004-10-23T12:00:00-06:00",
    "date": "2018-01-12",
    "uri": "https://ns.adobe.com/xdm/common/uri",
    "uri-reference": "/uri-reference",
}
_BY_TYPE: dict[str, Any] = {"string": "string", "boolean": False, "integer": 4862, "number": 29.25}


@router.get("/export/{resource_id:path}")
async def export_resource(resource_id: str, call: AuthorizedCall) -> Response:
    """Return a resource of the tenant behind everything of the tenant that it refers to."""
    store = SchemaStore.of(call.sandbox)
    found = _with_dependencies(_find(resource_id, call), store)
    kept = [_without(each, _LEFT_OUT) for each in found]
    text = json.dumps(kept).replace(NAMESPACE, f"https://ns.adobe.com/{_PLACEHOLDER}/")
    return JSONResponse(json.loads(_TENANT_FIELD.sub(f"_{_PLACEHOLDER}", text)))


# The guide has the first path; Adobe's own client sends imports to the second one.
@router.post("/import")
@router.post("/export")
async def import_resources(call: AuthorizedCall) -> Response:
    """Create what an export consists of, with its ids; all of it, or nothing."""
    body = await call.json([{"meta:resourceType": str, "$id": str, "title": str}], _failed)
    if body is None:
        raise _failed("A list of resources is expected")
    resources = json.loads(json.dumps(body).replace(_PLACEHOLDER, TENANT))
    store = SchemaStore.of(call.sandbox)
    made: list[Schema] = []
    try:
        for each in resources:
            kind, name = _place(each, store)
            made.append(store.create(kind, each, owner_of(call), name=name))
    except SchemaError as error:
        for each in made:
            store.delete(each)
        raise error if error.number == _IMPORT_FAILED else _failed(error.message) from error
    return JSONResponse(made)


@router.get("/sampledata/{schema_id:path}")
async def sample_data(schema_id: str, call: AuthorizedCall) -> Response:
    """Return a record that a schema accepts, with the names of standard XDM, as in Adobe's examples."""
    schema = _find(schema_id, call)
    if schema["meta:resourceType"] not in ("schemas", "unions"):
        raise not_found(f"{schema_id} with version 1")
    full = SchemaStore.of(call.sandbox).resolved(schema)
    return JSONResponse(_sample(Form(standard=True).shown(full, (), call.world.switches)))


@router.get("/auditlog/{resource_id:path}")
async def audit_log(resource_id: str, call: AuthorizedCall) -> Response:
    """List the changes of a resource, the most recent one first; its creation is none."""
    history = SchemaStore.of(call.sandbox).history(_find(resource_id, call))
    changes = [_audited(before, after, call) for before, after in pairwise(history)]
    return JSONResponse(changes[::-1])


def _failed(reason: str) -> SchemaError:
    message = f"Failed to import resources. Error: {reason}"
    return SchemaError(400, _IMPORT_FAILED, "Import Resource Failed", message)


def _without(resource: Schema, names: tuple[str, ...]) -> Schema:
    return {name: value for name, value in resource.items() if name not in names}


def _find(resource_id: str, call: Call) -> Schema:
    resource = SchemaStore.of(call.sandbox).find(resource_id)
    if resource is None:
        raise not_found(f"{resource_id} with version 1")
    return resource


def _with_dependencies(resource: Schema, store: SchemaStore) -> list[Schema]:
    """Return a resource and everything of the tenant that it refers to, each behind what it needs itself."""
    ordered: dict[str, Schema] = {}
    begun = {resource["$id"]}
    stack = [(resource, references(resource))]
    while stack:
        current, remaining = stack[-1]
        reference = next(remaining, None)
        if reference is None:
            ordered[current["$id"]] = current
            stack.pop()
            continue
        referred = store.find(reference.partition("#")[0])
        if referred and referred["meta:containerId"] == "tenant" and referred["$id"] not in begun:
            begun.add(referred["$id"])
            stack.append((referred, references(referred)))
    return list(ordered.values())


def _place(resource: Schema, store: SchemaStore) -> tuple[str, str]:
    """Return the kind and the name under which an imported resource is created."""
    kind, resource_id = resource.get("meta:resourceType", ""), resource.get("$id", "")
    prefix, _, name = resource_id.rpartition("/")
    if kind not in EDITABLE.values() or prefix != f"{NAMESPACE}{kind}" or not name:
        raise _failed(f"$id {resource_id} and meta:resourceType {kind} do not fit each other")
    if store.find(resource_id):
        raise _failed(f"$id must be unique. An object {resource_id} already exists")
    for other in store.all("tenant", kind):
        if other["title"] == resource.get("title"):
            raise _failed(
                f"Title must be unique. An object {other['$id']} already exists with the same title"
            )
    return kind, name


def _sample(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return "string"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if schema.get("properties"):
        return {name: _sample(field) for name, field in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_sample(schema.get("items"))]
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return {"key": _sample(inner)} if isinstance(inner, dict) else {}
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    kind = schema.get("type")
    return _BY_TYPE.get(kind, "string") if isinstance(kind, str) else "string"


def _audited(before: Schema, after: Schema, call: Call) -> dict[str, Any]:
    own = ("version", "meta:registryMetadata")
    operations = jsonpatch.make_patch(_without(before, own), _without(after, own))
    credential = call.world.settings.credential
    changed_at = after["meta:registryMetadata"]["repo:lastModifiedDate"] / 1000
    return {
        "id": after["$id"],
        "updates": [
            {
                "id": after["$id"],
                "xdmType": after["meta:resourceType"],
                "action": operation["op"],
                "path": operation["path"],
                **({"value": operation["value"]} if "value" in operation else {}),
            }
            for operation in operations
        ],
        "updatedUser": credential.technical_account,
        "imsOrg": credential.org_id,
        "updatedTime": datetime.fromtimestamp(changed_at, UTC).strftime("%m-%d-%Y %H:%M:%S"),
        "clientId": credential.client_id,
        "sandBoxId": call.sandbox.id,
        "requestId": notes_of(call.request).request_id,
    }
