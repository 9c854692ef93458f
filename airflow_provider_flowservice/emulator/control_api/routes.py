"""``/_emulator``: look inside, advance the clock, inject faults, set switches.

A request that changes something must have ``Content-Type: application/json``, even if it has no body; see
:mod:`.guard` for what else is refused, and why.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.emulator.activation.exports import exported_profiles
from airflow_provider_flowservice.emulator.collection.store import find_inlet
from airflow_provider_flowservice.emulator.control_api.guard import ControlError, check_origin
from airflow_provider_flowservice.emulator.control_api.views import ascii_response, exports_of, state_of
from airflow_provider_flowservice.emulator.edge import CurrentEdge
from airflow_provider_flowservice.emulator.flow.runs import start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.json_body import JsonError, Shape, check_shape, read_json
from airflow_provider_flowservice.emulator.outputs.exporter import Exporter
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_NAMES
from airflow_provider_flowservice.emulator.world import CurrentWorld, Sandbox, World

router = APIRouter(prefix="/_emulator", dependencies=[Depends(check_origin)])

_MAX_WAIT_SECONDS = 30


def _base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _sandbox(request: Request, world: World) -> Sandbox:
    name = request.query_params.get("sandbox", world.settings.sandbox)
    sandbox = world.sandboxes.get(name)
    if sandbox is None:
        raise ControlError(
            404, f"unknown sandbox {name!r}; it must be one of {', '.join(sorted(world.sandboxes))}"
        )
    return sandbox


async def _json(request: Request, shape: Shape = dict) -> Any:
    try:
        body = read_json(await request.body())
    except JsonError as error:
        raise ControlError(400, f"the body is not valid JSON: {error}") from error
    check_shape(body, shape, _invalid)
    return body


def _invalid(message: str) -> ControlError:
    return ControlError(400, message)


@router.get("/health")
async def health(world: CurrentWorld) -> Response:
    """Status, version, the built-in credential, the sandboxes, and ids and names of the seeded segments."""
    credential = world.settings.credential
    return JSONResponse(
        {
            "status": "ok",
            "version": __version__,
            "credential": {
                "client_id": credential.client_id,
                "client_secret": credential.client_secret,
                "org_id": credential.org_id,
                "sandbox": world.settings.sandbox,
            },
            "sandboxes": sorted(world.sandboxes),
            "segments": [{"id": each, "name": name} for each, name in SEEDED_SEGMENT_NAMES.items()],
        }
    )


@router.get("/requests")
async def requests(edge: CurrentEdge) -> Response:
    """The journal, oldest first."""
    return ascii_response(edge.journal.entries())


@router.delete("/requests")
async def clear_requests(edge: CurrentEdge) -> Response:
    """Clear the journal."""
    edge.journal.clear()
    return Response(status_code=204)


@router.get("/state")
async def state(request: Request, world: CurrentWorld) -> Response:
    """Everything in a sandbox (``?sandbox=``, the built-in one by default)."""
    return JSONResponse(state_of(_sandbox(request, world), _base_url(request)))


@router.post("/reset")
async def reset(world: CurrentWorld, edge: CurrentEdge) -> Response:
    """Forget everything."""
    world.reset()
    edge.reset()
    return Response(status_code=204)


@router.post("/sandboxes")
async def open_sandbox(request: Request, world: CurrentWorld) -> Response:
    """Add a sandbox: ``{"name": ...}``."""
    name = (await _json(request, {"name": str})).get("name")
    if not name:
        raise ControlError(400, "name must be a string that is not empty")
    world.open_sandbox(name)
    return JSONResponse(sorted(world.sandboxes), 201)


@router.get("/clock")
async def clock(world: CurrentWorld) -> Response:
    """The emulator's time: seconds since the epoch, and how far it is ahead of real time."""
    return JSONResponse({"now": world.clock.now(), "ahead": world.clock.ahead})


@router.post("/clock")
async def advance(request: Request, world: CurrentWorld) -> Response:
    """Advance the clock: ``{"advance": seconds}``."""
    seconds = (await _json(request, {"advance": float})).get("advance")
    if seconds is None:
        raise ControlError(400, "advance must be a number of seconds")
    try:
        world.clock.advance(seconds)
    except ValueError as error:
        raise ControlError(400, str(error)) from error
    return await clock(world)


@router.get("/faults")
async def faults(edge: CurrentEdge) -> Response:
    """The faults that are still pending."""
    return JSONResponse(edge.faults.pending())


@router.post("/faults")
async def inject(request: Request, edge: CurrentEdge) -> Response:
    """Add faults: a list of rules."""
    rules = await _json(request, list)
    try:
        edge.faults.add(rules)
    except ValueError as error:
        raise ControlError(400, str(error)) from error
    return JSONResponse(edge.faults.pending(), 201)


@router.delete("/faults")
async def clear_faults(edge: CurrentEdge) -> Response:
    """Drop all faults."""
    edge.faults.clear()
    return Response(status_code=204)


@router.get("/switches")
async def switches(world: CurrentWorld) -> Response:
    """Every switch and its value."""
    return JSONResponse(world.switches.as_json())


@router.post("/switches")
async def change_switches(request: Request, world: CurrentWorld) -> Response:
    """Set some switches: new values by name."""
    changes = await _json(request)
    try:
        world.switches = world.switches.changed(changes)
    except ValueError as error:
        raise ControlError(400, str(error)) from error
    return await switches(world)


@router.get("/flows/{flow_id}/exports")
async def payloads(flow_id: str, request: Request, world: CurrentWorld) -> Response:
    """The payloads that an activated flow exports."""
    return JSONResponse(exported_profiles(_flow(flow_id, request, world)[1]))


@router.get("/exports/{flow_id}")
async def exports(flow_id: str, request: Request, world: CurrentWorld) -> Response:
    """What an activated flow exports, and what of it was sent to an output.

    With ``?wait=`` seconds, the response is held back until nothing is being sent, or that time is over.
    """
    sandbox, flow = _flow(flow_id, request, world)
    start_scheduled_runs(sandbox)
    if seconds := _seconds_to_wait(request):
        exporter: Exporter = request.app.state.exporter
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(exporter.settled(sandbox, flow_id), seconds)
    return JSONResponse(exports_of(sandbox, flow))


def _flow(flow_id: str, request: Request, world: World) -> tuple[Sandbox, Resource]:
    """Find a flow in any sandbox, or in the one that the query names."""
    named = "sandbox" in request.query_params
    for sandbox in [_sandbox(request, world)] if named else world.sandboxes.values():
        flow = FlowStore.of(sandbox).find(Kind.FLOWS, flow_id)
        if flow is not None:
            return sandbox, flow
    raise ControlError(404, f"unknown flow {flow_id!r}")


def _seconds_to_wait(request: Request) -> float:
    text = request.query_params.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MAX_WAIT_SECONDS:
        raise ControlError(400, f"wait must be a number of seconds up to {_MAX_WAIT_SECONDS}, not {text!r}")
    return seconds


@router.get("/inlets/{inlet_id}/messages")
async def messages(inlet_id: str, world: CurrentWorld) -> Response:
    """What an inlet received, oldest first; messages that will not be ingested are marked as dropped."""
    found = find_inlet(world, inlet_id)
    if found is None:
        raise ControlError(404, f"unknown inlet {inlet_id!r}")
    return JSONResponse([message.as_json() for message in found[1].messages])
