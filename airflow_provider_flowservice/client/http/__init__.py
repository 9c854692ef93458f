"""Requests and responses, and the two transports that carry them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.sender import Sender

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
    from airflow_provider_flowservice.client.http.blocking import RequestsTransport

__all__ = ["AiohttpTransport", "Request", "RequestsTransport", "Sender"]

#: These load aiohttp and requests, which take longer than everything else here together.
_TRANSPORTS = {"AiohttpTransport": "asynchronous", "RequestsTransport": "blocking"}


def __getattr__(name: str) -> Any:
    if name not in _TRANSPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_TRANSPORTS[name]}"), name)
