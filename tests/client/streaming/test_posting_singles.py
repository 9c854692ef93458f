"""Posting of single messages, several of which are accounted for together."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import NotFoundError
from airflow_provider_flowservice.client.streaming.posting import Plan
from tests.support.at_once import Posting, block
from tests.support.held_inlet import HeldInlet, accepted


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


def test_the_window_of_single_messages_does_not_depend_on_the_size_of_batches(inlet: HeldInlet) -> None:
    assert Plan(target=inlet.inlet, sync_validation=True, resend_window=10).window == 10
    assert Plan(target=inlet.inlet, batch_size=500, resend_window=10).window == 500
