"""What happens inside a whole Airflow's own processes: time is the emulator's, and first tries die.

The id of a DAG run, such as ``before-1``, says when the tasks of that run die in their first try: before or after
so many of their writes.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.http.exchange import Send
from tests.support.emulator_clock import EmulatorClock

#: Environment variable with the folder in which each death is noted.
DEATHS = "FLOWSERVICE_TEST_DEATHS"
#: Seconds that the scheduler needs at most to see that a process has ended.
SCHEDULER_SECONDS = 15.0


class HastyClock(EmulatorClock):
    """The emulator's time for all processes together; waiting moves it on."""

    def sleep(self, seconds: float) -> None:
        self.control.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        # A trigger that fires before the scheduler has seen the end of the deferred task's process makes the
        # scheduler take that end for a failure; in real time a wait is longer than its loop.
        await super().sleep_async(min(seconds, SCHEDULER_SECONDS))
        self.control.advance(seconds)


def install() -> None:
    """Put clock and hook in force for this process and those that it forks."""
    HastyClock().install()
    blocking, asynchronous = RequestsTransport._exchange, AiohttpTransport._exchange
    writes = itertools.count(1)

    @contextmanager
    def mortal(step: Send) -> Iterator[None]:
        if step.method == "GET" or step.path.startswith("/ims/"):
            yield
            return
        number = next(writes)
        _die_at("before", number, step)
        yield
        _die_at("after", number, step)

    def exchange(transport: RequestsTransport, step: Send) -> Any:
        with mortal(step):
            return blocking(transport, step)

    async def exchange_async(transport: AiohttpTransport, step: Send) -> Any:
        with mortal(step):
            return await asynchronous(transport, step)

    RequestsTransport._exchange = exchange  # type: ignore[method-assign]
    AiohttpTransport._exchange = exchange_async  # type: ignore[method-assign]


def _die_at(moment: str, number: int, step: Send) -> None:
    from airflow.sdk import get_current_context

    ti = get_current_context()["ti"]
    if ti.try_number == 1 and ti.run_id == f"{moment}-{number}":
        note = Path(os.environ[DEATHS]) / f"{ti.dag_id}.{ti.run_id}.{ti.task_id}"
        note.write_text(f"{step.method} {step.path}")
        os.kill(os.getpid(), signal.SIGKILL)
