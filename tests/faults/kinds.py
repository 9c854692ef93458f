"""The faults of the matrix: where each applies, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_flowservice.client import converge
from airflow_provider_flowservice.client.waits import TOLERATED_FAILURES
from airflow_provider_flowservice.triggers.poller import HOLD_SECONDS, SLOWER
from tests.faults.outcomes import Outcome
from tests.support.aep import FLOW_SERVICE
from tests.support.operation import REQUEST_TRIES, Operation, Repeats

LOOK, WRITE, CHECK = PLACES = ("look", "write", "check")
#: Seconds after which a client of these tests takes an answer for lost, where an answer is late.
PATIENCE = 0.5
#: Seconds for which a create looks for what it may have made, and a change for what AEP has confirmed.
SEARCH = sum(converge.LOOKS)
#: The longest that the waits between the tries of a request may take.
BACKOFF = float(sum(2**attempt for attempt in range(REQUEST_TRIES - 1)))
_SLACK = 1.0


@dataclass(frozen=True)
class Kind:
    """A fault.

    :param applied: whether the request has its effect.
    :param answered: whether the client gets to know that.
    :param asks: seconds that the server asks to wait.
    """

    label: str
    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)
    applied: bool = False
    answered: bool = False
    asks: float = 0.0

    @property
    def is_late(self) -> bool:
        """Whether its answer comes after the client has lost patience."""
        return self.kind in ("delay", "slow_body")

    def rule(self, operation: Operation, place: str, times: int = 1) -> dict[str, Any]:
        """The rule for the emulator's fault queue."""
        method, path = operation.places[place]
        # A check comes after a look where both ask for the same, and a trigger's poll after the sensor's look.
        checks = place == CHECK and operation.places[CHECK] == operation.places[LOOK]
        return {
            "match": {"method": method, "path": path},
            "after": int(checks or operation.meanwhile is not None),
            "times": times,
            "fault": {"kind": self.kind, **self.parameters},
        }

    def applies(self, operation: Operation, place: str) -> bool:
        """Whether this fault can meet an operation there."""
        if place not in operation.places:
            return False
        method, path = operation.places[place]
        of_flow_service = path.startswith(FLOW_SERVICE)
        if self.kind == "conflict":
            # What is run or deleted has no version that somebody else could change.
            has_version = path.endswith("/*") and "/runs" not in path and method != "DELETE"
            return of_flow_service and has_version and not operation.exact
        if self.kind in ("truncate", "slow_body"):
            return method != "DELETE"  # its response has no body
        if self.kind in ("noop", "stale_etag"):
            return of_flow_service and method == "PATCH"
        if self.kind == "eventual":
            return operation.repeats is Repeats.LOOK and place == WRITE
        if self.kind == "page_shift":
            return of_flow_service and method == "GET" and path.rpartition("/")[2] not in ("*", "runs")
        return True


LOST = {"applied": True, "answered": False}
KINDS = [
    Kind("status 500", "status", {"status": 500}),
    Kind("status 503", "status", {"status": 503}),
    Kind("html", "html"),
    Kind("reset", "reset"),
    Kind("reset_after", "reset_after", **LOST),
    Kind("truncate", "truncate", **LOST),
    Kind("delay", "delay", {"seconds": PATIENCE * 1.5}, **LOST),
    # An answer comes in twenty portions.
    Kind("slow_body", "slow_body", {"seconds": PATIENCE * 20 * 1.5}, **LOST),
    Kind("expire_token", "expire_token", answered=True),
    Kind("rate_limit", "rate_limit", answered=True),
    Kind("rate_limit, seconds", "rate_limit", {"retry_after": 7}, answered=True, asks=7),
    Kind("rate_limit, date", "rate_limit", {"retry_after": 7, "as_date": True}, answered=True, asks=7),
    Kind("conflict", "conflict", answered=True),
    Kind("noop", "noop", applied=True, answered=True),
    Kind("stale_etag", "stale_etag", applied=True, answered=True),
    Kind("eventual", "eventual", {"seconds": 5}, applied=True, answered=True),
    Kind("page_shift", "page_shift", applied=True, answered=True),
]


def outcome(kind: Kind, operation: Operation, place: str) -> Outcome:
    """What must come of one such fault: only a change that AEP does not make cannot be cured."""
    if not kind.applies(operation, place):
        return Outcome.NOT_APPLICABLE
    return Outcome.FAILED if kind.kind == "noop" else Outcome.RECOVERED


def writes(kind: Kind, operation: Operation, place: str) -> int:
    """How many requests an operation sends in all that may change something."""
    if WRITE not in operation.places:
        return 0
    if place != WRITE:
        return 1
    if operation.repeats is Repeats.SEND and not kind.answered:
        return 2
    return 1 if kind.applied else 2


def bound(kind: Kind, operation: Operation, place: str) -> float:
    """Seconds that an operation may take."""
    # After a call that failed, a poller holds the others back and polls less often.
    is_slowed = operation.deferred and place == operation.polled
    seconds = (
        operation.waits * (SLOWER if is_slowed else 1.0) + _SLACK + (2 * HOLD_SECONDS if is_slowed else 0.0)
    )
    if kind.kind == "eventual":
        return seconds + SEARCH / 2
    if kind.kind == "noop":
        return seconds + SEARCH  # it could be a change that shows late
    if operation.repeats is Repeats.LOOK and place == WRITE and not kind.applied and not kind.answered:
        return seconds + SEARCH
    return seconds + kind.asks + 1.0


#: Faults that are also met as often as an operation tries.
STAYING = [
    kind
    for kind in KINDS
    if kind.label
    in ("status 503", "html", "reset", "truncate", "expire_token", "rate_limit, seconds", "conflict")
]


def tries(kind: Kind, operation: Operation, place: str) -> int | None:
    """After how many such faults an operation gives up; None where it does not come to that."""
    if not kind.applies(operation, place):
        return None
    polls = TOLERATED_FAILURES + 1 if place == operation.polled else 1
    if kind.kind == "expire_token":
        return 2 * polls
    if place != WRITE:
        # When a connection breaks, aiohttp sends what is safe to repeat once more by itself.
        twice = operation.deferred and place == operation.polled and kind.kind == "reset"
        return None if kind.kind == "conflict" else polls * REQUEST_TRIES * (2 if twice else 1)
    if kind.kind == "rate_limit":
        return REQUEST_TRIES
    if kind.applied and not operation.posts:
        return None  # found by looking
    return operation.tries


def staying_bound(kind: Kind, operation: Operation, place: str) -> float:
    """Seconds after which an operation has given up."""
    one = (REQUEST_TRIES - 1) * kind.asks + BACKOFF
    if place == operation.polled:
        return operation.waits + (TOLERATED_FAILURES + 1) * one + TOLERATED_FAILURES * 33.0
    if operation.repeats is Repeats.LOOK and place == WRITE and not kind.answered:
        return operation.tries * SEARCH + _SLACK
    if operation.repeats is Repeats.READ and place == WRITE:
        return one + operation.tries * converge.MAX_DELAY
    return operation.waits + one + _SLACK
