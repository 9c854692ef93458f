"""Endpoints of Flow Service, except for lists and reads by id, which ``reads.py`` has."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.exchange import notes_of
from airflow_provider_flowservice.emulator.flow import changes, runs
from airflow_provider_flowservice.emulator.flow.checks import accepted_body
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, invalid
from airflow_provider_flowservice.emulator.flow.finding import list_resources
from airflow_provider_flowservice.emulator.flow.listing import Filter, Selection, list_response, only
from airflow_provider_flowservice.emulator.flow.queries import ListQuery
from airflow_provider_flowservice.emulator.flow.reads import BASE_PATH, CATALOGUES, json_response, kind_of
from airflow_provider_flowservice.emulator.flow.render import credential_names, renderer_for
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.flow.types import RUN
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.masking import MASK

router = APIRouter(prefix=BASE_PATH)

# Runs come first: their paths match those of the other collections too.


@router.post("/runs")
async def create_run(call: AuthorizedCall) -> Response:
    """Run a source flow that is scheduled once."""
    run = runs.start_by_request(call.sandbox, await call.json(RUN, invalid))
    return JSONResponse(run.receipt(call.world.switches), 201)


@router.put("/runs/{run_id}")
async def put_run(run_id: str, call: AuthorizedCall) -> Response:
    """Refuse to write a run, as AEP does to everybody but the providers of connectors."""
    FlowStore.of(call.sandbox).get(Kind.RUNS, run_id)
    raise FlowError(FlowCode.RUN_NOT_PERMITTED, "Updating a run is not permitted.")


@router.post("/runs/{run_id}/action")
async def act_on_run(run_id: str, call: AuthorizedCall) -> Response:
    """Start a failed run again (``?op=re_trigger``); the response has the new run."""
    run = FlowStore.of(call.sandbox).get(Kind.RUNS, run_id)
    op = call.request.query_params.get("op", "")
    if op.lower() != "re_trigger":
        raise FlowError(FlowCode.ACTION_NOT_PERMITTED, f"The action {op} is not permitted on runs.")
    again = runs.retrigger(call.sandbox, run)
    return json_response(renderer_for(call).item(again))


@router.get("/flows/{flow_id}/runs")
async def list_runs(flow_id: str, call: AuthorizedCall) -> Response:
    """List the runs of a flow, as ``/runs`` does. An old sample links there; Adobe documents nothing more of it."""
    FlowStore.of(call.sandbox).get(Kind.FLOWS, flow_id)
    runs.start_scheduled_runs(call.sandbox)
    query = ListQuery.parse(call.request.query_params, call.world.switches)
    of_flow = (Filter("flowId", "==", (flow_id,)),)
    path = f"/flows/{flow_id}/runs"
    return json_response(list_resources(renderer_for(call), Kind.RUNS, path, query, of_flow))


@router.post("/{collection}/search")
async def search(collection: str, call: AuthorizedCall) -> Response:
    """List what the body asks for. It is documented of connections, flows and flow specs; the others are a guess.

    ``projectionFields`` is documented by its name alone. Here, it names the top-level fields that items have.
    """
    switches, body = call.world.switches, await call.json()
    query = ListQuery.of_search(body, call.request.query_params, switches)
    fields = frozenset(filter(None, body.get("projectionFields", "").split(",")))
    path = f"/{collection}/search"
    if collection not in CATALOGUES:
        kind = _editable(collection)
        return json_response(list_resources(renderer_for(call), kind, path, query, fields=fields))
    specs = [spec.as_json() for spec in CATALOGUES[collection].values()]
    page = list_response(path, specs, query, Selection.parse(query, switches), switches)
    if fields and "items" in page:
        page["items"] = [only(fields, spec) for spec in page["items"]]
    return json_response(page)


@router.post("/{collection}")
async def create(collection: str, call: AuthorizedCall) -> Response:
    """Create a connection or a flow; ``?mode=draft`` creates it as a draft."""
    kind = _editable(collection)
    draft = _draft_mode(call)
    ignore_legacy = call.world.switches.legacy_base_connection == "ignore"
    body = accepted_body(await call.json(), ignore_legacy=ignore_legacy)
    resource = changes.create(call.sandbox, kind, body, draft=draft)
    location = f"{call.base_url}{BASE_PATH}/{collection}/{resource.id}"
    return JSONResponse(resource.receipt(call.world.switches), 201, {"Location": location})


@router.patch("/{collection}/{item_id}")
async def patch(collection: str, item_id: str, call: AuthorizedCall) -> Response:
    """Apply a JSON Patch, if If-Match holds the current etag."""
    kind = _editable(collection)
    operations = changes.read_operations(await call.json())
    store = FlowStore.of(call.sandbox)
    resource = store.get(kind, item_id)
    changes.check_if_match(call.request.headers.get("if-match"), resource, required=True)
    body = changes.patched_body(resource, operations, call.sandbox)
    switches = call.world.switches
    if not notes_of(call.request).patch_changes_nothing:
        is_silent = switches.silent_patch and kind is Kind.FLOWS
        store.patch(resource, resource.body if is_silent else body, operations)
    if switches.patch_response == "202":
        return Response(status_code=202)
    return JSONResponse(resource.receipt(switches))


@router.delete("/{collection}/{item_id}")
async def delete(collection: str, item_id: str, call: AuthorizedCall) -> Response:
    """Delete a connection or a flow that nothing refers to."""
    store = FlowStore.of(call.sandbox)
    resource = store.get(_editable(collection), item_id)
    changes.delete(store, resource)
    return Response(status_code=changes.delete_status(resource, call.sandbox))


@router.post("/{collection}/{item_id}/action")
async def act(collection: str, item_id: str, call: AuthorizedCall) -> Response:
    """Enable, disable or publish. If-Match is checked if it is sent."""
    resource = FlowStore.of(call.sandbox).get(_editable(collection), item_id)
    changes.check_if_match(call.request.headers.get("if-match"), resource, required=False)
    changes.perform(call.sandbox, resource, call.request.query_params.get("op", ""))
    return JSONResponse(resource.receipt(call.world.switches))


@router.get("/connections/{item_id}/test")
async def test_connection(item_id: str, call: AuthorizedCall) -> Response:
    """Test a base connection: it works unless a mask was written back as its credential."""
    resource = FlowStore.of(call.sandbox).get(Kind.CONNECTIONS, item_id)
    auth = resource.body.get("auth")
    broken = auth is not None and any(
        auth["params"].get(name) == MASK for name in credential_names(resource.body)
    )
    return JSONResponse({"result": not broken})


def _editable(collection: str) -> Kind:
    kind = kind_of(collection)
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
