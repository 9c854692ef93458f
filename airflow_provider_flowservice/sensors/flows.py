"""Sensors for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_flowservice.client import FlowState
from airflow_provider_flowservice.client.activation import (
    Segment,
    SegmentName,
    read_attributes,
    read_segments,
)
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.times import epoch_seconds
from airflow_provider_flowservice.client.waits import (
    FlowInState,
    RunSucceeded,
    SelectorsMapped,
    ThisRunSucceeded,
)
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.kinds import (
    choice,
    flag,
    items,
    limit_or_none,
    no_limit,
    number_or_ratio,
    resource_id,
)
from airflow_provider_flowservice.sensors.base import FlowServiceSensor


class FlowServiceFlowValidationSensor(FlowServiceSensor):
    """Wait until a flow has the given segments and profile attributes, or no longer has them (``GET /flows/{id}``).

    Waits for at most ten minutes, unless ``timeout`` says otherwise.

    :param flow_id: id of the flow.
    :param segments: segments that the flow must have: segment ids; or mappings with ``name`` alone, which is looked up,
        or, for an external audience, with ``id``, ``systemSegmentId`` and ``namespace``.
    :param profile_attributes: paths of profile attributes that the flow must have. None (default) leaves its attributes
        out of account.
    :param absent: segments that the flow must not have, in the forms of ``segments``.
    :param exact: whether the flow must have nothing but ``segments`` and, unless it is None, ``profile_attributes``.
        For a flow without any segment, set ``segments=[]``. Excludes ``absent``.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    default_timeout = 600.0
    segments = optional(items)
    profile_attributes = optional(items)
    absent = optional(items)
    exact = required(flag)

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]] | None = None,
        profile_attributes: Sequence[str] | None = None,
        absent: Sequence[str | Mapping[str, Any]] | None = None,
        exact: bool | str = False,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Reject arguments that exclude each other, or leave nothing to wait for."""
        if self.exact is True and self.is_given("absent"):
            remedy = "Omit absent: exact=True allows no other segments than the given ones."
            raise InvalidInputError("absent", "cannot be combined with exact=True", remedy)
        if self.exact is True and not self.is_given("segments"):
            remedy = "List all segments of the flow, or set segments=[] if it must not have any."
            raise InvalidInputError("segments", "is missing, but exact=True needs it", remedy)
        if not (self.exact or self.segments or self.absent or self.profile_attributes):
            problem = "leave nothing to wait for, because they are empty or omitted"
            remedy = "Give at least one segment or attribute, or set exact=True."
            raise InvalidInputError("segments, absent and profile_attributes", problem, remedy)

    def waits_for(self) -> SelectorsMapped:
        """Return the condition, with the segments that are given by name looked up (``GET /audiences``)."""
        attributes = self.profile_attributes
        paths = None if attributes is None else read_attributes(attributes)
        wanted, absent = self.segments or (), self.absent or ()
        # Names are looked up only if the rest is right; they may belong to ids of the other list.
        _reject_overlap(read_segments(wanted), read_segments(absent, "absent"))
        segments, unwanted = self.hook.find_segments(wanted), self.hook.find_segments(absent, "absent")
        _reject_overlap(segments, unwanted)
        return SelectorsMapped(
            flow_id=self.flow_id,
            segments=tuple(segment.id for segment in segments),
            attributes=paths,
            # A flow may have an external audience under either of its two ids.
            absent=tuple(dict.fromkeys(each for segment in unwanted for each in (segment.id, segment.uuid))),
            exact=self.exact,
        )


def _reject_overlap(
    segments: Sequence[Segment | SegmentName], absent: Sequence[Segment | SegmentName]
) -> None:
    """Reject a segment that should be there and should not be there.

    :raises InvalidInputError: if there is one.
    """
    wanted = {segment.key for segment in segments}
    for segment in absent:
        if segment.key in wanted:
            shown = segment.id if isinstance(segment, Segment) else segment.name
            raise InvalidInputError(
                "absent", f"{shown!r} is also in segments", "Remove it from one of the two lists."
            )


class FlowServiceFlowStateSensor(FlowServiceSensor):
    """Wait until a flow has a state (``GET /flows/{id}``).

    Waits for at most half an hour, unless ``timeout`` says otherwise.

    :param flow_id: id of the flow.
    :param state: ``enabled`` or ``disabled``.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    default_timeout = 1800.0
    state = required(choice((FlowState.ENABLED, FlowState.DISABLED)))

    def __init__(
        self,
        *,
        flow_id: str,
        state: str = "enabled",
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def waits_for(self) -> FlowInState:
        """Return the condition."""
        return FlowInState(flow_id=self.flow_id, state=self.state.value)


class FlowServiceFlowRunSensor(FlowServiceSensor):
    """Wait until a run of a flow has succeeded (``GET /runs``): a given one, or one created after a given time.

    Streaming flows have no runs to wait for. If a given run fails, or has too many failed records, the task is not
    retried, because the run never changes; otherwise a retry waits for another run.

    Waits for at most a day, unless ``timeout`` says otherwise.

    :param flow_id: id of the flow.
    :param started_after: earliest time of the run's creation: a datetime or an ISO 8601 string, with a time zone; or
        seconds since 1970-01-01 UTC, as a number or string. ``"{{ data_interval_start }}"`` is one of these. Mutually
        exclusive with ``run_id``.
    :param run_id: id of the run.
    :param max_failed_records: how many records of the run may fail: a whole number; a ratio such as 0.01, of the
        records read; or None for any number (in a template or a mapped task, ``"any"``, because None is rejected
        there). A partial success of which AEP does not say how many records failed is only accepted with None.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    default_timeout = 86_400.0
    started_after = optional(epoch_seconds)
    run_id = optional(resource_id)
    max_failed_records = required(number_or_ratio, default=no_limit)

    def __init__(
        self,
        *,
        flow_id: str,
        started_after: datetime | float | str | None = None,
        run_id: str | None = None,
        max_failed_records: float | str | None = 0,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Reject arguments that exclude each other."""
        self.require_one_of("started_after", "run_id")

    def waits_for(self) -> RunSucceeded | ThisRunSucceeded:
        """Return the condition."""
        limit = limit_or_none(self.max_failed_records)
        if self.started_after is not None:
            return RunSucceeded(
                flow_id=self.flow_id, started_after=self.started_after, max_failed_records=limit
            )
        return ThisRunSucceeded(flow_id=self.flow_id, run_id=str(self.run_id), max_failed_records=limit)
