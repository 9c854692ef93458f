"""Pollers shared by the triggers in an event loop: one per connection and sandbox."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.settings import Settings, active_emulator
from airflow_provider_flowservice.hooks.caller import AIRFLOW
from airflow_provider_flowservice.hooks.connection import connection_settings, missing_connection
from airflow_provider_flowservice.triggers.poller import Poller

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

#: How long a connection that Airflow does not find is looked up again, in seconds: a secrets backend that fails for a
#: moment looks like a missing connection. One that does not answer is not waited for any longer either.
PATIENCE = 600
PAUSE = 30
#: Look-ups without an answer so far. Those that nobody waits for any more are not cancelled: Airflow would take their
#: answer for that of the next one.
_unanswered: set[asyncio.Task[Connection]] = set()


_told: set[asyncio.Task[None]] = set()

_Pollers = dict[Settings, Poller]
_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pollers] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def poller(flowservice_conn_id: str, sandbox: str | None, deadline: float) -> AsyncIterator[Poller]:
    """Return the shared poller of a connection. It is closed when its last user exits the ``with`` block.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    :param deadline: absolute time after which the connection is not looked up again, in seconds since 1970-01-01 UTC.
    :raises MissingConnectionError: if Airflow does not find the connection, or does not answer, for ten minutes or
        until the deadline.
    """
    from airflow_provider_flowservice.client.http import AiohttpTransport

    connection = await _look_up(flowservice_conn_id, deadline)
    settings = connection_settings(connection, sandbox)
    pollers = _loops.setdefault(asyncio.get_running_loop(), {})
    shared = pollers.get(settings)
    if shared is None:
        shared = pollers[settings] = Poller(AiohttpTransport(settings, on_token=_mask, caller=AIRFLOW))
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del pollers[settings]
            await shared.close()


def _mask(token: str) -> None:
    """Mask a token, in this process at once and in the one that Airflow supervises it from.

    The pollers' own tasks cannot call Airflow, unlike those of triggers. A thread can.
    """
    mask_secret(token)
    telling = asyncio.get_running_loop().create_task(asyncio.to_thread(mask_secret, token))
    _told.add(telling)
    telling.add_done_callback(_told.discard)


async def _look_up(conn_id: str, deadline: float) -> Connection | None:
    """Return a connection; None if there is none and a test's emulator is active."""
    from airflow.providers.common.compat.connection import get_async_connection

    async def in_thread(conn_id: str) -> Connection:
        return await asyncio.to_thread(BaseHook.get_connection, conn_id)

    last = min(deadline, clock.current().wall() + PATIENCE)
    while True:
        # Where a trigger runs within a task, as in dag.test(), only the second finds connections in the database.
        for look in (get_async_connection, in_thread):
            with suppress(AirflowNotFoundException):
                return await _answer(conn_id, look(conn_id), max(PAUSE, last - clock.current().wall()))
        if active_emulator() is not None:
            return None
        if clock.current().wall() + PAUSE > last:
            raise missing_connection("flowservice_conn_id", conn_id)
        log.warning("Airflow has found no connection %r; looking again in %d seconds", conn_id, PAUSE)
        await clock.current().sleep_async(PAUSE)


async def _answer(conn_id: str, look: Coroutine[Any, Any, Connection], seconds: float) -> Connection:
    """Return what a look-up returns.

    :raises MissingConnectionError: if it takes longer than ``seconds``.
    """
    answer = asyncio.create_task(look)
    _unanswered.add(answer)
    answer.add_done_callback(_answered)
    await asyncio.wait({answer}, timeout=seconds)
    if answer.done():
        return answer.result()
    raise missing_connection("flowservice_conn_id", conn_id)


def _answered(answer: asyncio.Task[Connection]) -> None:
    _unanswered.discard(answer)
    if not answer.cancelled():
        answer.exception()  # asyncio logs those that nobody asks for
