"""Sensors for flows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.activation import selectors
from airflow_provider_flowservice.client.activation.activate import resolve
from airflow_provider_flowservice.client.activation.segments import read_attributes, read_segments
from airflow_provider_flowservice.client.activation.selectors import Missing
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows import runs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.operators.base import required_text
from airflow_provider_flowservice.sensors.base import FlowServiceSensor

if TYPE_CHECKING:
    from airflow_provider_flowservice.triggers.flows import FlowValidationTrigger
    from airflow_provider_flowservice.triggers.runs import FlowStateTrigger, LatestRunTrigger


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

    def watched(self) -> str:
        """The flow."""
        return self.flow_id

    @cached_property
    def _wanted(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Segment ids, names looked up, and attribute paths."""
        segments = resolve(self.hook, read_segments(self.segments))
        return tuple(segment.id for segment in segments), read_attributes(self.profile_attributes)

    def check_arguments(self) -> None:
        """Check ids and paths."""
        required_text("flow_id", self.flow_id)
        _ = self._wanted

    def look(self) -> tuple[bool, Any]:
        """Read the flow and compare."""
        flow = self.hook.get(request.FLOWS, self.flow_id)
        missing = selectors.missing(flow, *self._wanted)
        return not missing, missing.to_json()

    def trigger(self, deadline: float) -> FlowValidationTrigger:
        """The trigger that reads the flow."""
        from airflow_provider_flowservice.triggers.flows import FlowValidationTrigger

        segments, attributes = self._wanted
        return FlowValidationTrigger(
            **self.polling(deadline),
            flow_id=self.flow_id,
            segments=list(segments),
            profile_attributes=list(attributes),
        )

    def describe(self, seen: Any) -> str:
        """Name what is missing."""
        return f"flow {self.flow_id} lacks {Missing.from_json(seen)}"


class FlowServiceFlowStateSensor(FlowServiceSensor):
    """Wait until a flow has a state (``GET /flows/{id}``).

    :param flow_id: the flow; templated.
    :param state: ``enabled`` or ``disabled``; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceSensor.template_fields, "flow_id", "state")

    def __init__(self, *, flow_id: str, state: str = "enabled", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.state = state

    def watched(self) -> str:
        """The flow."""
        return self.flow_id

    def check_arguments(self) -> None:
        """Check id and state."""
        required_text("flow_id", self.flow_id)
        if self.state not in ("enabled", "disabled"):
            raise InvalidInputError("state", f"{self.state!r} is not known", "Say enabled or disabled.")

    def look(self) -> tuple[bool, Any]:
        """Read the flow."""
        flow = self.hook.get(request.FLOWS, self.flow_id)
        return flow.state == self.state, flow.state

    def trigger(self, deadline: float) -> FlowStateTrigger:
        """The trigger that reads the flow."""
        from airflow_provider_flowservice.triggers.runs import FlowStateTrigger

        return FlowStateTrigger(**self.polling(deadline), flow_id=self.flow_id, state=self.state)

    def describe(self, seen: Any) -> str:
        """Name the state."""
        return f"flow {self.flow_id} is {seen}"


class FlowServiceFlowRunSensor(FlowServiceSensor):
    """Wait until a flow has a run that began after a moment and has ended well (``GET /runs``).

    A streaming flow has no runs to wait for.

    :param flow_id: the flow; templated.
    :param started_after: epoch seconds, or a text of them; templated. The beginning of the data interval, say.
    :param allow_partial: whether a run that succeeded in part is good enough.
    """

    template_fields: Sequence[str] = (*FlowServiceSensor.template_fields, "flow_id", "started_after")

    def __init__(
        self, *, flow_id: str, started_after: float | str, allow_partial: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.started_after = started_after
        self.allow_partial = allow_partial

    def watched(self) -> str:
        """The flow."""
        return self.flow_id

    def check_arguments(self) -> None:
        """Check id and moment."""
        required_text("flow_id", self.flow_id)
        self._moment()

    def look(self) -> tuple[bool, Any]:
        """Read the newest runs."""
        run = runs.best_after(self.hook.send(runs.newest_runs(self.flow_id)).items, self._moment())
        if run is None:
            return False, {}
        seen = {"run_id": run.id, "state": run.state.value}
        if run.state.is_terminal:
            self.check_seen(seen)
        return run.state.is_terminal, seen

    def check_seen(self, seen: Any) -> None:
        """Refuse a run that ended badly.

        :raises DriftError: naming the run.
        """
        good = ("success", "partialSuccess") if self.allow_partial else ("success",)
        if seen["state"] not in good:
            raise DriftError(f"run {seen['run_id']} of flow {self.flow_id} ended as {seen['state']}")

    def trigger(self, deadline: float) -> LatestRunTrigger:
        """The trigger that reads the newest runs."""
        from airflow_provider_flowservice.triggers.runs import LatestRunTrigger

        return LatestRunTrigger(**self.polling(deadline), flow_id=self.flow_id, started_after=self._moment())

    def describe(self, seen: Any) -> str:
        """Name the run, if there is one."""
        if not seen:
            return f"flow {self.flow_id} has no run that began after {self.started_after}"
        return f"run {seen['run_id']} of flow {self.flow_id} is {seen['state']}"

    def _moment(self) -> float:
        try:
            moment = float(self.started_after)
            if not math.isfinite(moment):
                raise ValueError("no finite number")
            return moment
        except (TypeError, ValueError):
            raise InvalidInputError(
                "started_after", f"{self.started_after!r} is no time", "Give seconds since 1970-01-01 UTC."
            ) from None
