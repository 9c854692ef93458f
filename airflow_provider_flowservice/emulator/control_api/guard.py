"""Keeps web pages of other origins away from the emulator's own endpoints.

A page that a browser has open can send requests to every port of this machine. It cannot send JSON to another origin
without asking first, which the emulator never allows, and the browser tells where the page is from. If the page's
host was given the emulator's address by its own name server, the ``Host`` header still has its name.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from fastapi import Request

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import CurrentWorld

_JSON = re.compile(r'application/json[ \t]*(;[ \t]*charset=("utf-8"|utf-8)[ \t]*)?', re.IGNORECASE)
_READS = frozenset({"GET", "HEAD"})


class ControlError(ApiError):
    """A request to the emulator itself is invalid: a status and a message."""


def is_loopback(host: str) -> bool:
    """Return whether a name or address always means this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def check_origin(request: Request, world: CurrentWorld) -> None:
    """Admit a request to the emulator's own endpoints (a FastAPI dependency).

    :raises ControlError: 421 for a host that is neither loopback nor allowed, 403 for another origin, 415 for a change
        that is not declared as JSON, even if it has no body.
    """
    host = request.headers.get("host", "")
    _check_host(host, world.settings)
    # A page of another port of this machine is another origin too.
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        raise ControlError(
            403, f"the emulator takes no requests from web pages of other origins, and Origin is {origin!r}"
        )
    if request.method not in _READS:
        _check_media_type(request.headers.getlist("content-type"))


def _check_host(host: str, settings: Settings) -> None:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    allowed = {each.lower() for each in settings.allowed_hosts}
    if not is_loopback(name) and name not in allowed:
        raise ControlError(
            421,
            f"the emulator is not served under the host {host!r}; use 127.0.0.1 or localhost, or add the name to its "
            "allowed hosts",
        )


def _check_media_type(declared: list[str]) -> None:
    if len(declared) != 1 or not _JSON.fullmatch(declared[0].strip()):
        raise ControlError(
            415,
            "a request that changes something must have the header Content-Type: application/json, also without a "
            f"body, not {', '.join(declared) or 'none'}",
        )
