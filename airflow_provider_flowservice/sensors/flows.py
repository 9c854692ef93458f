"""Sensors for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.client import FlowState
from airflow_provider_flowservice.client.activation import read_attributes
from airflow_provider_flowservice.client.waits import FlowInState, RunSucceeded, SelectorsMapped
from airflow_provider_flowservice.operators.arguments import choice, flag, items, moment, required
from airflow_provider_flowservice.sensors.base import FlowServiceSensor


class FlowServiceFlowValidationSensor(FlowServiceSensor):
    """Wait until segments and profile attributes are mapped on a flow (``GET /flows/{id}``).

    :param segments: segment ids, or mappings with ``id`` or ``name``.
    :param profile_attributes: attribute paths.
    """

    segments = required(items)
    profile_attributes = required(items)

    def __init__(
        self,
        *,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def waits_for(self) -> SelectorsMapped:
        """Return the condition, with the segments that are given by name looked up (``GET /audiences``)."""
        return SelectorsMapped(
            flow_id=self.flow_id,
            attributes=read_attributes(self.profile_attributes),
            segments=tuple(segment.id for segment in self.hook.find_segments(self.segments)),
        )


class FlowServiceFlowStateSensor(FlowServiceSensor):
    """Wait until a flow has a state (``GET /flows/{id}``).

    :param state: ``enabled`` or ``disabled``.
    """

    state = required(choice((FlowState.ENABLED, FlowState.DISABLED)))

    def __init__(self, *, state: str = "enabled", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def waits_for(self) -> FlowInState:
        """Return the condition."""
        return FlowInState(flow_id=self.flow_id, state=self.state.value)


class FlowServiceFlowRunSensor(FlowServiceSensor):
    """Wait until a flow has a successful run that was created after a given time (``GET /runs``).

    Streaming flows have no runs to wait for.

    :param started_after: seconds since 1970-01-01 UTC, for example the beginning of the data interval.
    :param allow_partial: whether a partially successful run is sufficient.
    """

    started_after = required(moment)
    allow_partial = required(flag)

    def __init__(
        self, *, started_after: float | str, allow_partial: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def waits_for(self) -> RunSucceeded:
        """Return the condition."""
        return RunSucceeded(
            flow_id=self.flow_id, started_after=self.started_after, allow_partial=self.allow_partial
        )
