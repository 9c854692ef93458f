"""Sensors for flows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.client.activation import read_attributes, read_segments, resolve
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.waits import FlowInState, RunSucceeded, SelectorsMapped
from airflow_provider_flowservice.operators.base import required_text
from airflow_provider_flowservice.sensors.base import FlowServiceSensor


class FlowServiceFlowValidationSensor(FlowServiceSensor):
    """Wait until segments and profile attributes are really mapped on a flow (``GET /flows/{id}``).

    :param segments: segment ids, or mappings with ``id`` or ``name``; templated.
    :param profile_attributes: attribute paths; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceSensor.template_fields, "segments", "profile_attributes")

    def __init__(
        self,
        *,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.segments = segments
        self.profile_attributes = profile_attributes

    def waits_for(self) -> SelectorsMapped:
        """The segments, names looked up, and the attributes."""
        flow_id = required_text("flow_id", self.flow_id)
        attributes = read_attributes(self.profile_attributes)
        segments = resolve(self.hook, read_segments(self.segments))
        return SelectorsMapped(
            flow_id=flow_id, segments=tuple(segment.id for segment in segments), attributes=attributes
        )


class FlowServiceFlowStateSensor(FlowServiceSensor):
    """Wait until a flow has a state (``GET /flows/{id}``).

    :param state: ``enabled`` or ``disabled``; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceSensor.template_fields, "state")

    def __init__(self, *, state: str = "enabled", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state = state

    def waits_for(self) -> FlowInState:
        """The state."""
        flow_id = required_text("flow_id", self.flow_id)
        if self.state not in ("enabled", "disabled"):
            raise InvalidInputError("state", f"{self.state!r} is not known", "Say enabled or disabled.")
        return FlowInState(flow_id=flow_id, state=self.state)


class FlowServiceFlowRunSensor(FlowServiceSensor):
    """Wait until a flow has a run that began after a moment and has ended well (``GET /runs``).

    A streaming flow has no runs to wait for.

    :param started_after: epoch seconds, or a text of them; templated. The beginning of the data interval, say.
    :param allow_partial: whether a run that succeeded in part is good enough.
    """

    template_fields: Sequence[str] = (*FlowServiceSensor.template_fields, "started_after")

    def __init__(self, *, started_after: float | str, allow_partial: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.started_after = started_after
        self.allow_partial = allow_partial

    def waits_for(self) -> RunSucceeded:
        """The run."""
        flow_id = required_text("flow_id", self.flow_id)
        try:
            moment = float(self.started_after)
        except (TypeError, ValueError):
            moment = math.nan
        if not math.isfinite(moment):
            raise InvalidInputError(
                "started_after", f"{self.started_after!r} is no time", "Give seconds since 1970-01-01 UTC."
            )
        return RunSucceeded(flow_id=flow_id, started_after=moment, allow_partial=self.allow_partial)
