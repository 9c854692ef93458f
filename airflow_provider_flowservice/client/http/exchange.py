"""Credentials, retries and error handling of a request, implemented once for both transports.

:func:`exchange` is a generator that performs no input or output. It yields the next step (:class:`Turn`,
:class:`Send`, :class:`Pause` or :class:`NeedToken`) and receives its result. A transport is the loop that executes the
steps.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import urlencode

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    FlowServiceError,
    InvalidInputError,
    RenewedTokenError,
    retyped,
)
from airflow_provider_flowservice.client.http import response, retry
from airflow_provider_flowservice.client.http.body import ACCEPT_ENCODING
from airflow_provider_flowservice.client.http.caller import UNKNOWN_CALLER, Caller
from airflow_provider_flowservice.client.http.request import Host, Request
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.settings import Settings, is_loopback
from airflow_provider_flowservice.client.text import header_value, plain_text, without_secrets
from airflow_provider_flowservice.connection_fields import field_name

T = TypeVar("T")


class Send(Frozen, frozen=True):
    """Step: send an HTTP request.

    :param seconds: maximum duration of the attempt.
    :param secrets: what must not appear in a message about the response.
    """

    hidden: ClassVar = frozenset({"headers", "body", "secrets"})

    method: str
    origin: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | None
    seconds: float
    secrets: tuple[str, ...]

    @property
    def url(self) -> str:
        """The absolute URL."""
        return f"{self.origin}{self.path}" + (f"?{self.query}" if self.query else "")

    def head(self, status: int, headers: Mapping[str, str]) -> Response:
        """Return the response to this request, without its body."""
        lower = {name.lower(): value for name, value in headers.items()}
        return Response(self.method, self.path, status, lower, secrets=self.secrets)


class Turn(Frozen, frozen=True):
    """Step: wait until the next request may be sent. This time does not count as part of the retry budget."""


class Pause(Frozen, frozen=True):
    """Step: sleep for a number of seconds."""

    seconds: float


class NeedToken(Frozen, frozen=True):
    """Step: provide a token.

    :param rejected: the token that AEP rejected, if any.
    """

    hidden: ClassVar = frozenset({"rejected"})

    rejected: str | None = None


#: Statuses that mean that the token is invalid. Inlets return 403 for it; from the gateway, 403 is a permission error.
_TOKEN_REJECTIONS = {
    Host.GATEWAY: frozenset({401}),
    Host.COLLECTION: frozenset({401, 403}),
    Host.IMS: frozenset({401}),
}

Step = Send | Turn | Pause | NeedToken
#: Result of a step: a response or an error after Send, a token after NeedToken, None after Turn and Pause.
Result = Response | FlowServiceError | str | None
Exchange = Generator[Step, Result, T]
_Headers = Mapping[str, str]


def exchange(
    request: Request[T],
    settings: Settings,
    caller: Caller = UNKNOWN_CALLER,
    *,
    is_probe: bool = False,
    without: frozenset[str] = frozenset(),
) -> Exchange[T]:
    """Send a request, with retries, until it succeeds or must not be sent again.

    :param caller: who sends it. Its task is told to an emulator alone.
    :param is_probe: see :func:`probe`, as for ``without``.
    :raises FlowServiceError: the error of the last attempt, with secrets removed from its message.
    """
    # Moved by the time that the request waits for its turns.
    start = clock.current().monotonic()
    # Checked before a token is fetched for it.
    given = _checked(request.headers)
    # A probe shows the rejection of a token: none is renewed for it.
    attempt, refreshed = 1, is_probe
    token: str | None = None
    more_secrets = request.secrets
    while True:
        if token is None and request.authorized:
            token = cast(str, (yield NeedToken()))
        common = _common(request.host, settings, token, caller)
        secrets = common.secrets + more_secrets
        ready = clock.current().monotonic()
        yield Turn()
        elapsed = ready - start
        start = clock.current().monotonic() - elapsed
        seconds = max(settings.retry_budget - elapsed, 0.001)
        headers = {**common.headers, "x-request-id": _new_request_id(), **given}
        if without:
            headers = {name: value for name, value in headers.items() if name not in without}
        result = yield _prepare(request, settings, headers, seconds, secrets)
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
            policy=retry.Policy(settings.retries, settings.retry_budget),
            jitter=random.random(),  # noqa: S311
        )
        if isinstance(decision, retry.GiveUp):
            if is_probe and isinstance(result, Response):
                return cast(T, result)
            if refreshed and isinstance(error, AuthenticationError) and error.status == 401:
                error = retyped(error, RenewedTokenError, error.message)
            try:
                raise _explained(error, _advise(error, settings), secrets)
            finally:
                # An error's traceback holds the response. If this frame held the error in turn, both would stay in
                # memory until the garbage collector comes, and so would those of all further attempts.
                del error, outcome
        if isinstance(decision, retry.RefreshToken):
            refreshed = True
            more_secrets = secrets
            token = cast(str, (yield NeedToken(rejected=token)))
        else:
            attempt += 1
            yield Pause(decision.delay)


def probe(
    request: Request[Any],
    settings: Settings,
    caller: Caller = UNKNOWN_CALLER,
    without: frozenset[str] = frozenset(),
) -> Exchange[Response]:
    """Send a request and return the response, whatever its status, to see how AEP responds.

    It is only sent again if AEP is busy, or has failed for a moment and the request is idempotent.

    :param without: names of headers to leave out although every request has them.
    :raises FlowServiceError: if there is no response.
    """
    unread = msgspec.structs.replace(request, parse=lambda received: received)
    return exchange(unread, settings, caller, is_probe=True, without=without)


class _Failure(Frozen, frozen=True):
    error: FlowServiceError


def _read(request: Request[T], result: Result) -> T | _Failure:
    if isinstance(result, FlowServiceError):
        return _Failure(result)
    if not isinstance(result, Response):
        raise TypeError(f"the result of Send must be a response or an error, not {type(result).__name__}")
    if not result.is_success:
        rejections = _TOKEN_REJECTIONS[request.host]
        return _Failure(response.error(result, token_rejections=rejections, record=request.content))
    try:
        return request.parse(result)
    except FlowServiceError as unreadable:
        return _Failure(unreadable)


def _prepare(
    request: Request[Any],
    settings: Settings,
    headers: dict[str, str],
    seconds: float,
    secrets: tuple[str, ...],
) -> Send:
    body, content_type = request.content, "application/json"
    if request.form is not None:
        body, content_type = urlencode(request.form).encode(), "application/x-www-form-urlencoded"
    elif body is None and request.json is not None:
        body = msgspec.json.encode(request.json)
    if body is not None:
        headers = {"Content-Type": content_type, **headers}
    origin = _origin(request.host, settings)
    return Send(request.method, origin, request.path, request.query, headers, body, seconds, secrets)


def _new_request_id() -> str:
    """Return a random UUID. The class that the standard library has for it takes many times as long."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _origin(host: Host, settings: Settings) -> str:
    if host is Host.COLLECTION:
        return settings.collection_host
    return settings.ims_host if host is Host.IMS else settings.gateway


class _Common(Frozen, frozen=True):
    """What all requests to a host have.

    :param headers: with the token, if there is one.
    """

    hidden: ClassVar = frozenset({"headers", "secrets"})

    headers: _Headers
    secrets: tuple[str, ...]


# Nearly all requests of a process have the same.
@lru_cache(maxsize=16)
def _common(host: Host, settings: Settings, token: str | None, caller: Caller) -> _Common:
    """Return what all requests of a caller to a host have, with the token if there is one."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": ACCEPT_ENCODING,
        "User-Agent": caller.user_agent,
    }
    # An emulator may be behind the gateway alone: neither IMS nor an inlet of Adobe's is told the names of tasks.
    if settings.is_emulated and is_loopback(_origin(host, settings)):
        headers |= caller.task_headers
    if token is not None:
        headers |= {"Authorization": f"Bearer {token}", "x-gw-ims-org-id": settings.org_id}
    if token is not None and host is Host.GATEWAY:
        headers["x-api-key"] = settings.client_id
    if host is not Host.IMS:
        headers["x-sandbox-name"] = settings.sandbox
    secrets = settings.secrets if token is None else (*settings.secrets, token)
    return _Common(_checked(tuple(headers.items())), secrets)


#: What a header is called where its value comes from.
_FIELDS = {
    "Authorization": "access token",
    "x-gw-ims-org-id": "organization id",
    "x-api-key": "client id",
    "x-sandbox-name": "sandbox",
    "x-adobe-flow-id": "flow_id",
    "If-Match": "etag",
}


@lru_cache(maxsize=64)
def _checked(headers: tuple[tuple[str, str], ...]) -> _Headers:
    """Return headers without white space around their values.

    :raises InvalidInputError: if a header cannot carry its value.
    """
    remedy = "Give it as Adobe shows it, on one line."
    return {
        name: header_value(_FIELDS.get(name, name), value, remedy, secret=name == "Authorization")
        for name, value in headers
    }


def _explained(error: FlowServiceError, advice: str, secrets: tuple[str, ...]) -> FlowServiceError:
    """Add a remedy to an error, and remove secrets from its message, which can be that of a library."""
    # Invalid input is described by the client itself.
    shown = without_secrets if isinstance(error, InvalidInputError) else plain_text
    message = shown(error.message, secrets=secrets)
    message = f"{message} {advice}".rstrip()
    error.message = message
    error.args = (message,)
    return error


_ROLE = "Add the credential to a role in AEP's Permissions; a product profile alone is not enough."
_ORG = (
    f"Check {field_name('org_id')} of the connection, {{org_id}}, and that the credential belongs to this"
    " organization."
)
_SANDBOX = (
    "Sandbox {sandbox!r} does not exist for this credential. Check its name, or "
    + _ROLE[0].lower()
    + _ROLE[1:]
)
_API_KEY = (
    f"Set {field_name('login')} of the connection, {{client_id}}, to the client id that the token was issued"
    " for."
)
_RENEWED = "IMS accepts the credential: another attempt can succeed."
_REJECTED = (
    f"Check that {field_name('login')}, {field_name('password')} and {field_name('org_id')} of the connection belong"
    " together."
)

#: Remedies by AEP's error code, without the HTTP status at the end of some codes.
_BY_CODE = {
    "401013": _REJECTED,
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


#: Remedies for errors without a known code.
_BY_STATUS = {
    403: _ROLE,
    404: "Check the id, and that it belongs to sandbox {sandbox!r}.",
    409: "If another object has the name, choose another name, or delete that object.",
}


def _advise(error: FlowServiceError, settings: Settings) -> str:
    """Return the remedy for an error, or an empty string if none is known."""
    if not isinstance(error, ApiError):
        return ""
    code = error.code or ""
    stem = code if code in _BY_CODE else code.rpartition("-")[0]
    remedy = _BY_CODE.get(stem) or _BY_STATUS.get(error.status or 0, "")
    if isinstance(error, RenewedTokenError):
        remedy = f"{_RENEWED} {remedy}"
    return remedy.format(org_id=settings.org_id, sandbox=settings.sandbox, client_id=settings.client_id)
