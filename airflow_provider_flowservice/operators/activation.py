"""Operators that activate segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import FLOWS, ActivationMode, RemovalLimits
from airflow_provider_flowservice.client.ensure import difference, is_planned, operations_json, reject_planned
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows import empty_flow
from airflow_provider_flowservice.operators.arguments import (
    choice,
    flag,
    items,
    list_of,
    mapping,
    optional,
    required,
    string,
    whole_number,
)
from airflow_provider_flowservice.operators.base import FlowServiceFlowOperator, push
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.activation import DesiredSelectors, SelectorPatch


class FlowServiceActivateSegmentsOperator(FlowServiceFlowOperator):
    """Activate segments and profile attributes on a flow, or deactivate them (``PATCH /flows/{id}``).

    Segments are called audiences in AEP's user interface. The operator reads the flow, sends one conditional patch
    for everything that has to change, however many segments that are, and reads the flow back. If nothing has to
    change, nothing is sent.

    :param flow_id: the flow.
    :param segments: segment ids, or mappings: ``id`` with ``name`` and ``description``; ``name`` alone, to have it
        looked up; ``id``, ``systemSegmentId`` and ``namespace`` for an external audience; and for file
        destinations ``exportMode``, ``schedule`` and ``filenameTemplate`` in AEP's words.
    :param profile_attributes: paths such as ``person.name.firstName``; None, the default, leaves attributes
        alone, in ``sync`` too.
    :param activation_mode: ``add`` adds what is missing, ``remove`` removes what is there, ``sync`` leaves exactly
        what is given. A segment whose schedule or file name differs is changed in place by ``add`` and ``sync``.
    :param profile_mapping: ``{"mappingId": ..., "mappingVersion": ...}`` of a file destination.
    :param mandatory_fields: fields without which a profile is not exported.
    :param primary_fields: fields that make an exported row unique, in AEP's words.
    :param max_removals: how many segments may be removed; by default half of what is active.
    :param allow_empty: whether ``sync`` may leave no segment, or no profile attribute.
    :param allow_in_backfill: whether ``sync`` may run in a backfill, where runs do not follow the order of dates.
    :param plan_only: only log and return what would be done.
    """

    segments = required(items)
    profile_attributes = optional(items)
    activation_mode = required(choice(ActivationMode))
    profile_mapping = optional(mapping)
    mandatory_fields = optional(list_of(string))
    primary_fields = optional(list_of(mapping))
    max_removals = optional(whole_number())
    allow_empty = required(flag)
    allow_in_backfill = required(flag)

    def __init__(
        self,
        *,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] | None = None,
        activation_mode: str = "add",
        profile_mapping: Mapping[str, Any] | None = None,
        mandatory_fields: Sequence[str] | None = None,
        primary_fields: Sequence[Mapping[str, Any]] | None = None,
        max_removals: int | str | None = None,
        allow_empty: bool | str = False,
        allow_in_backfill: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, Any]:
        """Bring the flow to what is given.

        :returns: ``flow_id``, ``added``, ``already_active``, ``changed``, ``removed``, ``not_active``,
            ``profile_attributes_added``, ``profile_attributes_removed``, ``etag``.
        """
        self._reject_backfill(context)
        desired = self._desired()
        result = self.hook.activate(self.flow_id, desired, self.activation_mode, self._limits())
        push(context, etag=result.etag)
        return {**self._report(result.patch), "etag": result.etag}

    def plan(self, context: Context) -> dict[str, Any]:
        """Compute the patch, log the flow's selectors before and after, and return it.

        :returns: as :meth:`change`, with ``operations`` instead of ``etag``.
        """
        self._reject_backfill(context)
        flow = empty_flow(self.flow_id) if is_planned(self.flow_id) else self.hook.get(FLOWS, self.flow_id)
        patch = self.hook.plan_activation(flow, self._desired(), self.activation_mode, self._limits())
        changes = difference(list(patch.before), list(patch.after)) or "nothing"
        self.log.info("Would change on flow %s:\n%s", self.flow_id, changes)
        return {**self._report(patch), "operations": operations_json(patch.operations)}

    def _desired(self) -> DesiredSelectors:
        if self.profile_mapping and not self.plan_only:
            reject_planned("profile_mapping['mappingId']", self.profile_mapping.get("mappingId"))
        settings = {
            "profileMapping": self.profile_mapping,
            "mandatoryFields": self.mandatory_fields,
            "primaryFields": self.primary_fields,
        }
        given = {name: value for name, value in settings.items() if value is not None}
        return self.hook.desired_selectors(self.segments, self.profile_attributes, given)

    def _limits(self) -> RemovalLimits | None:
        if self.activation_mode is ActivationMode.SYNC and not self.segments and not self.allow_empty:
            problem = "is empty, and sync would remove every segment"
            raise InvalidInputError("segments", problem, "If that is intended, set allow_empty=True.")
        is_named = self.activation_mode is ActivationMode.REMOVE
        if is_named and self.max_removals is None:
            return None  # Whoever names what to remove has said what it is.
        return RemovalLimits(self.max_removals, allow_empty=self.allow_empty or is_named)

    def _reject_backfill(self, context: Context) -> None:
        run_type = str(getattr(context.get("dag_run"), "run_type", ""))
        is_sync = self.activation_mode is ActivationMode.SYNC
        if is_sync and "backfill" in run_type.lower() and not self.allow_in_backfill:
            raise DriftError(
                "sync in a backfill would leave what the last run to finish was given, whichever date it is for."
                " Use activation_mode='add', or set allow_in_backfill=True."
            )

    def _report(self, patch: SelectorPatch) -> dict[str, Any]:
        report = {
            "added": patch.added,
            "already_active": patch.present,
            "changed": patch.changed,
            "removed": patch.removed,
            "not_active": patch.absent,
            "profile_attributes_added": patch.attributes_added,
            "profile_attributes_removed": patch.attributes_removed,
        }
        self.log.info("Flow %s: %s", self.flow_id, ", ".join(f"{len(v)} {k}" for k, v in report.items() if v))
        if patch.absent:
            self.log.info("Not active on flow %s: %s", self.flow_id, ", ".join(patch.absent))
        return {"flow_id": self.flow_id, **{name: list(values) for name, values in report.items()}}


class FlowServiceAdHocActivationOperator(RunStartingOperator):
    """Export segments of a file destination now (``POST /adhocrun``), outside of their schedule.

    AEP exports today's membership, whatever date a run of the DAG is for. At most 80 segments go into one call;
    more are split. A segment that is being exported already is attached to its run instead of failing.

    :param flow_id: flow to a file destination; templated.
    :param segments: ids of segments that are active on it; templated.
    :param wait_for_completion: wait until all runs have ended, and fail if one failed.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds to wait at most.
    :param deferrable: wait in the triggerer, without a worker slot; by default as ``[operators] default_deferrable``
        says.
    """

    segments = required(items)

    def __init__(self, *, segments: Sequence[str | Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, str]:
        """Start the exports, and wait for them.

        :returns: run id by segment id.
        """
        segments = [segment.uuid for segment in self.hook.find_segments(self.segments)]
        task_state = self._task_state(context)
        runs: dict[str, str] = dict((task_state.load() or {}).get("runs", {}))
        for started in self.hook.export_segments(self.flow_id, [s for s in segments if s not in runs]):
            runs[started.segment] = started.run_id
            task_state.save({"runs": runs})
        self.log.info(
            "Flow %s exports %d segments in %d runs", self.flow_id, len(runs), len(set(runs.values()))
        )
        if self.wait_for_completion:
            self.wait_for_runs(sorted(set(runs.values())), task_state, runs=runs)
        task_state.clear()
        return runs

    def execute_complete(
        self, context: Context, event: dict[str, Any], runs: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Take over from the trigger."""
        task_state = self._task_state(context)
        # Airflow's ``dag.test()`` passes the event alone.
        started: dict[str, str] = (task_state.load() or {}).get("runs", {}) if runs is None else runs
        self.wait_for_runs(sorted(set(started.values())), task_state, event=event)
        return started

    def plan(self, context: Context) -> dict[str, str]:
        """Say what would be exported."""
        segments = self.hook.find_segments(self.segments)
        self.log.info("Would export %d segments of flow %s", len(segments), self.flow_id)
        return {}

    def _task_state(self, context: Context) -> TaskState:
        asked = f"{self.flowservice_conn_id} {self.sandbox} adhoc {self.flow_id} {self.segments!r}"
        return TaskState(context, asked)
