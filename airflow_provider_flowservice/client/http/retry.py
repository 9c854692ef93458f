"""Retry decisions, as pure functions that do not sleep.

Both transports use the same rules. A table in README.md documents them, and a test compares it with this code.
"""

from __future__ import annotations

import random

from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    FlowServiceError,
    NotSentError,
    NotTheEmulatorError,
    RateLimitError,
    ResponseTooLargeError,
    UntrustedServerError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.model import Frozen

#: Statuses of temporary server failures. Others, such as 501, do not change with another attempt.
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
#: First delay in seconds; it doubles with each attempt. Short, because most disturbances last less than a second.
FIRST_DELAY = 1.0
#: Maximum delay in seconds, also for ``Retry-After``: a longer wait would block a worker, so it is left to Airflow.
MAX_DELAY = 60.0


class Policy(Frozen, frozen=True):
    """Limits for the attempts of a request.

    :param retries: maximum number of times that it is sent again.
    :param budget: maximum time in seconds for all attempts and waits together.
    """

    retries: int = 4
    budget: float = 300.0


class Retry(Frozen, frozen=True):
    """Send the request again after ``delay`` seconds."""

    delay: float = 0.0


class RefreshToken(Frozen, frozen=True):
    """Send the request again with a new token."""


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
    """Decide what to do after a failed attempt.

    :param error: the error of the attempt.
    :param idempotent: whether the request can be sent again even if it may already have had its effect.
    :param attempt: number of this attempt, starting at 1.
    :param elapsed: seconds since the start of the first attempt.
    :param refreshed: whether the token has already been renewed for this request.
    :param policy: the limits.
    :param jitter: random number in [0, 1), so that many workers do not send their requests at the same time.
    """
    if isinstance(error, AuthenticationError):
        return GiveUp() if refreshed else RefreshToken()
    if attempt > policy.retries or not _is_temporary(error, idempotent):
        return GiveUp()
    delay = delay_after(error, attempt, jitter)
    return Retry(delay) if elapsed + delay < policy.budget else GiveUp()


def backoff(attempt: int, jitter: float, *, first: float = FIRST_DELAY, cap: float = MAX_DELAY) -> float:
    """Return the seconds to wait after the ``attempt``-th failure: exponential backoff with full jitter."""
    return float(min(cap, first * 2 ** min(attempt - 1, 16)) * jitter)


def _is_temporary(error: FlowServiceError, idempotent: bool) -> bool:
    if isinstance(error, (NotTheEmulatorError, ResponseTooLargeError, UntrustedServerError)):
        return False
    if isinstance(error, (NotSentError, RateLimitError)):
        return True
    if isinstance(error, ApiError) and error.status not in TRANSIENT_STATUSES:
        return False
    return is_ambiguous(error) and idempotent


def delay_after(
    error: FlowServiceError, attempt: int, jitter: float | None = None, *, cap: float = MAX_DELAY
) -> float:
    """Return the seconds to wait after the ``attempt``-th failure: ``Retry-After`` plus jitter, or else a backoff.

    :param jitter: random number in [0, 1); generated if omitted.
    :param cap: maximum backoff in seconds.
    """
    share = random.random() if jitter is None else jitter  # noqa: S311
    if error.retry_after is not None:
        return min(error.retry_after, MAX_DELAY) + backoff(1, share)
    return backoff(attempt, share, cap=cap)
