"""Batches of records, each of which becomes a request, or of single messages some requests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.client.streaming.records import (
    InputRecord,
    RecordBlock,
    Records,
    UnreadableRecord,
)
from airflow_provider_flowservice.client.streaming.settled import SettledRecords, Span

#: Rejected records are kept until the batch that they are in is settled, as many as have about this size together.
_MAX_REJECTED_BYTES = 10_000_000
_NOT_XDM = (
    "is not an XDM message, which this inlet requires; pass schema_id and dataset_id to wrap plain records, or flow_id"
    " to let AEP decide"
)


class Unsendable(msgspec.Struct):
    """A record that is rejected without being sent."""

    index: int
    record: InputRecord | UnreadableRecord
    problem: str


class Batch(msgspec.Struct):
    """Records whose results are accounted for together, and those between them that cannot be sent.

    :param begin: index of its first record in the input.
    :param end: index after its last record.
    :param parts: the records to send, each block with the index of its first record.
    :param unsendable: the others.
    :param digest: hash of all records of the input before ``end``.
    :param size: about the size of its records in a request, in bytes.
    :param settled: what an earlier attempt knows of it, if that has settled it.
    """

    begin: int
    end: int
    parts: list[tuple[int, RecordBlock]] = []
    unsendable: list[Unsendable] = []
    digest: str = ""
    size: int = 0
    settled: Span | None = None

    @property
    def raws(self) -> list[bytes]:
        """The text of each record to send."""
        if len(self.parts) == 1:
            return self.parts[0][1].raws
        return [raw for _, block in self.parts for raw in block.raws]

    def locate(self, offset: int) -> tuple[int, InputRecord]:
        """Return the index and the record of one of :attr:`raws`."""
        for index, block in self.parts:
            if offset < len(block.raws):
                return index + offset, block.record(offset)
            offset -= len(block.raws)
        raise IndexError("the batch has fewer records")


class Limits(Frozen, frozen=True):
    """What fits into a batch.

    :param records: maximum number of records, including those that cannot be sent.
    :param bytes: maximum size of a request with them, in bytes. A record that is larger is sent alone.
    :param added: bytes that each record gets as a message.
    """

    records: int
    bytes: int
    added: int = 0


class Batcher:
    """Divides the records of an input that are not settled into batches.

    :param records: the records, from the end of the settled ones on.
    :param settled: hashes the records.
    :param limits: what fits into a batch.
    :param only_xdm: reject records that are not XDM messages.
    """

    def __init__(self, records: Records, settled: SettledRecords, limits: Limits, *, only_xdm: bool) -> None:
        self._records = records
        self._settled = settled
        self._limits = limits
        self._only_xdm = only_xdm
        self._begin(settled.end)

    def _begin(self, index: int) -> None:
        self._batch = Batch(index, index)
        # There is one comma less than messages.
        self._filled = inlet.batch_overhead(1) - 1
        self._rejected = 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches.

        :raises InvalidInputError: if the input is truncated, after the batches of what was read before.
        """
        try:
            for item in self._settled.unsettled(self._records):
                if isinstance(item, Span):
                    yield from self._cut()
                    size = self._limits.bytes
                    yield Batch(item.begin, item.end, digest=item.digest, size=size, settled=item)
                    self._begin(item.end)
                elif isinstance(item, UnreadableRecord):
                    yield from self._reject(item, item, item.problem)
                elif self._only_xdm:
                    for offset, raw in enumerate(item.raws):
                        one = item.part(offset, offset + 1)
                        fits = inlet.is_xdm_message(raw)
                        yield from self._add(one) if fits else self._reject(one, one.record(0), _NOT_XDM)
                else:
                    yield from self._add(item)
        except InvalidInputError:
            yield from self._cut()
            raise
        yield from self._cut()

    def _add(self, block: RecordBlock) -> Iterator[Batch]:
        """Add records to send, and yield the batches that are full."""
        offset, count = 0, len(block.raws)
        while offset < count:
            took, size = self._fitting(block, offset)
            if not took:
                size = self._size(block.raws[offset])
                if size > inlet.MAX_REQUEST_BYTES:
                    one = block.part(offset, offset + 1)
                    yield from self._reject(one, one.record(0), self._too_large(one.raws[0]))
                    offset += 1
                    continue
                if self._batch.end > self._batch.begin:
                    yield from self._cut()
                    continue
                took = 1
            part = block if took == count else block.part(offset, offset + took)
            self._settled.hash.add(part)
            self._batch.parts.append((self._batch.end, part))
            self._batch.end += took
            self._filled += size
            offset += took
            if self._batch.end - self._batch.begin >= self._limits.records:
                yield from self._cut()

    def _fitting(self, block: RecordBlock, offset: int) -> tuple[int, int]:
        """Return how many records of a block, from an offset on, fit into the batch, and their size in bytes."""
        room = self._limits.records - (self._batch.end - self._batch.begin)
        raws = block.raws[offset : offset + room]
        added, left = self._limits.added + 1, self._limits.bytes - self._filled
        size = sum(map(len, raws)) + added * len(raws)
        if size <= left:
            return len(raws), size
        sizes = list(accumulate(len(raw) + added for raw in raws))
        fitting = bisect_right(sizes, left)
        return fitting, sizes[fitting - 1] if fitting else 0

    def _size(self, raw: bytes) -> int:
        return len(raw) + self._limits.added + inlet.batch_overhead(1)

    def _too_large(self, raw: bytes) -> str:
        size = len(raw) + self._limits.added
        return f"has {size} bytes, but the limit for a request is {inlet.MAX_REQUEST_BYTES}"

    def _reject(
        self, item: RecordBlock | UnreadableRecord, record: InputRecord | UnreadableRecord, problem: str
    ) -> Iterator[Batch]:
        """Add a record that cannot be sent. It counts like the others, so that few are kept in memory."""
        self._settled.hash.add(item)
        self._batch.unsendable.append(Unsendable(self._batch.end, record, problem))
        self._batch.end += 1
        self._rejected += letter_bytes(record)
        is_full = self._batch.end - self._batch.begin >= self._limits.records
        if is_full or self._rejected > _MAX_REJECTED_BYTES:
            yield from self._cut()

    def _cut(self) -> Iterator[Batch]:
        """Yield the batch, unless it is empty, and begin the next one."""
        batch = self._batch
        if batch.end > batch.begin:
            batch.digest, batch.size = self._settled.hash.digest, self._filled
            self._begin(batch.end)
            yield batch


def letter_bytes(record: InputRecord | UnreadableRecord) -> int:
    """Return about the size of the dead letter of a record, which repeats the header of a CSV file."""
    csv = record.csv if isinstance(record, UnreadableRecord) else None
    return len(record.raw) + (sum(map(len, csv.columns)) if csv else 0)
