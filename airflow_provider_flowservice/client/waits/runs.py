"""Waits for flow runs (``GET /runs``)."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    DriftError,
    NotFoundError,
    PermissionDeniedError,
    RunFailedError,
)
from airflow_provider_flowservice.client.flows import (
    MaxFailedRecords,
    RunOutcome,
    RunTotals,
    check_has_runs,
    failure_of,
    is_reported_hourly,
    outcome_of,
    runs_since,
    why_no_run,
)
from airflow_provider_flowservice.client.flows.outcomes import MAX_EXPLAINED
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import FlowRun, Frozen
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.client.times import iso
from airflow_provider_flowservice.client.waits.base import BaseWait, Judgement, Steps

log = logging.getLogger(__name__)

#: Seconds between two polls for the runs of a streaming destination, which AEP reports about once an hour.
HOURLY_INTERVAL = 900.0
_MAX_NAMED = 20


class _RunWait(BaseWait, frozen=True, kw_only=True):
    """Base class of the waits for flow runs, whose observed state consists of outcomes of runs, as JSON.

    :param max_failed_records: how many records of a run may fail: a whole number, a ratio below 1 of the records read,
        or None for any number.
    """

    max_failed_records: MaxFailedRecords = 0

    @property
    def goes_on(self) -> str:
        """What the runs do."""
        return f"{self._runs} may go on: AEP has no call that stops a run"

    @property
    @abstractmethod
    def _runs(self) -> str:
        """The runs that are waited for."""

    def outcome_of(self, run: FlowRun) -> RunOutcome:
        """Judge a run, and log its counts if it is good."""
        outcome = outcome_of(run, self.max_failed_records)
        if outcome.is_good:
            log.info("AEP: %s", outcome)
        return outcome


class RunsEnded(_RunWait, frozen=True, kw_only=True):
    """Wait until flow runs have ended, successfully or not (``GET /runs/{id}``).

    :param run_ids: ids of the runs.
    """

    run_ids: tuple[str, ...]

    @property
    def goal(self) -> str:
        """What the runs have done then."""
        return f"{self._runs} have ended"

    @property
    def _runs(self) -> str:
        return f"flow runs {_named(self.run_ids, len(self.run_ids))}"

    def look(self, seen: Any = None) -> Steps[Judgement]:
        """Read the runs that have not ended yet. The observed state is the outcome of each run, by id.

        The first poll only has to find out whether to wait at all, so it stops at the first run that has not ended.
        """
        known = self.outcomes(seen)
        for run_id in self.open_runs(known):
            run = yield request.get(request.RUNS, run_id)
            outcome = self.outcome_of(run)
            # The observed state is sent as an event, so it must not grow with the number of runs too much.
            alike = (other for other in known.values() if other.is_bad == outcome.is_bad)
            has_room = sum(bool(other.errors) for other in alike) < MAX_EXPLAINED
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


class ThisRunSucceeded(_RunWait, frozen=True, kw_only=True):
    """Wait until one run has succeeded (``GET /runs/{id}``)."""

    flow_id: str
    run_id: str

    @property
    def goal(self) -> str:
        """What the run has done then."""
        return f"{self._runs} has succeeded"

    @property
    def _runs(self) -> str:
        return f"run {self.run_id} of flow {self.flow_id}"

    def look(self, seen: Any = None) -> Steps[Judgement]:
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
        return f"{self._runs} is {seen['state']}"

    def result(self, seen: Any) -> Any:
        """Return the counts of the run; see :class:`RunTotals`."""
        return RunTotals.of(self.flow_id, [RunOutcome.from_json(seen)]).to_json()


class Expectation(Frozen, frozen=True):
    """What a flow shows about the runs that it can have.

    :param cause: why it may have none yet.
    :param is_hourly: whether AEP reports its runs about once an hour.
    """

    cause: str = ""
    is_hourly: bool = False


class SeenRuns(Frozen, frozen=True):
    """What a poll has seen of the runs of a flow in a window of time. Its size is bounded.

    :param count: number of runs.
    :param open_count: number of runs that have not ended.
    :param open_runs: ids of the first of these.
    :param newest: id of the newest run.
    :param totals: what the good runs have done.
    :param expected: what the flow shows about its runs; None if it was not needed.
    """

    count: int
    open_count: int
    open_runs: tuple[str, ...]
    newest: str
    totals: RunTotals
    expected: Expectation | None = None


class RunsSucceeded(_RunWait, frozen=True, kw_only=True):
    """Wait until the runs of a flow that were created in a window of time have succeeded (``GET /runs``).

    This is so when there are at least ``expected_runs``, all of them have ended, and none is new. A run that failed
    does not matter if enough others are good and one of them was created after its end.

    :param started_after: beginning of the window, in seconds since 1970-01-01 UTC.
    :param started_before: end of the window, which is not a part of it, likewise; None for no end.
    :param expected_runs: number of good runs that there must be at least.
    :param settle_seconds: minimum age of the newest run, in seconds, because another one may follow.
    :param start_by: absolute time at which it is an error that there is no run; None for never.
    :param hourly_interval: seconds between two polls if AEP reports the runs of the flow about once an hour; None for
        the usual interval.
    :param expected: what the flow shows about its runs; None if that is not known yet.
    """

    flow_id: str
    started_after: float
    started_before: float | None = None
    expected_runs: int = 1
    settle_seconds: float = 0
    start_by: float | None = None
    hourly_interval: float | None = None
    expected: Expectation | None = None

    @property
    def goal(self) -> str:
        """What the runs have done then."""
        what = "a run" if self.expected_runs == 1 else f"{self.expected_runs} runs"
        verb = "has" if self.expected_runs == 1 else "have"
        return f"{what} of flow {self.flow_id} created {self._window} {verb} succeeded"

    def look(self, seen: Any = None) -> Steps[Judgement]:
        """Read the runs. The observed state is a :class:`SeenRuns`, as JSON.

        If that is not enough, the flow and its spec are read once, to find out whether runs are to be expected.

        :raises RunFailedError: if a run did not succeed. Another one may be created and succeed.
        :raises DriftError: if the flow never has runs, or has none in time.
        """
        found = yield from runs_since(self.flow_id, self.started_after)
        runs = [run for run in found if self._has(run)]
        outcomes = [outcome_of(run, self.max_failed_records) for run in runs]
        open_runs = [outcome.run_id for outcome in outcomes if not outcome.state.is_terminal]
        good = [outcome for outcome in outcomes if outcome.is_good]
        remaining = self._unsettled_seconds(runs)
        is_complete = len(runs) >= self.expected_runs and not open_runs
        done = is_complete and not remaining and len(good) >= self.expected_runs
        bad = _failed(runs, outcomes)
        if bad or (is_complete and not remaining and not done):
            raise RunFailedError(_told(bad or [each for each in outcomes if each.is_bad], outcomes))
        expected = self.expected or (SeenRuns.from_json(seen).expected if seen else None)
        if not done and expected is None:
            expected = yield from self._read_flow()
        if not runs and self.start_by is not None and clock.current().wall() >= self.start_by:
            yield from self._fail_without_run()
        if done:
            for outcome in outcomes[:_MAX_NAMED]:
                log.info("AEP: %s", outcome)
        now = SeenRuns(
            len(runs),
            len(open_runs),
            tuple(open_runs[:_MAX_NAMED]),
            outcomes[0].run_id if outcomes else "",
            RunTotals.of(self.flow_id, good),
            expected,
        )
        return Judgement(
            done,
            now.to_json(),
            look_after=remaining if is_complete else None,
            interval=self.hourly_interval if expected and expected.is_hourly else None,
        )

    def describe(self, seen: Any) -> str:
        """Say which runs there are, and what is still missing."""
        now = SeenRuns.from_json(seen)
        if not now.count:
            why = f" ({now.expected.cause})" if now.expected and now.expected.cause else ""
            return f"flow {self.flow_id} has no run that was created {self._window}{why}"
        if now.open_count == 1:
            return f"run {now.open_runs[0]} of flow {self.flow_id} is running"
        if now.open_count:
            return f"runs {_named(now.open_runs, now.open_count)} of flow {self.flow_id} are running"
        if now.count < self.expected_runs:
            count = f"{now.count} of {self.expected_runs} expected runs that were"
            return f"flow {self.flow_id} has only {count} created {self._window}"
        return (
            f"run {now.newest} of flow {self.flow_id} was created less than {self.settle_seconds:.0f} s ago, so another"
            " one may follow"
        )

    def after(self, judged: Judgement) -> RunsSucceeded:
        """Return a wait that does not read the flow again."""
        return msgspec.structs.replace(self, expected=SeenRuns.from_json(judged.seen).expected)

    def result(self, seen: Any) -> Any:
        """Return the counts of the good runs; see :class:`RunTotals`."""
        return SeenRuns.from_json(seen).totals.to_json()

    @property
    def _runs(self) -> str:
        return f"runs of flow {self.flow_id}"

    @property
    def _window(self) -> str:
        end = "" if self.started_before is None else f" and before {iso(self.started_before)}"
        return f"after {iso(self.started_after)}{end}"

    def _has(self, run: FlowRun) -> bool:
        """Whether a run was created in the window."""
        end = self.started_before
        return run.created_at >= self.started_after * 1000 and (end is None or run.created_at < end * 1000)

    def _fail_without_run(self) -> Steps[None]:
        """Read the flow, and raise an error that says why it may have no run.

        :raises DriftError: always.
        """
        flow = yield request.get(request.FLOWS, self.flow_id)
        raise DriftError(
            f"flow {self.flow_id} has no run that was created {self._window}, and start_timeout has passed:"
            f" {why_no_run(flow, clock.current().wall())}. Correct that, or give a longer start_timeout."
        )

    def _unsettled_seconds(self, runs: Sequence[FlowRun]) -> float:
        """Return how long the newest run is still new."""
        # AEP's own times count, too, in case the clock of this machine is behind.
        times = [clock.current().wall(), *(max(run.ended_at or 0, run.updated_at) / 1000 for run in runs)]
        newest = max((run.created_at for run in runs), default=0) / 1000
        return max(round(newest + self.settle_seconds - max(times), 3), 0.0)

    def _read_flow(self) -> Steps[Expectation]:
        """Read the flow and its spec.

        :raises DriftError: if the flow never has runs.
        """
        flow = yield request.get(request.FLOWS, self.flow_id)
        try:
            spec = yield request.get(request.FLOW_SPECS, flow.flow_spec.id)
        except (NotFoundError, PermissionDeniedError) as error:
            log.info("It is not known whether flow %s can have runs: %s", self.flow_id, error.message)
        else:
            check_has_runs(flow, spec)
        return Expectation(why_no_run(flow, clock.current().wall()), is_reported_hourly(flow))


def _failed(runs: Sequence[FlowRun], outcomes: Iterable[RunOutcome]) -> list[RunOutcome]:
    """Return the outcomes of the runs that are bad, except those with a run that is not and was created after the end.

    Runs that are created together, one for each merge policy, do not make up for each other.
    """
    judged = list(zip(runs, outcomes, strict=True))
    latest = max((run.created_at for run, outcome in judged if not outcome.is_bad), default=0)
    return [
        outcome
        for run, outcome in judged
        if outcome.is_bad and not 0 < (run.ended_at or run.updated_at) <= latest
    ]


def _told(bad: Sequence[RunOutcome], outcomes: Sequence[RunOutcome]) -> str:
    return str(bad[0]) if len(bad) == 1 else str(failure_of(outcomes))


def _named(ids: Sequence[str], count: int) -> str:
    """Return the first ids of a number of runs, and how many more there are."""
    more = f" and {count - _MAX_NAMED} more" if count > _MAX_NAMED else ""
    return f"{', '.join(ids[:_MAX_NAMED])}{more}"
