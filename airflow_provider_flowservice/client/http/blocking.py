"""The synchronous transport, based on requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
import urllib3

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    FlowServiceError,
    ResponseLostError,
    UntrustedServerError,
)
from airflow_provider_flowservice.client.http import auth, deadline, network
from airflow_provider_flowservice.client.http.body import Body
from airflow_provider_flowservice.client.http.caller import UNKNOWN_CALLER, Caller
from airflow_provider_flowservice.client.http.exchange import (
    Exchange,
    NeedToken,
    Pause,
    Result,
    Send,
    Turn,
    exchange,
    probe,
)
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.response import Response, Token
from airflow_provider_flowservice.client.settings import Settings

T = TypeVar("T")

#: Maximum number of bytes per read.
_CHUNK_BYTES = 65536
_TUNNEL_FAILED = re.compile(r"Tunnel connection failed: (?P<status>\d{3})\b")


class RequestsTransport:
    """Sends requests one after the other over persistent connections. Create one instance per thread.

    :param settings: the servers and the credential.
    :param on_token: called with every token before it is used, so that it can be masked in logs.
    :param token_store: shares tokens with other processes; None does not share them.
    :param caller: who sends the requests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_token: Callable[[str], None] | None = None,
        token_store: auth.TokenStore | None = None,
        caller: Caller = UNKNOWN_CALLER,
    ) -> None:
        self._settings = settings
        self._caller = caller
        self._tokens = auth.TokenSource(settings, token_store)
        self._on_token = on_token
        self._session = _Session()
        # Proxies and certificates are resolved in network.py. A .netrc file must not replace the Authorization header.
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, deadline.DeadlineAdapter())
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._session.verify = network.ca_file(settings) or True

    def send(self, request: Request[T]) -> T:
        """Send a request with a token, and with retries.

        :param request: the request.
        :returns: the response, parsed by the request's ``parse``.
        :raises FlowServiceError: if the last attempt fails.
        """
        return self._perform(exchange(request, self._settings, self._caller))

    def probe(self, request: Request[Any], *, without: Iterable[str] = ()) -> Response:
        """Send a request and return the response, whatever its status, to see how AEP responds.

        :param request: the request; its ``parse`` is not called.
        :param without: names of headers to leave out although every request has them, such as ``x-sandbox-name``.
        :raises FlowServiceError: if there is no response.
        """
        return self._perform(probe(request, self._settings, self._caller, frozenset(without)))

    def _perform(self, steps: Exchange[T]) -> T:
        result: Result = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            if isinstance(step, Pause):
                clock.current().sleep(step.seconds)
                result = None
            elif isinstance(step, NeedToken):
                result = self._token(step.rejected)
            elif isinstance(step, Turn):
                result = None  # requests go out one after the other
            else:
                result = self._attempt(step)

    def authorize(self) -> None:
        """Fetch a token, unless there is one that this process or another has fetched.

        :raises FlowServiceError: if IMS does not issue one.
        """
        self._token(None)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _token(self, rejected: str | None) -> str:
        token = self._tokens.token(rejected, self._fetch_token)
        if self._on_token:
            self._on_token(token)
        return token

    def _fetch_token(self) -> Token:
        try:
            return self.send(self._tokens.request())
        except FlowServiceError as error:
            raise auth.explain_rejection(error, self._settings) from error

    def _attempt(self, step: Send) -> Response | FlowServiceError:
        where = {"method": step.method, "path": step.path}
        if blocked := network.blocked(step.origin):
            return blocked
        try:
            return self._exchange(step)
        except FlowServiceError as problem:
            return problem
        except requests.exceptions.SSLError as problem:
            return _ssl_failure(problem, step)
        except requests.exceptions.ConnectionError as problem:
            if _never_connected(problem):
                status = _proxy_status(problem)
                return network.not_reached(step, self._settings, problem, proxy_status=status)
            return ResponseLostError(f"{step.method} {step.path}: the connection broke: {problem}", **where)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as problem:
            return ResponseLostError(f"{step.method} {step.path}: no complete response: {problem}", **where)

    def _exchange(self, step: Send) -> Response:
        proxy = network.proxy_for(step.origin, self._settings)
        timeout = (self._settings.connect_timeout, min(self._settings.read_timeout, step.seconds))
        with (
            deadline.within(step.seconds),
            self._session.request(
                step.method,
                step.url,
                data=step.body,
                headers=step.headers,
                timeout=timeout,
                proxies={"http": proxy, "https": proxy} if proxy else None,
                allow_redirects=False,
                stream=True,
            ) as received,
        ):
            head = step.head(received.status_code, received.headers)
            body = Body(head)
            while chunk := received.raw.read1(_CHUNK_BYTES, decode_content=False):
                body.feed(chunk)
            return head.with_body(body.complete())


class _Session(requests.Session):
    """A session that ignores redirects. Even if it must not follow one, requests reads its body without a limit."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _ssl_failure(problem: Exception, step: Send) -> FlowServiceError:
    if "CERTIFICATE_VERIFY_FAILED" in str(problem):
        return UntrustedServerError(step.origin, str(problem))
    message = f"{step.method} {step.path}: TLS failed: {problem}"
    return ResponseLostError(message, method=step.method, path=step.path)


def _never_connected(problem: requests.exceptions.ConnectionError) -> bool:
    if isinstance(problem, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)):
        return True
    reason = getattr(problem.args[0], "reason", None) if problem.args else None
    return isinstance(reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError))


def _proxy_status(problem: requests.exceptions.ConnectionError) -> int | None:
    """Return the status with which a proxy refused; the standard library has it only in its message."""
    found = _TUNNEL_FAILED.search(str(problem))
    return int(found["status"]) if found else None
