"""Bring a resource of AEP to a desired state: read, compute, change, read back.

Activation, updates, names, states and publishing all go through :func:`converge`, so that they agree on
attempts, waits, lost responses and on how long AEP may take to show a change.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    PreconditionError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.retry import backoff, delay_after
from airflow_provider_flowservice.client.http.sender import Sender

log = logging.getLogger(__name__)

#: How often a change is sent. Many writers race for one flow (a backfill runs 20 tasks at once), and one of
#: them wins each round: with as many attempts as writers, the last one still gets its turn.
ATTEMPTS = 20
#: Seconds: the longest wait between two attempts. Full jitter keeps the writers apart; a longer wait than one
#: round of them needs would only leave the flow idle.
MAX_DELAY = 10.0
#: Seconds to wait between looks for what AEP has done. AEP is reported to show a change up to 8 s after it
#: confirms it, by id and in lists. The first looks are close together, because most changes show at once; the
#: waits then grow, and all of them take 15.5 s, twice what is reported.
LOOKS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


class Versioned(Protocol):
    """A resource with a version."""

    @property
    def etag(self) -> str | None:
        """The version that a change is computed from; None if AEP gives none."""


R = TypeVar("R", bound=Versioned)


@dataclass(frozen=True)
class Converged(Generic[R]):
    """A resource in its desired state.

    :param changed: whether it had to be changed; False if the first read found it as desired.
    """

    resource: R
    changed: bool


def looks() -> Iterator[None]:
    """Let the caller look at once, and again after each of the waits in :data:`LOOKS`."""
    yield
    for delay in LOOKS:
        clock.current().sleep(delay)
        yield


def converge(
    sender: Sender,
    read: Request[R],
    remaining: Callable[[R], Request[Any] | None],
    differences: Callable[[R], Sequence[object]],
    *,
    what: str,
    found: R | None = None,
) -> Converged[R]:
    """Change a resource until it is as desired.

    It costs one read if nothing has to be changed, otherwise two reads and one change.

    :param read: reads the resource.
    :param remaining: the request that is still to be sent, or None if the resource is as desired. It may raise
        an error to refuse the change.
    :param differences: what a confirmed change must not leave, in words for an error; empty if AEP shows the
        change. What AEP does not show, such as a credential, is not a difference.
    :param what: names the resource in log and errors.
    :param found: the resource, if the caller has read it already.
    :raises DriftError: if AEP confirms the change and does not show it.
    """
    resource = sender.send(read) if found is None else found
    for attempt in range(1, ATTEMPTS + 1):
        change = remaining(resource)
        if change is None:
            return Converged(resource, changed=attempt > 1)
        refusal: FlowServiceError | None = None
        try:
            sender.send(change)
        except FlowServiceError as error:
            # An action (POST) has no precondition. A refusal can mean that an earlier send whose response was
            # lost, or somebody else, has done it already: only looking tells. A refused patch is wrong.
            if not (isinstance(error, BadRequestError) and change.method == "POST"):
                _raise_if_final(error, attempt)
                log.info("Computing the change of %s again: %s", what, error)
                resource = _read_again(sender, read, resource, error, attempt)
                continue
            refusal = error
        # A confirmed change is not sent again, however late it shows: a second one could undo what others
        # have changed since.
        resource, left = _read_back(sender, read, differences)
        if left:
            raise refusal or DriftError(
                f"AEP answered success to the change of {what}, but does not show it after {sum(LOOKS):g} s:"
                f" {'; '.join(map(str, left))}."
            )
        log.info("Changed %s", what)
        return Converged(resource, changed=True)
    raise AssertionError("the last attempt returns or raises")


def _raise_if_final(error: FlowServiceError, attempt: int) -> None:
    """Raise an error unless the change may be computed again.

    After a 412 somebody else has changed the resource; after a lost response the change may have been made. In
    both cases the next read tells, and nothing is sent blindly.
    """
    if attempt == ATTEMPTS or not (isinstance(error, PreconditionError) or is_ambiguous(error)):
        raise error


def _read_again(sender: Sender, read: Request[R], stale: R, error: FlowServiceError, attempt: int) -> R:
    """Wait and read the resource for the next attempt.

    While changes show late, a read may give the version that AEP has just refused. Sending that again is
    refused again and would use up an attempt, so the resource is read until it shows another version.
    """
    asked = error.retry_after is not None
    wait = delay_after(error, attempt) if asked else backoff(attempt, random.random(), cap=MAX_DELAY)  # noqa: S311
    clock.current().sleep(wait)
    for _ in looks():
        resource = sender.send(read)
        if not isinstance(error, PreconditionError) or resource.etag != stale.etag:
            break
    return resource


def _read_back(
    sender: Sender, read: Request[R], differences: Callable[[R], Sequence[object]]
) -> tuple[R, Sequence[object]]:
    """Read a resource until it shows a change, and say what is still different."""
    for _ in looks():
        resource = sender.send(read)
        if not (left := differences(resource)):
            break
    return resource, left
