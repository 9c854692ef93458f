"""Runs of flows."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from airflow_provider_flowservice.client.model.documents import JsonObject, member, objects
from airflow_provider_flowservice.client.model.records import Id, Milliseconds, Record


class RunState(StrEnum):
    """State of a flow run; AEP's various spellings are mapped to one value each."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partialSuccess"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended, so that its state does not change any more."""
        return self is not RunState.RUNNING

    @classmethod
    def from_text(cls, text: str | None) -> RunState:
        """Convert AEP's status, in any case. An unknown status counts as running, so that a wait goes on."""
        folded = (text or "").replace("_", "").replace(" ", "").lower()
        return _RUN_STATES.get(folded, cls.RUNNING)


_RUN_STATES = {
    "success": RunState.SUCCESS,
    "completed": RunState.SUCCESS,
    "partialsuccess": RunState.PARTIAL,
    "failed": RunState.FAILED,
    "partialfailure": RunState.FAILED,
}


class FlowRun(Record, frozen=True, kw_only=True):
    """One run of a flow (``/runs``).

    Whether it succeeded is decided in :mod:`airflow_provider_flowservice.client.flows.outcomes`.

    :param metrics: counts, state and errors; malformed parts of it are ignored.
    :param activities: the steps of the run, each with its own metrics; malformed parts of it are ignored.
    """

    id: Id
    flow_id: str = ""
    created_at: Milliseconds = 0
    updated_at: Milliseconds = 0
    metrics: JsonObject = msgspec.field(default_factory=dict)
    activities: Any = None
    params: JsonObject | None = None
    sandbox_name: Any = None

    @property
    def state(self) -> RunState:
        """The run's state."""
        status = member(self.metrics, "statusSummary", "status")
        return RunState.from_text(status if isinstance(status, str) else None)

    @property
    def segments(self) -> frozenset[str]:
        """The ids of the segments that the run exports; empty if AEP does not show them."""
        entities = (
            str(entity.get("id"))
            for side in ("sourceSummaries", "targetSummaries")
            for summary in objects(self.metrics, "recordSummary", side)
            for entity in objects(summary, "entitySummaries")
        )
        prefix = "segment:"
        return frozenset(each.removeprefix(prefix) for each in entities if each.startswith(prefix))
