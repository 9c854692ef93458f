"""What can be waited for: the requests to send, and how to judge the responses.

A wait is a value. Its ``look`` yields the requests and judges what comes back, its ``describe`` says in words what is
still missing. A sensor that pokes, an operator that waits on its worker and the trigger use the same value, so they
agree. :func:`polling` repeats the look until a deadline. Like
:func:`~airflow_provider_flowservice.client.http.exchange.exchange`, both are generators that do no input or output;
:func:`drive` and :func:`drive_async` are the two loops that do it for them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

import msgspec
from typing_extensions import Self

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.activation import selectors
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError, is_permanent
from airflow_provider_flowservice.client.flows import runs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.http.retry import MAX_DELAY
from airflow_provider_flowservice.client.model import Frozen, JsonObject, RunState

log = logging.getLogger(__name__)

#: So many looks in a row may fail. The transport has retried each of them already, for up to its retry budget of five
#: minutes: more looks would hide an outage, and fewer would fail a wait of hours because AEP was away for a moment.
TOLERATED_FAILURES = 3
#: Each pause is longer or shorter by up to this share, so that the triggers of one DAG run, which begin to wait at the
#: same moment, do not stay in step.
JITTER = 0.1


class Judgement(msgspec.Struct, frozen=True):
    """What a look found.

    :param done: whether there is nothing more to wait for.
    :param seen: what was seen, as JSON; the next look gets it.
    :param look_after: seconds until another look can find something else; None if nobody can tell.
    """

    done: bool
    seen: Any = None
    look_after: float | None = None


#: Requests to send, and numbers of seconds to pause. A request is answered with its parsed response, or its error is
#: thrown in.
Steps = Generator[Request[Any] | float, Any, Judgement]


class _Wait(Frozen, frozen=True, kw_only=True, tag_field="wait", tag=True):
    """Base of all waits. The trigger has their JSON form as its argument, in which ``wait`` names the class."""

    def after(self, judged: Judgement) -> Self:
        """What is left to wait for once a look has found something."""
        return self


class SelectorsMapped(_Wait, frozen=True, kw_only=True):
    """Segments and profile attributes are mapped on a flow (``GET /flows/{id}``).

    :param segments: segment ids.
    :param attributes: attribute paths.
    """

    flow_id: str
    segments: tuple[str, ...]
    attributes: tuple[str, ...] = ()

    def look(self, seen: Any = None) -> Steps:
        """Read the flow; what is seen is what it lacks."""
        flow = yield request.get(request.FLOWS, self.flow_id)
        missing = selectors.missing(flow, self.segments, self.attributes)
        return Judgement(not missing, missing.to_json())

    def describe(self, seen: Any) -> str:
        """Name what is missing."""
        return f"flow {self.flow_id} lacks {selectors.Missing.from_json(seen)}"


class FlowInState(_Wait, frozen=True, kw_only=True):
    """A flow has a state (``GET /flows/{id}``).

    :param state: such as ``enabled``.
    """

    flow_id: str
    state: str

    def look(self, seen: Any = None) -> Steps:
        """Read the flow; what is seen is its state."""
        flow = yield request.get(request.FLOWS, self.flow_id)
        return Judgement(flow.state == self.state, flow.state)

    def describe(self, seen: Any) -> str:
        """Name the state that the flow has."""
        return f"flow {self.flow_id} is {seen}, not {self.state}"


class RunsEnded(_Wait, frozen=True, kw_only=True):
    """Flow runs have ended, however they ended (``GET /runs/{id}``).

    :param run_ids: the runs.
    """

    run_ids: tuple[str, ...]

    def look(self, seen: Any = None) -> Steps:
        """Read the runs that have not ended yet; what is seen is the state of each by its id.

        The first look only tells whether there is something to wait for, so it stops at the first run that goes on.
        """
        states = dict(seen or {})
        for run_id in self.open_runs(states):
            run = yield request.get(request.RUNS, run_id)
            states[run_id] = run.state.value
            if seen is None and not run.state.is_terminal:
                break
        return Judgement(not self.open_runs(states), states)

    def describe(self, seen: Any) -> str:
        """Name the runs that have not ended."""
        return f"flow runs {', '.join(self.open_runs(seen))} have not ended"

    def open_runs(self, states: Mapping[str, str]) -> list[str]:
        """The runs that are not known to have ended."""
        return [run for run in self.run_ids if not RunState(states.get(run, RunState.RUNNING)).is_terminal]


class RunSucceeded(_Wait, frozen=True, kw_only=True):
    """A flow has a run that was made after a moment and has succeeded (``GET /runs``).

    :param started_after: seconds since 1970-01-01 UTC.
    :param allow_partial: whether a run that succeeded in part will do.
    """

    flow_id: str
    started_after: float
    allow_partial: bool = False

    def look(self, seen: Any = None) -> Steps:
        """Read the newest runs; what is seen is the run that counts, empty while there is none.

        :raises DriftError: if it has not succeeded.
        """
        page = yield runs.newest_runs(self.flow_id)
        run = runs.best_after(page.items, self.started_after)
        if run is None:
            return Judgement(False, {})
        good = {RunState.SUCCESS, RunState.PARTIAL} if self.allow_partial else {RunState.SUCCESS}
        if run.state.is_terminal and run.state not in good:
            raise DriftError(f"run {run.id} of flow {self.flow_id} ended as {run.state.value}")
        return Judgement(run.state.is_terminal, {"run_id": run.id, "state": run.state.value})

    def describe(self, seen: Any) -> str:
        """Name the run, if there is one."""
        if not seen:
            return f"flow {self.flow_id} has no run that began after {self.started_after:.0f}"
        return f"run {seen['run_id']} of flow {self.flow_id} is {seen['state']}"


class FlowSettled(_Wait, frozen=True, kw_only=True):
    """A flow's last change is long enough ago that AEP keeps what is posted to it (``GET /flows/{id}``).

    :param settle_seconds: how long ago it must be.
    :param changed_at: its last change, in seconds since 1970-01-01 UTC, if that is known. Then AEP is not asked.
    """

    flow_id: str
    settle_seconds: float
    changed_at: float | None = None

    def look(self, seen: Any = None) -> Steps:
        """Read the flow; what is seen is when it was last changed."""
        changed = self.changed_at
        if changed is None:
            flow = yield request.get(request.FLOWS, self.flow_id)
            changed = max(flow.created_at, flow.updated_at) / 1000
        # AEP's times are whole milliseconds; less than one is an error of rounding and not worth another look.
        remaining = round(changed + self.settle_seconds - clock.current().wall(), 3)
        return Judgement(remaining <= 0, changed, look_after=max(remaining, 0.0))

    def describe(self, seen: Any) -> str:
        """Say how old the last change is."""
        age = clock.current().wall() - seen
        return f"flow {self.flow_id} was changed {age:.0f} seconds ago, less than {self.settle_seconds:.0f}"

    def after(self, judged: Judgement) -> FlowSettled:
        """The rest of the time, in which there is nothing to ask AEP.

        After it the flow must be looked at again, because it can be changed until then.
        """
        return msgspec.structs.replace(self, changed_at=judged.seen)


Wait = SelectorsMapped | FlowInState | RunsEnded | RunSucceeded | FlowSettled


def from_json(document: JsonObject) -> Wait:
    """The wait that ``to_json`` wrote."""
    wait: Wait = msgspec.convert(document, Wait)
    return wait


def polling(wait: Wait, *, interval: float, deadline: float) -> Steps:
    """Look again and again until there is nothing more to wait for. The last look is at the deadline.

    ``Retry-After`` makes a pause longer, up to a minute, and never shorter.

    :param interval: seconds between two looks.
    :param deadline: seconds since 1970-01-01 UTC: absolute, so that a restart does not move it.
    :returns: the last judgement; not ``done`` if the deadline has passed.
    :raises FlowServiceError: at once if a further look would meet the same error, otherwise when more than
        :data:`TOLERATED_FAILURES` looks in a row have failed, or every look until the deadline.
    """
    judged, failures = Judgement(False), 0
    while True:
        pause = interval * (1 + JITTER * (2 * random.random() - 1))  # noqa: S311
        seen = judged.seen
        try:
            judged = yield from wait.look(seen)
        except FlowServiceError as error:
            failures += 1
            never_seen = seen is None and clock.current().wall() >= deadline
            if is_permanent(error) or failures > TOLERATED_FAILURES or never_seen:
                raise
            pause = max(pause, min(error.retry_after or 0.0, MAX_DELAY))
        else:
            if not judged.done and judged.seen != seen:
                log.info("Not yet: %s", wait.describe(judged.seen))
            failures = 0
            if judged.look_after is not None:
                pause = judged.look_after
        remaining = deadline - clock.current().wall()
        if judged.done or remaining <= 0:
            return judged
        yield min(pause, remaining)


def drive(steps: Steps, sender: Sender) -> Judgement:
    """Do what a look or a polling asks for, in this thread.

    :raises FlowServiceError: as they do.
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
    """Do what a look or a polling asks for, in this event loop.

    :param send: carries a request through.
    :raises FlowServiceError: as they do.
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
    """Hand in the result of the last step, and return the next one or, at the end, the judgement."""
    try:
        return steps.throw(result) if isinstance(result, FlowServiceError) else steps.send(result)
    except StopIteration as end:
        judged: Judgement = end.value
        return judged


def _sleep(seconds: float) -> Any:
    clock.current().sleep(seconds)
