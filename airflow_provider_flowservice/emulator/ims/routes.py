"""Adobe IMS: ``POST /ims/token/v3`` (and v2) and the old ``POST /ims/exchange/jwt``.

The success bodies are documented. The error bodies are a guess, based on RFC 6749.
"""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.ims.store import AccessToken, TokenStore
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.emulator.world import CurrentWorld, World

router = APIRouter(prefix="/ims")


class ImsError(ApiError):
    """An OAuth error: ``error`` and ``error_description``."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description)
        self.error = error

    def body(self, switches: Switches, request_id: str) -> Any:
        """Return the body, as in RFC 6749."""
        return {"error": self.error, "error_description": self.message}


@router.post("/token/v3")
@router.post("/token/v2")
async def issue_token(request: Request, world: CurrentWorld) -> Response:
    """OAuth server-to-server: an access token for client id and secret; ``expires_in`` is in seconds."""
    form = await _parameters(request)
    if form.get("grant_type") != "client_credentials":
        raise ImsError(400, "unsupported_grant_type", "grant_type must be client_credentials")
    _check_client(world, form)
    if not form.get("scope"):
        raise ImsError(400, "invalid_scope", "scope is missing")
    token = _issue(world)
    return JSONResponse(
        {"access_token": token.value, "token_type": "bearer", "expires_in": world.switches.token_lifetime}
    )


@router.post("/exchange/jwt")
async def exchange_jwt(request: Request, world: CurrentWorld) -> Response:
    """The retired JWT exchange: any ``jwt_token`` is accepted; ``expires_in`` is in milliseconds."""
    form = await _parameters(request)
    _check_client(world, form)
    if not form.get("jwt_token"):
        raise ImsError(400, "invalid_token", "jwt_token is missing")
    token = _issue(world)
    return JSONResponse(
        {
            "token_type": "bearer",
            "access_token": token.value,
            "expires_in": world.switches.token_lifetime * 1000,
        }
    )


def _issue(world: World) -> AccessToken:
    return TokenStore.of(world).issue(world.settings.credential.client_id, world.switches.token_lifetime)


def _check_client(world: World, form: dict[str, str]) -> None:
    credential = world.settings.credential
    if form.get("client_id") != credential.client_id:
        raise ImsError(400, "invalid_client", "invalid client_id parameter")
    if form.get("client_secret") != credential.client_secret:
        raise ImsError(401, "invalid_client", "invalid client_secret parameter")


async def _parameters(request: Request) -> dict[str, str]:
    """Return the parameters of the query and of the body, which may be a form or multipart."""
    found = dict(request.query_params)
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return found | _multipart(content_type, body)
    return found | dict(parse_qsl(body.decode("utf-8", "replace")))


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    )
    parts: dict[str, str] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            parts[name] = content.decode("utf-8", "replace").strip()
    return parts
