"""Kills this process with SIGKILL at one of its HTTP exchanges, or when a task has done its work."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.http.exchange import Send
from airflow_provider_flowservice.operators.task_state import TaskState


class Moment(StrEnum):
    """When a process dies."""

    #: The request does not go out.
    BEFORE = "before"
    #: The request had its effect, and nobody reads the answer.
    AFTER = "after"
    #: A task has done its work and forgotten what it noted, and Airflow does not know yet.
    DONE = "done with"


@dataclass(frozen=True)
class KillPoint:
    """One place to die.

    :param number: from 1, of the exchange or of the task that remembers.
    """

    number: int
    moment: Moment

    def __str__(self) -> str:
        what = "task" if self.moment is Moment.DONE else "exchange"
        return f"{self.moment.value} {what} {self.number}"


class Exchanges:
    """Counts the exchanges of this process, writes each down, and dies at one of them.

    :param journal: gets a line for each exchange before it is made.
    :param point: where to die; None nowhere.
    :param die: told when the point is reached.
    """

    def __init__(self, journal: Path, point: KillPoint | None, die: Callable[[], None] | None = None) -> None:
        self._journal = journal
        self._point = point
        self._numbers = itertools.count(1)
        self._die = die or _kill

    def watch(self) -> None:
        """From now on every exchange of either transport passes through here."""
        blocking, asynchronous = RequestsTransport._exchange, AiohttpTransport._exchange
        begin, end = self._begin, self._end

        def exchange(transport: RequestsTransport, step: Send) -> Any:
            number = begin(step)
            answer = blocking(transport, step)
            end(number)
            return answer

        async def exchange_async(transport: AiohttpTransport, step: Send) -> Any:
            number = begin(step)
            answer = await asynchronous(transport, step)
            end(number)
            return answer

        clear, tasks = TaskState.clear, itertools.count(1)

        def clear_and_die(task_state: TaskState) -> None:
            clear(task_state)
            self._reach(next(tasks), Moment.DONE)

        TaskState.clear = clear_and_die  # type: ignore[method-assign]
        RequestsTransport._exchange = exchange  # type: ignore[method-assign]
        AiohttpTransport._exchange = exchange_async  # type: ignore[method-assign]

    def _begin(self, step: Send) -> int:
        number = next(self._numbers)
        with self._journal.open("a") as file:
            file.write(f"{step.method} {step.path}\n")
        self._reach(number, Moment.BEFORE)
        return number

    def _end(self, number: int) -> None:
        self._reach(number, Moment.AFTER)

    def _reach(self, number: int, moment: Moment) -> None:
        if self._point == KillPoint(number, moment):
            self._die()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
