"""Whether a flow run succeeded, and if not, why: the only place that decides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from airflow_provider_flowservice.client.flows.console import destinations_page, source_flow_page
from airflow_provider_flowservice.client.model import FlowRun, Frozen, RunError, RunState, member, objects
from airflow_provider_flowservice.client.text import plain_text

#: A number of records or, below 1, their share of all records read; None allows any number.
MaxFailedRecords = int | float | None

#: Maximum number of AEP's errors, and of pages with details, that are kept of one run.
MAX_ERRORS = 5
#: Maximum number of runs whose errors a message about several runs shows. All others are named.
MAX_EXPLAINED = 10
_MAX_NAMED = 100
_MAX_ID = 100
#: Maximum number of runs whose ids their totals have.
MAX_LISTED = 100


class RunCounts(Frozen, frozen=True):
    """The records of a run, as AEP counts them; None is a number that AEP has not counted.

    :param read: records that were read.
    :param written: records that were written.
    :param failed: records that could not be processed.
    :param skipped: records that the flow leaves out on purpose; they do not count as failures.
    """

    read: int | None = None
    written: int | None = None
    failed: int | None = None
    skipped: int | None = None

    @classmethod
    def of(cls, run: FlowRun) -> RunCounts:
        """Return the counts of a run."""
        return cls(run.records_read, run.records_written, run.records_failed, run.records_skipped)

    def __str__(self) -> str:
        known = ((name, getattr(self, name)) for name in self.__struct_fields__)
        shown = ", ".join(f"{count} {name}" for name, count in known if count is not None)
        return f"records: {shown or 'not counted'}"


class RunOutcome(Frozen, frozen=True, kw_only=True):
    """What has become of a run. Its text contains everything that is known, and no secrets.

    :param is_good: whether the run has ended and its data has arrived.
    :param problem: why it is not good, if its state does not say so.
    :param errors: AEP's errors, each once; a good run may have some, too.
    :param omitted_errors: number of further errors.
    :param details: URLs under which AEP keeps the failed records or samples of errors, without their queries.
    :param page: URL of the run's flow in AEP's user interface; empty if AEP does not show the sandbox.
    """

    run_id: str
    flow_id: str = ""
    state: RunState
    is_good: bool
    problem: str = ""
    counts: RunCounts = RunCounts()
    errors: tuple[RunError, ...] = ()
    omitted_errors: int = 0
    details: tuple[str, ...] = ()
    page: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether the run has ended and is not good."""
        return self.state.is_terminal and not self.is_good

    def __str__(self) -> str:
        problem = f": {self.problem}" if self.problem else ""
        return f"{self._head}{problem}.{''.join(self._explanations())}"

    @property
    def _head(self) -> str:
        flow = f" of flow {self.flow_id}" if self.flow_id else ""
        verb = "ended with status" if self.state.is_terminal else "is"
        return f"run {self.run_id}{flow} {verb} {self.state.value} ({self.counts})"

    def _explanations(self) -> Iterator[str]:
        if self.errors:
            more = f"; and {self.omitted_errors} more" if self.omitted_errors else ""
            # AEP's messages may end with a period.
            yield f" AEP's errors: {'; '.join(str(error).rstrip('.') for error in self.errors)}{more}."
        elif self.is_bad:
            yield " AEP gives no reason."
        # A period at the end of a URL would become a part of it.
        if self.details:
            yield f" Details: {' '.join(self.details)}"
        if self.page and self.is_bad:
            yield f" See {self.page}"

    def without_explanations(self) -> RunOutcome:
        """Return the outcome without AEP's errors, where there are too many of them."""
        return msgspec.structs.replace(self, errors=(), omitted_errors=0, details=())


class RunTotals(Frozen, frozen=True, kw_only=True):
    """What several runs of a flow have done together: of bounded size, for XComs and the events of assets.

    :param runs: number of runs.
    :param run_ids: ids of the first 100 of them.
    :param records_read: number of records that were read; None if AEP has not counted those of one run, here and below.
    :param records_written: number of records that were written.
    :param records_failed: number of records that could not be processed.
    :param records_skipped: number of records that the flow leaves out on purpose.
    """

    flow_id: str
    runs: int
    run_ids: tuple[str, ...]
    records_read: int | None = None
    records_written: int | None = None
    records_failed: int | None = None
    records_skipped: int | None = None

    @classmethod
    def of(cls, flow_id: str, outcomes: Iterable[RunOutcome]) -> RunTotals:
        """Return the totals of runs."""
        every = list(outcomes)
        counts = [outcome.counts for outcome in every]
        return cls(
            flow_id=flow_id,
            runs=len(every),
            run_ids=tuple(outcome.run_id for outcome in every[:MAX_LISTED]),
            records_read=_total(each.read for each in counts),
            records_written=_total(each.written for each in counts),
            records_failed=_total(each.failed for each in counts),
            records_skipped=_total(each.skipped for each in counts),
        )

    @classmethod
    def of_started(cls, flow_id: str, run_ids: Sequence[str]) -> RunTotals:
        """Return the totals of runs of which nothing but their ids is known."""
        ids = tuple(plain_text(run_id, _MAX_ID) for run_id in run_ids[:MAX_LISTED])
        return cls(flow_id=flow_id, runs=len(run_ids), run_ids=ids)


def outcome_of(run: FlowRun, max_failed_records: MaxFailedRecords = 0) -> RunOutcome:
    """Decide whether a run succeeded.

    A run that failed is never good. Any other that ended is good if not too many of its records failed, whether AEP
    calls it a success or a partial success: it uses both words for runs with failed records. A count that is unknown is
    only taken for 0 if nothing says otherwise: neither errors nor a partial success, which has failures by definition.
    Skipped records do not count as failures.

    :param max_failed_records: how many records may fail: a whole number; a ratio below 1, of all records read; or None
        for any number.
    """
    counts, state = RunCounts.of(run), run.state
    errors = run.errors
    problem = ""
    if state in (RunState.SUCCESS, RunState.PARTIAL):
        has_failures = state is RunState.PARTIAL or (
            counts.failed is None and (bool(errors) or _has_failed_part(run))
        )
        problem = _problem(counts, max_failed_records, has_failures=has_failures)
    return RunOutcome(
        run_id=plain_text(run.id, _MAX_ID),
        flow_id=plain_text(run.flow_id, _MAX_ID),
        state=state,
        is_good=state in (RunState.SUCCESS, RunState.PARTIAL) and not problem,
        problem=problem,
        counts=counts,
        errors=errors[:MAX_ERRORS],
        omitted_errors=len(errors[MAX_ERRORS:]),
        details=run.details[:MAX_ERRORS],
        page=_page(run),
    )


def failure_of(outcomes: Iterable[RunOutcome]) -> str | None:
    """Return the message about the runs that are bad, with AEP's errors; None if all are good."""
    every = list(outcomes)
    # Those that were left without explanations come last.
    bad = sorted((outcome for outcome in every if outcome.is_bad), key=lambda outcome: not outcome.errors)
    if not bad:
        return None
    explained = " ".join(map(str, bad[:MAX_EXPLAINED]))
    named = [outcome.run_id for outcome in bad[MAX_EXPLAINED:]]
    also = f" Also: {', '.join(named[:_MAX_NAMED])}" if named else ""
    more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    return (
        f"{len(bad)} of {len(every)} flow runs did not succeed: {explained}{also}{more}{'.' if named else ''}"
    )


def _total(counts: Iterable[int | None]) -> int | None:
    """Return the sum of counts; None if one of them is unknown."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _problem(counts: RunCounts, limit: MaxFailedRecords, *, has_failures: bool) -> str:
    """Return why a run that did not fail is bad nevertheless; empty if it is good."""
    if limit is None:
        return ""
    remedy = "; raise max_failed_records if that is acceptable"
    failed = counts.failed or 0
    if has_failures and counts.failed == 0:
        return "AEP calls it a partial success, but counts no failed records; allow any number if that is acceptable"
    if has_failures and not failed:
        return (
            f"AEP does not say how many records failed, so max_failed_records={limit} cannot be checked;"
            " allow any number if that is acceptable"
        )
    if 0 < limit < 1:
        if failed and not counts.read:
            return (
                f"AEP does not say how many records were read, so max_failed_records={limit} cannot be checked"
                "; give a whole number"
            )
        is_too_many = failed > limit * (counts.read or 0)
    else:
        is_too_many = failed > limit
    return f"more records failed than max_failed_records={limit} allows{remedy}" if is_too_many else ""


def _has_failed_part(run: FlowRun) -> bool:
    """Whether AEP says of an activity of the run that it has failed."""
    states = (member(part, "statusSummary", "status") for part in objects(run.activities))
    return any(RunState.from_text(state) is RunState.FAILED for state in states if isinstance(state, str))


def _page(run: FlowRun) -> str:
    if not (isinstance(run.sandbox_name, str) and run.sandbox_name and run.flow_id):
        return ""
    if run.segments:
        return destinations_page(run.sandbox_name)
    return source_flow_page(run.sandbox_name, run.flow_id)
