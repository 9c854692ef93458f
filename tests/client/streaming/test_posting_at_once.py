"""Posting of several batches at once: what is on its way, what is in memory, and what the notes allow."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.posting import PostSummary
from airflow_provider_flowservice.client.streaming.records import CsvLayout, RecordBlock, UnreadableRecord
from tests.support.at_once import Posting, block, unreadable
from tests.support.held_inlet import HeldInlet, accepted


@pytest.mark.parametrize("concurrency", [1, 3, 8])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_as_many_requests_are_on_their_way_as_may_be_and_never_more(
    inlet: HeldInlet, concurrency: int, batch_size: int
) -> None:
    count = 20 * concurrency * batch_size
    # No request is answered before there are so many.
    together = threading.Barrier(concurrency)
    inlet.on_request = lambda _: together.wait(30)
    summary = Posting(inlet, concurrency=concurrency, batch_size=batch_size).post([block(0, count)])
    assert (summary.accepted, summary.settled, inlet.numbers) == (count, count, list(range(count)))
    assert inlet.most == concurrency


def test_what_ends_out_of_order_is_summed_up_in_order(inlet: HeldInlet) -> None:
    held = {0: threading.Event(), 4: threading.Event()}
    inlet.on_request = lambda numbers: held[numbers[0]].wait(30) if numbers[0] in held else None
    running = Posting(inlet)
    seen: list[PostSummary] = []

    def release_first() -> None:
        seen.append(running.poster.summary)
        held[0].set()

    def release_third() -> None:
        held[4].set()
        running.when(lambda: running.poster.summary.accepted == 38, release_first)

    running.when(lambda: running.poster.summary.accepted == 36, release_third)
    summary = running.post([block(0, 40)])
    assert seen == [PostSummary(settled=0, accepted=38, first_xaction_id="x2", last_xaction_id="x39")]
    assert summary == PostSummary(settled=40, accepted=40, first_xaction_id="x0", last_xaction_id="x39")


def test_failures_are_reported_in_the_order_of_the_records(inlet: HeldInlet) -> None:
    def answer(numbers: list[int]) -> tuple[int, Any]:
        status, body = accepted(numbers)
        bad = {"status": 400, "message": "bad"}
        body["responses"] = [
            bad if n % 5 == 0 else each for n, each in zip(numbers, body["responses"], strict=True)
        ]
        return status, body

    inlet.answer = answer
    inlet.hold(0, 6)
    running = Posting(inlet)
    running.when(lambda: running.poster.summary.accepted == 27, inlet.release)
    items = [block(0, 20), *map(unreadable, range(20, 23)), block(23, 40), unreadable(40)]
    summary = running.post(items)
    failed = sorted({*range(0, 40, 5), 20, 21, 22, 40})
    assert [failure.index for failure in running.failures] == failed
    assert (summary.rejected, summary.accepted) == (len(failed), 41 - len(failed))


# What is in memory


class Raws(list[bytes]):
    """Records whose memory can be observed."""


def test_what_was_delivered_is_not_kept_while_a_batch_before_it_is_not(inlet: HeldInlet) -> None:
    kept: weakref.WeakSet[Any] = weakref.WeakSet()

    class Hashed(Raws):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def blocks() -> Iterator[RecordBlock]:
        for begin in range(0, 200, 2):
            raws = Hashed(block(begin, begin + 2).raws)
            kept.add(raws)
            yield RecordBlock(begin, raws)

    inlet.hold(0)
    running = Posting(inlet)
    alive: list[int] = []

    def look() -> None:
        alive.append(len(kept))
        inlet.release()

    running.when(lambda: running.poster.summary.accepted == 198, look)
    assert running.post(blocks()).accepted == 200
    assert alive == [1]


def test_the_input_is_not_read_ahead_of_a_slow_batch_because_it_is_invalid(inlet: HeldInlet) -> None:
    """What is rejected unsent is held until the batch before it is settled."""
    read = 0

    def items() -> Iterator[RecordBlock | UnreadableRecord]:
        nonlocal read
        yield block(0, 2)
        for read in range(2, 50_000):
            yield unreadable(read)

    inlet.hold(0)
    running = Posting(inlet, batch_bytes=50_000)
    read_at_first: list[int] = []

    def go_on() -> None:
        read_at_first.append(read)
        inlet.release()

    running.when_still(lambda: read, go_on)
    summary = running.post(items())
    assert (summary.accepted, summary.rejected) == (2, 49_998)
    assert read_at_first[0] < 200


@pytest.mark.parametrize("is_sent", [False, True])
def test_failures_are_noted_before_they_are_many(inlet: HeldInlet, is_sent: bool) -> None:
    """Dead letters are written with a note, so that there is one although no time has passed."""
    count = 30_000
    inlet.answer = lambda numbers: (207, {"responses": [{"status": 400}] * len(numbers)})
    running = Posting(inlet, batch_size=500, resend_window=count * 10)
    noted: list[int] = []
    running.poster._on_note = lambda _: noted.append(len(running.failures))
    running.post([block(0, count)] if is_sent else map(unreadable, range(count)))
    assert len(running.failures) == count
    assert max(after - before for before, after in zip([0, *noted], noted, strict=False)) < 14_000


def test_the_header_that_a_dead_letter_repeats_counts_too(inlet: HeldInlet) -> None:
    csv = CsvLayout(columns=("x" * 10_000,), delimiter=",")
    running = Posting(inlet, batch_size=500)
    noted: list[int] = []
    running.poster._on_note = lambda _: noted.append(len(running.failures))
    running.post(msgspec.structs.replace(unreadable(n), csv=csv) for n in range(3000))
    assert max(after - before for before, after in zip([0, *noted], noted, strict=False)) == 500


# The window


def test_a_slow_batch_stops_those_after_it_at_the_resend_window(inlet: HeldInlet) -> None:
    inlet.hold(0)
    running = Posting(inlet, resend_window=11)
    sent: list[list[int]] = []

    def go_on() -> None:
        sent.append(inlet.numbers)
        inlet.release()

    running.when(
        lambda: running.poster.summary.accepted == 8,
        lambda: running.when_still(lambda: len(inlet.requests), go_on),
    )
    summary = running.post([block(0, 60)])
    # Another batch would be beyond the window.
    assert sent == [list(range(10))]
    assert (summary.accepted, inlet.numbers) == (60, list(range(60)))


@pytest.mark.parametrize(("batch_size", "window"), [(1, 1), (1, 9), (2, 2), (2, 9), (2, 24)])
def test_nothing_is_sent_that_the_last_note_does_not_speak_of(
    inlet: HeldInlet, batch_size: int, window: int
) -> None:
    beyond: list[list[int]] = []
    running = Posting(inlet, batch_size=batch_size, resend_window=window)

    def look(numbers: list[int]) -> None:
        note = running.notes[-1]
        within = note.settled.settled + window
        if numbers[-1] >= min(note.sending_below, within):
            beyond.append(numbers)

    inlet.on_request = look
    assert running.post([block(0, 100)]).accepted == 100
    assert beyond == []
    assert running.notes[-1].settled.settled == 100


def test_a_batch_that_is_larger_than_the_window_is_sent_alone(inlet: HeldInlet) -> None:
    running = Posting(inlet, batch_size=10, resend_window=3)
    assert running.post([block(0, 40)]).accepted == 40
    assert inlet.most == 1


def test_a_note_is_written_only_when_the_last_one_allows_no_further_batch(inlet: HeldInlet) -> None:
    """Each costs a call to Airflow. The virtual clock stands still, so that none is due."""
    inlet.hold(0)
    running = Posting(inlet, resend_window=20)
    running.when_still(lambda: len(inlet.requests), inlet.release)
    noted: list[tuple[int, int]] = []
    running.poster._on_note = lambda note: noted.append((running.poster._sent_below, note.sending_below))
    running.post([block(0, 400)])
    # The last one is written at the end.
    allowed = [below for _, below in noted[:-2]]
    assert [sent for sent, _ in noted[1:-1]] == allowed
    assert noted[-1][0] == 400


@pytest.mark.parametrize("name", ["batch_size", "batch_bytes", "concurrency", "resend_window"])
def test_a_plan_that_would_send_nothing_is_rejected(inlet: HeldInlet, name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name}: 0 is less than 1"):
        Posting(inlet, **{name: 0})
