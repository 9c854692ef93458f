"""Endpoints of Data Prep: mapping sets, their validation and a preview."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.dataprep.mapping import Mapping, apply_mappings, explain
from airflow_provider_flowservice.emulator.dataprep.store import MappingSet, MappingSetVersion, MappingStore
from airflow_provider_flowservice.emulator.errors import PlatformError, bad_request
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore, has_field

router = APIRouter(prefix="/data/foundation/conversion")

_MAPPING_SET = {
    "name": (str, None),
    "description": (str, None),
    "version": (int, None),
    "xdmSchema": (str, None),
    "xdmVersion": (str, None),
    "outputSchema": (
        {
            "id": str,
            "schemaRef": ({"id": str, "contentType": str}, None),
            "jsonSchema": {"type": str, "properties": dict},
        },
        None,
    ),
    "mappings": [
        {
            "sourceType": str,
            "source": (str, None),
            "sourceAttribute": (str, None),
            "destination": (str, None),
            "destinationXdmPath": (str, None),
        }
    ],
}


@router.post("/schemas")
async def create_schema(call: AuthorizedCall) -> Response:
    """Store a schema for the mapping sets of a destination."""
    body = _object(await call.json(dict))
    return JSONResponse({"id": MappingStore.of(call.sandbox).create_schema(body), "version": 0})


@router.post("/mappingSets")
async def create(call: AuthorizedCall) -> Response:
    """Create a mapping set. What ``/validate`` finds is refused here with 400; that body is a guess."""
    version = _version(await call.json(_MAPPING_SET), call)
    return JSONResponse(_receipt(MappingStore.of(call.sandbox).create(version), call))


@router.get("/mappingSets")
async def list_mapping_sets(call: AuthorizedCall) -> Response:
    """List mapping sets. The reference requires ``start`` and ``limit``; Adobe's own client sends no ``start``."""
    params = call.request.query_params
    start, limit = (_number(call, name, default) for name, default in (("start", 0), ("limit", 10)))
    listed = [each for each in MappingStore.of(call.sandbox).all() if call.world.is_listed(each.id)]
    if "name" in params:
        listed = [each for each in listed if each.versions[-1].body.get("name") == params["name"]]
    found = listed[start : start + limit]
    return JSONResponse(
        {
            "data": [_shown(each, each.versions[-1], call) for each in found],
            "_page": {"count": len(found), "limit": limit},
            "_links": {},
        }
    )


@router.post("/mappingSets/validate")
async def validate(call: AuthorizedCall) -> Response:
    """Check each mapping against the output schema; the status is 200 whatever it finds."""
    body = _object(await call.json(_MAPPING_SET))
    target = _target(body, call)
    responses = [_validation(each, target) for each in _mappings(body)]
    return JSONResponse({"validationResponse": responses})


@router.post("/mappingSets/preview")
async def preview(call: AuthorizedCall) -> Response:
    """Map sample data: a record, or the first record of a list."""
    body = _object(await call.json({"mappingSet": _MAPPING_SET, "data": (dict, [dict])}))
    version = _version(body.get("mappingSet"), call)
    data = body.get("data")
    record = data[0] if isinstance(data, list) and data else data
    mapped, errors = apply_mappings(version.mappings, _object(record))
    return JSONResponse({"data": mapped, "errors": errors})


@router.get("/mappingSets/{mapping_id}")
async def get_mapping_set(mapping_id: str, call: AuthorizedCall) -> Response:
    """Read a mapping set, its latest version or the one in ``?version=``."""
    mapping_set = _find(mapping_id, call)
    return JSONResponse(_shown(mapping_set, _wanted_version(mapping_set, call), call))


@router.put("/mappingSets/{mapping_id}")
async def put_mapping_set(mapping_id: str, call: AuthorizedCall) -> Response:
    """Store a new version of a mapping set."""
    mapping_set = _find(mapping_id, call)
    MappingStore.of(call.sandbox).add_version(mapping_set, _version(await call.json(_MAPPING_SET), call))
    return JSONResponse(_shown(mapping_set, mapping_set.versions[-1], call))


@router.get("/mappingSets/{mapping_id}/mappings")
async def list_mappings(mapping_id: str, call: AuthorizedCall) -> Response:
    """List the mappings of a set, under ``data``: a guess, based on the list of sets."""
    version = _wanted_version(_find(mapping_id, call), call)
    return JSONResponse({"data": [mapping.as_json() for mapping in version.mappings]})


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request("An object is expected")
    return value


def _version(body: Any, call: Call) -> MappingSetVersion:
    body = _object(body)
    target = _target(body, call)
    mappings = _mappings(body)
    errors = [error for each in mappings for error in _errors(each, target)]
    if errors:
        raise bad_request("; ".join(error["exception"] for error in errors))
    return MappingSetVersion(target.schema_id, tuple(mappings), body)


@dataclass(frozen=True)
class _Target:
    """What is mapped to.

    :param schema_id: the schema of the registry; empty for the columns of a destination.
    :param schema: the schema of the registry, with all its fields.
    :param columns: the columns; None if they are not checked.
    """

    schema_id: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    columns: frozenset[str] | None = None

    def refuses(self, destination: str) -> str | None:
        """Return why nothing can be mapped to a destination; None if something can."""
        if self.schema_id:
            found = has_field(self.schema, destination)
            return None if found else f"{destination} is not a field of the schema {self.schema_id}"
        # Documented for the mapping sets of destinations, whose columns are not XDM paths.
        if "." in destination:
            return f"{destination} must not have a dot"
        if self.columns is not None and destination not in self.columns:
            return f"{destination} is not a property of the output schema"
        return None


def _target(body: dict[str, Any], call: Call) -> _Target:
    """Return what is mapped to.

    Four forms are known: ``xdmSchema`` and ``outputSchema.schemaRef.id`` are a schema of the registry;
    ``outputSchema.id`` is a schema of Data Prep's own, and ``outputSchema.jsonSchema`` is one that is sent with the
    mappings. Adobe's sample maps to columns that a schema of Data Prep's own does not show, so these are not checked.
    That those of a schema that is sent with the mappings are checked is a guess.
    """
    output = body.get("outputSchema") or {}
    if MappingStore.of(call.sandbox).has_schema(output.get("id")):
        return _Target()
    if "jsonSchema" in output:
        return _Target(columns=_columns(output["jsonSchema"]))
    reference = output.get("schemaRef")
    schema_id = body.get("xdmSchema") if reference is None else reference.get("id")
    schema = SchemaStore.of(call.sandbox).find(schema_id)
    if schema is None:
        raise bad_request(f"The output schema {schema_id} is not found")
    return _Target(str(schema_id), SchemaStore.of(call.sandbox).resolved(schema))


def _columns(schema: dict[str, Any]) -> frozenset[str]:
    properties = schema.get("properties")
    if not properties:
        raise bad_request("outputSchema.jsonSchema must be an object with properties")
    if schema.get("type") != "object":
        raise bad_request("outputSchema.jsonSchema must have the type object")
    return frozenset(properties)


def _mappings(body: dict[str, Any]) -> list[Mapping]:
    entries = body.get("mappings")
    if not entries:
        raise bad_request("mappings must be a list that is not empty")
    try:
        return [Mapping.parse(entry) for entry in entries]
    except ValueError as error:
        raise bad_request(str(error)) from error


def _validation(mapping: Mapping, target: _Target) -> dict[str, Any]:
    errors = _errors(mapping, target)
    return {"status": "FAILED" if errors else "SUCCESS", "errors": errors or None}


def _errors(mapping: Mapping, target: _Target) -> list[dict[str, Any]]:
    problem = target.refuses(mapping.destination)
    return [explain(mapping, problem)] if problem else []


def _find(mapping_id: str, call: Call) -> MappingSet:
    mapping_set = MappingStore.of(call.sandbox).find(mapping_id)
    if mapping_set is None:
        raise PlatformError(404, "NotFoundError", f"Mapping set {mapping_id} is not found")
    return mapping_set


def _wanted_version(mapping_set: MappingSet, call: Call) -> MappingSetVersion:
    number = call.request.query_params.get("version")
    version = mapping_set.version(number)
    if version is None:
        raise PlatformError(404, "NotFoundError", f"Mapping set {mapping_set.id} has no version {number}")
    return version


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.query_params.get(name)
    if text is None and call.world.switches.mapping_set_paging == "optional":
        return default
    if text is None or not re.fullmatch(r"\d{1,9}", text):
        raise bad_request(f"{name} is required and must be a number")
    return int(text)


def _receipt(mapping_set: MappingSet, call: Call) -> dict[str, Any]:
    account = call.world.settings.credential.technical_account
    return {
        "id": mapping_set.id,
        "version": mapping_set.versions[-1].number,
        "createdDate": mapping_set.created_at,
        "modifiedDate": mapping_set.modified_at,
        "createdBy": account,
        "modifiedBy": account,
    }


def _shown(mapping_set: MappingSet, version: MappingSetVersion, call: Call) -> dict[str, Any]:
    return {
        **{name: value for name, value in version.body.items() if name not in ("mappings", "version")},
        **_receipt(mapping_set, call),
        "version": version.number,
        "mappings": [mapping.as_json() for mapping in version.mappings],
    }
