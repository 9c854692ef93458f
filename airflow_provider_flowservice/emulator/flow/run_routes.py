"""Endpoints of Flow Service that start runs. Reading them is like reading any other resource."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.flow import runs
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.render import renderer_for
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.gateway import Authorised

router = APIRouter(prefix="/data/foundation/flowservice/runs")


@router.post("")
async def create_run(call: Authorised) -> Response:
    """Run a source flow that is scheduled once."""
    run = runs.start_by_hand(call.world, call.sandbox, await call.json())
    return JSONResponse(run.receipt, 201)


@router.put("/{run_id}")
async def put_run(run_id: str, call: Authorised) -> Response:
    """Writing a run is left to providers of connectors."""
    FlowStore.of(call.sandbox).get(Kind.RUNS, run_id)
    raise FlowError(FlowCode.RUN_NOT_PERMITTED, "Updating a run is not permitted.")


@router.post("/{run_id}/action")
async def act_on_run(run_id: str, call: Authorised) -> Response:
    """Start a failed run again (``?op=re_trigger``); answers the new run."""
    run = FlowStore.of(call.sandbox).get(Kind.RUNS, run_id)
    op = call.request.query_params.get("op", "")
    if op.lower() != "re_trigger":
        raise FlowError(FlowCode.ACTION_NOT_PERMITTED, f"The action {op} is not permitted on runs.")
    again = runs.retrigger(call.world, call.sandbox, run)
    return JSONResponse(renderer_for(call).item(again))
