"""Operators that activate segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.activation.segments import read_attributes, read_segments
from airflow_provider_flowservice.client.activation.selectors import (
    ActivationMode,
    DesiredSelectors,
    compute_patch,
)
from airflow_provider_flowservice.client.ensure.dry_run import (
    difference,
    empty_flow,
    is_planned,
    operations_json,
)
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, push
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.activation.activate import RemovalLimits
    from airflow_provider_flowservice.client.activation.selectors import SelectorPatch


class FlowServiceActivateSegmentsOperator(FlowServiceChangeOperator):
    """Activate segments and profile attributes on a flow, or take them off (``PATCH /flows/{id}``).

    Reads the flow, sends one guarded patch for what has to change, however many segments that are, and reads
    back. Nothing to change, nothing sent.

    :param flow_id: the flow; templated.
    :param segments: segment ids, or mappings: ``id`` with ``name`` and ``description``; ``name`` alone, to have it
        looked up; ``id``, ``systemSegmentId`` and ``namespace`` for an external audience; and for file
        destinations ``exportMode``, ``schedule`` and ``filenameTemplate`` in AEP's words; templated.
    :param profile_attributes: paths such as ``person.name.firstName``; None, as by default, leaves attributes
        alone, in ``sync`` too; templated.
    :param mode: ``add`` adds what is missing, ``remove`` takes off what is there, ``sync`` leaves exactly what is
        given. A segment whose schedule or file name differs is changed in place by ``add`` and ``sync``.
    :param profile_mapping: ``{"mappingId": ..., "mappingVersion": ...}`` of a file destination; templated.
    :param mandatory_fields: fields without which a profile is not exported; templated.
    :param primary_fields: fields that make an exported row unique, in AEP's words; templated.
    :param max_removals: segments that may be removed; by default half of what is active.
    :param allow_empty: whether ``sync`` may leave no segment, or no profile attribute.
    :param allow_in_backfill: whether ``sync`` may run in a backfill, where the runs' order is not the dates'.
    :param plan_only: only log and return what would be done; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceChangeOperator.template_fields,
        "flow_id",
        "segments",
        "profile_attributes",
        "profile_mapping",
        "mandatory_fields",
        "primary_fields",
    )

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] | None = None,
        mode: str = "add",
        profile_mapping: Mapping[str, Any] | None = None,
        mandatory_fields: Sequence[str] | None = None,
        primary_fields: Sequence[Mapping[str, Any]] | None = None,
        max_removals: int | None = None,
        allow_empty: bool = False,
        allow_in_backfill: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in {known.value for known in ActivationMode}:
            known = ", ".join(known.value for known in ActivationMode)
            raise InvalidInputError("mode", f"{mode!r} is not known", f"Known are {known}.")
        self.flow_id = flow_id
        self.segments = segments
        self.profile_attributes = profile_attributes
        self.mode = mode
        self.profile_mapping = profile_mapping
        self.mandatory_fields = mandatory_fields
        self.primary_fields = primary_fields
        self.max_removals = max_removals
        self.allow_empty = allow_empty
        self.allow_in_backfill = allow_in_backfill

    def change(self, context: Context) -> dict[str, Any]:
        """Bring the flow to what is given.

        :returns: ``flow_id``, ``added``, ``already_active``, ``changed``, ``removed``, ``not_active``,
            ``profile_attributes_added``, ``profile_attributes_removed``, ``etag``.
        """
        from airflow_provider_flowservice.client.activation.activate import activate

        flow_id = self.existing_id("flow_id", self.flow_id)
        self._refuse_backfill(context)
        wanted, mode = self._wanted(), ActivationMode(self.mode)
        activation = activate(self.hook, flow_id, wanted, mode, self._brakes(wanted))
        push(context, etag=activation.etag)
        return {**self._report(flow_id, activation.plan), "etag": activation.etag}

    def plan(self, context: Context) -> dict[str, Any]:
        """Compute the patch, log the flow's selectors before and after, and return it.

        :returns: as :meth:`change`, with ``operations`` instead of ``etag``.
        """
        flow_id = self.existing_id("flow_id", self.flow_id)
        self._refuse_backfill(context)
        planned = is_planned(flow_id)
        flow = empty_flow(flow_id) if planned else self.hook.get(request.FLOWS, flow_id)
        wanted = self._wanted()
        computed = compute_patch(flow, wanted, ActivationMode(self.mode))
        if (brakes := self._brakes(wanted)) is not None:
            brakes.check(flow, computed)
        changes = difference(list(computed.before), list(computed.after)) or "nothing"
        self.log.info("Would change on flow %s:\n%s", flow_id, changes)
        return {**self._report(flow_id, computed), "operations": operations_json(computed.operations)}

    def _wanted(self) -> DesiredSelectors:
        from airflow_provider_flowservice.client.activation.activate import resolve

        attributes = self.profile_attributes
        mapping = (self.profile_mapping or {}).get("mappingId")
        if mapping is not None:
            self.existing_id("profile_mapping['mappingId']", mapping)
        settings = {
            "profileMapping": self.profile_mapping,
            "mandatoryFields": None if self.mandatory_fields is None else list(self.mandatory_fields),
            "primaryFields": None if self.primary_fields is None else list(self.primary_fields),
        }
        return DesiredSelectors(
            segments=resolve(self.hook, read_segments(self.segments)),
            attributes=None if attributes is None else read_attributes(attributes),
            settings={name: value for name, value in settings.items() if value is not None},
        )

    def _brakes(self, wanted: DesiredSelectors) -> RemovalLimits | None:
        from airflow_provider_flowservice.client.activation.activate import RemovalLimits

        if self.mode == ActivationMode.SYNC.value and not wanted.segments and not self.allow_empty:
            raise InvalidInputError(
                "segments",
                "is empty, and sync would take off every segment",
                "If meant, say allow_empty=True.",
            )
        named = self.mode == ActivationMode.REMOVE.value
        if named and self.max_removals is None:
            return None  # Whoever names what to remove has said what it is.
        return RemovalLimits(self.max_removals, allow_empty=self.allow_empty or named)

    def _refuse_backfill(self, context: Context) -> None:
        run_type = str(getattr(context.get("dag_run"), "run_type", ""))
        if (
            self.mode == ActivationMode.SYNC.value
            and "backfill" in run_type.lower()
            and not self.allow_in_backfill
        ):
            raise DriftError(
                "sync in a backfill would leave what the last run to finish was given, whichever date it is for."
                " Use mode='add', or say allow_in_backfill=True."
            )

    def _report(self, flow_id: str, computed: SelectorPatch) -> dict[str, Any]:
        report = {
            "added": computed.added,
            "already_active": computed.present,
            "changed": computed.changed,
            "removed": computed.removed,
            "not_active": computed.absent,
            "profile_attributes_added": computed.attributes_added,
            "profile_attributes_removed": computed.attributes_removed,
        }
        self.log.info("Flow %s: %s", flow_id, ", ".join(f"{len(v)} {k}" for k, v in report.items() if v))
        if computed.absent:
            self.log.info("Not active on flow %s anyway: %s", flow_id, ", ".join(computed.absent))
        return {"flow_id": flow_id, **{name: list(values) for name, values in report.items()}}


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

    template_fields: Sequence[str] = (*RunStartingOperator.template_fields, "segments")

    def __init__(self, *, segments: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segments = segments

    def change(self, context: Context) -> dict[str, str]:
        """Start the exports, and wait for them.

        :returns: run id by segment id.
        """
        from airflow_provider_flowservice.client.flows.runs import activate_adhoc

        flow_id = self.flow()
        segments = self._segment_ids()
        task_state = self._task_state(context)
        runs: dict[str, str] = dict((task_state.load() or {}).get("runs", {}))
        for started in activate_adhoc(self.hook, flow_id, [s for s in segments if s not in runs]):
            runs[started.segment] = started.run_id
            task_state.save({"runs": runs})
        self.log.info("Flow %s exports %d segments in %d runs", flow_id, len(runs), len(set(runs.values())))
        if self.wait_for_completion:
            self.wait_for_runs(sorted(set(runs.values())), task_state, runs=runs)
        task_state.clear()
        return runs

    def execute_complete(
        self, context: Context, event: dict[str, Any], runs: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Take over from the trigger."""
        task_state = self._task_state(context)
        # Airflow's ``dag.test()`` hands over the event alone.
        started: dict[str, str] = (task_state.load() or {}).get("runs", {}) if runs is None else runs
        self.wait_for_runs(sorted(set(started.values())), task_state, event=event)
        return started

    def plan(self, context: Context) -> dict[str, str]:
        """Say what would be exported."""
        self.log.info("Would export %d segments of flow %s", len(self._segment_ids()), self.flow_id)
        return {}

    def _task_state(self, context: Context) -> TaskState:
        asked = f"{self.flowservice_conn_id} {self.sandbox} adhoc {self.flow_id} {self.segments!r}"
        return TaskState(context, asked)

    def _segment_ids(self) -> list[str]:
        from airflow_provider_flowservice.client.activation.activate import resolve

        return [segment.uuid for segment in resolve(self.hook, read_segments(self.segments))]
