from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client import errors
from airflow_provider_flowservice.client.http.retry import (
    MAX_DELAY,
    Decision,
    GiveUp,
    Policy,
    RefreshToken,
    Retry,
    backoff,
    decide,
)
from tests.support.properties import examples


def api_error(status: int, code: str | None = None, retry_after: float | None = None) -> errors.ApiError:
    kind = errors.api_error_class(status, code)
    return kind("failed", status=status, code=code, retry_after=retry_after)


def decided(error: errors.FlowServiceError, idempotent: bool = True, **changes: Any) -> Decision:
    arguments: dict[str, Any] = {
        "attempt": 1,
        "elapsed": 0.0,
        "refreshed": False,
        "policy": Policy(retries=4, budget=300.0),
        "jitter": 0.5,
    }
    return decide(error, **{**arguments, "idempotent": idempotent, **changes})


ALWAYS = (Retry, Retry)
WHEN_REPEATABLE = (Retry, GiveUp)
NEVER = (GiveUp, GiveUp)
REFRESHED = (RefreshToken, RefreshToken)


@pytest.mark.parametrize(
    ("error", "freely_and_look_first"),
    [
        (errors.NotSentError("refused"), ALWAYS),
        (api_error(429), ALWAYS),
        (errors.ResponseLostError("reset"), WHEN_REPEATABLE),
        (errors.InvalidResponseError("no JSON"), WHEN_REPEATABLE),
        (api_error(500), WHEN_REPEATABLE),
        (api_error(502), WHEN_REPEATABLE),
        (api_error(503), WHEN_REPEATABLE),
        (api_error(504), WHEN_REPEATABLE),
        (errors.UntrustedServerError("https://h", "self-signed"), NEVER),
        (errors.InvalidInputError("f", "is wrong", "Change it."), NEVER),
        (errors.DriftError("differs"), NEVER),
        (api_error(501), NEVER),
        (api_error(505), NEVER),
        (api_error(301), NEVER),
        (api_error(400), NEVER),
        (api_error(403), NEVER),
        (api_error(404), NEVER),
        (api_error(409), NEVER),
        (api_error(412), NEVER),
        (api_error(422), NEVER),
        (api_error(401), REFRESHED),
        (api_error(403, "403010"), REFRESHED),
        (api_error(401, "401013"), REFRESHED),
    ],
    ids=lambda value: getattr(value, "message", None) and f"{type(value).__name__}-{value.status}",
)
def test_what_is_done_about_each_error(
    error: errors.FlowServiceError, freely_and_look_first: tuple[type[Decision], type[Decision]]
) -> None:
    decisions = (decided(error, True), decided(error, False))
    assert tuple(map(type, decisions)) == freely_and_look_first


def test_a_token_is_renewed_once() -> None:
    assert decided(api_error(401), refreshed=True) == GiveUp()


def test_a_renewed_token_is_tried_although_the_retries_are_used_up() -> None:
    assert decided(api_error(401), attempt=5) == RefreshToken()


@pytest.mark.parametrize(("attempt", "kind"), [(1, Retry), (4, Retry), (5, GiveUp), (50, GiveUp)])
def test_retries_are_counted(attempt: int, kind: type[Decision]) -> None:
    assert type(decided(api_error(503), attempt=attempt)) is kind


def test_without_retries_nothing_is_sent_again() -> None:
    assert decided(api_error(503), policy=Policy(retries=0)) == GiveUp()


def test_a_wait_that_would_end_after_the_budget_is_not_begun() -> None:
    error = api_error(429, retry_after=30)
    assert decided(error, elapsed=269) == Retry(30.5)
    assert decided(error, elapsed=270) == GiveUp()


def test_the_servers_wish_is_kept_and_spread() -> None:
    assert decided(api_error(503, retry_after=7), attempt=4) == Retry(7.5)
    assert decided(api_error(503, retry_after=0)) == Retry(0.5)


def test_a_wish_for_hours_is_cut_to_the_longest_wait() -> None:
    assert decided(api_error(429, retry_after=86_400)) == Retry(MAX_DELAY + 0.5)


def test_waits_double_up_to_the_cap() -> None:
    assert [backoff(attempt, 1.0) for attempt in (1, 2, 3, 6, 7, 8)] == [1, 2, 4, 32, 60, 60]


@given(attempt=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
@examples(100)
def test_a_wait_is_never_negative_nor_longer_than_the_cap(attempt: int, jitter: float) -> None:
    assert 0 <= backoff(attempt, jitter, cap=10.0) <= 10.0
