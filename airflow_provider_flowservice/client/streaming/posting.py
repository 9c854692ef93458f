"""Posting of records to an inlet, with a result for each record.

Inlets do not support idempotency keys: if a response is lost, the batch is sent again, and its records are counted as
possibly duplicated. Only one batch is kept in memory, never the whole input.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    ApiError,
    BadRequestError,
    FlowServiceError,
    InvalidInputError,
    ServerError,
    is_ambiguous,
    is_permanent,
)
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.http.retry import backoff, delay_after
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.client.streaming.inlet import Envelope, Inlet, MessageResult, MessageStatus
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord, place_of

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Maximum number of times that a batch, or the messages in it that the inlet is too busy for, are sent. With waits of
#: up to 1, 2, 4 and 8 s in between, that bridges brief overload; messages still not accepted then count as rejected.
ATTEMPTS = 5
#: Rejected records are kept until the batch that they are in is settled, as many as have about this size together.
_MAX_REJECTED_BYTES = 10_000_000
_NOT_XDM = (
    "is not an XDM message, which this inlet requires; pass schema_id and dataset_id to wrap plain records, or flow_id"
    " to let AEP decide"
)


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


class Progress(Frozen, frozen=True):
    """The progress of a posting, which an attempt after an interruption continues from.

    :param settled: summary of the first ``settled.settled`` records.
    :param sending_below: the records from there up to this index may have been sent.
    """

    settled: PostSummary
    sending_below: int


class _Message(Frozen, frozen=True):
    hidden: ClassVar = frozenset({"content"})

    index: int
    record: InputRecord
    content: bytes


def _ignore(_: object) -> None:
    """Default callback."""


@dataclass
class Poster:
    """Posts records to one inlet.

    :param sender: sends the requests.
    :param target: the inlet.
    :param flow_id: id of the flow that ingests the records, if known.
    :param envelope: wraps plain records; None sends records unchanged.
    :param batch_size: maximum number of records per request, including those that are rejected unsent; 1 uses the
        endpoint for single messages.
    :param sync_validation: validate each record against the schema; records are sent one by one, 60 per minute.
    :param on_failure: called for every record that is not accepted.
    :param on_progress: called before and after each request.
    :param summary: summary of an interrupted attempt, to continue from.
    :param maybe_sent_below: records before this index may have been sent by an interrupted attempt.
    """

    sender: Sender
    target: Inlet
    flow_id: str | None = None
    envelope: Envelope | None = None
    batch_size: int = 500
    sync_validation: bool = False
    on_failure: Callable[[Failure], None] = _ignore
    on_progress: Callable[[Progress], None] = _ignore
    summary: PostSummary = field(default_factory=PostSummary)
    maybe_sent_below: int = 0

    def post(self, records: Iterable[InputRecord | UnreadableRecord]) -> PostSummary:
        """Post all records (``POST /collection/batch/{inlet}``).

        :param records: the records from the index ``summary.settled`` on.
        :raises FlowServiceError: if the inlet rejects a request or the last attempt fails. ``summary`` is then valid.
        """
        single = self.sync_validation or self.batch_size == 1
        size = 1 if single else self.batch_size
        pause = 60 / inlet.SYNC_VALIDATIONS_PER_MINUTE if self.sync_validation else 0.0
        earliest = clock.current().monotonic()
        settled = msgspec.structs.replace(self.summary)
        for batch, end in self._batches(records, size):
            if batch:
                clock.current().sleep(max(0.0, earliest - clock.current().monotonic()))
                earliest = clock.current().monotonic() + pause
                self.on_progress(Progress(settled, sending_below=end))
                self._send(batch, single)
            self.summary.settled = end
            settled = msgspec.structs.replace(self.summary)
            self.on_progress(Progress(settled, sending_below=end))
        return self.summary

    def _batches(
        self, records: Iterable[InputRecord | UnreadableRecord], size: int
    ) -> Iterator[tuple[list[_Message], int]]:
        """Yield the messages of up to ``size`` records that fit into a request, and the index after these records.

        Records that cannot be sent are rejected, and count like the others: what is known of unsettled records must
        not grow with the input.
        """
        batch: list[_Message] = []
        begin = end = self.summary.settled
        filled = rejected = 0
        try:
            for record in records:
                message = self._message(end, record)
                size_of_request = inlet.batch_overhead(len(batch) + 1) + filled
                if isinstance(message, _Message):
                    size_of_request += len(message.content)
                full = size_of_request > inlet.MAX_REQUEST_BYTES or rejected > _MAX_REJECTED_BYTES
                if end > begin and (full or end - begin == size):
                    yield batch, end
                    batch, begin, filled, rejected = [], end, 0, 0
                if isinstance(message, _Message):
                    batch.append(message)
                    filled += len(message.content)
                else:
                    self._reject(end, record, MessageResult(MessageStatus.REJECTED, message=message))
                    rejected += _letter_bytes(record)
                end += 1
        except InvalidInputError:
            # The input is truncated: send the records that were read before raising the error.
            if end > begin:
                yield batch, end
            raise
        if end > begin:
            yield batch, end

    def _message(self, index: int, record: InputRecord | UnreadableRecord) -> _Message | str:
        """Return the message for a record, or the reason why it cannot be sent."""
        if isinstance(record, UnreadableRecord):
            return record.problem
        content = self.envelope.wrap(record.raw) if self.envelope else record.raw
        if len(content) + inlet.batch_overhead(1) > inlet.MAX_REQUEST_BYTES:
            return f"has {len(content)} bytes, but the limit for a request is {inlet.MAX_REQUEST_BYTES}"
        can_be_plain = self.target.data_type != "xdm" or self.envelope or self.flow_id
        if not can_be_plain and not inlet.is_xdm_message(content):
            return _NOT_XDM
        return _Message(index, record, content)

    def _send(self, batch: list[_Message], single: bool) -> None:
        """Send a batch; repeat messages that the inlet is too busy for, and the whole batch if its response is lost."""
        pending, sent_before = batch, False
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            delay = backoff(attempt, random.random())  # noqa: S311
            try:
                results = self._results(pending, single)
            except FlowServiceError as error:
                if isinstance(error, ApiError) and error.status == 413 and len(pending) > 1:
                    middle = len(pending) // 2
                    self._send(pending[:middle], single)
                    self._send(pending[middle:], single)
                    return
                if not is_ambiguous(error):
                    raise
                if last or is_permanent(error):
                    self.summary.unknown += len(pending)
                    raise
                log.warning("No response to %d records; sending them again: %s", len(pending), error)
                sent_before = True
                delay = delay_after(error, attempt)
            else:
                pending = self._account(pending, results, sent_before=sent_before, last=last)
                if not pending:
                    return
            clock.current().sleep(delay)

    def _results(self, pending: list[_Message], single: bool) -> tuple[MessageResult, ...]:
        contents = [message.content for message in pending]
        if single:
            request = inlet.post_single(
                self.target, contents[0], self.flow_id, sync_validation=self.sync_validation
            )
        else:
            request = inlet.post_batch(self.target, contents, self.flow_id)
        try:
            return self.sender.send(request)
        except BadRequestError as error:
            # This is the result of a single message and, with status 413, of a batch of one. Any other
            # rejection concerns the request as a whole.
            if not single and (error.status != 413 or len(pending) > 1):
                raise
            return (MessageResult(MessageStatus.REJECTED, status=error.status, message=error.message),)
        except ServerError as error:
            if self.sync_validation and error.status == 501:
                raise InvalidInputError("sync_validation", error.message, "Remove it.") from error
            raise

    def _account(
        self, pending: list[_Message], results: tuple[MessageResult, ...], *, sent_before: bool, last: bool
    ) -> list[_Message]:
        """Count the results, and return the messages to send again."""
        again: list[_Message] = []
        for message, result in zip(pending, results, strict=True):
            if result.outcome is MessageStatus.ACCEPTED:
                self._accept(result)
                sent_by_other = message.index < self.maybe_sent_below
                self.summary.maybe_duplicated += sent_before or sent_by_other
            elif result.outcome is MessageStatus.BUSY and not last:
                again.append(message)
            else:
                self._reject(message.index, message.record, result)
        return again

    def _accept(self, result: MessageResult) -> None:
        self.summary.accepted += 1
        self.summary.first_xaction_id = self.summary.first_xaction_id or result.xaction_id
        self.summary.last_xaction_id = result.xaction_id

    def _reject(self, index: int, record: InputRecord | UnreadableRecord, result: MessageResult) -> None:
        if result.outcome is MessageStatus.UNKNOWN:
            self.summary.unknown += 1
        else:
            self.summary.rejected += 1
        self.on_failure(Failure(index, record, result.status, result.message or "AEP gives no reason"))


def _letter_bytes(record: InputRecord | UnreadableRecord) -> int:
    """Return about the size of the dead letter of a record, which repeats the header of a CSV file."""
    csv = record.csv if isinstance(record, UnreadableRecord) else None
    return len(record.raw) + (sum(map(len, csv.columns)) if csv else 0)
