"""Sends records to an inlet and accounts for every one of them.

An inlet has no idempotency key: if a response is lost, the batch is sent again, and its records are
counted as possibly duplicated. Memory holds one batch, never the input.
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
)
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.http.retry import backoff, delay_after
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.client.streaming.inlet import Envelope, Inlet, MessageResult, MessageStatus
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord

log = logging.getLogger(__name__)
T = TypeVar("T")

#: How often a batch, or what of it the inlet was too busy for, is sent.
ATTEMPTS = 5
_NO_XDM = (
    "is not an XDM message, which this inlet requires; give schema_id and dataset_id to wrap plain records"
)


class Failure(Frozen, frozen=True):
    """A record that was not accepted.

    :param record: as it was read.
    :param status: AEP's status for it, where there is one.
    :param message: what is wrong.
    """

    record: InputRecord | UnreadableRecord
    status: int | None
    message: str

    @property
    def place(self) -> str:
        """Where the record stands in the input."""
        return f"line {self.record.line}" if self.record.line else f"record {self.record.position}"


class PostSummary(msgspec.Struct):
    """What became of all records so far.

    :param settled: how many records of the input, from its beginning, need not be looked at again.
    :param maybe_duplicated: accepted ones that were sent twice because a response was lost.
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
        """Records that are not known to be accepted."""
        return self.rejected + self.unknown


class Progress(Frozen, frozen=True):
    """How far a posting is, for an attempt that goes on after an interruption.

    :param settled: the summary of all records before ``settled.settled``.
    :param sending_below: records from there up to this position may be on their way.
    """

    settled: PostSummary
    sending_below: int


class _Message(Frozen, frozen=True):
    hidden: ClassVar = frozenset({"content"})

    record: InputRecord
    content: bytes


def _ignore(_: object) -> None:
    """For callers that do not listen."""


@dataclass
class Poster:
    """Posts records to one inlet.

    :param sender: carries requests through.
    :param target: the inlet.
    :param flow_id: flow that the records are for, where it is known.
    :param envelope: wraps plain records; None sends them as they are.
    :param batch_size: records in one request at most; 1 uses the endpoint for single messages.
    :param sync_validation: let the inlet check each record against the schema; one by one, 60 a minute.
    :param on_failure: called with every record that is not accepted.
    :param on_progress: called with the progress before and after each request.
    :param summary: where an interrupted attempt stopped, to go on from there.
    :param maybe_sent_below: records before this position may have been sent by an interrupted attempt.
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
    _read_below: int = field(default=0, init=False)

    def post(self, records: Iterable[InputRecord | UnreadableRecord]) -> PostSummary:
        """Send all records.

        :raises FlowServiceError: if the inlet fails for good; ``summary`` says how far it came.
        """
        single = self.sync_validation or self.batch_size == 1
        size = 1 if single else self.batch_size
        pause = 60 / inlet.SYNC_VALIDATIONS_PER_MINUTE if self.sync_validation else 0.0
        earliest = clock.current().monotonic()
        settled = msgspec.structs.replace(self.summary)
        for batch, end in _batches(self._messages(records), size, lambda: self._read_below):
            clock.current().sleep(max(0.0, earliest - clock.current().monotonic()))
            earliest = clock.current().monotonic() + pause
            self.on_progress(Progress(settled, sending_below=end))
            self._send(batch, single)
            self.summary.settled = end
            settled = msgspec.structs.replace(self.summary)
            self.on_progress(Progress(settled, sending_below=end))
        return self.summary

    def _messages(self, records: Iterable[InputRecord | UnreadableRecord]) -> Iterator[_Message]:
        for record in records:
            self._read_below = record.position + 1
            message = self._message(record)
            if isinstance(message, _Message):
                yield message
            else:
                self._reject(record, MessageResult(MessageStatus.REJECTED, message=message))

    def _message(self, record: InputRecord | UnreadableRecord) -> _Message | str:
        """The message for a record, or why it cannot be sent."""
        if isinstance(record, UnreadableRecord):
            return record.problem
        content = self.envelope.wrap(record.raw) if self.envelope else record.raw
        if len(content) + inlet.batch_overhead(1) > inlet.MAX_REQUEST_BYTES:
            return f"has {len(content)} bytes, and a request may have {inlet.MAX_REQUEST_BYTES}"
        if self.target.data_type == "xdm" and not self.envelope and not inlet.is_xdm_message(content):
            return _NO_XDM
        return _Message(record, content)

    def _send(self, batch: list[_Message], single: bool) -> None:
        """Send a batch, again what the inlet is too busy for, and all of it if the response is lost."""
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
                if last:
                    self.summary.unknown += len(pending)
                    raise
                log.warning(
                    "The response to %d records was lost; sending them again: %s", len(pending), error
                )
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
        except BadRequestError as refusal:
            # For a single message this is its result, and for a batch of one so is 413; any other
            # rejection is about the request as a whole.
            if not single and (refusal.status != 413 or len(pending) > 1):
                raise
            return (MessageResult(MessageStatus.REJECTED, status=refusal.status, message=refusal.message),)
        except ServerError as refusal:
            if self.sync_validation and refusal.status == 501:
                raise InvalidInputError("sync_validation", refusal.message, "Leave it out.") from refusal
            raise

    def _account(
        self, pending: list[_Message], results: tuple[MessageResult, ...], *, sent_before: bool, last: bool
    ) -> list[_Message]:
        """Count what is decided and return what is to be sent again."""
        again: list[_Message] = []
        for message, result in zip(pending, results, strict=True):
            if result.fate is MessageStatus.ACCEPTED:
                self._accept(result)
                sent_by_other = message.record.position < self.maybe_sent_below
                self.summary.maybe_duplicated += sent_before or sent_by_other
            elif result.fate is MessageStatus.BUSY and not last:
                again.append(message)
            else:
                self._reject(message.record, result)
        return again

    def _accept(self, result: MessageResult) -> None:
        self.summary.accepted += 1
        self.summary.first_xaction_id = self.summary.first_xaction_id or result.xaction_id
        self.summary.last_xaction_id = result.xaction_id

    def _reject(self, record: InputRecord | UnreadableRecord, result: MessageResult) -> None:
        if result.fate is MessageStatus.UNKNOWN:
            self.summary.unknown += 1
        else:
            self.summary.rejected += 1
        self.on_failure(Failure(record, result.status, result.message or "AEP gives no reason"))


def _batches(
    messages: Iterable[_Message], size: int, read_below: Callable[[], int]
) -> Iterator[tuple[list[_Message], int]]:
    """Fill requests up to ``size`` messages and the bytes that a request may have.

    :param read_below: the position below which the input was read, including rejected records after the last message.
    :returns: each batch with the position below which, once it is sent, all records are settled.
    """
    batch: list[_Message] = []
    filled = 0
    try:
        for message in messages:
            grown = inlet.batch_overhead(len(batch) + 1) + filled + len(message.content)
            if batch and grown > inlet.MAX_REQUEST_BYTES:
                yield batch, message.record.position
                batch, filled = [], 0
            batch.append(message)
            filled += len(message.content)
            if len(batch) == size:
                yield batch, message.record.position + 1
                batch, filled = [], 0
    except InvalidInputError:
        # The input ends prematurely: what was read of it is sent first.
        if batch:
            yield batch, read_below()
        raise
    if batch:
        yield batch, read_below()
