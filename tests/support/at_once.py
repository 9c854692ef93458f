"""A posting of several batches at once to an inlet that a test holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_flowservice.client.streaming.posting import Failure, Note, Plan, Poster, PostSummary
from airflow_provider_flowservice.client.streaming.records import Cursor, RecordBlock, UnreadableRecord
from airflow_provider_flowservice.client.streaming.settled import SettledRecords
from tests.support.held_inlet import HeldInlet

Items = Iterable[RecordBlock | UnreadableRecord]
#: Number of times that a posting which waits must report its progress before it counts as standing still.
STILL = 5


def block(begin: int, end: int) -> RecordBlock:
    return RecordBlock(begin, [b'{"n": %d}' % n for n in range(begin, end)])


def unreadable(n: int) -> UnreadableRecord:
    return UnreadableRecord(n, b"{", n + 1, "is not JSON")


class Posting:
    """A posting to a held inlet, in batches of two."""

    def __init__(self, inlet: HeldInlet, note: Note | None = None, **plan: Any) -> None:
        self.failures: list[Failure] = []
        self.notes: list[Note] = []
        #: Called with each report of the progress.
        self.meanwhile: Callable[[], object] = lambda: None
        self.settled = SettledRecords(0, note.marks if note else (), note.above if note else ())
        options = {"target": inlet.inlet, "batch_size": 2, "concurrency": 4, **plan}
        self.poster = Poster(
            inlet.connect,
            Plan(**options),
            settled=self.settled,
            note=note,
            on_failure=self.failures.append,
            on_note=self.notes.append,
            on_progress=lambda _: self.meanwhile(),
        )

    def post(self, records: Items) -> PostSummary:
        return self.poster.post(iter(records))

    def go_on(self, records: Items) -> PostSummary:
        """Post what an earlier attempt has not settled."""
        cursor = Cursor(records)
        assert self.settled.check(cursor)
        return self.post(cursor)

    def when(self, happened: Callable[[], bool], do: Callable[[], object]) -> None:
        """Do something, once, when the progress is reported and something has happened."""

        def meanwhile() -> None:
            if happened():
                self.meanwhile = lambda: None
                do()

        self.meanwhile = meanwhile

    def when_still(self, state: Callable[[], Any], do: Callable[[], object]) -> None:
        """Do something, once, when a state has not changed over several reports of the progress."""
        seen: list[Any] = []

        def is_still() -> bool:
            seen.append(state())
            return len(seen) > STILL and len({repr(each) for each in seen[-STILL:]}) == 1

        self.when(is_still, do)
