"""Bring an AEP resource to a desired state: read it, compute the change, send the change, read it back.

Activations, updates, renames, state changes and publishing all use :func:`converge`, so that they share the number of
attempts, the waits, the handling of lost responses, and the time that AEP may take to show a change.
"""

from __future__ import annotations

import logging
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
from airflow_provider_flowservice.client.http.retry import delay_after
from airflow_provider_flowservice.client.model import Frozen

log = logging.getLogger(__name__)

#: Maximum number of times that a change is sent. When many writers change one flow (a backfill may run 20 tasks at
#: once), exactly one of them succeeds in each round. With as many attempts as writers, the last one also succeeds.
ATTEMPTS = 20
#: Maximum wait between two attempts, in seconds. Full jitter spreads the writers over that time, which is enough for
#: 20 of them to take turns; longer waits would only leave the flow idle.
MAX_DELAY = 10.0
#: Waits in seconds before each further read of a change. AEP is reported to show a change up to 8 s after confirming
#: it, both by id and in lists. The first waits are short because most changes are visible immediately; together the
#: waits take 15.5 s, twice the reported delay.
LOOKS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


class Versioned(Protocol):
    """A resource with a version."""

    @property
    def etag(self) -> str | None:
        """The version that a change is computed from; None if AEP does not return one."""


T = TypeVar("T")
R = TypeVar("R", bound=Versioned)


class Converged(Frozen, Generic[R], frozen=True):
    """The result of :func:`converge`: a resource in its desired state.

    :param changed: whether a change was sent; False if the first read returned the desired state.
    """

    resource: R
    changed: bool


def look(read: Callable[[], T], until: Callable[[T], object]) -> T:
    """Read immediately, and again after each wait in :data:`LOOKS`, until the result is as expected.

    :param until: whether a result is the expected one.
    :returns: the last result, expected or not.
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
    """Change a resource until it has its desired state.

    Without a change this takes one read, otherwise two reads and one change.

    :param read: the request that reads the resource.
    :param remaining: returns the change request for the resource as read, or None if there is nothing to change. It may
        raise an error to reject the change.
    :param differences: returns what still differs after a confirmed change, for the error message; empty if AEP shows
        the change. Values that AEP never shows, such as credentials, are not differences.
    :param what: name of the resource in logs and errors.
    :param found: the resource, if the caller has already read it.
    :raises DriftError: if AEP confirms the change but does not show it.
    """
    resource = sender.send(read) if found is None else found
    for attempt in range(1, ATTEMPTS + 1):
        change = remaining(resource)
        if change is None:
            return Converged(resource, changed=attempt > 1)
        error = _send(sender, change)
        # An action (POST) has no precondition. AEP may reject it because an earlier attempt whose response was lost, or
        # another writer, has already performed it: only a read can tell. A patch that is rejected is invalid.
        if error is None or (isinstance(error, BadRequestError) and change.method == "POST"):
            # The change is not sent again, however late it shows: that could undo changes by others in the meantime.
            resource = look(lambda: sender.send(read), lambda shown: not differences(shown))
            if left := differences(resource):
                raise error or DriftError(
                    f"AEP confirmed the change of {what} but does not show it after {sum(LOOKS):g} s:"
                    f" {'; '.join(map(str, left))}. Check it in AEP, then run the task again."
                )
            log.info("Changed %s", what)
            return Converged(resource, changed=True)
        # After a 412, another writer has changed the resource; after a lost response, the change may have been applied.
        # In both cases the next read shows what remains to be changed.
        if attempt == ATTEMPTS or not (isinstance(error, PreconditionError) or is_ambiguous(error)):
            raise error
        log.info("Reading %s again to recompute its change: %s", what, error)
        clock.current().sleep(delay_after(error, attempt, cap=MAX_DELAY))
        # AEP may show changes late, so a read can return the version that AEP has just rejected. Sending it again would
        # waste an attempt: attempts are for lost races, not for waiting until the winner's change is visible.
        rejected = resource.etag if isinstance(error, PreconditionError) else None
        resource = look(lambda: sender.send(read), partial(_is_other_version, rejected))
    raise AssertionError("the last attempt returns or raises")


def _send(sender: Sender, change: Request[Any]) -> FlowServiceError | None:
    try:
        sender.send(change)
    except FlowServiceError as error:
        return error
    return None


def _is_other_version(rejected: str | None, resource: Versioned) -> bool:
    return rejected is None or resource.etag != rejected
