"""Posting of records to an inlet, several batches at once, with a result for each record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.background import Background, InMain
from airflow_provider_flowservice.client.streaming.batches import Batch, Batcher, letter_bytes
from airflow_provider_flowservice.client.streaming.delivery import Delivered, Transport
from airflow_provider_flowservice.client.streaming.inlet import MessageStatus
from airflow_provider_flowservice.client.streaming.plan import Plan
from airflow_provider_flowservice.client.streaming.records import (
    InputRecord,
    Records,
    UnreadableRecord,
    place_of,
)
from airflow_provider_flowservice.client.streaming.settled import Mark, SettledRecords, Span

#: Seconds between two notes, unless more records are sent in between than ``resend_window`` allows for.
NOTE_SECONDS = 1.0
#: About the number of bytes that a failure takes in memory, without its record.
_FAILURE_BYTES = 500
#: Failures are kept until the next note, as many as take about this number of bytes.
_MAX_UNNOTED_BYTES = 4_000_000
#: Longest wait for a result at a time, in seconds, so that the progress is reported meanwhile.
_PATIENCE = 1.0


class Failure(Frozen, frozen=True):
    """A record that was not accepted.

    :param index: index of the record in this input, starting at 0. Its own ``position`` may be that in another one.
    :param record: the record as read from the input.
    :param status: AEP's status for it, if any.
    :param message: description of the problem.
    """

    index: int
    record: InputRecord | UnreadableRecord
    status: int | None
    message: str

    @property
    def place(self) -> str:
        """Line or position of the record in the input, for messages."""
        return place_of(self.record)


def _held(failure: Failure) -> int:
    """Return about the number of bytes that a failure, or its dead letter, takes in memory."""
    return _FAILURE_BYTES + letter_bytes(failure.record)


class PostSummary(msgspec.Struct):
    """The results of all records so far.

    :param settled: number of records at the beginning of the input that have been processed.
    :param maybe_duplicated: number of accepted records that were sent twice because a response was lost.
    """

    settled: int = 0
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    maybe_duplicated: int = 0
    first_xaction_id: str | None = None
    last_xaction_id: str | None = None

    @property
    def failures(self) -> int:
        """Number of records that are not known to be accepted."""
        return self.rejected + self.unknown

    def add(self, delivered: Delivered) -> None:
        """Count the results of a batch."""
        self.accepted += delivered.accepted
        self.maybe_duplicated += delivered.duplicated
        unknown = sum(each.reason is MessageStatus.UNKNOWN for each in delivered.refused.values())
        self.unknown += delivered.unknown + unknown
        self.rejected += len(delivered.refused) - unknown + len(delivered.batch.unsendable)
        self.first_xaction_id = self.first_xaction_id or delivered.first_xaction_id
        self.last_xaction_id = delivered.last_xaction_id or self.last_xaction_id


class Note(Frozen, frozen=True):
    """What an attempt notes for the next one. It has nothing of the content of records but hashes.

    :param settled: results of the records before the last mark.
    :param sending_below: records before this index may have been sent.
    :param marks: hashes of the settled records.
    :param above: records after the last mark that are settled, too.
    """

    settled: PostSummary
    sending_below: int = 0
    marks: tuple[Mark, ...] = ()
    above: tuple[Span, ...] = ()

    def resumed(self, settled: SettledRecords) -> PostSummary:
        """Return the summary of the settled records, of which this note may have more than are left of it."""
        earlier = self.settled
        if settled.end == earlier.settled:
            return earlier
        accepted = settled.end - settled.begin - settled.failures
        rejected = min(settled.failures, earlier.rejected)
        return PostSummary(
            settled=settled.end,
            accepted=accepted,
            rejected=rejected,
            unknown=settled.failures - rejected,
            maybe_duplicated=min(earlier.maybe_duplicated, accepted),
            first_xaction_id=earlier.first_xaction_id if accepted else None,
            last_xaction_id=earlier.last_xaction_id if accepted else None,
        )


class _Result(Frozen, frozen=True):
    """What has become of a batch, and which of its records were not accepted."""

    delivered: Delivered
    failures: list[Failure]


def _ignore(_: object) -> None:
    """Default callback."""


class Poster:
    """Posts the records of one input.

    :param connect: opens a transport, in the thread that sends. Its argument has a function called in this one.
    :param plan: how they are posted.
    :param settled: the records that an interrupted attempt has settled, if any.
    :param note: its note.
    :param on_failure: called for every record that is not accepted, in their order.
    :param on_note: keeps a note for the next attempt.
    :param on_progress: called at least once a second while records are posted.
    """

    def __init__(
        self,
        connect: Callable[[InMain], Transport],
        plan: Plan,
        *,
        settled: SettledRecords | None = None,
        note: Note | None = None,
        on_failure: Callable[[Failure], None] = _ignore,
        on_note: Callable[[Note], None] = _ignore,
        on_progress: Callable[[Poster], None] = _ignore,
    ) -> None:
        self._plan = plan
        self._settled = settled or SettledRecords(0)
        note = note or Note(PostSummary())
        self._on_failure = on_failure
        self._on_note = on_note
        self._on_progress = on_progress
        self.pace = plan.pace()
        courier = plan.courier(self.pace, note.sending_below)
        self._background = Background(connect, courier, plan.concurrency)
        #: Records before this index may have been sent, as far as another attempt is told.
        self._noted_below = 0
        self._noted_end = -1
        self._noted_at = clock.current().monotonic()
        self._sent_below = note.sending_below
        #: Results of the records at the beginning, up to the first batch that is not settled.
        self._done = note.resumed(self._settled)
        #: The batches behind them, and the results of those that were delivered, by the index at which they begin.
        self._order: deque[Batch] = deque()
        self._results: dict[int, _Result] = {}
        self._held_bytes = 0
        #: Size of the failures that were reported since the last note.
        self._unnoted_bytes = 0
        self._error: Exception | None = None

    @property
    def summary(self) -> PostSummary:
        """The results so far."""
        summary = msgspec.structs.replace(self._done)
        for batch in self._order:
            if result := self._results.get(batch.begin):
                summary.add(result.delivered)
        return summary

    def post(self, records: Records) -> PostSummary:
        """Post records (``POST /collection/batch/{inlet}``).

        :param records: the records that ``settled`` does not have.
        :raises FlowServiceError: if the inlet rejects a request or the last attempt fails; :attr:`summary` is valid.
        :raises InvalidInputError: if the input is truncated; what comes before is posted.
        """
        try:
            with self._background:
                self._deliver(records)
        except Exception:
            for result in map(self._results.get, (batch.begin for batch in self._order)):
                self._report(result)
            self._write_note(self._sent_below)
            raise
        # The task may still be lost before Airflow knows that it has succeeded.
        if self._done.settled != self._noted_end:
            self._write_note(self._sent_below)
        return self.summary

    def _deliver(self, records: Records) -> None:
        problem: Exception | None = None
        try:
            for batch in Batcher(records, self._settled, self._plan.limits(), only_xdm=self._plan.only_xdm):
                self._submit(batch)
                if self._error:
                    break
        except Exception as error:  # noqa: BLE001 (it is raised when what was sent has been accounted for)
            problem = error
        while self._background.open:
            self._collect(_PATIENCE)
        if failed := self._error or problem:
            raise failed

    def _submit(self, batch: Batch) -> None:
        """Have a batch delivered, as soon as there is room for it."""
        needs_sending = bool(batch.parts)
        while not self._error and not self._has_room(batch):
            self._collect(_PATIENCE)
        self._order.append(batch)
        if needs_sending and not self._error:
            self._sent_below = max(self._sent_below, batch.end)
            self._background.submit(batch)
        elif not needs_sending:
            span = batch.settled
            known = Delivered(batch, batch.end - batch.begin, span.duplicated) if span else Delivered(batch)
            self._receive(known)
        if self._background.has_results or not needs_sending:
            self._collect(None)

    def _has_room(self, batch: Batch) -> bool:
        """Whether a batch may be sent: not too many are being sent, and another attempt is told of it.

        One that is not sent has room unless too much is held of those that wait for a batch before them.
        """
        if self._held_bytes > self._plan.batch_bytes:
            return False
        if not batch.parts:
            return True
        if self._background.open >= self._plan.ahead:
            return False
        if batch.end > self._noted_below and self._done.settled != self._noted_end:
            self._write_note(self._done.settled + self._plan.window)
        return batch.end <= self._noted_below

    def _collect(self, wait: float | None) -> None:
        """Account for what has been delivered.

        :param wait: maximum number of seconds to wait for something; None does not wait.
        """
        for delivered in self._background.take(wait=wait):
            if delivered.error is not None:
                if not isinstance(delivered.error, Exception):
                    raise delivered.error
                self._error = self._error or delivered.error
            self._receive(delivered)
        self._settle()
        is_due = clock.current().monotonic() - self._noted_at >= NOTE_SECONDS
        if (is_due or self._unnoted_bytes > _MAX_UNNOTED_BYTES) and self._done.settled != self._noted_end:
            self._write_note(max(self._sent_below, self._done.settled + self._plan.window))
        self._on_progress(self)

    def _receive(self, delivered: Delivered) -> None:
        """Keep the result of a batch, but of its records only those that are not accepted."""
        batch = delivered.batch
        failures = [Failure(each.index, each.record, None, each.problem) for each in batch.unsendable]
        for offset, refusal in delivered.refused.items():
            index, record = batch.locate(offset)
            message = refusal.message or "AEP gives no reason"
            failures.append(Failure(index, record, refusal.status, message))
        failures.sort(key=lambda failure: failure.index)
        batch.parts = []
        self._held_bytes += sum(map(_held, failures))
        self._results[batch.begin] = _Result(delivered, failures)

    def _settle(self) -> None:
        """Settle the batches at the beginning that were delivered."""
        while self._order:
            result = self._results.get(self._order[0].begin)
            if result is None or result.delivered.error is not None:
                return
            batch = self._order.popleft()
            del self._results[batch.begin]
            self._report(result)
            before = self._done.failures
            self._done.add(result.delivered)
            self._done.settled = batch.end
            self._settled.settle(batch.end, batch.digest, self._done.failures - before)

    def _report(self, result: _Result | None) -> None:
        for failure in result.failures if result else ():
            size = _held(failure)
            self._held_bytes -= size
            self._unnoted_bytes += size
            self._on_failure(failure)

    def _write_note(self, sending_below: int) -> None:
        self._noted_below, self._noted_end = max(sending_below, self._sent_below), self._done.settled
        settled = msgspec.structs.replace(self._done)
        self._on_note(Note(settled, self._noted_below, self._settled.marks, tuple(self._spans())))
        self._noted_at = clock.current().monotonic()
        self._unnoted_bytes = 0

    def _spans(self) -> Iterator[Span]:
        """Yield what is settled behind the first batch that is not.

        Another attempt holds the records of a span in memory, so a span is no larger than a request, or is one batch.
        """
        span: Span | None = None
        size = 0
        for batch in self._order:
            result = self._results.get(batch.begin)
            if result is None or result.failures or result.delivered.error or result.delivered.unknown:
                continue
            duplicated = result.delivered.duplicated
            if span and span.end == batch.begin and size + batch.size <= self._plan.batch_bytes:
                size += batch.size
                span = Span(span.begin, batch.end, batch.digest, span.duplicated + duplicated)
                continue
            if span:
                yield span
            span, size = Span(batch.begin, batch.end, batch.digest, duplicated), batch.size
        if span:
            yield span
