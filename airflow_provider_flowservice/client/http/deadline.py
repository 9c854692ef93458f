"""A deadline for everything that the blocking transport receives.

The timeout of a socket starts anew with each byte. A server that sends one now and then, whether in a header, in the
size of a chunk, or in the body, would otherwise hold a worker forever.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_flowservice.client import clock

#: The monotonic time at which the current request ends. urllib3 has no way to pass it to a connection.
_deadline: ContextVar[float] = ContextVar("_deadline")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let whatever a :class:`DeadlineAdapter` receives in the ``with`` block end after ``seconds``."""
    token = _deadline.set(clock.current().monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """Opens connections that respect :func:`within`, directly or through an HTTP proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        """Return the pools of connections through a proxy."""
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _seconds_left() -> float:
    left = _deadline.get() - clock.current().monotonic()
    if left <= 0:
        # Not a TimeoutError: urllib3 would replace its message.
        raise ConnectionAbortedError("the response took too long")
    return left


class _Reader(io.RawIOBase):
    """Reads from a socket, whose timeout it shortens to the time that is left."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._timeout = connection.gettimeout()
        # This keeps the socket open until it is closed itself, even if the connection is closed first.
        self._file = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = _seconds_left()
        self._socket.settimeout(left if self._timeout is None else min(left, self._timeout))
        try:
            return self._file.readinto(buffer)
        except TimeoutError:
            _seconds_left()
            raise

    def close(self) -> None:
        self._file.close()
        super().close()


class _Readable:
    """The part of a socket that :class:`http.client.HTTPResponse` uses."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Readable(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


# The names of these two classes appear in error messages.
class HTTPConnectionPool(urllib3.HTTPConnectionPool):
    """Direct or proxied connections without TLS."""

    ConnectionCls = _Connection


class HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
    """Direct or proxied connections with TLS."""

    ConnectionCls = _SecureConnection


_POOLS = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
