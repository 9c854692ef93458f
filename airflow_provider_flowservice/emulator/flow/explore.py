"""What a connection leads to: files, tables and columns, and the datasets that can be exported.

The forms are documented, of landing zones and file storages with most detail. What there is, is made up: the same few
files in each storage, and the same tables in each database. The errors are guesses.
"""

from __future__ import annotations

import sys
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.catalog.routes import shown
from airflow_provider_flowservice.emulator.catalog.store import DatasetStore
from airflow_provider_flowservice.emulator.flow.catalogue import (
    CONNECTION_SPECS,
    EVENT_HUBS,
    KINESIS,
    LANDING_ZONE,
    LANDING_ZONES,
    PUB_SUB,
)
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, invalid, not_found
from airflow_provider_flowservice.emulator.flow.landing_zone import CONTAINERS
from airflow_provider_flowservice.emulator.flow.queries import MAX_LIMIT, number
from airflow_provider_flowservice.emulator.flow.reads import BASE_PATH
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call

router = APIRouter(prefix=BASE_PATH)

_COLUMNS = ("id", "firstName", "lastName", "email")
_ROWS = (
    ("1", "Ada", "Byron", "ada.byron@example.com"),
    ("2", "Alan", "Mathison", "alan.mathison@example.com"),
)
#: Files by their path below the root, with their formats.
_FILES = {"customers.csv": "delimited", "profiles.json": "json", "daily/orders.csv": "delimited"}
_STREAMS = frozenset({KINESIS, EVENT_HUBS, PUB_SUB})
_TABLES = ("crm.contacts", "crm.orders")
_DEFAULT_DATASETS = 20


@router.get("/connections/{item_id}/explore")
async def explore_connection(item_id: str, call: AuthorizedCall) -> Response:
    """List what a base connection leads to, or show the structure of one file or table."""
    connection = FlowStore.of(call.sandbox).get(Kind.CONNECTIONS, item_id)
    return _explore(CONNECTION_SPECS[connection.body["connectionSpec"]["id"]], call)


@router.get("/connectionSpecs/{spec_id}/explore")
async def explore_spec(spec_id: str, call: AuthorizedCall) -> Response:
    """List what is in the landing zone, which needs no base connection."""
    spec = _find_spec(spec_id, call)
    if spec.id not in LANDING_ZONES:
        raise invalid(f"The connection spec {spec.id} can be explored only through a connection.")
    return _explore(spec, call)


@router.get("/connections/{item_id}/configs")
async def configs_of_connection(item_id: str, call: AuthorizedCall) -> Response:
    """List the columns behind a base connection."""
    FlowStore.of(call.sandbox).get(Kind.CONNECTIONS, item_id)
    return _column_types()


@router.get("/connectionSpecs/{spec_id}/configs")
async def configs_of_spec(spec_id: str, call: AuthorizedCall) -> Response:
    """List the datasets that can be exported, or columns unless ``outputType`` asks for these datasets."""
    _find_spec(spec_id, call)
    params = call.request.query_params
    output = params.get("outputType"), params.get("outputField")
    if output == (None, None):
        return _column_types()
    if output != ("activationDatasets", "datasets"):
        raise invalid("outputType must be activationDatasets, and outputField must be datasets.")
    start = number("start", params.get("start"), 0, 0, sys.maxsize)
    limit = number("limit", params.get("limit"), _DEFAULT_DATASETS, 1, MAX_LIMIT)
    datasets = [each for each in DatasetStore.of(call.sandbox).all() if call.world.is_listed(each.id)]
    items = [{"id": each.id, **shown(each, call)} for each in datasets[start : start + limit]]
    end = start + len(items)
    info = {"start": start, "end": end, "total": len(datasets), "hasNext": end < len(datasets)}
    return JSONResponse({"items": items, "pageInfo": info})


def _find_spec(spec_id: str, call: Call) -> ConnectionSpec:
    spec = CONNECTION_SPECS.find(spec_id, call.world.switches)
    if spec is None:
        raise not_found("connectionSpecs", spec_id)
    return spec


def _column_types() -> Response:
    return JSONResponse({"items": [{"columnName": name, "columnType": "string"} for name in _COLUMNS]})


def _explore(spec: ConnectionSpec, call: Call) -> Response:
    if spec.category == "Databases":
        return _explore_database(call)
    if spec.category != "Cloud Storage" or spec.id in _STREAMS:
        raise invalid(f"Connections of the spec {spec.id} ({spec.name}) cannot be explored.")
    if spec.id not in LANDING_ZONES:
        return _explore_files("", call)
    # Paths in a landing zone begin with its container, all others with a slash.
    return _explore_files(
        CONTAINERS["user_drop_zone" if spec.id == LANDING_ZONE else "dlz_destination"], call
    )


def _explore_files(container: str, call: Call) -> Response:
    params = call.request.query_params
    asked, wanted = params.get("objectType", "root").lower(), params.get("object", "")
    inside = wanted.removeprefix(container).strip("/")
    if asked == "root" or (asked == "folder" and not inside):
        return JSONResponse(_children("", container))
    if asked == "folder":
        found = _children(f"{inside}/", container)
        if not found:
            raise _no_such(wanted)
        return JSONResponse(found)
    if asked != "file":
        raise invalid("objectType must be root, folder or file.")
    if inside not in _FILES:
        raise _no_such(wanted)
    return JSONResponse(_file_structure(inside, call))


def _children(folder: str, container: str) -> list[dict[str, Any]]:
    """Return the files and folders right below a folder, which ends in a slash unless it is the root."""
    below = [path.removeprefix(folder) for path in _FILES if path.startswith(folder)]
    names = dict.fromkeys(path.partition("/")[0] + ("/" if "/" in path else "") for path in below)
    return [_object(name, f"{container}/{folder}{name}") for name in names]


def _object(name: str, path: str) -> dict[str, Any]:
    kind = "folder" if path.endswith("/") else "file"
    has_schema = kind == "file"
    return {
        "type": kind,
        "name": name.rstrip("/"),
        "path": path,
        "canPreview": has_schema,
        "canFetchSchema": has_schema,
    }


def _file_structure(path: str, call: Call) -> dict[str, Any]:
    params = call.request.query_params
    determines = params.get("determineProperties", "").lower() == "true"
    # The API reference writes the second one, the guides the first.
    if determines and ("fileType" in params or "FileType" in params):
        raise invalid("determineProperties cannot be combined with fileType.")
    is_json = _FILES[path] == "json"
    structure = _structure("hierarchical" if is_json else "flat", call)
    if not determines:
        return structure
    delimiter = {} if is_json else {"columnDelimiter": ","}
    return {"properties": {"fileType": _FILES[path], **delimiter}, **structure}


def _explore_database(call: Call) -> Response:
    params = call.request.query_params
    asked = params.get("objectType", "root").lower()
    if asked == "root":
        table = {"type": "table", "canPreview": True, "canFetchSchema": True}
        return JSONResponse([{**table, "name": name, "path": name} for name in _TABLES])
    if asked != "table":
        raise invalid("objectType must be root or table.")
    if params.get("object") not in _TABLES:
        raise _no_such(params.get("object", ""))
    return JSONResponse(_structure("flat", call))


def _structure(form: str, call: Call) -> dict[str, Any]:
    """Return the columns, and rows as well if a preview is asked for."""
    columns = [{"name": name, "type": "string", "xdm": {"type": "string"}} for name in _COLUMNS]
    structure: dict[str, Any] = {"format": form, "schema": {"columns": columns}}
    if call.request.query_params.get("preview", "").lower() == "true":
        structure["data"] = [dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS]
    return structure


def _no_such(path: str) -> FlowError:
    return FlowError(FlowCode.RESOURCE_NOT_FOUND, f"There is no object {path!r}.")
