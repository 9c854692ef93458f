"""What is settled of an input, recognized by its content."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from airflow_provider_flowservice.client.streaming.posting import Failure, PostSummary
from airflow_provider_flowservice.client.streaming.records import CsvLayout, InputRecord, UnreadableRecord
from airflow_provider_flowservice.client.streaming.settled import MARKS, Mark, SettledRecords

Records = list[InputRecord | UnreadableRecord]


def records(count: int, **changed: bytes) -> Records:
    """Records with numbers; some are replaced: ``n_3=b"other"``."""
    raws = [b'{"n": %d}' % n for n in range(count)]
    for name, raw in changed.items():
        raws[int(name.removeprefix("n_"))] = raw
    return [InputRecord(n, raw) for n, raw in enumerate(raws)]


def settle(
    settled: SettledRecords, unread: Iterable[InputRecord | UnreadableRecord], ends: Sequence[int]
) -> None:
    """Read and settle records in batches, each of which is settled when one more record was read."""
    due = list(ends)
    read = settled.end
    for _ in settled.reading(unread):
        read += 1
        if due and read > due[0]:
            settled.settle(due.pop(0))
    for end in due:
        settled.settle(end)


def marks(count: int, batch: int, **changed: bytes) -> tuple[Mark, ...]:
    """The marks of an attempt that was interrupted after it had settled some records."""
    settled = SettledRecords(0)
    settle(settled, records(count, **changed), [*range(batch, count, batch), count])
    return tuple(msgspec.json.decode(msgspec.json.encode(settled.marks), type=tuple[Mark, ...]))


def test_the_same_records_are_passed_over() -> None:
    settled = SettledRecords(0, marks(6, 2))
    unread = iter(records(9))
    assert settled.check(unread)
    assert (settled.end, [record.position for record in unread]) == (6, [6, 7, 8])


@pytest.mark.parametrize("change", range(6))
def test_what_follows_a_change_is_not_settled(change: int) -> None:
    settled = SettledRecords(0, marks(6, 2))
    changed = records(6, **{f"n_{change}": b'{"n": 9}'})
    assert not settled.check(iter(changed))
    assert settled.end == change
    assert settled.check(iter(changed))
    assert settled.end == change


@pytest.mark.parametrize(
    "now", [[], [0], [0, 1, 2], [1, 2, 3, 4, 5, 6], [0, 1, 2, 7, 3, 4, 5, 6], [0, 2, 1, 3, 4, 5]]
)
def test_an_input_that_lost_or_gained_records_is_settled_up_to_there(now: list[int]) -> None:
    known = records(8)
    settled = SettledRecords(0, marks(6, 3))
    given = [known[n] for n in now]
    assert not settled.check(iter(given))
    assert settled.end == next(n for n in range(7) if n == len(now) or now[n] != n)
    assert settled.check(iter(given))


def test_a_record_that_has_become_readable_is_a_change() -> None:
    settled = SettledRecords(0)
    unread: Records = [*records(2), UnreadableRecord(2, b"x", None, "is not JSON"), *records(4)[3:]]
    settle(settled, unread, [4])
    again = SettledRecords(0, settled.marks)
    assert again.check(iter(unread))
    assert not again.check(iter([*unread[:2], InputRecord(2, b"x"), *unread[3:]]))
    assert again.end == 2


def test_a_row_that_is_read_with_another_header_is_a_change() -> None:
    def rows(column: str) -> Records:
        layout = CsvLayout(columns=("first", column), delimiter=",")
        return [UnreadableRecord(n, b"1", n + 2, "has 1 fields", layout) for n in range(3)]

    settled = SettledRecords(0)
    settle(settled, rows("mial"), [3])
    assert SettledRecords(0, settled.marks).check(iter(rows("mial")))
    again = SettledRecords(0, settled.marks)
    assert not again.check(iter(rows("mail")))
    assert again.end == 0


def test_where_one_record_ends_and_another_begins_matters() -> None:
    settled = SettledRecords(0, marks(2, 2, n_0=b"ab", n_1=b"c"))
    assert not settled.check(iter(records(2, n_0=b"a", n_1=b"bc")))
    assert settled.end == 0


def test_records_that_are_skipped_do_not_matter() -> None:
    settled = SettledRecords(3)
    settle(settled, records(6)[3:], [5, 6])
    again = SettledRecords(3, settled.marks)
    assert again.check(iter(records(6, n_0=b"other")[3:]))
    assert not again.check(iter(records(6, n_4=b"other")[3:]))
    assert (again.end, SettledRecords(3).end) == (4, 3)


@pytest.mark.parametrize("batch", [1, 7, 500, 20_000])
def test_a_note_is_small_and_a_change_is_found_near_its_place(batch: int) -> None:
    count = 10_000
    found = marks(count, batch)
    assert len(found) <= MARKS
    assert len(json.dumps(msgspec.to_builtins(found))) < 40 * MARKS
    for change in random.Random(batch).sample(range(count), 20):
        settled = SettledRecords(0, found)
        assert not settled.check(iter(records(count, **{f"n_{change}": b'{"n": -1}'})))
        assert change - 2 * count / MARKS <= settled.end <= change


def test_each_of_many_attempts_knows_what_all_before_it_settled() -> None:
    chance = random.Random(7)
    known = records(3_000)
    settled = SettledRecords(0)
    while settled.end < len(known):
        ends = sorted(
            {min(settled.end + chance.randint(1, 300), len(known)) for _ in range(chance.randint(1, 4))}
        )
        settle(settled, known[settled.end :], ends)
        settled = SettledRecords(0, settled.marks)
        assert settled.end == ends[-1]
        assert settled.check(iter(known))


def failure(index: int) -> Failure:
    return Failure(index, InputRecord(index, b"{}"), 400, "bad")


def test_what_was_not_accepted_is_counted_up_to_the_change() -> None:
    settled = SettledRecords(0)
    reading = settled.reading(records(300))
    for end in range(100, 301, 100):
        for _ in range(100):
            next(reading)
        for index in (end - 1, end - 100, end - 50):
            settled.fail(failure(index))
        settled.settle(end)
    earlier = PostSummary(settled=300, accepted=291, rejected=9, first_xaction_id="1", last_xaction_id="2")
    assert settled.failures == 9
    assert settled.summary(earlier) == earlier
    again = SettledRecords(0, settled.marks)
    again.check(iter(records(300, n_170=b"other")))
    before = [index for index in (99, 0, 50, 199, 100, 150, 299, 200, 250) if index < again.end]
    assert 150 < again.end <= 170
    assert again.summary(earlier) == PostSummary(
        settled=again.end,
        accepted=again.end - len(before),
        rejected=len(before),
        first_xaction_id="1",
        last_xaction_id="2",
    )


def test_if_nothing_is_left_of_what_was_settled_nothing_was_accepted() -> None:
    again = SettledRecords(2)
    earlier = PostSummary(
        settled=9, accepted=7, first_xaction_id="1", last_xaction_id="2", maybe_duplicated=3
    )
    assert again.summary(earlier) == PostSummary(settled=2)
