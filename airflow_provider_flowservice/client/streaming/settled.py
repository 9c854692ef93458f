"""Which records of an input are settled, recognized by their content.

The input may be corrected between two attempts of a task. Therefore an attempt that continues compares hashes of the
settled records, and posts from the first place where they differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.records import (
    Cursor,
    RecordBlock,
    Records,
    UnreadableRecord,
    count_of,
)

#: Maximum number of marks. If the input is changed in the middle of ``n`` settled records, at most ``2 * n / MARKS`` of
#: those before the change are posted again, and one batch.
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


class Span(Frozen, frozen=True, array_like=True):
    """Records that were all accepted before some of those in front of them were settled.

    :param begin: index of the first of them.
    :param end: index after the last one.
    :param digest: hash of all records before ``end``.
    :param duplicated: how many of them were sent twice because a response was lost.
    """

    begin: int
    end: int
    digest: str
    duplicated: int


class RunningHash:
    """Hash of the records of an input so far. It does not depend on how they are divided into blocks."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def add(self, item: RecordBlock | UnreadableRecord) -> None:
        """Add the records that follow."""
        if isinstance(item, UnreadableRecord):
            head = repr((len(item.raw), item.csv, item.is_beginning))
            self._hash.update(b"!%b:%b" % (head.encode("utf-8", "backslashreplace"), item.raw))
        else:
            # The records are JSON objects, so nothing in them can be taken for what is between them.
            self._hash.update(b"\n".join(item.raws))
        self._hash.update(b"\n")

    def copy(self) -> RunningHash:
        """Return a hash of the same records, to which others can be added."""
        copied = RunningHash()
        copied._hash = self._hash.copy()
        return copied

    @property
    def digest(self) -> str:
        """The hash as a string."""
        return self._hash.hexdigest()


class SettledRecords:
    """The settled records of an input.

    :param begin: index of the first record that is posted.
    :param marks: the marks that an interrupted attempt has saved.
    :param above: what it had settled above the last mark.
    """

    def __init__(self, begin: int, marks: Sequence[Mark] = (), above: Sequence[Span] = ()) -> None:
        #: Index of the first record that is posted.
        self.begin = begin
        self._marks = list(marks)
        self._stride = 1
        self.above = tuple(above)
        #: Hash of the records that were read.
        self.hash = RunningHash()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks, for the next attempt."""
        return tuple(self._marks)

    @property
    def end(self) -> int:
        """Index below which all records are settled."""
        return self._marks[-1].end if self._marks else self.begin

    @property
    def failures(self) -> int:
        """Number of settled records that were not accepted."""
        return sum(mark.failures for mark in self._marks)

    def check(self, records: Cursor) -> bool:
        """Read the settled records again.

        :param records: the records from ``begin`` on; afterwards, those that are not settled.
        :returns: whether they are the same as before. If not, the marks from the first change on are removed, and the
            input must be read from its beginning.
        """
        self.hash = RunningHash()
        read = self.begin
        for position, mark in enumerate(self._marks):
            read += self._add(records.take(mark.end - read))
            if (read, self.hash.digest) != (mark.end, mark.digest):
                del self._marks[position:]
                self.above = ()
                return False
        return True

    def _add(self, items: Iterable[RecordBlock | UnreadableRecord]) -> int:
        """Add records to the hash, and return how many there were."""
        count = 0
        for item in items:
            self.hash.add(item)
            count += count_of(item)
        return count

    def unsettled(self, records: Records) -> Iterator[RecordBlock | UnreadableRecord | Span]:
        """Yield the records that are not settled, and in place of those that are settled above, their span.

        What is yielded must be added to :attr:`hash` before the next is asked for.
        """
        cursor, index = Cursor(records), self.end
        for span in self.above:
            yield from cursor.take(span.begin - index)
            held = list(cursor.take(span.end - span.begin))
            hashed = self.hash.copy()
            for item in held:
                hashed.add(item)
            if hashed.digest == span.digest:
                yield span
                # Not before: the records in front of it may still have to be hashed on their own.
                self.hash = hashed
            else:
                yield from held
            index = span.end
        yield from cursor

    def settle(self, end: int, digest: str, failures: int) -> None:
        """Mark the records before an index as settled.

        :param digest: hash of all records before it.
        :param failures: number of records since the last mark that were not accepted.
        """
        self._add_mark(Mark(end, digest, failures))
        while len(self._marks) > MARKS:
            self._stride *= 2
            marks, self._marks = self._marks, []
            for mark in marks:
                self._add_mark(mark)

    def _add_mark(self, mark: Mark) -> None:
        """Add a mark. It replaces the last one unless that is the first one after a multiple of the stride.

        So the marks that are left with a stride are those that would have been left if it had never been shorter.
        """
        if self._marks:
            before = self._marks[-2].end if len(self._marks) > 1 else self.begin
            if (self._marks[-1].end - self.begin) // self._stride == (before - self.begin) // self._stride:
                mark = msgspec.structs.replace(mark, failures=mark.failures + self._marks.pop().failures)
        self._marks.append(mark)
