"""Ad-hoc activation: exports today's members of some audiences to files, outside of the schedule.

Documented: the limit of 80, the body for a busy audience and for one that is not part of the flow, that
version 1 needs ``exportIds``. The wording of the other errors is a guess. That an hour must pass after the
first scheduled activation is documented too, but not which response a request before that gets; the
emulator does not check it.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS
from airflow_provider_flowservice.emulator.flow.origin import Origin, origin_of
from airflow_provider_flowservice.emulator.flow.runs import RunState, run_state, start_run
from airflow_provider_flowservice.emulator.flow.selectors import audience_uuids
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall
from airflow_provider_flowservice.emulator.json_body import Values
from airflow_provider_flowservice.emulator.world import Sandbox

router = APIRouter(prefix="/data/core/activation/disflowprovider")

_RUN = {"activationInfo": Values([str]), "exportIds": [str]}
_MAX_AUDIENCES = 80
_VERSION_2 = re.compile(r"application/vnd\.adobe\.adhoc\.activation\+json;\s*version=2")


class ActivationError(ApiError):
    """An error of ad-hoc activation: a bare message."""


def _invalid(message: str) -> ActivationError:
    return ActivationError(400, message)


@router.post("/adhocrun")
async def adhoc_run(call: AuthorizedCall) -> Response:
    """Activate audiences now, as version 1 does unless the Accept header asks for version 2."""
    version_2 = _VERSION_2.fullmatch(call.request.headers.get("accept", "").strip())
    started = _activate(call.sandbox, await call.json(_RUN, _invalid), needs_exports=version_2 is None)
    runs = f"{call.base_url}/data/foundation/flowservice/runs"
    order = [
        {"segment": segment, "order": run.body["flowId"], "statusURL": f"{runs}/{run.id}"}
        for segment, run in started
    ]
    return JSONResponse({"order": order})


def _activate(sandbox: Sandbox, body: Any, *, needs_exports: bool) -> list[tuple[str, Resource]]:
    """Start a run for each audience, or none at all.

    :param needs_exports: whether the ids of profile exports are required, as in version 1.
    :return: the audiences and their runs.
    """
    wanted = _wanted(body)
    if needs_exports and not body.get("exportIds"):
        raise ActivationError(400, "exportIds is required")
    if sum(map(len, wanted.values())) > _MAX_AUDIENCES:
        raise ActivationError(400, f"At most {_MAX_AUDIENCES} audiences can be activated with one request")
    orders = [
        (_file_flow(flow_id, sandbox), segment)
        for flow_id, segments in wanted.items()
        for segment in segments
    ]
    for flow, segment in orders:
        _check_free(sandbox, flow, segment)
    return [(segment, start_run(sandbox, flow, segments=[segment])) for flow, segment in orders]


def _wanted(body: Any) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = body.get("activationInfo", {}) if body else {}
    if not wanted:
        raise _invalid("activationInfo is required")
    if not all(wanted.values()):
        raise _invalid("activationInfo must have a list of audiences for each flow")
    return wanted


def _file_flow(flow_id: str, sandbox: Sandbox) -> Resource:
    store = FlowStore.of(sandbox)
    flow = store.find(Kind.FLOWS, flow_id)
    if flow is None:
        raise ActivationError(404, f"Order {flow_id} is not found")
    targets = (store.get(Kind.TARGET_CONNECTIONS, each) for each in flow.body["targetConnectionIds"])
    streams = any(CONNECTION_SPECS[target.body["connectionSpec"]["id"]].streams for target in targets)
    if streams or origin_of(flow.body, sandbox) is not Origin.PROFILES:
        raise ActivationError(400, f"Order {flow_id} does not export audiences to files")
    if flow.state is not State.ENABLED:
        raise ActivationError(400, f"Order {flow_id} is {flow.state.value}")
    return flow


def _check_free(sandbox: Sandbox, flow: Resource, segment: str) -> None:
    if segment not in audience_uuids(flow.body):
        raise ActivationError(
            400, f"Segments {segment} are not part of this dataflow or out of schedule range!"
        )
    busy = (RunState.SCHEDULED, RunState.IN_PROGRESS)
    for run in FlowStore.of(sandbox).runs_of(flow):
        if segment in run.body.get("segments", []) and run_state(run, sandbox.world.clock.now()) in busy:
            raise ActivationError(
                400, f"Run already going on for audience {segment} for order {flow.id} with run id {run.id}"
            )
