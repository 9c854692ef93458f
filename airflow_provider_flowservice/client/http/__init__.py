"""HTTP: requests, responses, retries, tokens, paging, and the two transports."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.http.auth import TokenStore
from airflow_provider_flowservice.client.http.auth import forget_all as forget_tokens
from airflow_provider_flowservice.client.http.caller import Caller
from airflow_provider_flowservice.client.http.pages import Reading, iterate
from airflow_provider_flowservice.client.http.request import (
    CONNECTION_SPECS,
    CONNECTIONS,
    FLOW_SERVICE,
    FLOW_SPECS,
    FLOWS,
    PAGE_LIMIT,
    RUNS,
    SOURCE_CONNECTIONS,
    TARGET_CONNECTIONS,
    Host,
    Kind,
    Member,
    Request,
    Sender,
    action,
    any_of,
    count,
    create,
    equals,
    get,
    is_plain,
    page,
    patch,
)
from airflow_provider_flowservice.client.http.response import Response, Token, error, lenient_json, next_token

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
    from airflow_provider_flowservice.client.http.blocking import RequestsTransport
    from airflow_provider_flowservice.client.http.network import ca_file, proxy_for


#: Imported on first use. The transports load aiohttp and requests, which takes longer than importing the rest of the
#: client, and the network is looked at by them alone.
_ON_FIRST_USE = {
    "AiohttpTransport": "asynchronous",
    "RequestsTransport": "blocking",
    "ca_file": "network",
    "proxy_for": "network",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ON_FIRST_USE[name]}"), name)
