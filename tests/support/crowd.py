"""Many threads on one virtual clock, as many workers live in one time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.clock import Clock
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.testing.clock import START

T = TypeVar("T")


class CrowdClock(Clock):
    """Time that moves on to the next one who wakes, as soon as all of a number of threads sleep.

    :param members: how many threads there are.
    :param moved: called with the seconds of each move, for example to move an emulator in step.
    """

    def __init__(self, members: int, moved: Callable[[float], None]) -> None:
        self._members = members
        self._moved = moved
        self._now = 0.0
        self._wakes: list[float] = []
        self._change = threading.Condition()

    def wall(self) -> float:
        return START + self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._change:
            wake = self._now + seconds
            self._wakes.append(wake)
            self._move_on()
            self._change.wait_for(lambda: self._now >= wake)

    def leave(self) -> None:
        """A thread has ended: the others do not wait for it."""
        with self._change:
            self._members -= 1
            self._move_on()

    def _move_on(self) -> None:
        if self._wakes and len(self._wakes) >= self._members:
            earliest = min(self._wakes)
            self._moved(earliest - self._now)
            self._now = earliest
            self._wakes = [wake for wake in self._wakes if wake > earliest]
            self._change.notify_all()


def all_at_once(
    jobs: Sequence[Callable[[], T]], moved: Callable[[float], None], latency: float, mocker: Any
) -> tuple[list[T], float]:
    """Do jobs in a thread each, all from the same moment; what they return and the seconds it took.

    :param latency: seconds that a request and its answer take on their way, each half of it.
    """
    crowd = CrowdClock(len(jobs), moved)
    attempt = RequestsTransport._attempt

    def slow(transport: RequestsTransport, step: Any) -> Any:
        crowd.sleep(latency / 2)
        answer = attempt(transport, step)
        crowd.sleep(latency / 2)
        return answer

    def work(job: Callable[[], T]) -> T:
        try:
            crowd.sleep(0.0)
            return job()
        finally:
            crowd.leave()

    mocker.patch.object(RequestsTransport, "_attempt", slow)
    with clock.installed(crowd), ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        return [future.result() for future in futures], crowd.monotonic()
