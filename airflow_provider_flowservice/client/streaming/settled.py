"""Which records of an input are settled, recognized by their content.

The input may be corrected between two attempts of a task. Therefore an attempt that continues compares hashes of the
settled records, and posts from the first place where they differ.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.posting import Failure, PostSummary
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord

#: Maximum number of marks. If the input is changed in the middle of ``n`` settled records, at most ``2 * n / MARKS`` of
#: those before the change are posted again.
MARKS = 64
_DIGEST_BYTES = 8


class Mark(Frozen, frozen=True, array_like=True):
    """What is known about the records up to an index.

    :param end: the index.
    :param digest: hash of all records before it.
    :param failures: number of records between the previous mark and this one that were not accepted.
    """

    end: int
    digest: str
    failures: int


class SettledRecords:
    """Hashes the records of an input while they are read, and keeps marks of those that are settled.

    :param begin: index of the first record that is posted.
    :param marks: the marks that an interrupted attempt has saved.
    """

    def __init__(self, begin: int, marks: Sequence[Mark] = ()) -> None:
        self._begin = begin
        self._marks = list(marks)
        self._start_reading()

    def _start_reading(self) -> None:
        self._read = self._begin
        self._hash = self._hash_before_last = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._stride = 1
        #: Digests since the last mark, and indexes of the records that were not accepted since then.
        self._digests: dict[int, str] = {}
        self._failed: list[int] = []

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks, for the next attempt."""
        return tuple(self._marks)

    @property
    def end(self) -> int:
        """Index after the last settled record."""
        return self._marks[-1].end if self._marks else self._begin

    @property
    def failures(self) -> int:
        """Number of settled records that were not accepted."""
        return sum(mark.failures for mark in self._marks)

    def check(self, records: Iterator[InputRecord | UnreadableRecord]) -> bool:
        """Read the settled records again.

        :param records: the records from ``begin`` on; afterwards, those that are not settled.
        :returns: whether they are the same as before. If not, the marks from the first change on are removed, and the
            input must be read from its beginning.
        """
        self._start_reading()
        for position, mark in enumerate(self._marks):
            for record in islice(records, mark.end - self._read):
                self._take(record)
            if (self._read, self._hash.hexdigest()) != (mark.end, mark.digest):
                del self._marks[position:]
                return False
        return True

    def reading(
        self, records: Iterable[InputRecord | UnreadableRecord]
    ) -> Iterator[InputRecord | UnreadableRecord]:
        """Yield the records that are not settled."""
        for record in records:
            self._hash_before_last = self._hash.copy()
            self._take(record)
            if self._read % self._stride == 0:
                self._digests[self._read] = self._hash.hexdigest()
            yield record

    def fail(self, failure: Failure) -> None:
        """Count a record that was not accepted."""
        self._failed.append(failure.index)

    def settle(self, end: int) -> None:
        """Mark the records before an index as settled. Only one further record may have been read."""
        failed = sorted(self._failed)
        digest = (self._hash if end == self._read else self._hash_before_last).hexdigest()
        for each, known in {**self._digests, end: digest}.items():
            if each <= end:
                failures = bisect_left(failed, each) - bisect_left(failed, self.end)
                self._add(Mark(each, known, failures))
        self._digests = {each: known for each, known in self._digests.items() if each > end}
        self._failed.clear()
        while len(self._marks) > MARKS:
            self._stride *= 2
            marks, self._marks = self._marks, []
            for mark in marks:
                self._add(mark)

    def _add(self, mark: Mark) -> None:
        """Add a mark; it replaces one that is not at a multiple of the stride."""
        if self._marks and self._marks[-1].end % self._stride:
            mark = msgspec.structs.replace(mark, failures=mark.failures + self._marks.pop().failures)
        self._marks.append(mark)

    def _take(self, record: InputRecord | UnreadableRecord) -> None:
        self._read += 1
        kind = b"r" if isinstance(record, InputRecord) else b"u"
        self._hash.update(b"%s%d:" % (kind, len(record.raw)))
        self._hash.update(record.raw)
        if isinstance(record, UnreadableRecord):
            self._hash.update(repr((record.csv, record.is_beginning)).encode("utf-8", "backslashreplace"))

    def summary(self, earlier: PostSummary) -> PostSummary:
        """Return the summary of the settled records, of which an earlier attempt may have settled more."""
        if self.end == earlier.settled:
            return earlier
        accepted = self.end - self._begin - self.failures
        rejected = min(self.failures, earlier.rejected)
        return PostSummary(
            settled=self.end,
            accepted=accepted,
            rejected=rejected,
            unknown=self.failures - rejected,
            maybe_duplicated=min(earlier.maybe_duplicated, accepted),
            first_xaction_id=earlier.first_xaction_id if accepted else None,
            last_xaction_id=earlier.last_xaction_id if accepted else None,
        )
