"""The asynchronous transport, on aiohttp."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

import aiohttp
from yarl import URL

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    FlowServiceError,
    ResponseLostError,
    UntrustedServerError,
)
from airflow_provider_flowservice.client.http import auth, network
from airflow_provider_flowservice.client.http.body import Body
from airflow_provider_flowservice.client.http.caller import UNKNOWN_CALLER, Caller
from airflow_provider_flowservice.client.http.exchange import NeedToken, Pause, Result, Send, exchange
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.response import Response, Token, retry_after
from airflow_provider_flowservice.client.settings import Settings

T = TypeVar("T")

#: Maximum number of large bodies that all transports of an event loop read at once: many triggers share its memory.
LARGE_AT_ONCE = 4
#: Bodies up to this size in bytes, as received, are read without waiting for others. Nearly all are smaller, so that
#: servers that send slowly cannot hold up the triggers of others.
SMALL_BYTES = 64 * 1024

#: Connections at once, unless the caller says otherwise.
CONNECTIONS = 100

_slots: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()


class Pacer(Protocol):
    """Decides when requests may be sent, from what the server says to earlier ones."""

    async def turn(self, messages: int) -> None:
        """Wait until a request with so many messages may be sent."""

    def saw(self, status: int | None, retry_after: float | None) -> None:
        """Learn how the request of a turn ended.

        :param status: status of the response; None if there was none.
        :param retry_after: seconds for which the server does not want another request, if it says so.
        """


class AiohttpTransport:
    """Sends requests concurrently. Create one instance per event loop and connection.

    :param settings: the servers and the credential.
    :param on_token: called with every token that is fetched before it is used, so that it can be masked in logs.
    :param connections: maximum number of connections; further requests wait until one is free.
    :param caller: who sends the requests, unless :meth:`send` is told otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_token: Callable[[str], None] | None = None,
        connections: int = CONNECTIONS,
        caller: Caller = UNKNOWN_CALLER,
    ) -> None:
        self._settings = settings
        self._caller = caller
        self._on_token = on_token
        self._tokens = auth.TokenSource(settings)
        self._ssl = network.ssl_context(settings)
        #: The proxy of each origin. Looking for one reads all variables of the environment.
        self._proxies: dict[str, str | None] = {}
        # Proxies and certificates are resolved in network.py, as in the other transport.
        # Body decompresses, with a limit.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def send(
        self,
        request: Request[T],
        *,
        pace: Pacer | None = None,
        messages: int = 1,
        caller: Caller | None = None,
    ) -> T:
        """Send a request with a token, and with retries.

        :param request: the request.
        :param pace: asked before each attempt, and told its result. Requests for a token do not wait for it.
        :param messages: number of messages in the request.
        :param caller: who sends it; None for the caller of the transport.
        :returns: the response, parsed by the request's ``parse``.
        :raises FlowServiceError: if the last attempt fails.
        """
        steps = exchange(request, self._settings, caller or self._caller)
        result: Result = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            result = None
            if isinstance(step, Send):
                result = await (self._paced_attempt(step, pace) if pace else self._attempt(step))
            elif isinstance(step, NeedToken):
                result = await self._tokens.token_async(step.rejected, self._fetch_token)
            elif isinstance(step, Pause):
                await clock.current().sleep_async(step.seconds)
            elif pace:
                await pace.turn(messages)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _fetch_token(self) -> Token:
        try:
            token = await self.send(self._tokens.request())
        except FlowServiceError as error:
            raise auth.explain_rejection(error, self._settings) from error
        if self._on_token:
            self._on_token(token.value)
        return token

    async def _paced_attempt(self, step: Send, pace: Pacer) -> Response | FlowServiceError:
        status = after = None
        try:
            result = await self._attempt(step)
            status = result.status
            after = retry_after(result.headers.get("retry-after")) if isinstance(result, Response) else None
        finally:
            # Also if this task is cancelled: each turn has one end.
            pace.saw(status, after)
        return result

    async def _attempt(self, step: Send) -> Response | FlowServiceError:
        if blocked := network.blocked(step.origin):
            return blocked
        try:
            return await self._exchange(step)
        except FlowServiceError as problem:
            return problem
        except aiohttp.ClientConnectorCertificateError as problem:
            return UntrustedServerError(step.origin, str(problem))
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ConnectionTimeoutError,
        ) as problem:
            status = problem.status if isinstance(problem, aiohttp.ClientHttpProxyError) else None
            return network.not_reached(step, self._settings, problem, proxy_status=status)
        except (TimeoutError, aiohttp.ClientError) as problem:
            # The text of this one has the URL of the proxy, with its password.
            said = problem.message if isinstance(problem, aiohttp.ClientResponseError) else str(problem)
            what = f"{type(problem).__name__} {said}".rstrip()
            message = f"{step.method} {step.path}: no complete response: {what}"
            return ResponseLostError(message, method=step.method, path=step.path)

    async def _exchange(self, step: Send) -> Response:
        timeout = aiohttp.ClientTimeout(
            total=step.seconds,
            sock_connect=self._settings.connect_timeout,
            sock_read=self._settings.read_timeout,
        )
        async with self._session.request(
            step.method,
            # The path is already percent-encoded; without encoded=True, yarl would decode and encode it again.
            URL(step.url, encoded=True),
            data=step.body,
            headers=step.headers,
            timeout=timeout,
            proxy=self._proxy_for(step.origin),
            ssl=self._ssl,
            allow_redirects=False,
        ) as received:
            head = step.head(received.status, received.headers)
            return head.with_body(await _read(received.content, Body(head)))

    def _proxy_for(self, origin: str) -> str | None:
        if origin not in self._proxies:
            self._proxies[origin] = network.proxy_for(origin, self._settings)
        return self._proxies[origin]


async def _read(content: aiohttp.StreamReader, body: Body) -> bytes:
    """Read a body. A large one waits until fewer than :data:`LARGE_AT_ONCE` others are being read."""
    first = b""
    while len(first) <= SMALL_BYTES and not content.at_eof():
        first += await content.readany()
    if len(first) <= SMALL_BYTES:
        # Nothing waits from here until the response is parsed, so there is only one such body at a time.
        body.feed(first)
        return body.complete()
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(LARGE_AT_ONCE)):
        body.feed(first)
        while chunk := await content.readany():
            body.feed(chunk)
        return body.complete()
