"""Sensors for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import dataflow, request
from airflow_provider_flowservice.client.activation import resolve
from airflow_provider_flowservice.client.dataflow import Missing
from airflow_provider_flowservice.client.segments import read_attributes, read_segments
from airflow_provider_flowservice.operators.base import required_text
from airflow_provider_flowservice.sensors.base import FlowServiceSensor

if TYPE_CHECKING:
    from airflow_provider_flowservice.triggers.flows import FlowValidationTrigger


class FlowServiceFlowValidationSensor(FlowServiceSensor):
    """Wait until segments and profile attributes are really mapped on a flow (``GET /flows/{id}``).

    :param flow_id: the flow; templated.
    :param segments: segment ids, or mappings with ``id`` or ``name``; templated.
    :param profile_attributes: attribute paths; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceSensor.template_fields,
        "flow_id",
        "segments",
        "profile_attributes",
    )

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.segments = segments
        self.profile_attributes = profile_attributes
        self._wanted: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def watched(self) -> str:
        """The flow."""
        return self.flow_id

    def check_arguments(self) -> None:
        """Check ids and paths."""
        required_text("flow_id", self.flow_id)
        segments = resolve(self.hook, read_segments(self.segments))
        self._wanted = tuple(s.id for s in segments), read_attributes(self.profile_attributes)

    def look(self) -> tuple[bool, Any]:
        """Read the flow and compare."""
        flow = self.hook.get(request.FLOWS, self.flow_id)
        missing = dataflow.missing(flow, *self._wanted)
        return not missing, missing.to_json()

    def trigger(self, deadline: float) -> FlowValidationTrigger:
        """The trigger that reads the flow."""
        from airflow_provider_flowservice.triggers.flows import FlowValidationTrigger

        segments, attributes = self._wanted
        return FlowValidationTrigger(
            flowservice_conn_id=self.flowservice_conn_id,
            sandbox=self.sandbox,
            poll_interval=self.poke_interval,
            deadline=deadline,
            flow_id=self.flow_id,
            segments=list(segments),
            profile_attributes=list(attributes),
        )

    def describe(self, seen: Any) -> str:
        """Name what is missing."""
        return f"flow {self.flow_id} lacks {Missing.from_json(seen)}"
