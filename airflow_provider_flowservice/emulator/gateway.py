"""The API gateway: who calls, for which organization, and in which sandbox."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import URL

from airflow_provider_flowservice.emulator.errors import (
    ApiError,
    GatewayError,
    GatewayFault,
    SandboxError,
    SandboxProblem,
    bad_request,
)
from airflow_provider_flowservice.emulator.exchange import notes_of
from airflow_provider_flowservice.emulator.ims.store import TokenStore
from airflow_provider_flowservice.emulator.json_body import JsonError, Refuse, Shape, check_shape, read_json
from airflow_provider_flowservice.emulator.settings import PRODUCTION_SANDBOX
from airflow_provider_flowservice.emulator.world import CurrentWorld, Sandbox, World

_ORG_ID = re.compile(r"[0-9A-Za-z]+@AdobeOrg")


@dataclass(frozen=True)
class Call:
    """A request that the gateway has admitted.

    :param sandbox: the sandbox that it is meant for.
    """

    request: Request
    world: World
    sandbox: Sandbox

    @property
    def base_url(self) -> str:
        """Scheme and host that the caller used to reach this emulator, without a slash at the end."""
        scope = self.request.scope
        return _base_url(scope["scheme"], self.request.headers.get("host"), tuple(scope["server"]))

    async def json(self, shape: Shape = object, refuse: Refuse = bad_request) -> Any:
        """Return the request's JSON body, or None if there is no body.

        :param shape: what it must be if there is one.
        :param refuse: returns the error of a service, with status 400, for what is wrong with it.
        :raises ApiError: if the body is not JSON, is not declared as JSON, or has a value of a wrong type.
        """
        body = await self.request.body()
        if not body:
            return None
        if "json" not in self.request.headers.get("content-type", ""):
            raise refuse("A valid content-type must be specified")
        try:
            value = read_json(body)
        except JsonError as error:
            raise refuse(f"The body is not valid JSON: {error}") from error
        check_shape(value, shape, refuse)
        return value


@lru_cache(maxsize=16)
def _base_url(scheme: str, host: str | None, server: tuple[str, int]) -> str:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    return str(URL(scope={"scheme": scheme, "path": "", "headers": headers, "server": server}))


def bearer(request: Request) -> str | None:
    """Return the bearer token of a request, or None."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None


async def authorize(request: Request, world: CurrentWorld) -> Call:
    """Admit a request (a FastAPI dependency)."""
    return admit(request, world)


def admit(request: Request, world: World) -> Call:
    """Check token, API key, organization and sandbox.

    :raises GatewayError: if the caller is not authorized.
    :raises SandboxError: if the sandbox is missing or unknown.
    """
    _check_caller(request, world)
    _check_organization(request, world)
    return Call(request, world, _sandbox(request, world))


def _check_caller(request: Request, world: World) -> None:
    value = bearer(request)
    if value is None:
        raise GatewayError(GatewayFault.TOKEN_MISSING, int(world.switches.missing_token))
    key = request.headers.get("x-api-key")
    if not key:
        raise GatewayError(GatewayFault.KEY_MISSING)
    token = TokenStore.of(world).find(value)
    if token is None:
        raise GatewayError(GatewayFault.TOKEN_INVALID)
    if key != token.client_id:
        raise GatewayError(GatewayFault.KEY_INVALID)


def _check_organization(request: Request, world: World) -> None:
    org_id = request.headers.get("x-gw-ims-org-id")
    if not org_id:
        raise GatewayError(GatewayFault.ORG_MISSING)
    if not _ORG_ID.fullmatch(org_id):
        raise GatewayError(GatewayFault.ORG_MALFORMED)
    if org_id != world.settings.credential.org_id:
        raise GatewayError(GatewayFault.ORG_UNKNOWN)


def _sandbox(request: Request, world: World) -> Sandbox:
    name = request.headers.get("x-sandbox-name")
    if not name:
        if world.switches.missing_sandbox == "refuse":
            raise SandboxError(SandboxProblem.MISSING, "header x-sandbox-name is missing")
        name = PRODUCTION_SANDBOX
    if name == "*":
        raise SandboxError(SandboxProblem.ALL, "A query over all sandboxes is not permitted for this token.")
    sandbox = world.sandboxes.get(name)
    if sandbox is None and world.switches.unknown_sandbox == "open":
        return world.open_sandbox(name)
    if sandbox is None:
        raise SandboxError(SandboxProblem.NOT_FOUND, f"Sandbox {name} is not found in this organization.")
    return sandbox


def refusal(error: ApiError, request: Request, world: World) -> Response:
    """Return the response for an error."""
    body = error.body(world.switches, notes_of(request).request_id)
    return JSONResponse(body, error.status, media_type="application/json")


AuthorizedCall = Annotated[Call, Depends(authorize)]
