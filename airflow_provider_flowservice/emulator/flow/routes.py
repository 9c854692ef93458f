"""Endpoints of Flow Service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.errors import PlatformError
from airflow_provider_flowservice.emulator.exchange import marks_of
from airflow_provider_flowservice.emulator.flow import deletion, validation
from airflow_provider_flowservice.emulator.flow.actions import perform
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, FLOW_SPECS, HTTP_API
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, not_found
from airflow_provider_flowservice.emulator.flow.flow_checks import exports_files
from airflow_provider_flowservice.emulator.flow.listing import MAX_LIMIT, ListQuery, answer
from airflow_provider_flowservice.emulator.flow.patching import check_if_match, patched, read_operations
from airflow_provider_flowservice.emulator.flow.render import credential_names, renderer_for
from airflow_provider_flowservice.emulator.flow.runs import bring_up_to_date
from airflow_provider_flowservice.emulator.flow.schedules import check_start_kept
from airflow_provider_flowservice.emulator.flow.selectors import stamp_segments
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.gateway import Authorised, Call
from airflow_provider_flowservice.emulator.masking import MASK

BASE_PATH = "/data/foundation/flowservice"
router = APIRouter(prefix=BASE_PATH)

_CATALOGUES: dict[str, dict[str, Any]] = {"connectionSpecs": CONNECTION_SPECS, "flowSpecs": FLOW_SPECS}


@router.get("/{collection}")
async def list_items(collection: str, call: Authorised) -> Response:
    """List a collection, most recent first. Spec catalogues come whole unless a limit is given."""
    query = ListQuery.parse(call.request.query_params, call.world.switches)
    if collection in _CATALOGUES:
        items = [spec.as_json() for spec in _CATALOGUES[collection].values()]
        if "limit" not in call.request.query_params:
            query = query.with_limit(max(len(items), MAX_LIMIT))
    else:
        items = _listed(_kind(collection), call)
    return JSONResponse(answer(f"/{collection}", items, query, call.world.switches))


@router.get("/{collection}/{item_id}")
async def get_item(collection: str, item_id: str, call: Authorised) -> Response:
    """Read one resource or spec, wrapped in a list of items."""
    if collection in _CATALOGUES:
        spec = _CATALOGUES[collection].get(item_id)
        if spec is None:
            raise not_found(collection, item_id)
        return JSONResponse({"items": [spec.as_json()]})
    resource = FlowStore.of(call.sandbox).get(_kind(collection), item_id)
    return JSONResponse({"items": [renderer_for(call).item(resource)]})


@router.post("/{collection}")
async def create(collection: str, call: Authorised) -> Response:
    """Create a connection or a flow; ``?mode=draft`` leaves it a draft."""
    kind = _editable(collection)
    draft = _draft_mode(call)
    ignore_legacy = call.world.switches.legacy_base_connection == "ignore"
    body = validation.accepted_body(await call.json(), ignore_legacy=ignore_legacy)
    store = FlowStore.of(call.sandbox)
    validation.check(kind, body, call.sandbox, draft=draft)
    _stamp({}, body, call)
    resource = store.create(kind, body, State.DRAFT if draft else State.ENABLED)
    if kind is Kind.CONNECTIONS and body["connectionSpec"]["id"] == HTTP_API:
        store.open_inlet(resource)
    location = f"{call.base_url}{BASE_PATH}/{collection}/{resource.id}"
    return JSONResponse(resource.receipt, 201, {"Location": location})


@router.patch("/{collection}/{item_id}")
async def patch(collection: str, item_id: str, call: Authorised) -> Response:
    """Apply a JSON Patch, guarded by If-Match."""
    kind = _editable(collection)
    operations = read_operations(await call.json())
    store = FlowStore.of(call.sandbox)
    resource = store.get(kind, item_id)
    check_if_match(call.request.headers.get("if-match"), resource, required=True)
    body = patched(resource.body, operations)
    _check_specs_kept(resource, body)
    validation.check(kind, body, call.sandbox, draft=resource.state is State.DRAFT)
    check_start_kept(resource.body.get("scheduleParams"), body.get("scheduleParams"), call.world.clock.now())
    _stamp(resource.body, body, call)
    if not _changes_nothing(kind, call):
        resource.body = body
        store.touch(resource)
        if call.world.switches.finalisation_seconds:
            call.world.timers.add(call.world.switches.finalisation_seconds, lambda: store.finalise(resource))
    if call.world.switches.patch_answer == "202":
        return Response(status_code=202)
    return JSONResponse(resource.receipt)


@router.delete("/{collection}/{item_id}")
async def delete(collection: str, item_id: str, call: Authorised) -> Response:
    """Delete a connection or a flow that nothing refers to."""
    store = FlowStore.of(call.sandbox)
    resource = store.get(_editable(collection), item_id)
    status = deletion.answer_status(resource, call.world.switches)
    deletion.delete(store, resource)
    return Response(status_code=status)


@router.post("/{collection}/{item_id}/action")
async def act(collection: str, item_id: str, call: Authorised) -> Response:
    """Enable, disable or publish. If-Match is checked when it is sent."""
    store = FlowStore.of(call.sandbox)
    resource = store.get(_editable(collection), item_id)
    check_if_match(call.request.headers.get("if-match"), resource, required=False)
    perform(call.sandbox, resource, call.request.query_params.get("op", ""))
    return JSONResponse(resource.receipt)


@router.get("/connections/{item_id}/test")
async def test_connection(item_id: str, call: Authorised) -> Response:
    """Tell whether a base connection works: it does, unless a mask was written back as its credential."""
    resource = FlowStore.of(call.sandbox).get(Kind.CONNECTIONS, item_id)
    auth = resource.body.get("auth")
    broken = auth is not None and any(
        auth["params"].get(name) == MASK for name in credential_names(resource.body)
    )
    return JSONResponse({"result": not broken})


def _kind(collection: str) -> Kind:
    try:
        return Kind(collection)
    except ValueError:
        raise PlatformError(404, "NotFoundError", f"There is no collection {collection}.") from None


def _editable(collection: str) -> Kind:
    kind = _kind(collection)
    if kind is Kind.RUNS:
        raise FlowError(FlowCode.RUN_NOT_PERMITTED, "This operation is not permitted on runs.")
    return kind


def _draft_mode(call: Call) -> bool:
    unknown = sorted(set(call.request.query_params) - {"mode"})
    if unknown:
        raise FlowError(FlowCode.UNKNOWN_PARAMETER, f"Unknown query parameter {unknown[0]}.")
    mode = call.request.query_params.get("mode", "")
    if mode not in ("", "draft"):
        raise FlowError(FlowCode.UNKNOWN_PARAMETER, f"Unknown mode {mode}.")
    return mode == "draft"


def _listed(kind: Kind, call: Call) -> list[dict[str, Any]]:
    if kind is Kind.RUNS:
        bring_up_to_date(call.world, call.sandbox)
    renderer = renderer_for(call)
    resources = sorted(
        FlowStore.of(call.sandbox).all(kind), key=lambda each: (each.created_at, each.order), reverse=True
    )
    return [renderer.item(resource) for resource in resources if call.world.is_listed(resource.id)]


def _check_specs_kept(resource: Resource, body: dict[str, Any]) -> None:
    for field in ("connectionSpec", "flowSpec"):
        if body.get(field) != resource.body.get(field):
            raise FlowError(FlowCode.SPEC_UNCHANGEABLE, f"The field {field} cannot be changed.")


def _changes_nothing(kind: Kind, call: Call) -> bool:
    silent = call.world.switches.silent_patch and kind is Kind.FLOWS
    return silent or marks_of(call.request).patch_changes_nothing


def _stamp(old: dict[str, Any], new: dict[str, Any], call: Call) -> None:
    if exports_files(new, call.sandbox):
        stamp_segments(old, new, call.world.clock.now())
