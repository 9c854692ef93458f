"""Bring a resource of AEP to a desired state: read, compute, change, read back.

Activation, updates, names, states and publishing all go through :func:`converge`, so that they agree on
attempts, waits, lost responses and on how long AEP may take to show a change.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    PreconditionError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.http.retry import backoff, delay_after
from airflow_provider_flowservice.client.model import Frozen

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


T = TypeVar("T")
R = TypeVar("R", bound=Versioned)


class Converged(Frozen, Generic[R], frozen=True):
    """A resource in its desired state.

    :param changed: whether it had to be changed; False if the first read found it as desired.
    """

    resource: R
    changed: bool


def look(read: Callable[[], T], until: Callable[[T], object]) -> T:
    """Read at once, and again after each of the waits in :data:`LOOKS`.

    :param until: whether what was read is what is looked for.
    :returns: what was read last.
    """
    found = read()
    for delay in LOOKS:
        if until(found):
            break
        clock.current().sleep(delay)
        found = read()
    return found


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
        error = _send(sender, change)
        # An action (POST) has no precondition. A refusal can mean that an earlier send whose response was lost,
        # or somebody else, has done it already: only looking tells. A refused patch is wrong, and raised.
        if error is None or (isinstance(error, BadRequestError) and change.method == "POST"):
            # Nothing is sent again, however late the change shows: it could undo what others change meanwhile.
            resource = look(lambda: sender.send(read), lambda shown: not differences(shown))
            if left := differences(resource):
                raise error or DriftError(
                    f"AEP confirmed the change of {what}, but does not show it after {sum(LOOKS):g} s:"
                    f" {'; '.join(map(str, left))}."
                )
            log.info("Changed %s", what)
            return Converged(resource, changed=True)
        # After a 412 somebody else has changed the resource; after a lost response the change may have been made.
        # In both cases the next read tells, so nothing is sent blindly.
        if attempt == ATTEMPTS or not (isinstance(error, PreconditionError) or is_ambiguous(error)):
            raise error
        log.info("Computing the change of %s again: %s", what, error)
        clock.current().sleep(_wait(error, attempt))
        # While changes show late, a read may give the version that AEP has just refused. To send that again would
        # only use up an attempt, so an attempt is spent on a race that was lost, not on waiting for its result.
        refused = resource.etag if isinstance(error, PreconditionError) else None
        resource = look(lambda: sender.send(read), partial(_is_news, refused))
    raise AssertionError("the last attempt returns or raises")


def _send(sender: Sender, change: Request[Any]) -> FlowServiceError | None:
    try:
        sender.send(change)
    except FlowServiceError as error:
        return error
    return None


def _wait(error: FlowServiceError, attempt: int) -> float:
    """What the server asks for, or else a back-off with a lower cap than that of a single request."""
    if error.retry_after is not None:
        return delay_after(error, attempt)
    return backoff(attempt, random.random(), cap=MAX_DELAY)  # noqa: S311


def _is_news(refused: str | None, resource: Versioned) -> bool:
    return refused is None or resource.etag != refused
