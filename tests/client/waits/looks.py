"""What waits look at, and what they ask for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from airflow_provider_flowservice.client.model import Flow, FlowRun, SpecRef
from airflow_provider_flowservice.client.waits import Judgement

SEGMENT, OTHER = "8256cfb4-17e6-432c-a469-6aedafb16cd5", "0a1b2c3d-17e6-432c-a469-6aedafb16cd5"


def flow(
    state: str = "enabled",
    changed: float = 0,
    created: float = 0,
    *,
    flow_spec: str = "spec",
    destination: bool = False,
    schedule: Any = None,
    operation: str = "",
    **selected: list[str],
) -> Flow:
    segments = [{"value": {"id": i, "schedule": schedule}} for i in selected.get("segments", ())]
    params = {
        "segmentSelectors": {"selectors": segments},
        "profileSelectors": {"selectors": [{"value": {"path": p}} for p in selected.get("attributes", ())]},
    }
    return Flow(
        id="f",
        flow_spec=SpecRef(id=flow_spec),
        state=state,
        created_at=round(created * 1000),
        updated_at=round(changed * 1000),
        transformations=({"name": "GeneralTransform", "params": params},),
        inherited_attributes={"properties": {"isDestinationFlow": destination}},
        last_operation={"status": {"value": operation}},
    )


def run(run_id: str, status: str | None, made: float = 0, failed: int | None = None) -> FlowRun:
    metrics: dict[str, Any] = {"statusSummary": {"status": status}} if status else {}
    if failed is not None:
        metrics["recordSummary"] = {"inputRecordCount": 1000, "failedRecordCount": failed}
    return FlowRun(id=run_id, flow_id="f", created_at=round(made * 1000), metrics=metrics)


def states(judged: Judgement) -> dict[str, str]:
    return {run_id: outcome["state"] for run_id, outcome in judged.seen.items()}


def paths(look: Generator[Any, Any, Judgement], *responses: Any) -> tuple[list[str], Judgement]:
    """The paths that a look asks for, each given the next response, and what it judges."""
    asked: list[str] = []
    left = list(responses)
    try:
        request = next(look)
        while True:
            asked.append(request.path.rpartition("/flowservice/")[2])
            request = look.send(left.pop(0))
    except StopIteration as end:
        assert left == []
        return asked, end.value
