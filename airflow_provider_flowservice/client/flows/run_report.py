"""Reports on flow runs: those that were created in a window of time, with the names of their flows, and a digest."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows.lookup import Time, iterate_runs
from airflow_provider_flowservice.client.flows.outcomes import RunCounts, outcome_of
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.model import FlowRun, Frozen, RunError, RunState
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.client.times import epoch_seconds, iso
from airflow_provider_flowservice.client.values import listed, shown

#: Maximum number of flows whose runs are asked for flow by flow. The runs of more flows are picked from those of all.
MAX_FILTERED = 20
#: Maximum number of runs that a digest lists as bad, and in its table.
MAX_BAD = 100
MAX_ROWS = 50
#: What a digest keeps of the errors of a run: their number, and the lengths of code and message.
_MAX_ERRORS = 2
_MAX_CODE = 100
_MAX_ERROR = 200
#: Maximum number of flows that a message about failed runs names.
_MAX_FLOWS = 10
_MAX_NAME = 200
#: The states, as they are counted: what needs attention comes first.
_ORDER = (RunState.FAILED, RunState.PARTIAL, RunState.RUNNING, RunState.SUCCESS)
_HEADER = ("state", "created (UTC)", "read", "written", "failed", "flow", "run", "error")
#: Maximum widths of the columns, and those of numbers, which are aligned to the right.
_WIDTHS = (14, 19, 12, 12, 12, 40, 36, 100)
_NUMBERS = (2, 3, 4)


class ReportedRun(Frozen, frozen=True, kw_only=True):
    """A flow run in a report, with the name of its flow.

    :param flow_name: name of its flow; the flow's id if AEP does not list the flow, for example because it was deleted.
    :param created_at: when it was created; None if AEP does not show it.
    :param records_read: number of records that were read; None if AEP has not counted them, here and below.
    :param records_written: number of records that were written.
    :param records_failed: number of records that could not be processed.
    :param is_bad: whether the run has ended, and failed, was a partial success, or had failed records.
    :param errors: AEP's errors, each once; a good run may have some, too.
    :param omitted_errors: number of further errors.
    :param page: URL of its flow in AEP's user interface; empty if AEP does not show the sandbox.
    """

    flow_id: str
    flow_name: str
    run_id: str
    state: RunState
    created_at: datetime | None = None
    records_read: int | None = None
    records_written: int | None = None
    records_failed: int | None = None
    is_bad: bool = False
    errors: tuple[RunError, ...] = ()
    omitted_errors: int = 0
    page: str = ""

    @classmethod
    def of(cls, run: FlowRun, flow_name: str) -> ReportedRun:
        """Return what a report says about a run."""
        outcome = outcome_of(run)
        return cls(
            flow_id=outcome.flow_id,
            flow_name=flow_name,
            run_id=outcome.run_id,
            state=outcome.state,
            created_at=datetime.fromtimestamp(run.created_at / 1000, UTC) if run.created_at else None,
            records_read=outcome.counts.read,
            records_written=outcome.counts.written,
            records_failed=outcome.counts.failed,
            is_bad=outcome.is_bad,
            errors=outcome.errors,
            omitted_errors=outcome.omitted_errors,
            page=outcome.page,
        )

    def shortened(self) -> ReportedRun:
        """Return the run with few and short errors."""
        kept = (
            RunError(plain_text(error.code, _MAX_CODE), plain_text(error.message, _MAX_ERROR))
            for error in self.errors[:_MAX_ERRORS]
        )
        omitted = self.omitted_errors + len(self.errors[_MAX_ERRORS:])
        return msgspec.structs.replace(self, errors=tuple(kept), omitted_errors=omitted)


class FailOn(StrEnum):
    """The runs that make a report fail."""

    FAILED = "failed"
    PARTIAL = "partial"
    NEVER = "never"

    def is_met_by(self, run: ReportedRun) -> bool:
        """Whether a run makes the report fail."""
        if self is FailOn.PARTIAL:
            return run.is_bad
        return self is FailOn.FAILED and run.state is RunState.FAILED


class ReportSummary(Frozen, frozen=True, kw_only=True):
    """A report in short, of bounded size.

    :param since: beginning of the window, as ISO 8601.
    :param until: end of the window.
    :param runs: number of runs.
    :param states: number of runs by state.
    :param records_read: number of records that were read, as far as AEP has counted them; so for the others.
    :param bad: number of bad runs: see :class:`ReportedRun`.
    :param bad_runs: the bad runs, those that failed first; at most 100, with few and short errors.
    """

    since: str
    until: str
    runs: int
    states: dict[str, int]
    records_read: int
    records_written: int
    records_failed: int
    bad: int
    bad_runs: tuple[ReportedRun, ...]


class RunDigest:
    """Digests a report run by run, and keeps only the runs that it shows.

    :param since: beginning of the window, in seconds since 1970-01-01 UTC.
    :param until: end of the window.
    :param fail_on: the runs that make the report fail.
    """

    def __init__(self, since: float, until: float, fail_on: FailOn) -> None:
        self._since, self._until = iso(since), iso(until)
        self._fail_on = fail_on
        self._states: Counter[RunState] = Counter()
        self._records = [0, 0, 0]
        self._bad = self._failures = 0
        self._shown_failed: list[ReportedRun] = []
        self._shown_bad: list[ReportedRun] = []
        self._shown_good: list[ReportedRun] = []
        # By flow, the newest run that makes the report fail; without a run where it is not shown.
        self._failing: dict[str, ReportedRun | None] = {}

    def add(self, run: ReportedRun) -> None:
        """Add a run; the newest one comes first."""
        self._states[run.state] += 1
        for position, count in enumerate((run.records_read, run.records_written, run.records_failed)):
            self._records[position] += count or 0
        self._bad += run.is_bad
        if not run.is_bad:
            _keep(self._shown_good, run, MAX_ROWS)
        elif run.state is RunState.FAILED:
            _keep(self._shown_failed, run, MAX_BAD)
        else:
            _keep(self._shown_bad, run, MAX_BAD)
        if self._fail_on.is_met_by(run):
            self._failures += 1
            if run.flow_id not in self._failing:
                is_shown = len(self._failing) < _MAX_FLOWS
                self._failing[run.flow_id] = run.shortened() if is_shown else None

    def summary(self) -> ReportSummary:
        """Return the report in short."""
        read, written, failed = self._records
        return ReportSummary(
            since=self._since,
            until=self._until,
            runs=self._states.total(),
            states={state.value: self._states[state] for state in _ORDER},
            records_read=read,
            records_written=written,
            records_failed=failed,
            bad=self._bad,
            bad_runs=tuple((self._shown_failed + self._shown_bad)[:MAX_BAD]),
        )

    def table(self) -> str:
        """Return a table of the runs, the bad ones first; at most 50 of them, and how many there are more."""
        found = (f"{self._states[state]} {state.value}" for state in _ORDER if self._states[state])
        title = f"Flow runs created from {self._since} until {self._until}: {', '.join(found) or 'none'}"
        if not self._states:
            return title
        runs = (self._shown_failed + self._shown_bad + self._shown_good)[:MAX_ROWS]
        omitted = self._states.total() - len(runs)
        bad = max(0, self._bad - len(runs))
        more = f"... and {omitted} more{f', of which {bad} are bad' if bad else ''}"
        head = f"{title}; {RunCounts(*self._records)}"
        return "\n".join([head, *_aligned([_HEADER, *map(_row, runs)]), *([more] if omitted else [])])

    def failure(self) -> str | None:
        """Return the error about the runs that make the report fail; None if there are none."""
        if not self._failures:
            return None
        named = "; ".join(map(_explained, filter(None, self._failing.values())))
        omitted = len(self._failing) - _MAX_FLOWS
        more = f"; and {omitted} more flows" if omitted > 0 else ""
        problem = "failed" if self._fail_on is FailOn.FAILED else "failed or lost records"
        return (
            f"{self._failures} of the {self._states.total()} flow runs created from {self._since} until"
            f" {self._until} {problem}: {named}{more}. A retry finds the same runs, so the task is not retried. Correct"
            " the flows and run them again, or set fail_on='never' to report such runs without failing."
        )


def report_runs(
    sender: Sender, since: Time, until: Time | None = None, flows: Iterable[str] | None = None
) -> Iterator[ReportedRun]:
    """Yield the runs that were created in a window of time, with the names of their flows, the newest first.

    Calls: ``GET /runs`` for each 100 runs that were created since the beginning of the window, and ``GET /flows`` for
    each 100 flows until the names that are needed are known. The runs of up to 20 given flows are asked for flow by
    flow. A page is only read when the runs before it have been consumed.

    :param since: beginning of the window: a datetime with a time zone, an ISO 8601 string with a time zone, or seconds
        since 1970-01-01 UTC. A run of which AEP does not show the time is not left out.
    :param until: end of the window, which is not a part of it; None for now.
    :param flows: ids of the flows; None for all. A flow that does not exist has no runs.
    :raises InvalidInputError: if an argument is invalid.
    :raises InvalidResponseError: if a run cannot be read: it could be one that failed.
    """
    start = epoch_seconds("since", since)
    end = clock.current().wall() if until is None else epoch_seconds("until", until)
    if end <= start:
        problem = f"{iso(end)} is not after since, which is {iso(start)}"
        raise InvalidInputError("until", problem, "Give a time after since; without until, it is now.")
    runs = _runs_of(sender, start, None if flows is None else _flow_ids(flows))
    names = _FlowNames(sender)
    return (ReportedRun.of(run, names.name_of(run.flow_id)) for run in runs if run.created_at < end * 1000)


def _flow_ids(flows: Iterable[str]) -> Collection[str]:
    """Return the ids of flows, each once.

    :raises InvalidInputError: if they are no list, none, or one is no id.
    """
    ids = dict.fromkeys(listed("flows", flows))
    if not ids:
        raise InvalidInputError("flows", "is empty", "Give ids of flows, or None for all flows.")
    for flow_id in ids:
        if not (isinstance(flow_id, str) and request.is_plain(flow_id)):
            problem = f"{shown(flow_id)} is not the id of a flow"
            raise InvalidInputError("flows", problem, "Give the id that AEP shows.")
    return ids


def _runs_of(sender: Sender, start: float, flows: Collection[str] | None) -> Iterator[FlowRun]:
    """Yield the runs of flows that were created at a time or later, the newest first."""
    if flows is None:
        return iterate_runs(sender, since=start)
    if len(flows) > MAX_FILTERED:
        return (run for run in iterate_runs(sender, since=start) if run.flow_id in flows)
    return heapq.merge(
        *(iterate_runs(sender, flow_id, start) for flow_id in flows), key=lambda run: -run.created_at
    )


class _FlowNames:
    """The names of flows, from the list of flows, of which no more pages are read than are needed."""

    def __init__(self, sender: Sender) -> None:
        self._unread = iterate(sender, request.FLOWS)
        self._known: dict[str, str] = {"": ""}

    def name_of(self, flow_id: str) -> str:
        """Return the name of a flow, or its id if it is not in the list."""
        while flow_id not in self._known:
            flow = next(self._unread, None)
            if flow is None:
                return plain_text(flow_id, _MAX_NAME)
            self._known[flow.id] = plain_text(flow.name, _MAX_NAME) or flow.id
        return self._known[flow_id]


def _keep(runs: list[ReportedRun], run: ReportedRun, limit: int) -> None:
    if len(runs) < limit:
        runs.append(run.shortened())


def _first_error(run: ReportedRun) -> str:
    more = len(run.errors[1:]) + run.omitted_errors
    return "".join((*map(str, run.errors[:1]), f" (and {more} more)" if more else ""))


def _explained(run: ReportedRun) -> str:
    reason = _first_error(run).rstrip(".") or f"run {run.run_id} is {run.state.value}"
    return f"{plain_text(repr(run.flow_name), _MAX_NAME)} ({run.flow_id}): {reason}"


def _row(run: ReportedRun) -> tuple[str, ...]:
    counts = (run.records_read, run.records_written, run.records_failed)
    return (
        run.state.value,
        "-" if run.created_at is None else f"{run.created_at:%Y-%m-%d %H:%M:%S}",
        *("-" if count is None else str(count) for count in counts),
        run.flow_name,
        run.run_id,
        _first_error(run),
    )


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table; a long cell is shortened."""
    cut = [[plain_text(cell, limit) for cell, limit in zip(row, _WIDTHS, strict=True)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for row in cut:
        cells = (
            cell.rjust(width) if position in _NUMBERS else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
