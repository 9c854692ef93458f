"""The landing zone, AEP's own storage in each sandbox: ``/data/foundation/connectors/landingzone``.

Documented are the containers of sources and of destinations, their credentials, and how these are refreshed. The names
of containers other than the first, the account, and when credentials expire are guesses, as the errors are.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.errors import PlatformError
from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.settings import stable_uuid
from airflow_provider_flowservice.emulator.world import Store, World

router = APIRouter(prefix="/data/foundation/connectors")

#: Names of the containers by their types.
CONTAINERS = {"user_drop_zone": "dlz-user-container", "dlz_destination": "dlz-destination-container"}
_DAYS_TO_LIVE = 7
_DAY = 24 * 3600


class LandingZoneStore(Store):
    """How often the credentials of each container were refreshed."""

    kept = (("refreshed", dict[str, int]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.refreshed = dict.fromkeys(CONTAINERS, 0)


@router.get("/landingzone")
async def get_container(call: AuthorizedCall) -> Response:
    """Read the container of a type."""
    name = CONTAINERS[_type(call)]
    return JSONResponse({"containerName": name, "containerTTL": str(_DAYS_TO_LIVE)})


@router.get("/landingzone/credentials")
async def get_credentials(call: AuthorizedCall) -> Response:
    """Read the credentials of a container. They open nothing."""
    return JSONResponse(_credentials(_type(call), call))


@router.post("/landingzone/credentials")
async def refresh_credentials(call: AuthorizedCall) -> Response:
    """Make new credentials for a container (``?action=refresh``)."""
    kind = _type(call)
    if call.request.query_params.get("action") != "refresh":
        raise PlatformError(400, "BadRequestError", "The parameter action must be refresh.")
    LandingZoneStore.of(call.sandbox).refreshed[kind] += 1
    return JSONResponse(_credentials(kind, call))


def _type(call: Call) -> str:
    kind = call.request.query_params.get("type", "")
    if kind not in CONTAINERS:
        raise PlatformError(
            400, "BadRequestError", f"The parameter type must be one of {', '.join(CONTAINERS)}."
        )
    return kind


def _credentials(kind: str, call: Call) -> dict[str, Any]:
    name, refreshed = CONTAINERS[kind], LandingZoneStore.of(call.sandbox).refreshed[kind]
    policy = stable_uuid(f"landing zone {call.sandbox.id} {kind} {refreshed}")
    signature = base64.b64encode(hashlib.sha256(policy.encode()).digest()).decode()
    token = f"sv=2020-04-08&si=dlz-{policy}&sr=c&sp=racwdlm&sig={quote(signature, safe='')}"
    account = f"dlblobstore{call.sandbox.id.replace('-', '')[:13]}"
    return {
        "containerName": name,
        "SASToken": token,
        "storageAccountName": account,
        "SASUri": f"https://{account}.blob.core.windows.net/{name}?{token}",
        "expiryDate": iso(call.world.clock.now() + _DAYS_TO_LIVE * _DAY).partition("T")[0],
    }
