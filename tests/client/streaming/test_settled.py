"""What is settled of an input, recognized by its content."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
import pytest

from airflow_provider_flowservice.client.streaming.posting import Note, PostSummary
from airflow_provider_flowservice.client.streaming.records import (
    CsvLayout,
    Cursor,
    InputRecord,
    RecordBlock,
    Records,
    UnreadableRecord,
    count_of,
    in_blocks,
)
from airflow_provider_flowservice.client.streaming.settled import (
    MARKS,
    Mark,
    RunningHash,
    SettledRecords,
    Span,
)

Given = list[InputRecord | UnreadableRecord]
T = TypeVar("T")


def records(count: int, **changed: bytes) -> Given:
    """Records with numbers; some are replaced: ``n_3=b"other"``."""
    raws = [b'{"n": %d}' % n for n in range(count)]
    for name, raw in changed.items():
        raws[int(name.removeprefix("n_"))] = raw
    return [InputRecord(n, raw) for n, raw in enumerate(raws)]


def cursor(given: Iterable[InputRecord | UnreadableRecord]) -> Cursor:
    return Cursor(alone(given))


def divided(given: Given, *sizes: int) -> list[RecordBlock | UnreadableRecord]:
    """Records in blocks of these sizes, over and over, as far as invalid ones between them allow."""
    items: list[RecordBlock | UnreadableRecord] = []
    rest = list(given)
    while rest:
        size = sizes[len(items) % len(sizes)]
        valid: list[bytes] = []
        while rest and len(valid) < size and isinstance(rest[0], InputRecord):
            valid.append(rest.pop(0).raw)
        if valid:
            items.append(RecordBlock(given[0].position + len(given) - len(rest) - len(valid), valid))
        if rest and isinstance(rest[0], UnreadableRecord):
            items.append(rest.pop(0))  # type: ignore[arg-type]
    return items


def digest(items: Iterable[RecordBlock | UnreadableRecord]) -> str:
    hashed = RunningHash()
    for item in items:
        hashed.add(item)
    return hashed.digest


def alone(records: Iterable[InputRecord | UnreadableRecord]) -> Records:
    """Each record in a block of its own, so that a batch can end behind any of them."""
    for record in records:
        if isinstance(record, InputRecord):
            yield from in_blocks([record])
        else:
            yield record


def settle(
    settled: SettledRecords, unread: Iterable[InputRecord | UnreadableRecord], ends: Sequence[int]
) -> None:
    """Read and settle records in batches, each of which ends at an index."""
    due = list(ends)
    read = settled.end
    for item in settled.unsettled(alone(unread)):
        assert not isinstance(item, Span)
        settled.hash.add(item)
        read += count_of(item)
        if due and read == due[0]:
            settled.settle(due.pop(0), settled.hash.digest, 0)
    assert not due


def saved(value: tuple[T, ...], kind: type[T]) -> tuple[T, ...]:
    """What a note keeps of marks or spans."""
    found: tuple[T, ...] = msgspec.json.decode(msgspec.json.encode(value), type=tuple[kind, ...])  # type: ignore[valid-type]
    return found


def marks(count: int, batch: int, **changed: bytes) -> tuple[Mark, ...]:
    """The marks of an attempt that was interrupted after it had settled some records."""
    settled = SettledRecords(0)
    settle(settled, records(count, **changed), [*range(batch, count, batch), count])
    return saved(settled.marks, Mark)


def spans(given: Given, *bounds: tuple[int, int]) -> tuple[Span, ...]:
    """What an interrupted attempt notes of records that it had settled above the last mark."""
    found = (Span(begin, end, digest(alone(given[:end])), 0) for begin, end in bounds)
    return saved(tuple(found), Span)


def left_of(settled: SettledRecords, unread: Cursor) -> list[int | Span]:
    """What is not settled: the positions of records, and the spans that are passed over."""
    found: list[int | Span] = []
    for item in settled.unsettled(iter(unread)):
        if isinstance(item, Span):
            found.append(item)
        else:
            settled.hash.add(item)
            found += range(item.position, item.position + count_of(item))
    return found


def test_the_same_records_are_passed_over() -> None:
    settled = SettledRecords(0, marks(6, 2))
    unread = cursor(records(9))
    assert settled.check(unread)
    assert (settled.end, left_of(settled, unread)) == (6, [6, 7, 8])


@pytest.mark.parametrize("change", range(6))
def test_what_follows_a_change_is_not_settled(change: int) -> None:
    settled = SettledRecords(0, marks(6, 2))
    changed = records(6, **{f"n_{change}": b'{"n": 9}'})
    assert not settled.check(cursor(changed))
    assert settled.end == change // 2 * 2
    unread = cursor(changed)
    assert settled.check(unread)
    assert left_of(settled, unread) == list(range(settled.end, 6))


@pytest.mark.parametrize(
    "now", [[], [0], [0, 1, 2], [1, 2, 3, 4, 5, 6], [0, 1, 2, 7, 3, 4, 5, 6], [0, 2, 1, 3, 4, 5]]
)
def test_an_input_that_lost_or_gained_records_is_settled_up_to_the_batch_before(now: list[int]) -> None:
    known = records(8)
    settled = SettledRecords(0, marks(6, 3))
    given = [known[n] for n in now]
    assert not settled.check(cursor(given))
    assert settled.end == next(n for n in range(7) if n == len(now) or now[n] != n) // 3 * 3
    assert settled.check(cursor(given))


def test_a_record_that_has_become_readable_is_a_change() -> None:
    settled = SettledRecords(0)
    unread: Given = [*records(2), UnreadableRecord(2, b"x", None, "is not JSON"), *records(4)[3:]]
    settle(settled, unread, [1, 2, 4])
    again = SettledRecords(0, settled.marks)
    assert again.check(cursor(unread))
    assert not again.check(cursor([*unread[:2], InputRecord(2, b"x"), *unread[3:]]))
    assert again.end == 2


def test_a_row_that_is_read_with_another_header_is_a_change() -> None:
    def rows(column: str) -> Given:
        layout = CsvLayout(columns=("first", column), delimiter=",")
        return [UnreadableRecord(n, b"1", n + 2, "has 1 fields", layout) for n in range(3)]

    settled = SettledRecords(0)
    settle(settled, rows("mial"), [3])
    assert SettledRecords(0, settled.marks).check(cursor(rows("mial")))
    again = SettledRecords(0, settled.marks)
    assert not again.check(cursor(rows("mail")))
    assert again.end == 0


def test_where_one_record_ends_and_another_begins_matters() -> None:
    settled = SettledRecords(0, marks(2, 2, n_0=b"ab", n_1=b"c"))
    assert not settled.check(cursor(records(2, n_0=b"a", n_1=b"bc")))
    assert settled.end == 0


def test_records_that_are_skipped_do_not_matter() -> None:
    settled = SettledRecords(3)
    settle(settled, records(6)[3:], [4, 5, 6])
    again = SettledRecords(3, settled.marks)
    assert again.check(cursor(records(6, n_0=b"other")[3:]))
    assert not again.check(cursor(records(6, n_4=b"other")[3:]))
    assert (again.end, SettledRecords(3).end) == (4, 3)


def test_the_hash_does_not_depend_on_how_the_input_is_divided() -> None:
    chance = random.Random(3)
    given: Given = [
        UnreadableRecord(n, b"x" * n, None, "is not JSON") if n % 7 == 3 else record
        for n, record in enumerate(records(50))
    ]
    whole = digest(divided(given, 50))
    for _ in range(20):
        sizes = [chance.randint(1, 9) for _ in range(5)]
        assert digest(divided(given, *sizes)) == whole
    assert digest(divided(given[:-1], 50)) != whole


def test_what_was_settled_in_some_blocks_is_recognized_in_others() -> None:
    known = records(100)
    settled = SettledRecords(0)
    settle(settled, known, [10, 20, 60, 90])
    for sizes in ([1], [7], [100], [3, 50, 9]):
        again = SettledRecords(0, settled.marks, spans(known, (93, 97)))
        unread = Cursor(divided(known, *sizes))
        assert again.check(unread)
        found = left_of(again, unread)
        assert [item for item in found if isinstance(item, Span)] == list(spans(known, (93, 97)))


@pytest.mark.parametrize("batch", [1, 7, 500, 20_000])
def test_a_note_is_small_and_a_change_is_found_near_its_place(batch: int) -> None:
    count = 10_000
    found = marks(count, batch)
    assert len(found) <= MARKS
    assert len(json.dumps(msgspec.to_builtins(found))) < 40 * MARKS
    for change in random.Random(batch).sample(range(count), 20):
        settled = SettledRecords(0, found)
        changed = records(count, **{f"n_{change}": b'{"n": -1}'})
        assert not settled.check(Cursor(divided(changed, 1_000)))
        assert change - 2 * count / MARKS - batch <= settled.end <= change


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
        assert settled.check(cursor(known))


# What is settled above


def test_what_was_settled_above_is_passed_over_if_it_is_the_same() -> None:
    known = records(12)
    above = spans(known, (5, 7), (9, 10))
    settled = SettledRecords(0, marks(3, 3), above)
    unread = Cursor(divided(known, 4))
    assert settled.check(unread)
    assert left_of(settled, unread) == [3, 4, above[0], 7, 8, above[1], 10, 11]
    assert settled.hash.digest == digest(alone(known))


@pytest.mark.parametrize(
    ("change", "passed"),
    [(3, []), (4, []), (5, []), (6, []), (7, [(5, 7)]), (9, [(5, 7)]), (10, [(5, 7), (9, 10)])],
)
def test_what_was_settled_above_is_sent_if_it_or_something_before_it_has_changed(
    change: int, passed: list[tuple[int, int]]
) -> None:
    settled = SettledRecords(0, marks(3, 3), spans(records(12), (5, 7), (9, 10)))
    changed = records(12, **{f"n_{change}": b'{"n": -1}'})
    unread = Cursor(divided(changed, 5))
    assert settled.check(unread)
    left = left_of(settled, unread)
    assert [(item.begin, item.end) for item in left if isinstance(item, Span)] == passed
    skipped = {n for begin, end in passed for n in range(begin, end)}
    assert [item for item in left if isinstance(item, int)] == [n for n in range(3, 12) if n not in skipped]
    assert settled.hash.digest == digest(alone(changed))


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_of_a_shorter_input_the_rest_is_sent(count: int) -> None:
    settled = SettledRecords(0, marks(3, 3), spans(records(12), (5, 7), (9, 10)))
    unread = cursor(records(count))
    assert settled.check(unread)
    left = left_of(settled, unread)
    assert [item for item in left if isinstance(item, int)] == [
        n for n in range(3, count) if count < 7 or n not in (5, 6)
    ]


def test_after_a_change_below_nothing_above_counts() -> None:
    settled = SettledRecords(0, marks(4, 2), spans(records(12), (5, 7)))
    changed = records(12, n_2=b'{"n": -1}')
    assert not settled.check(cursor(changed))
    unread = cursor(changed)
    assert settled.check(unread)
    assert left_of(settled, unread) == list(range(2, 12))


def test_what_is_before_something_settled_above_has_its_own_hash() -> None:
    """Otherwise the next attempt would take the input for changed."""
    known = records(6)
    settled = SettledRecords(0, (), spans(known, (2, 4)))
    for item in settled.unsettled(alone(known)):
        if isinstance(item, Span):
            settled.settle(2, settled.hash.digest, 0)
            settled.settle(item.end, item.digest, 0)
        else:
            settled.hash.add(item)
    settled.settle(6, settled.hash.digest, 0)
    assert [mark.end for mark in settled.marks] == [2, 4, 6]
    assert SettledRecords(0, settled.marks).check(cursor(known))


# What became of them


def test_what_was_not_accepted_is_counted_up_to_the_change() -> None:
    settled = SettledRecords(0)
    given = records(300)
    for end in range(50, 301, 50):
        for item in alone(given[end - 50 : end]):
            settled.hash.add(item)
        settled.settle(end, settled.hash.digest, end // 50)
    earlier = PostSummary(settled=300, accepted=279, rejected=21, first_xaction_id="1", last_xaction_id="2")
    assert settled.failures == 21
    assert Note(earlier).resumed(settled) == earlier
    again = SettledRecords(0, settled.marks)
    assert not again.check(cursor(records(300, n_170=b"other")))
    assert again.end == 150
    assert Note(earlier).resumed(again) == PostSummary(
        settled=150, accepted=150 - 6, rejected=6, first_xaction_id="1", last_xaction_id="2"
    )


def test_what_has_no_result_is_not_counted_as_rejected() -> None:
    settled = SettledRecords(0, (Mark(10, "", 4), Mark(20, "", 3)))
    earlier = PostSummary(settled=30, accepted=20, rejected=5, unknown=5, maybe_duplicated=18)
    assert Note(earlier).resumed(settled) == PostSummary(
        settled=20, accepted=13, rejected=5, unknown=2, maybe_duplicated=13
    )


def test_if_nothing_is_left_of_what_was_settled_nothing_was_accepted() -> None:
    again = SettledRecords(2)
    earlier = PostSummary(
        settled=9, accepted=7, first_xaction_id="1", last_xaction_id="2", maybe_duplicated=3
    )
    assert Note(earlier).resumed(again) == PostSummary(settled=2)
