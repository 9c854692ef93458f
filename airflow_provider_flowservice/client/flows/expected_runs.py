"""Which runs a flow can be expected to have, and why it may have none. All functions are pure."""

from __future__ import annotations

from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows.specs import PROFILE_DESTINATION_FLOW, FlowSource
from airflow_provider_flowservice.client.model import (
    Flow,
    FlowKind,
    FlowSpec,
    FlowState,
    SelectorKind,
    member,
)
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.client.times import END_OF_TIME, iso
from airflow_provider_flowservice.client.values import finite_number


def check_has_runs(flow: Flow, spec: FlowSpec) -> None:
    """Reject a flow that never has runs, as streaming sources do not.

    :param spec: its flow spec.
    :raises DriftError: if AEP shows no runs for flows with this spec.
    """
    if not spec.has_runs:
        raise DriftError(
            f"flow {flow.id} ({flow.name!r}) never has runs: AEP shows none for flows with the flow spec"
            f" {plain_text(spec.name or spec.id)!r}. Remove the sensor; whether AEP has accepted the records is in the"
            " result of FlowServicePostToInletOperator."
        )


def is_reported_hourly(flow: Flow) -> bool:
    """Whether AEP sums up what a flow does about once an hour, as it does for streaming destinations."""
    is_streaming = flow.kind is FlowKind.DESTINATION and flow.flow_spec.id == PROFILE_DESTINATION_FLOW
    # Older file destinations have the same flow spec.
    segments = flow.selectors(SelectorKind.SEGMENT)
    return is_streaming and not any(member(each.document, "value", "schedule") for each in segments)


def why_no_run(flow: Flow, now: float) -> str:
    """Return why a flow may have no runs, as far as it shows that.

    :param now: seconds since 1970-01-01 UTC.
    """
    if flow.state != FlowState.ENABLED:
        return f"the flow is {plain_text(flow.state or 'without a state')}"
    is_for_segments = FlowSource.of(*flow.source_spec_ids) is FlowSource.PROFILES
    if is_for_segments and not any(flow.selectors(SelectorKind.SEGMENT)):
        return "no segment is active on the flow"
    schedule = flow.schedule_params or {}
    start = finite_number(schedule.get("startTime"))
    if start is not None and now < start < END_OF_TIME:
        return f"the schedule of the flow begins at {iso(start)}"
    if schedule.get("frequency") == "once":
        return "the flow is scheduled once, so each further run must be started, as by FlowServiceRunFlowOperator"
    if is_reported_hourly(flow):
        return "AEP reports the runs of a streaming destination about once an hour"
    return "the flow is enabled, so its schedule or its source may have had nothing to do"
