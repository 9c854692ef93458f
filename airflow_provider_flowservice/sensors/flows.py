"""Sensors for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.client import FlowState
from airflow_provider_flowservice.client.activation import read_attributes
from airflow_provider_flowservice.client.waits import (
    FlowInState,
    RunSucceeded,
    SelectorsMapped,
    ThisRunSucceeded,
)
from airflow_provider_flowservice.operators.arguments import (
    choice,
    failure_limit,
    items,
    moment,
    no_limit,
    number_or_ratio,
    optional,
    required,
    resource_id,
)
from airflow_provider_flowservice.sensors.base import FlowServiceSensor


class FlowServiceFlowValidationSensor(FlowServiceSensor):
    """Wait until segments and profile attributes are mapped on a flow (``GET /flows/{id}``).

    :param flow_id: id of the flow.
    :param segments: segment ids, or mappings with ``id`` or ``name``.
    :param profile_attributes: attribute paths.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    segments = required(items)
    profile_attributes = required(items)

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] = (),
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
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

    :param flow_id: id of the flow.
    :param state: ``enabled`` or ``disabled``.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

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

    :param flow_id: id of the flow.
    :param started_after: seconds since 1970-01-01 UTC, for example the beginning of the data interval. Mutually
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

    started_after = optional(moment)
    run_id = optional(resource_id)
    max_failed_records = required(number_or_ratio, default=no_limit)

    def __init__(
        self,
        *,
        flow_id: str,
        started_after: float | str | None = None,
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
        limit = failure_limit(self.max_failed_records)
        if self.started_after is not None:
            return RunSucceeded(
                flow_id=self.flow_id, started_after=self.started_after, max_failed_records=limit
            )
        return ThisRunSucceeded(flow_id=self.flow_id, run_id=str(self.run_id), max_failed_records=limit)
