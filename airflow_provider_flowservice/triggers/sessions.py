"""Transports shared by the triggers in an event loop: one per connection and sandbox."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.hooks.connection import (
    connection_settings,
    missing_connection_is_invalid_input,
)

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http import AiohttpTransport


@dataclass
class _Shared:
    transport: AiohttpTransport
    users: int = 0


_Transports = dict[Settings, _Shared]
_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Transports] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def transport(flowservice_conn_id: str, sandbox: str | None) -> AsyncIterator[AiohttpTransport]:
    """Return the shared transport of a connection. It is closed when its last user exits the ``with`` block.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """
    from airflow.providers.common.compat.connection import get_async_connection

    from airflow_provider_flowservice.client.http import AiohttpTransport

    connection = None
    with missing_connection_is_invalid_input("flowservice_conn_id", flowservice_conn_id):
        connection = await get_async_connection(flowservice_conn_id)
    settings = connection_settings(connection, sandbox)
    transports = _loops.setdefault(asyncio.get_running_loop(), {})
    shared = transports.get(settings)
    if shared is None:
        shared = transports[settings] = _Shared(AiohttpTransport(settings, on_token=mask_secret))
    shared.users += 1
    try:
        yield shared.transport
    finally:
        shared.users -= 1
        if not shared.users:
            del transports[settings]
            await shared.transport.close()
