"""How one request is carried through: credentials, retries and errors, written once for both transports.

:func:`exchange` is a generator that does no input or output. It yields what is to be done (:class:`Send`,
:class:`Pause`, :class:`NeedToken`) and is sent the result; a transport is the loop that does these things.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Generator
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import urlencode

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import ApiError, FlowServiceError
from airflow_provider_flowservice.client.http import response, retry
from airflow_provider_flowservice.client.http.request import Host, Request
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.settings import Settings

T = TypeVar("T")


class Send(Frozen, frozen=True):
    """Put this on the wire.

    :param seconds: how long the whole attempt may take.
    """

    hidden: ClassVar = frozenset({"headers", "body"})

    method: str
    origin: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | None
    seconds: float

    @property
    def url(self) -> str:
        """The absolute URL."""
        return f"{self.origin}{self.path}" + (f"?{self.query}" if self.query else "")


class Pause(Frozen, frozen=True):
    """Wait this many seconds."""

    seconds: float


class NeedToken(Frozen, frozen=True):
    """Give a token.

    :param rejected: the token that AEP rejected, if it rejected one.
    """

    hidden: ClassVar = frozenset({"rejected"})

    rejected: str | None = None


#: An inlet says 403 to a token that is invalid; for the gateway that is a matter of permission.
_TOKEN_REFUSALS = {
    Host.GATEWAY: frozenset({401}),
    Host.COLLECTION: frozenset({401, 403}),
    Host.IMS: frozenset({401}),
}

Step = Send | Pause | NeedToken
#: What comes back for a step: a response or the way it failed, a token, or nothing after a pause.
Result = Response | FlowServiceError | str | None
Exchange = Generator[Step, Result, T]


def exchange(request: Request[T], settings: Settings) -> Exchange[T]:
    """Carry a request through until it succeeds or is given up.

    :raises FlowServiceError: the last attempt's error, with secrets removed from its message.
    """
    policy = retry.Policy(settings.retries, settings.retry_budget)
    start = clock.current().monotonic()
    attempt, refreshed = 1, False
    token: str | None = None
    while True:
        if token is None and request.authorized:
            token = cast(str, (yield NeedToken()))
        elapsed = clock.current().monotonic() - start
        result = yield _prepare(request, settings, token, max(policy.budget - elapsed, 0.001))
        outcome = _read(request, result)
        if not isinstance(outcome, _Failure):
            return outcome
        error = outcome.error
        decision = retry.decide(
            error,
            idempotent=request.idempotent,
            attempt=attempt,
            elapsed=clock.current().monotonic() - start,
            refreshed=refreshed or not request.authorized,
            policy=policy,
            jitter=random.random(),  # noqa: S311
        )
        if isinstance(decision, retry.GiveUp):
            secrets = (*settings.secrets, *request.secrets, *((token,) if token else ()))
            raise _explained(error, _advise(error, settings), secrets)
        if isinstance(decision, retry.RefreshToken):
            refreshed = True
            token = cast(str, (yield NeedToken(rejected=token)))
        else:
            attempt += 1
            yield Pause(decision.delay)


class _Failure(Frozen, frozen=True):
    error: FlowServiceError


def _read(request: Request[T], result: Result) -> T | _Failure:
    if isinstance(result, FlowServiceError):
        return _Failure(result)
    if not isinstance(result, Response):
        raise TypeError(f"a Send must be given a response or an error, not {type(result).__name__}")
    if not result.is_success:
        return _Failure(response.error(result, token_refusals=_TOKEN_REFUSALS[request.host]))
    try:
        return request.parse(result)
    except FlowServiceError as unreadable:
        return _Failure(unreadable)


def _prepare(request: Request[Any], settings: Settings, token: str | None, seconds: float) -> Send:
    headers = {"Accept": "application/json", "x-request-id": str(uuid.uuid4())}
    body: bytes | None = None
    if request.form is not None:
        body = urlencode(request.form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    elif request.content is not None or request.json is not None:
        body = request.content if request.content is not None else msgspec.json.encode(request.json)
        headers["Content-Type"] = "application/json"
    if token is not None:
        headers.update(_credentials(request.host, settings, token))
    headers.update(request.headers)
    return Send(
        method=request.method,
        origin=_origin(request.host, settings),
        path=request.path,
        query=request.query,
        headers=headers,
        body=body,
        seconds=seconds,
    )


def _origin(host: Host, settings: Settings) -> str:
    return {
        Host.GATEWAY: settings.gateway,
        Host.COLLECTION: settings.collection_host,
        Host.IMS: settings.ims_host,
    }[host]


def _credentials(host: Host, settings: Settings, token: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}", "x-gw-ims-org-id": settings.org_id}
    if host is Host.GATEWAY:
        headers["x-api-key"] = settings.client_id
        headers["x-sandbox-name"] = settings.sandbox
    return headers


def _explained(error: FlowServiceError, advice: str, secrets: tuple[str, ...]) -> FlowServiceError:
    """The error with a remedy, and without any secret that a server may have echoed."""
    message = f"{error.message} {advice}".rstrip()
    for secret in secrets:
        if len(secret) > 3:
            message = message.replace(secret, "***")
    error.message = message
    error.args = (message,)
    return error


_ROLE = "Add the credential to a role in AEP's Permissions; a product profile alone is not enough."
_ORG = (
    "Check extra 'org_id' ({org_id}) of the connection, and that the credential belongs to that organization."
)
_SANDBOX = (
    "Sandbox {sandbox!r} does not exist for this credential. Check its name, or "
    + _ROLE[0].lower()
    + _ROLE[1:]
)
_API_KEY = "The login of the connection must be the client id ({client_id}) that the token was issued for."
_REFUSED = "Check that client id, client secret and organization belong together."

#: AEP's code, without the HTTP status that some of them end with, to what to do.
_BY_CODE = {
    "401013": _REFUSED,
    "403000": _API_KEY,
    "403003": _API_KEY,
    "400003": _ORG,
    "403025": _ORG,
    "403027": _ORG,
    "FLOW-2000": _ORG,
    "FLOW-2001": _ORG,
    "FLOW-2002": _ORG,
    "FLOW-2100": _SANDBOX,
    "FLOW-2101": _SANDBOX,
    "FLOW-2102": _SANDBOX,
    "FLOW-2103": _SANDBOX,
    "FLOW-2118": _ROLE,
    "FLOW-2120": _ROLE,
    "FLOW-2121": _ROLE,
}


def _advise(error: FlowServiceError, settings: Settings) -> str:
    """The remedy for an error, or an empty text where none is known."""
    if not isinstance(error, ApiError):
        return ""
    code = error.code or ""
    stem = code if code in _BY_CODE else code.rpartition("-")[0]
    remedy = _BY_CODE.get(stem, _ROLE if error.status == 403 else "")
    return remedy.format(org_id=settings.org_id, sandbox=settings.sandbox, client_id=settings.client_id)
