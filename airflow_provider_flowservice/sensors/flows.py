"""Sensors for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import FlowState
from airflow_provider_flowservice.client.activation import (
    Segment,
    SegmentName,
    read_attributes,
    read_segments,
)
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.times import epoch_seconds, iso
from airflow_provider_flowservice.client.waits import (
    HOURLY_INTERVAL,
    FlowInState,
    RunsSucceeded,
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
    seconds,
    whole_number,
)
from airflow_provider_flowservice.sensors.base import FlowServiceSensor

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.flows import Console


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
    :param fail_fast: whether to fail at once if AEP completes a change of the flow during the wait, and something is
        still missing. Some destinations ignore profile attributes, because they take them from a mapping set; the log
        gives this hint in any case. By default the wait goes on, because somebody else may still activate it.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Wait for segments"
    _is_destination = True
    default_timeout = 600.0
    segments = optional(items)
    profile_attributes = optional(items)
    absent = optional(items)
    exact = required(flag)
    fail_fast = required(flag)

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]] | None = None,
        profile_attributes: Sequence[str] | None = None,
        absent: Sequence[str | Mapping[str, Any]] | None = None,
        exact: bool | str = False,
        fail_fast: bool | str = False,
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
            fail_fast=self.fail_fast,
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

    custom_operator_name = "Wait for flow state"
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
    """Wait until runs of a flow have succeeded (``GET /runs``): a given one, or those created in a window of time.

    The runs of a window have succeeded when there are at least ``expected_runs``, all of them have ended, and none is
    new. A run that failed fails the task at once, unless one that was created after its end succeeds and there are
    enough others. If a given run fails, or has too many failed records, the task is not retried, because the run never
    changes; otherwise a retry looks at the window again.

    The sensor returns ``{"flow_id": ..., "run_ids": [...], "records_read": ..., "records_written": ...,
    "records_failed": ..., "records_skipped": ..., "runs": ...}``: the number of good runs and the sums over them, or
    None where AEP has not counted the records. At most 100 ids are returned. Outlets of the task get the same.

    Streaming sources never have runs, so the task fails at once. AEP reports those of streaming destinations about once
    an hour: without ``poke_interval``, they are polled every 15 minutes, and all others every minute.

    Waits for at most a day, unless ``timeout`` says otherwise.

    :param flow_id: id of the flow.
    :param started_after: beginning of the window: a datetime or an ISO 8601 string, with a time zone; or seconds since
        1970-01-01 UTC, as a number or string. ``"{{ data_interval_start }}"`` is one of these. A run belongs to the
        window if it was created in it. Mutually exclusive with ``run_id``.
    :param started_before: end of the window, as for ``started_after``. By default, the window has no end.
    :param expected_runs: number of good runs to wait for. A file destination has one run for each merge policy.
    :param settle_seconds: minimum age of the newest run, in seconds, if another one may follow.
    :param start_timeout: maximum time to wait for the first run, in seconds. If there is none by then, the task fails,
        and the error says what the flow shows about the cause. By default, only ``timeout`` counts.
    :param run_id: id of the run.
    :param max_failed_records: how many records of a run may fail: a whole number; a ratio such as 0.01, of the
        records read; or None for any number (in a template or a mapped task, ``"any"``, because None is rejected
        there). A partial success of which AEP does not say how many records failed is only accepted with None.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to succeed without waiting, because the upstream tasks only plan their changes.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Wait for flow run"
    default_timeout = 86_400.0
    started_after = optional(epoch_seconds)
    started_before = optional(epoch_seconds)
    expected_runs = required(whole_number(minimum=1))
    settle_seconds = required(seconds())
    start_timeout = optional(seconds())
    run_id = optional(resource_id)
    max_failed_records = required(number_or_ratio, default=no_limit)

    def __init__(
        self,
        *,
        flow_id: str,
        started_after: datetime | float | str | None = None,
        started_before: datetime | float | str | None = None,
        expected_runs: int | str = 1,
        settle_seconds: float | str | timedelta = 0,
        start_timeout: float | str | timedelta | None = None,
        run_id: str | None = None,
        max_failed_records: float | str | None = 0,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._has_interval = "poke_interval" in {**(kwargs.get("default_args") or {}), **kwargs}
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Reject arguments that exclude each other."""
        self.require_one_of("started_after", "run_id")
        for name in ("started_before", "start_timeout"):
            if self.is_given(name) and self.is_given("run_id"):
                raise InvalidInputError(name, "cannot be combined with run_id", "Remove one of them.")

    def page_in(self, console: Console) -> str:
        """Return the URL of the given run or, without one, of the flow."""
        return console.run_page(self.flow_id, self.run_id) if self.run_id else super().page_in(console)

    def waits_for(self) -> RunsSucceeded | ThisRunSucceeded:
        """Return the condition."""
        limit = limit_or_none(self.max_failed_records)
        if self.started_after is None:
            return ThisRunSucceeded(flow_id=self.flow_id, run_id=str(self.run_id), max_failed_records=limit)
        if self.started_before is not None and self.started_before <= self.started_after:
            problem = (
                f"{iso(self.started_before)} is not after started_after, which is {iso(self.started_after)}"
            )
            raise InvalidInputError("started_before", problem, "Give a later time, or leave it out.")
        return RunsSucceeded(
            flow_id=self.flow_id,
            started_after=self.started_after,
            started_before=self.started_before,
            expected_runs=self.expected_runs,
            settle_seconds=self.settle_seconds,
            start_by=None if self.start_timeout is None else self.began + self.start_timeout,
            hourly_interval=None if self._has_interval else HOURLY_INTERVAL,
            max_failed_records=limit,
        )
