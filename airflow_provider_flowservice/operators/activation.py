"""Operators for the activation of segments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import ActivationMode, RemovalLimits
from airflow_provider_flowservice.client.ensure import difference, operations_json, reject_planned
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import field_settings
from airflow_provider_flowservice.client.text import plain_text, titled
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import (
    FlowServiceFlowOperator,
    flow_title,
    push,
    reject_backfill,
)
from airflow_provider_flowservice.operators.kinds import (
    choice,
    flag,
    items,
    limit_or_none,
    list_of,
    mapping,
    string,
    whole_number,
)
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.activation import DesiredSelectors, SelectorPatch
    from airflow_provider_flowservice.openlineage import Lineage

#: Number of segments and attributes that the log names. AEP supports about as many on a flow.
_MAX_LINES = 300


class FlowServiceActivateSegmentsOperator(FlowServiceFlowOperator):
    """Activate segments and profile attributes on a flow, or deactivate them (``PATCH /flows/{id}``).

    Segments are called audiences in AEP's user interface. The operator reads the flow, sends all changes in one
    conditional patch, and reads the flow back. If there is nothing to change, no patch is sent.

    :param flow_id: id of the flow.
    :param segments: segment ids, or mappings with ``id`` and optionally ``name`` and ``description``; with ``name``
        alone, which is looked up; or, for an external audience, with ``id``, ``systemSegmentId`` and ``namespace``. For
        file destinations, also with ``exportMode``, ``schedule`` and ``filenameTemplate``, as in AEP's API.
    :param profile_attributes: paths such as ``person.name.firstName``. None (default) leaves attributes unchanged, also
        with ``sync``.
    :param activation_mode: ``add`` adds the given segments and attributes, ``remove`` removes them, and ``sync`` adds
        them and removes all others. ``add`` and ``sync`` also change the schedule or file name of a segment if it
        differs.
    :param profile_mapping: ``{"mappingId": ..., "mappingVersion": ...}``: the mapping set with the attributes of a file
        destination, made with ``FlowServiceCreateMappingSetOperator(columns=...)``.
    :param mandatory_fields: columns or identity namespaces that a profile must have to be exported to a file.
    :param primary_fields: fields that identify an exported row, as mappings in the format of AEP's API.
    :param max_removals: maximum number of segments to remove. Default: half of the active segments.
    :param allow_empty: whether ``sync`` may remove the last segment or the last profile attribute.
    :param allow_in_backfill: whether ``sync`` is allowed in a backfill, where runs can finish in any order.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Activate segments"
    _is_destination = True
    segments = required(items)
    profile_attributes = optional(items)
    activation_mode = required(choice(ActivationMode))
    profile_mapping = optional(mapping)
    mandatory_fields = optional(list_of(string))
    primary_fields = optional(list_of(mapping))
    max_removals = optional(whole_number())
    allow_empty = required(flag)
    allow_in_backfill = required(flag)
    _active: Sequence[str] = ()

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] | None = None,
        activation_mode: str = "add",
        profile_mapping: Mapping[str, Any] | None = None,
        mandatory_fields: Sequence[str] | None = None,
        primary_fields: Sequence[Mapping[str, Any]] | None = None,
        max_removals: int | str | None = None,
        allow_empty: bool | str = False,
        allow_in_backfill: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, Any]:
        """Bring the flow to the desired state.

        :returns: ``flow_id``, ``added``, ``already_active``, ``changed``, ``removed``, ``not_active``,
            ``profile_attributes_added``, ``profile_attributes_removed``, ``settings_changed`` (such as
            ``mandatoryFields``), ``etag``.
        """
        self._reject_backfill(context)
        desired = self._desired()
        result = self.hook.activate(self.flow_id, desired, self.activation_mode, self._limits())
        push(context, etag=result.etag)
        self._log(titled("Flow", result.flow_name, self.flow_id), result.patch)
        return {**self._report(result.patch), "etag": result.etag}

    def plan(self, context: Context) -> dict[str, Any]:
        """Compute the patch, log the changes of the flow's selectors, and return both.

        :returns: as for :meth:`change`, with the JSON Patch as ``operations`` instead of ``etag``.
        """
        self._reject_backfill(context)
        flow = self.planned_flow()
        patch = self.hook.plan_activation(flow, self._desired(), self.activation_mode, self._limits())
        if changes := difference(list(patch.before), list(patch.after)):
            self.log.info("%s would be changed:\n%s", flow_title(flow), changes)
        self._log(flow_title(flow), patch, "would be ")
        return {**self._report(patch), "operations": operations_json(patch.operations)}

    def _desired(self) -> DesiredSelectors:
        if self.profile_mapping and not self.plan_only:
            reject_planned("profile_mapping['mappingId']", self.profile_mapping.get("mappingId"))
        given = field_settings(self.profile_mapping, self.mandatory_fields, self.primary_fields)
        desired = self.hook.desired_selectors(self.segments, self.profile_attributes, given)
        if self.activation_mode is not ActivationMode.REMOVE:
            self._active = [segment.uuid for segment in desired.segments]
        return desired

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the segments that are to be active, the flow, and its target connections."""
        lineage.read_segments(self._active)
        self.add_flow(lineage)

    def _limits(self) -> RemovalLimits | None:
        if self.activation_mode is ActivationMode.SYNC and not self.segments and not self.allow_empty:
            problem = "is empty, and sync would remove every segment"
            raise InvalidInputError("segments", problem, "If that is intended, set allow_empty=True.")
        is_named = self.activation_mode is ActivationMode.REMOVE
        if is_named and self.max_removals is None:
            return None  # Segments to remove are given explicitly, so they need no limit.
        return RemovalLimits(self.max_removals, allow_empty=self.allow_empty or is_named)

    def _reject_backfill(self, context: Context) -> None:
        if self.activation_mode is ActivationMode.SYNC and not self.allow_in_backfill:
            reject_backfill(
                context,
                "activation_mode 'sync' in a backfill would keep only the segments of whichever run finishes last.",
                "Use activation_mode='add'",
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
            "settings_changed": patch.settings_changed,
        }
        return {"flow_id": self.flow_id, **{name: list(values) for name, values in report.items()}}

    def _log(self, flow: str, patch: SelectorPatch, would_be: str = "") -> None:
        """Log what becomes of each segment and attribute, one on a line.

        :param flow: name and id of the flow.
        :param would_be: precedes what is done, in a dry run.
        """
        lines = [
            *(f"{patch.title(each)}: {would_be}activated" for each in patch.added),
            *(f"{patch.title(each)}: {would_be}changed" for each in patch.changed),
            *(f"{patch.title(each)}: {would_be}removed" for each in patch.removed),
            *(f"{patch.title(each)}: active already" for each in patch.present),
            *(f"{patch.title(each)}: not active, so there is nothing to remove" for each in patch.absent),
            *(f"profile attribute {each}: {would_be}added" for each in patch.attributes_added),
            *(f"profile attribute {each}: {would_be}removed" for each in patch.attributes_removed),
            *(f"{each}: {would_be}set" for each in patch.settings_changed),
        ]
        nothing = "" if patch.operations else " nothing to change"
        shown = "".join(f"\n  {plain_text(line)}" for line in lines[:_MAX_LINES])
        more = f"\n  and {len(lines) - _MAX_LINES} more" if len(lines) > _MAX_LINES else ""
        self.log.info("%s:%s%s%s", flow, nothing, shown, more)


class FlowServiceAdHocActivationOperator(RunStartingOperator):
    """Export segments of a file destination now (``POST /adhocrun``), independently of their schedule.

    AEP exports the current members of a segment, regardless of the logical date of the DAG run. Each request contains
    at most 80 segments. If a segment is already being exported, the operator uses the existing run.

    The XCom ``metrics`` has the records of all runs together: ``flow_id``, the number of ``runs``, at most 100
    ``run_ids``, ``records_read``, ``records_written``, ``records_failed`` and ``records_skipped``. It is pushed before
    the task fails because of them. If the task succeeds, the events of its outlets have the same values in ``extra``:
    those of the flow's asset (see :func:`~airflow_provider_flowservice.assets.flow_asset`) and of each ``AssetAlias``.
    A count is None if AEP has not counted the records of one run, or if the runs are not waited for.

    :param flow_id: id of a flow to a file destination.
    :param segments: segments that are active on the flow: segment ids, or mappings as for
        ``FlowServiceActivateSegmentsOperator``, whose export settings have no effect here.
    :param wait_for_completion: whether to wait until all runs have ended, and fail if one of them failed or too many of
        its records did.
    :param max_failed_records: how many records of a run may fail: a whole number; a ratio such as 0.01, of the records
        read; or None for any number (in a template or a mapped task, ``"any"``, because None is rejected there). A
        partial success of which AEP does not say how many records failed is only accepted with None.
    :param poll_interval: seconds between two polls.
    :param wait_timeout: maximum time to wait, in seconds.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Export segments"
    _is_destination = True
    segments = required(items)
    _exported: Collection[str] = ()

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]],
        wait_for_completion: bool | str = True,
        max_failed_records: float | str | None = 0,
        poll_interval: float | str | timedelta = 60,
        wait_timeout: float | str | timedelta = 6 * 3600,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, str]:
        """Start the exports and, with ``wait_for_completion``, wait for them.

        :returns: the run ids by segment id.
        """
        given = self.hook.find_segments(self.segments)
        self._exported = segments = [segment.uuid for segment in given]
        task_state = self._task_state(context, segments)
        runs = self.hook.export_segments(
            self.flow_id, segments, task_state, limit_or_none(self.max_failed_records)
        )
        run_ids = sorted(set(runs.values()))
        exports = "".join(f"\n  {each.title}: run {runs[each.uuid]}" for each in given[:_MAX_LINES])
        self.log.info(
            "Flow %s exports %d segments in %d runs:%s", self.flow_id, len(runs), len(run_ids), exports
        )
        if self.wait_for_completion:
            self.wait_for_runs(context, run_ids, task_state, runs=runs)
        else:
            self.report_started(context, run_ids)
        task_state.clear()
        return runs

    def execute_complete(
        self, context: Context, event: dict[str, Any], runs: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Process the event of the trigger."""
        segments = runs or [segment.uuid for segment in self.hook.find_segments(self.segments)]
        self._exported = segments
        task_state = self._task_state(context, segments)
        # Airflow's ``dag.test()`` passes only the event.
        started: dict[str, str] = (task_state.load() or {}).get("runs", {}) if runs is None else runs
        self.wait_for_runs(context, sorted(set(started.values())), task_state, event=event)
        return started

    def plan(self, context: Context) -> dict[str, str]:
        """Log what would be exported."""
        segments = self.hook.find_segments(self.segments)
        exports = "".join(f"\n  {each.title}" for each in segments[:_MAX_LINES])
        self.log.info("Flow %s: %d segments would be exported:%s", self.flow_id, len(segments), exports)
        return {}

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the segments, and the flow with the number of records written."""
        lineage.read_segments(self._exported)
        self.add_flow(lineage, self._totals.get("records_written"))

    def _task_state(self, context: Context, segments: Iterable[str]) -> TaskState:
        return self.task_state(context, f"adhoc {self.flow_id} {sorted(segments)!r}")
