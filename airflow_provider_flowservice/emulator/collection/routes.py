"""Endpoints of the inlets: one message, or a batch."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.collection.errors import InletAuthorizationError, InletError
from airflow_provider_flowservice.emulator.collection.ingestion import Ingestion
from airflow_provider_flowservice.emulator.collection.messages import InletRequest, transaction_id
from airflow_provider_flowservice.emulator.collection.store import Inlet, find_inlet
from airflow_provider_flowservice.emulator.gateway import bearer
from airflow_provider_flowservice.emulator.ims.store import TokenStore
from airflow_provider_flowservice.emulator.json_body import JsonError, read_json
from airflow_provider_flowservice.emulator.world import CurrentWorld, World

router = APIRouter(prefix="/collection")

_VALIDATIONS_PER_MINUTE = 60
_FLOW_PARAMETER = "x-adobe-flow-id"


@router.post("/{inlet_id}")
async def collect(inlet_id: str, request: Request, world: CurrentWorld) -> Response:
    """Receive one message."""
    inlet_request = _inlet_request(inlet_id, request, world)
    synchronous = _is_synchronous(request)
    if synchronous:
        _check_validation_allowed(inlet_request.inlet, world)
    message = await _json(inlet_request, request, world)
    flow = inlet_request.flow_of(message)
    if synchronous:
        inlet_request.check_record(message, flow)
    xaction_id = transaction_id(world)
    with Ingestion(inlet_request.inlet, inlet_request.sandbox) as ingestion:
        ingestion.add(message, flow, xaction_id)
    receipt = {"inletId": inlet_id, "xactionId": xaction_id, "receivedTimeMs": world.clock.now_ms()}
    if synchronous:
        receipt["synchronousValidation"] = {"status": "pass"}
    return JSONResponse(receipt)


@router.post("/batch/{inlet_id}")
async def collect_batch(inlet_id: str, request: Request, world: CurrentWorld) -> Response:
    """Receive a batch; the response is 207 even if every message is refused."""
    inlet_request = _inlet_request(inlet_id, request, world)
    body = await _json(inlet_request, request, world)
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list):
        raise inlet_request.bad_request("The 'messages' field is mandatory.", "Invalid Batch")
    batch_id = transaction_id(world)
    with Ingestion(inlet_request.inlet, inlet_request.sandbox) as ingestion:
        responses = [
            _collect_one(inlet_request, ingestion, each, batch_id, number)
            for number, each in enumerate(messages)
        ]
    receipt = {"inletId": inlet_id, "batchId": batch_id, "receivedTimeMs": world.clock.now_ms()}
    return JSONResponse({**receipt, "responses": responses}, 207)


def _collect_one(
    inlet_request: InletRequest, ingestion: Ingestion, message: Any, batch_id: str, number: int
) -> dict[str, Any]:
    newer_style = inlet_request.sandbox.world.switches.batch_style == "status"
    xaction_id = f"{batch_id}-{number}" if newer_style else f"{batch_id}:{number}"
    try:
        flow = inlet_request.flow_of(message)
    except InletError as error:
        if newer_style:
            return {"xactionId": xaction_id, "status": error.status, "message": error.message}
        return {"statusCode": error.status, "message": error.message}
    ingestion.add(message, flow, xaction_id)
    return {"xactionId": xaction_id}


def _inlet_request(inlet_id: str, request: Request, world: World) -> InletRequest:
    found = find_inlet(world, inlet_id)
    if found is None:
        raise InletError(404, "Not Found", f"inletId: [{inlet_id}] is not found")
    sandbox, inlet = found
    _check_caller(inlet, request, world)
    name = request.headers.get("x-sandbox-name")
    if world.switches.inlet_sandbox_header == "required" and name != sandbox.name:
        raise InletError(400, "Bad Request", f"inletId: [{inlet.id}] x-sandbox-name is missing or wrong")
    flow_id = request.headers.get(_FLOW_PARAMETER) or request.query_params.get(_FLOW_PARAMETER)
    return InletRequest(inlet, sandbox, world.settings.credential.org_id, flow_id)


def _check_caller(inlet: Inlet, request: Request, world: World) -> None:
    if not inlet.needs_token:
        return
    token = bearer(request)
    if token is None:
        raise InletAuthorizationError(401, f"[{inlet.id}] Ims service token is empty")
    if TokenStore.of(world).find(token) is None:
        status = int(world.switches.inlet_bad_token)
        raise InletAuthorizationError(status, f"[{inlet.id}] Ims service token is invalid")
    org_id = request.headers.get("x-gw-ims-org-id")
    required = world.switches.inlet_org_header == "required"
    if (org_id is None and required) or org_id not in (None, world.settings.credential.org_id):
        raise InletAuthorizationError(403, f"[{inlet.id}] Ims org is missing or wrong")


def _is_synchronous(request: Request) -> bool:
    params = request.query_params
    return "true" in (params.get("syncValidation"), params.get("synchronousValidation"))


def _check_validation_allowed(inlet: Inlet, world: World) -> None:
    if world.switches.sync_validation == "unsupported":
        raise InletError(501, "Not Implemented", "Synchronous validation is not available here")
    now = world.clock.now()
    while inlet.validations and inlet.validations[0] <= now - 60:
        inlet.validations.popleft()
    if len(inlet.validations) >= _VALIDATIONS_PER_MINUTE:
        raise InletError(429, "Too Many Requests", "At most 60 messages a minute are validated synchronously")
    inlet.validations.append(now)


async def _json(inlet_request: InletRequest, request: Request, world: World) -> Any:
    body = await request.body()
    _check_size(body, world.switches.inlet_limit_bytes)
    if "json" not in request.headers.get("content-type", ""):
        raise InletError(415, "Unsupported Media Type", "Content-Type must be application/json")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding == "gzip" and world.switches.gzip == "accept":
        body = _decompressed(inlet_request, body, world.switches.inlet_limit_bytes)
    elif encoding != "identity":
        raise InletError(415, "Unsupported Media Type", f"Content-Encoding {encoding} is not supported")
    try:
        return read_json(body)
    except JsonError as error:
        raise inlet_request.bad_request(f"Message is not JSON: {error}", "Invalid JSON") from error


def _decompressed(inlet_request: InletRequest, body: bytes, limit: int) -> bytes:
    """Return what was compressed. That AEP's limit holds for it too is a guess."""
    try:
        with gzip.open(io.BytesIO(body)) as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise inlet_request.bad_request(f"Message is not gzip: {error}", "Invalid Encoding") from error
    _check_size(content, limit)
    return content


def _check_size(content: bytes, limit: int) -> None:
    if len(content) > limit:
        raise InletError(413, "Payload Too Large", "The request is larger than 1 MB")
