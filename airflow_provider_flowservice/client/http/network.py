"""Proxies and certificates, resolved once for both transports so that they behave alike.

The environment is read the way curl and requests read it: ``HTTPS_PROXY``, ``NO_PROXY``,
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` and ``SSL_CERT_FILE``. Settings of the connection come first.
Loopback is never proxied.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.settings import LOOPBACK_HOSTS, Settings

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def proxy_for(origin: str, settings: Settings) -> str | None:
    """The proxy URL for requests to ``origin``, or None for a direct connection."""
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
    # curl takes a bare host and port; of the two libraries, only requests does.
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def ca_file(settings: Settings) -> str | None:
    """Path of the CA certificates to trust, or None for the ones that come with Python.

    :raises InvalidInputError: if the file does not exist, or is not a file of certificates.
    """
    candidates = [("extra 'ca_file'", settings.ca_file)]
    candidates += [(name, os.environ.get(name)) for name in _CA_VARIABLES]
    for name, path in candidates:
        if path:
            _check_ca_file(name, path)
            return path
    return None


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """A context that verifies servers against :func:`ca_file`; one serves all connections."""
    path = ca_file(settings)
    if path is None:
        import certifi

        path = certifi.where()
    return _context(path, Path(path).stat().st_mtime_ns)


def _check_ca_file(name: str, path: str) -> None:
    remedy = "Name a file of PEM certificates."
    if not Path(path).exists():
        raise InvalidInputError(name, f"the file {path!r} does not exist", remedy)
    try:
        _context(path, Path(path).stat().st_mtime_ns)
    except OSError as problem:
        raise InvalidInputError(name, f"{path!r} cannot be used: {problem}", remedy) from problem


@lru_cache(maxsize=8)
def _context(path: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 (a part of the key)
    """Reading a bundle takes tens of milliseconds, so each is read once until its file changes."""
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
