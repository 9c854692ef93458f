"""The conditions that sensors, operators and triggers can wait for.

A wait is an immutable value. Its ``look`` method yields the requests of one poll and evaluates the responses; its
``describe`` method returns a message about what is still missing. Sensors that poke, operators that wait on their
worker and the trigger use the same values and therefore behave alike. :func:`polling` repeats ``look`` until a
deadline. Like :func:`~airflow_provider_flowservice.client.http.exchange.exchange`, both are generators that perform no
input or output; :func:`drive` and :func:`drive_async` run them.
"""

from __future__ import annotations

import msgspec

from airflow_provider_flowservice.client.model import JsonObject
from airflow_provider_flowservice.client.waits.base import Judgement
from airflow_provider_flowservice.client.waits.flows import FlowInState, FlowSettled, SelectorsMapped
from airflow_provider_flowservice.client.waits.polling import (
    JITTER,
    TOLERATED_FAILURES,
    WaitLog,
    drive,
    drive_async,
    polling,
    timeout_message,
)
from airflow_provider_flowservice.client.waits.runs import (
    HOURLY_INTERVAL,
    RunsEnded,
    RunsSucceeded,
    ThisRunSucceeded,
)

Wait = SelectorsMapped | FlowInState | RunsEnded | RunsSucceeded | ThisRunSucceeded | FlowSettled


def from_json(document: JsonObject) -> Wait:
    """Create a wait from the JSON object returned by ``to_json``."""
    wait: Wait = msgspec.convert(document, Wait)
    return wait


__all__ = [
    "HOURLY_INTERVAL",
    "JITTER",
    "TOLERATED_FAILURES",
    "FlowInState",
    "FlowSettled",
    "Judgement",
    "RunsEnded",
    "RunsSucceeded",
    "SelectorsMapped",
    "ThisRunSucceeded",
    "Wait",
    "WaitLog",
    "drive",
    "drive_async",
    "from_json",
    "polling",
    "timeout_message",
]
