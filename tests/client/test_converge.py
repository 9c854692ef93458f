"""The rules of a change, each against an AEP of one resource that does as it is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from airflow_provider_flowservice.client.converge import ATTEMPTS, LOOKS, MAX_DELAY, Converged, converge, look
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    InvalidInputError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PreconditionError,
    ResponseLostError,
    ServerError,
)
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.testing.clock import VirtualClock

T = TypeVar("T")
READ: Request[Resource] = Request("GET", "/it", lambda _: Resource("never"))
LOST = ResponseLostError("lost")
CONFLICT = PreconditionError("changed", status=412)
REFUSED = BadRequestError("no", status=400)


@dataclass(frozen=True)
class Resource:
    text: str
    etag: str | None = None


@dataclass
class Aep:
    """A resource of which reads show what is next in ``shows``, and writes end as ``ends`` says.

    :param shows: the last one is shown from then on.
    :param ends: how each write ends; None for a success, which all others are.
    """

    shows: list[Resource]
    ends: list[FlowServiceError | None] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def send(self, request: Request[T]) -> T:
        self.sent.append(request.method)
        if request.method == "GET":
            return self.shows.pop(0) if len(self.shows) > 1 else self.shows[0]  # type: ignore[return-value]
        error = self.ends.pop(0) if self.ends else None
        if error:
            raise error
        return None  # type: ignore[return-value]


def change(aep: Aep, method: str = "PATCH", found: Resource | None = None) -> Converged[Resource]:
    def remaining(resource: Resource) -> Request[Any] | None:
        return Request(method, "/it", lambda _: None) if resource.text != "new" else None

    def differences(resource: Resource) -> Sequence[str]:
        return () if resource.text == "new" else (f"text is {resource.text!r}",)

    return converge(aep, READ, remaining, differences, what="thing 'x' (1)", found=found)


OLD, NEW = Resource("old", "1"), Resource("new", "2")


def test_what_is_as_desired_costs_one_read(virtual_clock: VirtualClock) -> None:
    aep = Aep([NEW])
    assert change(aep) == Converged(NEW, changed=False)
    assert aep.sent == ["GET"]


def test_a_change_costs_two_reads_and_no_wait(virtual_clock: VirtualClock) -> None:
    aep = Aep([OLD, NEW])
    assert change(aep) == Converged(NEW, changed=True)
    assert aep.sent == ["GET", "PATCH", "GET"]
    assert virtual_clock.sleeps == []


def test_what_the_caller_has_read_is_not_read_again(virtual_clock: VirtualClock) -> None:
    aep = Aep([NEW])
    assert change(aep, found=OLD) == Converged(NEW, changed=True)
    assert aep.sent == ["PATCH", "GET"]
    assert change(aep, found=NEW) == Converged(NEW, changed=False)
    assert aep.sent == ["PATCH", "GET"]


@pytest.mark.parametrize("late", range(len(LOOKS) + 1))
def test_a_confirmed_change_is_looked_for_and_not_sent_again(virtual_clock: VirtualClock, late: int) -> None:
    aep = Aep([OLD, *[OLD] * late, NEW])
    assert change(aep).changed
    assert aep.sent == ["GET", "PATCH", *["GET"] * (late + 1)]
    assert virtual_clock.sleeps == list(LOOKS[:late])


def test_a_confirmed_change_that_never_shows_says_what_is_different(virtual_clock: VirtualClock) -> None:
    aep = Aep([OLD])
    with pytest.raises(DriftError) as caught:
        change(aep)
    assert caught.value.message == (
        "AEP confirmed the change of thing 'x' (1) but does not show it after 15.5 s: text is 'old'."
        " Check it in AEP, then run the task again."
    )
    assert aep.sent.count("PATCH") == 1


def test_the_waits_of_a_read_back_grow_and_outlast_what_aep_is_reported_to_need() -> None:
    assert list(LOOKS) == sorted(set(LOOKS))
    assert sum(LOOKS) == 15.5
    moments = [sum(LOOKS[:number]) for number in range(len(LOOKS) + 1)]
    assert min(moment for moment in moments if moment >= 8) <= 11


@pytest.mark.parametrize("error", [LOST, ServerError("down", status=503)])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_after_a_lost_response_the_next_read_decides(
    virtual_clock: VirtualClock, error: FlowServiceError, method: str
) -> None:
    made = Aep([OLD, NEW], [error])
    assert change(made, method) == Converged(NEW, changed=True)
    assert made.sent == ["GET", method, "GET"]
    not_made = Aep([OLD, OLD, NEW], [error])
    assert change(not_made, method) == Converged(NEW, changed=True)
    assert not_made.sent == ["GET", method, "GET", method, "GET"]


def test_after_a_conflict_the_change_is_computed_from_the_next_version(virtual_clock: VirtualClock) -> None:
    theirs = Resource("theirs", "2")
    aep = Aep([OLD, theirs, NEW], [CONFLICT])
    assert change(aep).changed
    assert aep.sent == ["GET", "PATCH", "GET", "PATCH", "GET"]
    by_them = Aep([OLD, NEW], [CONFLICT])
    assert change(by_them).changed
    assert by_them.sent == ["GET", "PATCH", "GET"]


def test_a_version_that_was_refused_is_not_sent_again_while_there_is_hope_for_news(
    virtual_clock: VirtualClock,
) -> None:
    theirs = Resource("theirs", "2")
    aep = Aep([OLD, *[OLD] * len(LOOKS), theirs, NEW], [CONFLICT])
    assert change(aep).changed
    assert aep.sent == ["GET", "PATCH", *["GET"] * (len(LOOKS) + 1), "PATCH", "GET"]
    assert virtual_clock.sleeps[1:] == list(LOOKS)


def test_without_news_the_change_is_sent_anyway(virtual_clock: VirtualClock) -> None:
    aep = Aep([OLD, *[OLD] * (len(LOOKS) + 1), NEW], [CONFLICT])
    assert change(aep).changed
    assert aep.sent.count("PATCH") == 2


@pytest.mark.parametrize("error", [CONFLICT, LOST])
def test_attempts_are_counted(virtual_clock: VirtualClock, error: FlowServiceError) -> None:
    versions = [Resource("old", str(number)) for number in range(ATTEMPTS + 1)]
    aep = Aep(versions, [error] * ATTEMPTS)
    with pytest.raises(type(error)):
        change(aep)
    assert aep.sent.count("PATCH") == ATTEMPTS
    assert len(virtual_clock.sleeps) == ATTEMPTS - 1


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_waits_between_attempts_have_full_jitter_and_a_cap(
    virtual_clock: VirtualClock, mocker: Any, jitter: float
) -> None:
    mocker.patch("random.random", return_value=jitter)
    with pytest.raises(ResponseLostError):
        change(Aep([OLD], [LOST] * ATTEMPTS))
    caps = [1.0, 2.0, 4.0, 8.0, *[MAX_DELAY] * (ATTEMPTS - 5)]
    assert virtual_clock.sleeps == pytest.approx([cap * jitter for cap in caps])


def test_a_server_that_asks_to_wait_longer_is_obeyed(virtual_clock: VirtualClock) -> None:
    assert change(Aep([OLD, NEW], [ServerError("down", status=503, retry_after=30.0)])).changed
    (waited,) = virtual_clock.sleeps
    assert 30 <= waited <= 31


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_refused_patch_is_raised_at_once(virtual_clock: VirtualClock, method: str) -> None:
    aep = Aep([OLD, NEW], [REFUSED])
    with pytest.raises(BadRequestError):
        change(aep, method)
    assert aep.sent == ["GET", method]
    assert virtual_clock.sleeps == []


def test_a_refused_action_may_have_been_done_already(virtual_clock: VirtualClock) -> None:
    aep = Aep([OLD, OLD, OLD, NEW], [REFUSED])
    assert change(aep, "POST") == Converged(NEW, changed=True)
    assert aep.sent == ["GET", "POST", "GET", "GET", "GET"]


def test_an_action_that_took_effect_and_was_lost_may_be_refused_when_it_is_sent_again(
    virtual_clock: VirtualClock,
) -> None:
    aep = Aep([OLD, OLD, OLD, NEW], [LOST, REFUSED])
    assert change(aep, "POST").changed
    assert aep.sent == ["GET", "POST", "GET", "POST", "GET", "GET"]


def test_an_action_that_is_refused_for_good_is_raised(virtual_clock: VirtualClock) -> None:
    aep = Aep([OLD], [REFUSED])
    with pytest.raises(BadRequestError, match="no"):
        change(aep, "POST")
    assert aep.sent.count("POST") == 1
    assert virtual_clock.sleeps == list(LOOKS)


@pytest.mark.parametrize(
    "error",
    [NotSentError("no route"), NotFoundError("gone", status=404), PermissionDeniedError("no", status=403)],
)
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_other_errors_are_raised_at_once(
    virtual_clock: VirtualClock, error: FlowServiceError, method: str
) -> None:
    aep = Aep([OLD], [error])
    with pytest.raises(type(error)):
        change(aep, method)
    assert aep.sent == ["GET", method]


def test_what_refuses_to_compute_a_change_sends_nothing() -> None:
    def refuse(resource: Resource) -> Request[Any] | None:
        raise InvalidInputError("text", "is wrong", "Give another.")

    aep = Aep([OLD])
    with pytest.raises(InvalidInputError):
        converge(aep, READ, refuse, lambda _: (), what="it")
    assert aep.sent == ["GET"]


def test_the_log_names_the_resource(virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        change(Aep([OLD, OLD, NEW], [LOST]))
    assert caplog.messages == [
        "Reading thing 'x' (1) again to recompute its change: lost",
        "Changed thing 'x' (1)",
    ]


def test_a_look_ends_with_what_was_read_last(virtual_clock: VirtualClock) -> None:
    read = iter(range(99))
    assert look(lambda: next(read), until=lambda number: number == 2) == 2
    assert virtual_clock.sleeps == list(LOOKS[:2])
    assert look(lambda: "old", until=lambda _: False) == "old"
    assert virtual_clock.sleeps == [*LOOKS[:2], *LOOKS]
