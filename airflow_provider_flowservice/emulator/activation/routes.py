"""Endpoint of ad-hoc activation."""

from __future__ import annotations

import re

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.activation.adhoc import activate
from airflow_provider_flowservice.emulator.gateway import Authorised

router = APIRouter(prefix="/data/core/activation/disflowprovider")

_VERSION_2 = re.compile(r"application/vnd\.adobe\.adhoc\.activation\+json;\s*version=2")


@router.post("/adhocrun")
async def adhoc_run(call: Authorised) -> Response:
    """Activate audiences now, as version 1 does unless the Accept header asks for version 2."""
    version_2 = _VERSION_2.fullmatch(call.request.headers.get("accept", "").strip())
    started = activate(call.world, call.sandbox, await call.json(), needs_exports=version_2 is None)
    runs = f"{call.base_url}/data/foundation/flowservice/runs"
    order = [
        {"segment": segment, "order": run.body["flowId"], "statusURL": f"{runs}/{run.id}"}
        for segment, run in started
    ]
    return JSONResponse({"order": order})
