"""Posting of several batches at once that ends with an error, and the attempt that follows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.client.streaming.delivery import Courier
from airflow_provider_flowservice.client.streaming.posting import Plan, Poster, PostSummary
from airflow_provider_flowservice.client.streaming.records import RecordBlock
from tests.support.at_once import Posting, block
from tests.support.held_inlet import HeldInlet, accepted


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
