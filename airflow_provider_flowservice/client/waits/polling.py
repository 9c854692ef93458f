"""Repeated polls until a deadline, with a log of what is waited for."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import FlowServiceError, is_final
from airflow_provider_flowservice.client.http import Request, Sender
from airflow_provider_flowservice.client.http.retry import MAX_DELAY
from airflow_provider_flowservice.client.times import iso
from airflow_provider_flowservice.client.waits.base import BaseWait, Judgement, R, Steps

log = logging.getLogger(__name__)

#: Number of consecutive polls that may fail. The transport has already retried each of them for up to its retry budget
#: (five minutes by default): a higher number would hide an outage, and with a lower one a brief outage would fail a
#: wait of hours.
TOLERATED_FAILURES = 3
#: Each pause is varied by up to this fraction of its length, because the triggers of a DAG run start at the same time
#: and would otherwise all poll at the same time.
JITTER = 0.1


def jittered(interval: float) -> float:
    """Return a pause that differs by up to :data:`JITTER` from an interval."""
    return interval * (1 + JITTER * (2 * random.random() - 1))  # noqa: S311


class WaitLog:
    """Logs what is waited for: at the beginning, whenever what is missing changes, and at the end.

    :param interval: seconds between two polls.
    :param deadline: absolute time of the last poll, in seconds since 1970-01-01 UTC.
    """

    def __init__(self, wait: BaseWait, interval: float, deadline: float) -> None:
        self._wait = wait
        self._began = clock.current().wall()
        self._interval = interval
        self._last: str | None = None
        log.info("Waiting until %s; polling every %.0f s, until %s", wait.goal, interval, iso(deadline))

    def add(self, judged: Judgement, before: Any) -> None:
        """Log a poll.

        :param before: the observed state of the previous poll.
        """
        if judged.done:
            log.info("Waited %.0f s: %s", clock.current().wall() - self._began, self._wait.goal)
        elif judged.seen != before and (missing := self._wait.describe(judged.seen)) != self._last:
            self._last = missing
            log.info("Still waiting: %s", missing)
        if judged.interval and judged.interval != self._interval:
            self._interval = judged.interval
            log.info("Polling every %.0f s from now on", self._interval)


def polling(
    wait: BaseWait, *, interval: float, deadline: float, pause_after: Callable[[float], float] = jittered
) -> Steps[Judgement]:
    """Poll until the condition is met or the deadline has passed. The last poll takes place at the deadline.

    ``Retry-After`` can lengthen a pause, up to a minute, but never shortens it.

    :param interval: seconds between two polls.
    :param deadline: absolute time in seconds since 1970-01-01 UTC, so that a restart does not extend it.
    :param pause_after: returns the pause for an interval.
    :returns: the result of the last poll; not ``done`` if the deadline has passed.
    :raises FlowServiceError: immediately if the error is permanent; otherwise if more than :data:`TOLERATED_FAILURES`
        consecutive polls have failed, or all polls until the deadline.
    """
    judged, failures = Judgement(False), 0
    progress = WaitLog(wait, interval, deadline)
    while True:
        seen = judged.seen
        least, due = 0.0, None
        try:
            judged = yield from wait.look(seen)
        except FlowServiceError as error:
            failures += 1
            remaining = deadline - clock.current().wall()
            never_seen = seen is None and remaining <= 0
            if is_final(error) or failures > TOLERATED_FAILURES or never_seen:
                raise
            log.warning("A poll has failed and is repeated: %s", error.message)
            least = min(error.retry_after or 0.0, MAX_DELAY)
        else:
            progress.add(judged, seen)
            failures, due = 0, judged.look_after
            remaining = deadline - clock.current().wall()
        if judged.done or remaining <= 0:
            return judged
        pause = pause_after(judged.interval or interval) if due is None else due
        yield min(max(pause, least), remaining)


def timeout_message(wait: BaseWait, seen: Any, timeout: float) -> str:
    """Return the error message for a wait that has timed out.

    :param seen: the observed state of the last poll; None if AEP has never responded.
    :param timeout: the maximum time of the wait, in seconds.
    """
    missing = "AEP did not respond" if seen is None else wait.describe(seen)
    return f"Timed out after {timeout:.0f} seconds: {missing}. Check it in AEP, or wait longer."


def drive(steps: Steps[R], sender: Sender) -> R:
    """Run a ``look`` or a :func:`polling` in this thread.

    :raises FlowServiceError: as raised by the generator.
    """
    step = _resume(steps, None)
    while not isinstance(step, _End):
        try:
            result = sender.send(step) if isinstance(step, Request) else _sleep(step)
        except FlowServiceError as error:
            result = error
        step = _resume(steps, result)
    return step.value


async def drive_async(steps: Steps[R], send: Callable[[Request[Any]], Awaitable[Any]]) -> R:
    """Run a ``look`` or a :func:`polling` in the running event loop.

    :param send: sends a request and returns its parsed response.
    :raises FlowServiceError: as raised by the generator.
    """
    step = _resume(steps, None)
    while not isinstance(step, _End):
        try:
            result = await (send(step) if isinstance(step, Request) else clock.current().sleep_async(step))
        except FlowServiceError as error:
            result = error
        step = _resume(steps, result)
    return step.value


@dataclass(frozen=True)
class _End(Generic[R]):
    """What a generator has returned."""

    value: R


def _resume(steps: Steps[R], result: Any) -> Request[Any] | float | _End[R]:
    """Send the result of the last step to the generator; return the next step or the end."""
    try:
        return steps.throw(result) if isinstance(result, FlowServiceError) else steps.send(result)
    except StopIteration as end:
        return _End(end.value)


def _sleep(seconds: float) -> Any:
    clock.current().sleep(seconds)
