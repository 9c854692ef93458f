"""Endpoints of Catalog: datasets, and an empty list of batches."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.catalog.store import Dataset, DatasetStore, tagged_for_profile
from airflow_provider_flowservice.emulator.errors import PlatformError, bad_request
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.json_body import Values, check_shape
from airflow_provider_flowservice.emulator.patching import OPERATIONS, PatchError, apply_patch
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore, behavior_of
from airflow_provider_flowservice.emulator.schemas.unions import is_enabled

BASE_PATH = "/data/foundation/catalog"
router = APIRouter(prefix=BASE_PATH)

_DATASET = {
    "name": str,
    "description": (str, None),
    "schemaRef": {"id": str, "contentType": str},
    "tags": Values([str]),
}
_MAX_LIMIT = 100
_DEFAULT_LIMIT = 20
# Every dataset has this tag: Adobe's own client reads it.
_TABLE = "adobe/pqs/table"


@router.post("/dataSets")
async def create(call: AuthorizedCall) -> Response:
    """Create a dataset; the response is a list with one reference to it."""
    dataset = DatasetStore.of(call.sandbox).create(_checked(await call.json(dict), call))
    location = f"{call.base_url}{BASE_PATH}/dataSets/{dataset.id}"
    return JSONResponse([dataset.reference], 201, {"Location": location})


@router.get("/dataSets")
async def list_datasets(call: AuthorizedCall) -> Response:
    """List datasets as an object keyed by id. There is no link to a next page."""
    params = call.request.query_params
    found = [
        each
        for each in DatasetStore.of(call.sandbox).all()
        if call.world.is_listed(each.id) and _matches(each, call)
    ]
    for field, descending in reversed(_orders(params.get("orderBy", "desc:created"))):
        found.sort(key=lambda each: _key(each.as_json(_identity(call)).get(field)), reverse=descending)
    start = _number(params.get("start"), 0)
    limit = min(_number(params.get("limit"), _DEFAULT_LIMIT), _MAX_LIMIT)
    return JSONResponse({each.id: shown(each, call) for each in found[start : start + limit]})


@router.get("/dataSets/{dataset_id}")
async def get_dataset(dataset_id: str, call: AuthorizedCall) -> Response:
    """Read one dataset, keyed by its id."""
    dataset = _find(dataset_id, call)
    return JSONResponse({dataset.id: shown(dataset, call)})


@router.patch("/dataSets/{dataset_id}")
async def patch_dataset(dataset_id: str, call: AuthorizedCall) -> Response:
    """Change a dataset: a list is a JSON Patch, an object is merged at the top level."""
    dataset = _find(dataset_id, call)
    changes = await call.json((OPERATIONS, dict))
    if isinstance(changes, list):
        return _store(dataset, _patched(dataset.body, changes), call)
    if changes is None:
        raise bad_request("The body must be an object or a list")
    return _store(dataset, {**dataset.body, **changes}, call)


@router.patch("/v2/dataSets/{dataset_id}")
async def merge_dataset(dataset_id: str, call: AuthorizedCall) -> Response:
    """Change a dataset: objects are merged at every depth."""
    dataset = _find(dataset_id, call)
    changes = await call.json(dict)
    if changes is None:
        raise bad_request("The body must be an object")
    return _store(dataset, _merged(dataset.body, changes), call)


@router.put("/dataSets/{dataset_id}")
async def put_dataset(dataset_id: str, call: AuthorizedCall) -> Response:
    """Replace a dataset."""
    return _store(_find(dataset_id, call), await call.json(dict), call)


@router.delete("/dataSets/{dataset_id}")
async def delete_dataset(dataset_id: str, call: AuthorizedCall) -> Response:
    """Delete a dataset."""
    dataset = _find(dataset_id, call)
    DatasetStore.of(call.sandbox).delete(dataset)
    return JSONResponse([dataset.reference])


@router.get("/batches")
async def list_batches(call: AuthorizedCall) -> Response:  # noqa: ARG001
    """List batches: the emulator has none, because it writes no files for what is streamed."""
    return JSONResponse({})


def _store(dataset: Dataset, changed: Any, call: Call) -> Response:
    DatasetStore.of(call.sandbox).replace(dataset, _checked(changed, call))
    return JSONResponse([dataset.reference])


def _checked(body: Any, call: Call) -> dict[str, Any]:
    """Check a dataset, and complete it as AEP does. The wording and the status of these errors are guesses."""
    check_shape(body, (_DATASET, None))
    if not body or not body.get("name"):
        raise bad_request("name is required")
    reference = body.get("schemaRef", {})
    if not reference.get("id"):
        raise bad_request("schemaRef.id is required")
    schema = SchemaStore.of(call.sandbox).find(reference["id"])
    if schema is None:
        raise bad_request(f"schemaRef.id {reference['id']} is not found")
    tags = body.get("tags", {})
    if (
        tagged_for_profile(tags)
        and not is_enabled(schema)
        and call.world.switches.profile_without_union == "refuse"
    ):
        raise bad_request(
            f"The dataset cannot be enabled for Profile, because its schema {reference['id']} is not: add the tag"
            " union to meta:immutableTags of the schema (enable_for_profile=True of the schema operator)"
        )
    return {
        **body,
        "tags": {_TABLE: [_table(body["name"])], **tags},
        "classification": {"dataBehavior": behavior_of(schema), "managedBy": "CUSTOMER"},
    }


def _table(name: str) -> str:
    """Return the name of a dataset's table in Query Service; how AEP derives it from the dataset's is a guess."""
    return re.sub(r"\W+", "_", name).strip("_").lower()


def _merged(held: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    inner = {
        name: _merged(held[name], value)
        for name, value in changes.items()
        if isinstance(value, dict) and isinstance(held.get(name), dict)
    }
    return {**held, **changes, **inner}


def _patched(body: dict[str, Any], operations: list[Any]) -> Any:
    try:
        return apply_patch(body, operations)
    except PatchError as error:
        raise bad_request(f"The patch cannot be applied: {error}") from error


def _identity(call: Call) -> dict[str, str]:
    credential = call.world.settings.credential
    return {
        "imsOrg": credential.org_id,
        "sandboxId": call.sandbox.id,
        "createdClient": credential.client_id,
        "createdUser": credential.technical_account,
        "updatedUser": credential.technical_account,
    }


def _find(dataset_id: str, call: Call) -> Dataset:
    dataset = DatasetStore.of(call.sandbox).find(dataset_id)
    if dataset is None:
        raise PlatformError(404, "NotFoundError", "DataSet not found.")
    return dataset


def _matches(dataset: Dataset, call: Call) -> bool:
    params = call.request.query_params
    filters = {name: params[name] for name in ("name", "description") if name in params}
    for expression in params.getlist("property"):
        field, _, wanted = expression.partition("==")
        filters[field] = wanted
    item = dataset.as_json(_identity(call))
    return all(str(item.get(field)) == wanted for field, wanted in filters.items())


def _orders(text: str) -> list[tuple[str, bool]]:
    """Parse ``asc:created,updated`` into fields and directions: a direction holds until the next one."""
    orders, descending = [], False
    for part in text.split(","):
        direction, colon, field = part.partition(":")
        if colon:
            descending = direction == "desc"
        orders.append((field if colon else direction, descending))
    return orders


def _key(value: Any) -> tuple[int, Any]:
    """Return what a value is ordered by, whatever its type: first what is missing, then numbers, then texts."""
    if value is None:
        return 0, ""
    return (1, value) if isinstance(value, (int, float)) else (2, str(value))


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text):
        raise bad_request(f"{text!r} is not a number")
    return int(text)


def shown(dataset: Dataset, call: Call) -> dict[str, Any]:
    """Return a dataset as a response has it, or as much of it as the parameter ``properties`` names."""
    item = dataset.as_json(_identity(call))
    wanted = call.request.query_params.get("properties")
    return {name: item[name] for name in wanted.split(",") if name in item} if wanted else item
