"""The type of a sandbox (``/data/foundation/sandbox-management``).

None of Adobe's API descriptions here has this service: the path, the members and the error are inferred.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.errors import PlatformError
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall

router = APIRouter(prefix="/data/foundation/sandbox-management")


@router.get("/sandboxes/{name}")
async def get_sandbox(name: str, call: AuthorizedCall) -> Response:
    """Read one sandbox; ``type`` is ``production`` or ``development``."""
    sandbox = call.world.sandboxes.get(name)
    if sandbox is None:
        raise PlatformError(404, "NotFoundError", f"Sandbox {name} is not found")
    return JSONResponse(
        {
            "id": sandbox.id,
            "name": sandbox.name,
            "title": sandbox.name,
            "state": "active",
            "type": sandbox.type,
            "region": "VA7",
            "isDefault": sandbox.is_default,
        }
    )
