"""Proxies and certificates, resolved in the same way for both transports.

The environment variables ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` and
``SSL_CERT_FILE`` have the same meaning as for curl and requests. Settings of the connection take precedence. Requests
to loopback addresses never use a proxy.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from airflow_provider_flowservice.client.errors import InvalidInputError, NotTheEmulatorError
from airflow_provider_flowservice.client.settings import LOOPBACK_HOSTS, Settings, active_emulator

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
    host = url.hostname or ""
    if host in LOOPBACK_HOSTS:
        return None
    if settings.proxy:
        return settings.proxy
    if proxy_bypass(host):
        return None
    proxies = getproxies_environment()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    # Like curl, accept a proxy without a scheme; aiohttp does not.
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def ca_file(settings: Settings) -> str | None:
    """Return the path of the trusted CA certificates, or None for the ones of the certifi package.

    :raises InvalidInputError: if the file does not exist or does not contain certificates.
    """
    candidates = [("extra 'ca_file'", settings.ca_file)]
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
        raise InvalidInputError(name, f"{path!r} cannot be used: {problem}", remedy) from problem


# Usually all connections use one bundle; the limit keeps contexts of changed files from accumulating.
@lru_cache(maxsize=8)
def _context(path: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 (a part of the key)
    """Return a cached context: reading a bundle takes tens of milliseconds and is only repeated if its file changes."""
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
