"""The conditions that sensors, operators and triggers can wait for.

A wait is an immutable value. Its ``look`` method yields the requests of one poll and evaluates the responses; its
``describe`` method returns a message about what is still missing. Sensors that poke, operators that wait on their
worker and the trigger use the same values and therefore behave alike. :func:`polling` repeats ``look`` until a
deadline. Like :func:`~airflow_provider_flowservice.client.http.exchange.exchange`, both are generators that perform no
input or output; :func:`drive` and :func:`drive_async` run them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Self

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.activation.mismatch import Mismatch, mismatch
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError, RunFailedError, is_final
from airflow_provider_flowservice.client.flows import MaxFailedRecords, RunOutcome, outcomes, runs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.http.retry import MAX_DELAY
from airflow_provider_flowservice.client.model import FlowRun, Frozen, JsonObject
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.client.times import iso

log = logging.getLogger(__name__)

#: Number of consecutive polls that may fail. The transport has already retried each of them for up to its retry budget
#: (five minutes by default): a higher number would hide an outage, and with a lower one a brief outage would fail a
#: wait of hours.
TOLERATED_FAILURES = 3
#: Each pause is varied by up to this fraction of its length, because the triggers of a DAG run start at the same time
#: and would otherwise all poll at the same time.
JITTER = 0.1


class Judgement(msgspec.Struct, frozen=True):
    """The result of a poll.

    :param done: whether the condition is met.
    :param seen: the observed state, as JSON; passed to the next poll.
    :param look_after: seconds until the condition can be met at the earliest; None if unknown.
    """

    done: bool
    seen: Any = None
    look_after: float | None = None


#: Yields requests to send and numbers of seconds to sleep. The caller sends back the parsed response of a request, or
#: throws its error into the generator.
Steps = Generator[Request[Any] | float, Any, Judgement]


class _Wait(Frozen, frozen=True, kw_only=True, tag_field="wait", tag=True):
    """Base class of all waits. The trigger receives a wait as JSON, in which the ``wait`` member names the class."""

    def after(self, judged: Judgement) -> Self:
        """Return the wait that remains after a poll."""
        return self


class SelectorsMapped(_Wait, frozen=True, kw_only=True):
    """Wait until a flow has segments and profile attributes, and does not have others (``GET /flows/{id}``).

    :param segments: ids of segments that it should have.
    :param attributes: paths of profile attributes that it should have; None leaves its attributes out of account.
    :param absent: ids of segments that it should not have.
    :param exact: whether it should have nothing but ``segments`` and, unless they are None, ``attributes``.
    """

    flow_id: str
    segments: tuple[str, ...] = ()
    attributes: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()
    exact: bool = False

    def look(self, seen: Any = None) -> Steps:
        """Read the flow. The observed state is how its selectors differ from the given ones."""
        flow = yield request.get(request.FLOWS, self.flow_id)
        found = mismatch(flow, self.segments, self.attributes, absent=self.absent, exact=self.exact)
        return Judgement(not found, found.to_json())

    def describe(self, seen: Any) -> str:
        """Name what is missing, what is still there and what else is there."""
        return f"flow {self.flow_id} {Mismatch.from_json(seen)}"


class FlowInState(_Wait, frozen=True, kw_only=True):
    """Wait until a flow has a state (``GET /flows/{id}``).

    :param state: the state, for example ``enabled``.
    """

    flow_id: str
    state: str

    def look(self, seen: Any = None) -> Steps:
        """Read the flow. The observed state is the flow's state."""
        flow = yield request.get(request.FLOWS, self.flow_id)
        return Judgement(flow.state == self.state, flow.state)

    def describe(self, seen: Any) -> str:
        """Name the current and the desired state."""
        return f"flow {self.flow_id} is {plain_text(str(seen))}, not {self.state}"


class _RunWait(_Wait, frozen=True, kw_only=True):
    """Base class of the waits for flow runs, whose observed state consists of outcomes of runs, as JSON.

    :param max_failed_records: how many records of a run may fail: a whole number, a ratio below 1 of the records read,
        or None for any number.
    """

    max_failed_records: MaxFailedRecords = 0

    def outcome_of(self, run: FlowRun) -> RunOutcome:
        """Judge a run, and log its counts if it is good."""
        outcome = outcomes.outcome_of(run, self.max_failed_records)
        if outcome.is_good:
            log.info("AEP: %s", outcome)
        return outcome


class RunsEnded(_RunWait, frozen=True, kw_only=True):
    """Wait until flow runs have ended, successfully or not (``GET /runs/{id}``).

    :param run_ids: ids of the runs.
    """

    run_ids: tuple[str, ...]

    def look(self, seen: Any = None) -> Steps:
        """Read the runs that have not ended yet. The observed state is the outcome of each run, by id.

        The first poll only has to find out whether to wait at all, so it stops at the first run that has not ended.
        """
        known = self.outcomes(seen)
        for run_id in self.open_runs(known):
            run = yield request.get(request.RUNS, run_id)
            outcome = self.outcome_of(run)
            # The observed state is sent as an event, so it must not grow with the number of runs too much.
            alike = (other for other in known.values() if other.is_bad == outcome.is_bad)
            has_room = sum(bool(other.errors) for other in alike) < outcomes.MAX_EXPLAINED
            known[run_id] = outcome if has_room else outcome.without_explanations()
            if seen is None and not outcome.state.is_terminal:
                break
        return Judgement(not self.open_runs(known), {run: each.to_json() for run, each in known.items()})

    def describe(self, seen: Any) -> str:
        """Name the runs that have not ended yet."""
        return f"flow runs {', '.join(self.open_runs(self.outcomes(seen)))} have not ended yet"

    @staticmethod
    def outcomes(seen: Any) -> dict[str, RunOutcome]:
        """Return the outcome of each run in an observed state."""
        return {run_id: RunOutcome.from_json(outcome) for run_id, outcome in (seen or {}).items()}

    def open_runs(self, known: Mapping[str, RunOutcome]) -> list[str]:
        """Return the ids of the runs that are not known to have ended."""
        return [run for run in self.run_ids if run not in known or not known[run].state.is_terminal]


class RunSucceeded(_RunWait, frozen=True, kw_only=True):
    """Wait until a flow has a successful run that was created after a given time (``GET /runs``).

    :param started_after: seconds since 1970-01-01 UTC.
    """

    flow_id: str
    started_after: float

    def look(self, seen: Any = None) -> Steps:
        """Read the newest runs. The observed state is the outcome of the best of them, or empty if there is none yet.

        :raises RunFailedError: if the run did not succeed. Another one may be created and succeed.
        """
        page = yield runs.newest_runs(self.flow_id, self.started_after)
        run = runs.best_after(page.items, self.started_after, self.max_failed_records)
        if run is None:
            return Judgement(False, {})
        outcome = self.outcome_of(run)
        if outcome.is_bad:
            raise RunFailedError(str(outcome))
        return Judgement(outcome.is_good, outcome.to_json())

    def describe(self, seen: Any) -> str:
        """Describe the run, if there is one."""
        if not seen:
            return f"flow {self.flow_id} has no run that was created after {iso(self.started_after)}"
        return f"run {seen['run_id']} of flow {self.flow_id} is {seen['state']}"


class ThisRunSucceeded(_RunWait, frozen=True, kw_only=True):
    """Wait until one run has succeeded (``GET /runs/{id}``)."""

    flow_id: str
    run_id: str

    def look(self, seen: Any = None) -> Steps:
        """Read the run. The observed state is the outcome of the run.

        :raises DriftError: if the run did not succeed, which it never changes, or is a run of another flow.
        """
        run = yield request.get(request.RUNS, self.run_id)
        if run.flow_id and run.flow_id != self.flow_id:
            raise DriftError(
                f"run {self.run_id} is a run of flow {plain_text(run.flow_id)}, not of flow {self.flow_id}. Correct"
                " flow_id or run_id."
            )
        outcome = self.outcome_of(run)
        if outcome.is_bad:
            raise DriftError(str(outcome))
        return Judgement(outcome.is_good, outcome.to_json())

    def describe(self, seen: Any) -> str:
        """Name the run and its state."""
        return f"run {self.run_id} of flow {self.flow_id} is {seen['state']}"


class FlowSettled(_Wait, frozen=True, kw_only=True):
    """Wait until the last change of a flow is old enough for AEP to ingest records (``GET /flows/{id}``).

    :param settle_seconds: minimum age of the last change, in seconds.
    :param changed_at: time of the last change, in seconds since 1970-01-01 UTC; None reads it from AEP.
    """

    flow_id: str
    settle_seconds: float
    changed_at: float | None = None

    def look(self, seen: Any = None) -> Steps:
        """Read the flow, unless ``changed_at`` is set. The observed state is the time of its last change."""
        changed = self.changed_at
        if changed is None:
            flow = yield request.get(request.FLOWS, self.flow_id)
            changed = max(flow.created_at, flow.updated_at) / 1000
        # AEP's timestamps are in milliseconds; a smaller remainder is a rounding error and not worth another poll.
        remaining = round(changed + self.settle_seconds - clock.current().wall(), 3)
        return Judgement(remaining <= 0, changed, look_after=max(remaining, 0.0))

    def describe(self, seen: Any) -> str:
        """State the age of the last change."""
        age = clock.current().wall() - seen
        return (
            f"flow {self.flow_id} was changed {age:.0f} s ago, which is less than {self.settle_seconds:.0f} s"
        )

    def after(self, judged: Judgement) -> FlowSettled:
        """Return a wait for the remaining time, which does not send any requests.

        The flow must be read again afterwards, because it may be changed in the meantime.
        """
        return msgspec.structs.replace(self, changed_at=judged.seen)


Wait = SelectorsMapped | FlowInState | RunsEnded | RunSucceeded | ThisRunSucceeded | FlowSettled


def from_json(document: JsonObject) -> Wait:
    """Create a wait from the JSON object returned by ``to_json``."""
    wait: Wait = msgspec.convert(document, Wait)
    return wait


def jittered(interval: float) -> float:
    """Return a pause that differs by up to :data:`JITTER` from an interval."""
    return interval * (1 + JITTER * (2 * random.random() - 1))  # noqa: S311


def polling(
    wait: Wait, *, interval: float, deadline: float, pause_after: Callable[[float], float] = jittered
) -> Steps:
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
    while True:
        pause = pause_after(interval)
        seen = judged.seen
        try:
            judged = yield from wait.look(seen)
        except FlowServiceError as error:
            failures += 1
            remaining = deadline - clock.current().wall()
            never_seen = seen is None and remaining <= 0
            if is_final(error) or failures > TOLERATED_FAILURES or never_seen:
                raise
            pause = max(pause, min(error.retry_after or 0.0, MAX_DELAY))
        else:
            if not judged.done and judged.seen != seen:
                log.info("Still waiting: %s", wait.describe(judged.seen))
            failures = 0
            if judged.look_after is not None:
                pause = judged.look_after
            remaining = deadline - clock.current().wall()
        if judged.done or remaining <= 0:
            return judged
        yield min(pause, remaining)


def timeout_message(wait: Wait, seen: Any, timeout: float) -> str:
    """Return the error message for a wait that has timed out.

    :param seen: the observed state of the last poll; None if AEP has never responded.
    :param timeout: the maximum time of the wait, in seconds.
    """
    missing = "AEP did not respond" if seen is None else wait.describe(seen)
    return f"Timed out after {timeout:.0f} seconds: {missing}. Check it in AEP, or wait longer."


def drive(steps: Steps, sender: Sender) -> Judgement:
    """Run a ``look`` or a :func:`polling` in this thread.

    :raises FlowServiceError: as raised by the generator.
    """
    step = _resume(steps, None)
    while not isinstance(step, Judgement):
        try:
            result = sender.send(step) if isinstance(step, Request) else _sleep(step)
        except FlowServiceError as error:
            result = error
        step = _resume(steps, result)
    return step


async def drive_async(steps: Steps, send: Callable[[Request[Any]], Awaitable[Any]]) -> Judgement:
    """Run a ``look`` or a :func:`polling` in the running event loop.

    :param send: sends a request and returns its parsed response.
    :raises FlowServiceError: as raised by the generator.
    """
    step = _resume(steps, None)
    while not isinstance(step, Judgement):
        try:
            result = await (send(step) if isinstance(step, Request) else clock.current().sleep_async(step))
        except FlowServiceError as error:
            result = error
        step = _resume(steps, result)
    return step


def _resume(steps: Steps, result: Any) -> Request[Any] | float | Judgement:
    """Send the result of the last step to the generator; return the next step or, at the end, the result."""
    try:
        return steps.throw(result) if isinstance(result, FlowServiceError) else steps.send(result)
    except StopIteration as end:
        judged: Judgement = end.value
        return judged


def _sleep(seconds: float) -> Any:
    clock.current().sleep(seconds)
