"""When to try again: pure decisions, no sleeping.

One rule set for both transports. What it decides is laid out as a table in the README and checked against it.
"""

from __future__ import annotations

import random

from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    FlowServiceError,
    NotSentError,
    RateLimitError,
    UntrustedServerError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.model import Frozen

#: Statuses of a server's failure that passes.
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
#: Seconds: first delay, doubled with each attempt, never longer than the cap.
FIRST_DELAY = 1.0
MAX_DELAY = 60.0


class Policy(Frozen, frozen=True):
    """How often and how long one request is tried.

    :param retries: how often it is sent again at most.
    :param budget: seconds that all attempts and waits may take together.
    """

    retries: int = 4
    budget: float = 300.0


class Retry(Frozen, frozen=True):
    """Send again after ``delay`` seconds."""

    delay: float = 0.0


class RefreshToken(Frozen, frozen=True):
    """Send again with a new token."""


class GiveUp(Frozen, frozen=True):
    """Raise the error."""


Decision = Retry | RefreshToken | GiveUp


def decide(
    error: FlowServiceError,
    *,
    idempotent: bool,
    attempt: int,
    elapsed: float,
    refreshed: bool,
    policy: Policy,
    jitter: float,
) -> Decision:
    """Say what to do about a failed attempt.

    :param error: how the attempt failed.
    :param idempotent: whether the request may be sent again although it may have had its effect.
    :param attempt: number of this attempt, from 1.
    :param elapsed: seconds since the first attempt began.
    :param refreshed: whether the token was already renewed for this request.
    :param policy: limits.
    :param jitter: random number in [0, 1), so that many workers do not come back at the same moment.
    """
    if isinstance(error, AuthenticationError):
        return GiveUp() if refreshed else RefreshToken()
    if attempt > policy.retries or not _passes(error, idempotent):
        return GiveUp()
    delay = delay_after(error, attempt, jitter)
    return Retry(delay) if elapsed + delay < policy.budget else GiveUp()


def backoff(attempt: int, jitter: float, *, first: float = FIRST_DELAY, cap: float = MAX_DELAY) -> float:
    """Seconds to wait after the ``attempt``-th failure: exponential with full jitter."""
    return float(min(cap, first * 2 ** min(attempt - 1, 16)) * jitter)


def _passes(error: FlowServiceError, idempotent: bool) -> bool:
    if isinstance(error, UntrustedServerError):
        return False
    if isinstance(error, (NotSentError, RateLimitError)):
        return True
    if isinstance(error, ApiError) and error.status not in TRANSIENT_STATUSES:
        return False
    return is_ambiguous(error) and idempotent


def delay_after(error: FlowServiceError, attempt: int, jitter: float | None = None) -> float:
    """Seconds to wait after the ``attempt``-th failure: what the server asks for, else a growing back-off.

    :param jitter: random number in [0, 1); drawn here if it is not given.
    """
    share = random.random() if jitter is None else jitter  # noqa: S311
    if error.retry_after is not None:
        return min(error.retry_after, MAX_DELAY) + backoff(1, share)
    return backoff(attempt, share)
