"""Posting of several batches at once: what is on its way, what is in memory, and what follows from an error."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.client.streaming import posting
from airflow_provider_flowservice.client.streaming.delivery import Courier
from airflow_provider_flowservice.client.streaming.posting import Failure, Note, Plan, Poster, PostSummary
from airflow_provider_flowservice.client.streaming.records import (
    CsvLayout,
    Cursor,
    RecordBlock,
    UnreadableRecord,
)
from airflow_provider_flowservice.client.streaming.settled import SettledRecords
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.held_inlet import HeldInlet, accepted, held_inlet

Items = Iterable[RecordBlock | UnreadableRecord]
#: Number of times that a posting which waits must report its progress before it counts as standing still.
STILL = 5


@pytest.fixture
def inlet(virtual_clock: VirtualClock) -> Iterator[HeldInlet]:
    with held_inlet() as running:
        yield running


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A posting that waits for results reports its progress more often."""
    monkeypatch.setattr(posting, "_PATIENCE", 0.02)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert "flowservice-delivery" not in {thread.name for thread in threading.enumerate()}


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


# Single messages


def test_single_messages_after_one_that_fails_for_good_are_not_sent_until_the_next_attempt(
    inlet: HeldInlet,
) -> None:
    inlet.answer = lambda numbers: (404, {"title": "gone"}) if numbers == [5] else accepted(numbers)
    four_together = {"batch_size": 1, "concurrency": 1, "requests_per_second": 200}
    running = Posting(inlet, **four_together)
    with pytest.raises(NotFoundError):
        running.post([block(0, 12)])
    assert (running.poster.summary.accepted, inlet.numbers) == (5, list(range(6)))
    note = running.notes[-1]
    assert note.settled.settled == 4

    inlet.begin_anew()
    summary = Posting(inlet, note, **four_together).go_on([block(0, 12)])
    assert inlet.numbers == list(range(4, 12))
    assert summary.accepted == 12
    assert summary.maybe_duplicated >= 1


@pytest.mark.parametrize(
    ("changes", "together"),
    [
        ({}, 20),
        ({"rate_share": 0.25}, 5),
        ({"messages_per_second": 300}, 6),
        ({"requests_per_second": 3}, 1),
        ({"requests_per_second": None, "messages_per_second": None}, 32),
        ({"resend_window": 7}, 7),
        ({"sync_validation": True}, 1),
    ],
    ids=str,
)
def test_few_single_messages_are_accounted_for_together(
    inlet: HeldInlet, changes: dict[str, Any], together: int
) -> None:
    plan = Plan(target=inlet.inlet, batch_size=1, **changes)
    assert plan.records_per_batch == together
    assert plan.ahead * together >= plan.concurrency + 256


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


def test_the_window_of_single_messages_does_not_depend_on_the_size_of_batches(inlet: HeldInlet) -> None:
    assert Plan(target=inlet.inlet, sync_validation=True, resend_window=10).window == 10
    assert Plan(target=inlet.inlet, batch_size=500, resend_window=10).window == 500


# An error


def test_a_worker_that_fails_ends_the_posting(inlet: HeldInlet, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deliver(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Courier, "deliver", deliver)
    running = Posting(inlet)
    # It does not wait for what will never come.
    running.when_still(lambda: None, lambda: pytest.fail("the posting stands still"))
    with pytest.raises(ZeroDivisionError):
        running.post([block(0, 8)])


def fail_first(inlet: HeldInlet, running: Posting, status: int = 404) -> None:
    """Refuse the first of four requests, and answer those that are with it on their way when that is known."""
    inlet.hold(2, 4, 6)
    hold, together = inlet.on_request, threading.Barrier(4)

    def arrive(numbers: list[int]) -> None:
        if numbers[0] < 8:
            together.wait(30)
        hold(numbers)

    inlet.on_request = arrive
    inlet.answer = lambda numbers: accepted(numbers) if numbers[0] else (status, {"message": "no"})
    running.when(lambda: running.poster._error is not None, inlet.release)


def test_after_an_error_nothing_more_is_sent_and_what_is_on_its_way_is_accounted_for(
    inlet: HeldInlet,
) -> None:
    running = Posting(inlet)
    fail_first(inlet, running)
    with pytest.raises(NotFoundError):
        running.post([block(0, 80)])
    assert inlet.numbers == list(range(8))
    assert running.poster.summary == PostSummary(
        settled=0, accepted=6, first_xaction_id="x2", last_xaction_id="x7"
    )
    assert running.failures == []


def test_after_an_error_the_next_attempt_sends_what_was_not_accepted(inlet: HeldInlet) -> None:
    running = Posting(inlet)
    fail_first(inlet, running)
    with pytest.raises(NotFoundError):
        running.post([block(0, 80)])
    note = running.notes[-1]
    assert (note.settled.settled, note.sending_below >= 8) == (0, True)
    assert [(span.begin, span.end) for span in note.above] == [(2, 8)]
    inlet.begin_anew()
    again = Posting(inlet, note, batch_size=3)
    summary = again.go_on([block(0, 80)])
    assert inlet.numbers == [0, 1, *range(8, 80)]
    assert (summary.settled, summary.accepted, summary.rejected) == (80, 80, 0)
    assert summary.maybe_duplicated <= note.sending_below - 6


def test_an_attempt_that_passes_over_what_was_settled_can_itself_be_continued(inlet: HeldInlet) -> None:
    running = Posting(inlet)
    fail_first(inlet, running)
    with pytest.raises(NotFoundError):
        running.post([block(0, 80)])
    inlet.begin_anew()
    inlet.answer = lambda numbers: accepted(numbers) if numbers[0] < 20 else (404, {"message": "no"})
    second = Posting(inlet, running.notes[-1], batch_size=3, concurrency=1)
    with pytest.raises(NotFoundError):
        second.go_on([block(0, 80)])
    inlet.begin_anew()
    third = Posting(inlet, second.notes[-1])
    assert third.go_on([block(0, 80)]).accepted == 80
    assert inlet.numbers == list(range(20, 80))


def test_a_record_before_them_that_has_changed_has_them_sent_again(inlet: HeldInlet) -> None:
    running = Posting(inlet)
    fail_first(inlet, running)
    with pytest.raises(NotFoundError):
        running.post([block(0, 80)])
    inlet.begin_anew()
    again = Posting(inlet, running.notes[-1])
    corrected = block(0, 80)
    corrected.raws[1] = b'{"n": 1, "corrected": true}'
    summary = again.go_on([corrected])
    assert inlet.numbers == list(range(80))
    assert (summary.accepted, summary.maybe_duplicated >= 6) == (80, True)


def test_failures_behind_the_error_are_reported_and_rejected_again_by_the_next_attempt(
    inlet: HeldInlet,
) -> None:
    running = Posting(inlet)
    fail_first(inlet, running)
    refuse = inlet.answer

    def answer(numbers: list[int]) -> tuple[int, Any]:
        status, body = refuse(numbers)
        if 4 in numbers:
            body["responses"][0] = {"status": 400, "message": "bad"}
        return status, body

    inlet.answer = answer
    with pytest.raises(NotFoundError):
        running.post([block(0, 80)])
    assert [failure.index for failure in running.failures] == [4]
    note = running.notes[-1]
    assert (running.poster.summary.rejected, note.settled.rejected) == (1, 0)
    assert [(span.begin, span.end) for span in note.above] == [(2, 4), (6, 8)]
    inlet.begin_anew()
    again = Posting(inlet, note)
    assert again.go_on([block(0, 80)]).accepted == 80
    assert inlet.numbers == [0, 1, 4, 5, *range(8, 80)]


def test_what_another_attempt_must_hold_to_pass_over_it_is_no_larger_than_a_request(inlet: HeldInlet) -> None:
    inlet.hold(0)
    inlet.answer = lambda numbers: accepted(numbers) if numbers[0] else (404, {})
    running = Posting(inlet, batch_bytes=120)
    running.when(lambda: running.poster.summary.accepted == 78, inlet.release)
    with pytest.raises(NotFoundError):
        running.post([block(0, 80)])
    spans = running.notes[-1].above
    assert (spans[0].begin, spans[-1].end) == (2, 80)
    assert [one.end for one in spans[:-1]] == [other.begin for other in spans[1:]]
    assert {span.end - span.begin for span in spans[:-1]} == {6}


def test_if_the_input_breaks_off_what_was_read_before_is_accounted_for(inlet: HeldInlet) -> None:
    def breaking() -> Iterator[RecordBlock]:
        yield block(0, 7)
        raise InvalidInputError("path", "breaks off", "Put it right.")

    inlet.hold(0, 4)
    running = Posting(inlet)
    running.when(lambda: len(inlet.requests) == 4, inlet.release)
    with pytest.raises(InvalidInputError, match="breaks off"):
        running.post(breaking())
    assert (running.poster.summary.accepted, running.poster.summary.settled) == (7, 7)
    assert running.notes[-1].settled.settled == 7


class Unknown(BaseException):
    """An error that is no Exception."""


def test_a_base_exception_in_the_thread_reaches_the_caller_as_it_is(
    inlet: HeldInlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attempt(*_: Any) -> Any:
        raise Unknown

    monkeypatch.setattr(AiohttpTransport, "_attempt", attempt)
    with pytest.raises(Unknown):
        Posting(inlet).post([block(0, 80)])


def test_a_transport_that_cannot_be_opened_ends_the_posting_at_once(inlet: HeldInlet) -> None:
    def connect(_: object) -> AiohttpTransport:
        raise FlowServiceError("no transport")

    for _ in range(50):  # The end of the thread and of the posting race with each other.
        poster = Poster(connect, Plan(target=inlet.inlet))
        with pytest.raises(FlowServiceError, match="no transport"):
            poster.post(iter([block(0, 4)]))
    assert inlet.requests == []
