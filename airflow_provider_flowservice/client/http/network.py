"""Proxies and certificates, resolved in the same way for both transports.

The environment variables ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` and
``SSL_CERT_FILE`` have the same meaning as for curl and requests. Settings of the connection take precedence. Requests
to loopback addresses never use a proxy.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from airflow_provider_flowservice.client.errors import InvalidInputError, NotSentError, NotTheEmulatorError
from airflow_provider_flowservice.client.http.exchange import Send
from airflow_provider_flowservice.client.settings import Settings, active_emulator, is_loopback, proxy_url
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.connection_fields import field_name

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def blocked(origin: str) -> NotTheEmulatorError | None:
    """Return an error if a test's emulator is active and ``origin`` is another host, otherwise None."""
    emulator = active_emulator()
    if emulator is None or origin == emulator.gateway:
        return None
    return NotTheEmulatorError(origin, emulator.gateway)


def proxy_for(origin: str, settings: Settings) -> str | None:
    """Return the URL of the proxy for requests to ``origin``, or None for a direct connection."""
    url = urlsplit(origin)
    if is_loopback(origin):
        return None
    if settings.proxy:
        return settings.proxy
    if proxy_bypass(url.hostname or ""):
        return None
    proxies = getproxies_environment()
    for kind in (url.scheme, "all"):
        if proxy := proxies.get(kind):
            # Like curl, accept a proxy without a scheme; aiohttp does not.
            return proxy_url(f"{kind.upper()}_PROXY", proxy)
    return None


def not_reached(
    step: Send, settings: Settings, problem: BaseException, *, proxy_status: int | None = None
) -> NotSentError:
    """Return the error for a request without a connection, in words that do not depend on the transport.

    :param problem: what the transport's library raised. It is not quoted: it may contain the URL of the proxy.
    :param proxy_status: HTTP status with which the proxy refused; None if it did not respond.
    """
    proxy = proxy_for(step.origin, settings)
    target = _host_and_port(proxy or step.origin)
    whose = "the proxy " if proxy else ""
    where = (
        f"{field_name('proxy')} of the connection or HTTPS_PROXY" if proxy else _host_field(step, settings)
    )
    remedy = f"Check {where}, and the network of this machine."
    refused = ""
    if proxy_status == 407:
        what = "responds 407: it wants another user and password"
        remedy = (
            f"Set them in the URL of the proxy, in {field_name('proxy')} of the connection or in HTTPS_PROXY."
        )
    elif proxy_status is not None:
        what = f"responds {proxy_status} and does not connect"
        refused = f" to {_host_and_port(step.origin)}"
        remedy = (
            "Try again later, or ask those who run the proxy."
            if proxy_status >= 500
            else "Ask those who run the proxy to permit this host."
        )
    else:
        what = _failure(problem, settings.connect_timeout)
    return NotSentError(
        f"{step.method} {step.path}: no connection: {whose}{target} {what}{refused}. {remedy}",
        method=step.method,
        path=step.path,
        problem=f"{whose or 'it '}{what}",
        remedy=remedy,
    )


def _host_field(step: Send, settings: Settings) -> str:
    """Return the name of the connection's field that a request has its host from."""
    origins = {
        "host": settings.gateway,
        "ims_host": settings.ims_host,
        "collection_host": settings.collection_host,
    }
    names = [field_name(name) for name, origin in origins.items() if origin == step.origin]
    return f"{', '.join(names)} of the connection"


def _failure(problem: BaseException, seconds: float) -> str:
    """Say why no connection was made, from the operating system's error behind that of a library."""
    causes = tuple(_causes(problem))
    system = [cause for cause in causes if isinstance(cause, OSError)]
    # aiohttp has a class of its own for what aiodns, which may be installed, does not resolve.
    if any(isinstance(c, socket.gaierror) or "DNSError" in type(c).__name__ for c in causes):
        return "is not known: its name cannot be resolved"
    if any(isinstance(cause, ConnectionRefusedError) for cause in system):
        return "refuses the connection"
    if any("timeout" in type(cause).__name__.lower() for cause in causes):
        return f"did not accept the connection within {seconds:g} seconds"
    reason = next((cause.strerror for cause in reversed(system) if cause.strerror), None)
    return f"cannot be reached ({plain_text(reason or type(problem).__name__)})"


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those behind it, which each library keeps in another place."""
    pending, seen = [problem], set[int]()
    while pending:
        cause = pending.pop()
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            behind = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
            pending.extend(other for other in behind if isinstance(other, BaseException))


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def ca_file(settings: Settings) -> str | None:
    """Return the path of the trusted CA certificates, or None for the ones of the certifi package.

    :raises InvalidInputError: if the file does not exist or does not contain certificates.
    """
    candidates = [(field_name("ca_file"), settings.ca_file)]
    candidates += [(name, os.environ.get(name)) for name in _CA_VARIABLES]
    for name, path in candidates:
        if path:
            _check_ca_file(name, path)
            return path
    return None


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return a context that verifies servers with the certificates of :func:`ca_file`."""
    path = ca_file(settings)
    if path is None:
        import certifi

        path = certifi.where()
    return _context(path, Path(path).stat().st_mtime_ns)


def _check_ca_file(name: str, path: str) -> None:
    remedy = "Set it to the path of a file with PEM certificates."
    if not Path(path).exists():
        raise InvalidInputError(name, f"the file {path!r} does not exist", remedy)
    try:
        _context(path, Path(path).stat().st_mtime_ns)
    except OSError as problem:
        raise InvalidInputError(name, f"{path!r} cannot be used: {problem}", remedy) from None


# Usually all connections use one bundle; the limit keeps contexts of changed files from accumulating.
@lru_cache(maxsize=8)
def _context(path: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 (a part of the key)
    """Return a cached context: reading a bundle takes tens of milliseconds and is only repeated if its file changes."""
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
