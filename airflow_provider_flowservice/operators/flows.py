"""Operators for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.activation.schedules import check_dataset_schedule
from airflow_provider_flowservice.client.ensure.dry_run import (
    empty_flow,
    is_planned,
    operations_json,
    planned_id,
)
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.links import CONSOLE_URL_KEY, FlowServiceLink, flow_url
from airflow_provider_flowservice.operators.base import (
    FlowServiceFlowOperator,
    id_list,
    optional_mapping,
    optional_mappings,
    push,
    required_text,
)
from airflow_provider_flowservice.operators.create import FlowServiceCreateResourceOperator
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure.create import EnsureResult
    from airflow_provider_flowservice.client.flows.resources import DesiredFlow
    from airflow_provider_flowservice.client.flows.runs import Window


class FlowServiceCreateFlowOperator(FlowServiceCreateResourceOperator):
    """Create a flow from source connections to target connections (``POST /flows``).

    :param flow_spec: name as AEP shows it, or id; templated.
    :param source_connection_ids: ids of the source connections; templated.
    :param target_connection_ids: ids of the target connections; templated.
    :param transformations: as AEP takes them; templated. None sends what the flow spec needs: for profile
        destinations the empty selectors without which no activation can follow.
    :param schedule_params: when a batch flow runs; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceCreateResourceOperator.template_fields,
        "flow_spec",
        "source_connection_ids",
        "target_connection_ids",
        "transformations",
        "schedule_params",
    )
    operator_extra_links = (FlowServiceLink(),)

    def __init__(
        self,
        *,
        flow_spec: str,
        source_connection_ids: Sequence[str],
        target_connection_ids: Sequence[str],
        transformations: Sequence[Mapping[str, Any]] | None = None,
        schedule_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_spec = flow_spec
        self.source_connection_ids = source_connection_ids
        self.target_connection_ids = target_connection_ids
        self.transformations = transformations
        self.schedule_params = schedule_params

    def desired(self) -> DesiredFlow:
        """The flow."""
        from airflow_provider_flowservice.client.flows.resources import DesiredFlow

        sources = id_list("source_connection_ids", self.source_connection_ids)
        targets = id_list("target_connection_ids", self.target_connection_ids)
        schedule = optional_mapping("schedule_params", self.schedule_params)
        spec_id = self._spec_id()
        if spec_id in specs.DATASET_EXPORT_FLOWS or (schedule and "timeUnit" in schedule):
            check_dataset_schedule(schedule or {})
        return DesiredFlow(
            name=self.name,
            spec_id=spec_id,
            draft=self.draft,
            description=self.description,
            source_connection_ids=sources,
            target_connection_ids=targets,
            transformations=optional_mappings("transformations", self.transformations),
            schedule_params=schedule,
        )

    def _spec_id(self) -> str:
        wanted = required_text("flow_spec", self.flow_spec)
        if not self.draft:
            return self.hook.flow_spec_id(wanted)
        spec = self.hook.find_flow_spec(wanted)
        self.check_draft(spec)
        return spec.id

    def extra_xcoms(self, desired: DesiredFlow, ensured: EnsureResult[Any]) -> dict[str, Any]:
        """Where AEP's user interface shows the flow."""
        return {CONSOLE_URL_KEY: flow_url(self.hook.settings.sandbox, ensured.id, desired.spec_id)}


class FlowServiceSetFlowStateOperator(FlowServiceFlowOperator):
    """Enable or disable a flow (``POST /flows/{id}/action``). One that is so already is a success.

    :param flow_id: the flow; templated.
    :param state: ``enabled`` or ``disabled``; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceFlowOperator.template_fields, "state")

    def __init__(self, *, state: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state = state

    def change(self, context: Context) -> str:
        """Bring the flow to the state.

        :returns: the state.
        """
        from airflow_provider_flowservice.client.flows.lifecycle import set_state

        flow = set_state(self.hook, self.flow(), self._state())
        push(context, etag=flow.etag)
        return str(flow.state)

    def plan(self, context: Context) -> str:
        """Say what would change."""
        flow_id, state = self.flow(), self._state()
        now = "planned" if is_planned(flow_id) else self.hook.get(request.FLOWS, flow_id).state
        self.log.info("Flow %s is %s, would be %s", flow_id, now, state)
        return state

    def _state(self) -> str:
        if self.state not in ("enabled", "disabled"):
            raise InvalidInputError("state", f"{self.state!r} is not known", "Say enabled or disabled.")
        return self.state


class FlowServiceUpdateFlowOperator(FlowServiceFlowOperator):
    """Give a flow another name or description (``PATCH /flows/{id}``).

    :param flow_id: the flow; templated.
    :param new_name: its name from now on; templated. None leaves it.
    :param new_description: its description from now on; templated. None leaves it.
    """

    template_fields: Sequence[str] = (*FlowServiceFlowOperator.template_fields, "new_name", "new_description")

    def __init__(
        self, *, new_name: str | None = None, new_description: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.new_name = new_name
        self.new_description = new_description

    def change(self, context: Context) -> str:
        """Rename and describe.

        :returns: the flow's id.
        """
        from airflow_provider_flowservice.client.flows.lifecycle import rename

        flow = rename(self.hook, self.flow(), self.new_name, self.new_description)
        push(context, etag=flow.etag)
        return flow.id

    def plan(self, context: Context) -> list[dict[str, Any]]:
        """Say what would change, and return the patch."""
        from airflow_provider_flowservice.client.flows.lifecycle import describe_flow_changes

        flow_id = self.flow()
        flow = empty_flow(flow_id) if is_planned(flow_id) else self.hook.get(request.FLOWS, flow_id)
        operations = describe_flow_changes(flow, self.new_name, self.new_description)
        self.log.info("Would change on flow %s: %s", flow_id, operations_json(operations) or "nothing")
        return operations_json(operations)


class FlowServicePublishFlowOperator(FlowServiceFlowOperator):
    """Publish a draft flow with its connections, in AEP's order (``POST /{kind}/{id}/action?op=publish``).

    Base connections go first, then source and target connections, then the flow. What is published already is left
    as it is.

    :param flow_id: the flow; templated.
    """

    def change(self, context: Context) -> str:
        """Publish.

        :returns: the flow's id.
        """
        from airflow_provider_flowservice.client.flows.lifecycle import flow_resources, publish

        flow_id = self.flow()
        resources = flow_resources(self.hook, flow_id)
        for kind, resource_id in reversed(list(resources.in_order) if resources else []):
            publish(self.hook, kind, resource_id)
        publish(self.hook, request.FLOWS, flow_id)
        return flow_id

    def plan(self, context: Context) -> str:
        """Say that it would be published."""
        self.log.info("Would publish flow %s and its connections", self.flow())
        return self.flow()


class FlowServiceDeleteFlowOperator(FlowServiceFlowOperator):
    """Delete a flow (``DELETE /flows/{id}``), with its connections if wanted. One that is gone is a success.

    :param flow_id: the flow; templated. Ids only: a name may be another's.
    :param with_connections: take down target, source and base connections too, in this order. One that something
        else uses is left alone; AEP is asked right before.
    """

    def __init__(self, *, with_connections: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.with_connections = with_connections

    def change(self, context: Context) -> dict[str, list[str]]:
        """Delete.

        :returns: ids by what became of them: ``deleted``, ``left``.
        """
        from airflow_provider_flowservice.client.flows import lifecycle

        flow_id = self.flow()
        task_state = TaskState(context, f"{self.flowservice_conn_id} {self.sandbox} delete {flow_id}")
        note = task_state.load()
        resources = (
            lifecycle.FlowResources.from_json(note) if note else lifecycle.flow_resources(self.hook, flow_id)
        )
        if resources is None:
            self.log.info("Flow %s is gone already, and with it what it was made of", flow_id)
            return {"deleted": [], "left": []}
        # Once the flow is gone, AEP does not say any more what it was made of.
        task_state.save(resources.to_json())
        lifecycle.delete(self.hook, request.FLOWS, flow_id)
        deleted: list[str] = [flow_id]
        left: list[str] = []
        for kind, resource_id in resources.in_order if self.with_connections else ():
            gone = lifecycle.delete_unshared(self.hook, kind, resource_id)
            (deleted if gone else left).append(resource_id)
        task_state.clear()
        return {"deleted": deleted, "left": left}

    def plan(self, context: Context) -> dict[str, list[str]]:
        """Say what would go."""
        from airflow_provider_flowservice.client.flows.lifecycle import flow_resources

        flow_id = self.flow()
        resources = None if is_planned(flow_id) else flow_resources(self.hook, flow_id)
        going = (
            [resource_id for _, resource_id in resources.in_order]
            if resources and self.with_connections
            else []
        )
        going = [flow_id, *going] if resources else []
        self.log.info("Would delete, what is not shared of: %s", ", ".join(going) or "nothing")
        return {"deleted": going, "left": []}


class FlowServiceRunFlowOperator(RunStartingOperator):
    """Run a source flow that is scheduled ``once`` over a window (``POST /runs``), and wait for the run.

    :param flow_id: the flow; templated.
    :param window_start: epoch seconds, or a text of them; templated.
    :param window_end: epoch seconds, or a text of them; templated.
    :param delta_column: column that tells what is new, where the source needs one.
    :param wait_for_completion: wait until the run has ended, and fail if it failed.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds to wait at most.
    :param deferrable: wait in the triggerer, without a worker slot; by default as ``[operators] default_deferrable``
        says.
    """

    template_fields: Sequence[str] = (*RunStartingOperator.template_fields, "window_start", "window_end")

    def __init__(
        self,
        *,
        window_start: int | str,
        window_end: int | str,
        delta_column: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.window_start = window_start
        self.window_end = window_end
        self.delta_column = delta_column

    def change(self, context: Context) -> str:
        """Start the run, and wait for it.

        :returns: the run's id.
        """
        from airflow_provider_flowservice.client.flows import runs

        flow_id, window = self.flow(), self._window()
        runs.check_can_run(self.hook.get(request.FLOWS, flow_id))
        task_state = self._task_state(context, flow_id)
        note = task_state.load() or {}
        run_id: str | None = note.get("run")
        if run_id is None and "known" in note:
            run_id = runs.find_started(self.hook, flow_id, window, frozenset(note["known"]))
        if run_id is None:
            known = sorted(run.id for run in runs.runs_of(self.hook, flow_id))
            task_state.save({"known": known})
            run_id = runs.start_run(self.hook, flow_id, window, frozenset(known))
        task_state.save({"run": run_id})
        push(context, run_id=run_id)
        if self.wait_for_completion:
            self.wait_for_runs([run_id], task_state, run_id=run_id)
        task_state.clear()
        return run_id

    def execute_complete(self, context: Context, event: dict[str, Any], run_id: str | None = None) -> str:
        """Take over from the trigger."""
        # Airflow's ``dag.test()`` hands over the event alone.
        ended = run_id or next(iter(event.get("detail") or {}), "")
        self.wait_for_runs([ended], self._task_state(context, self.flow_id), event=event)
        return ended

    def plan(self, context: Context) -> str:
        """Say what would run."""
        flow_id, window = self.flow(), self._window()
        self.log.info("Would run flow %s over %s", flow_id, window)
        return planned_id("flow run", flow_id)

    def _task_state(self, context: Context, flow_id: str) -> TaskState:
        asked = f"{self.flowservice_conn_id} {self.sandbox} run {flow_id} {self._window()!r}"
        return TaskState(context, asked)

    def _window(self) -> Window:
        from airflow_provider_flowservice.client.flows.runs import Window

        start = _epoch("window_start", self.window_start)
        end = _epoch("window_end", self.window_end)
        if end <= start:
            raise InvalidInputError("window_end", f"{end} is not after window_start", "Give a later time.")
        return Window(start, end, self.delta_column)


def _epoch(field: str, value: int | str) -> int:
    text = str(value).strip()
    if not text.isdecimal() or len(text) != 10:
        raise InvalidInputError(field, f"{value!r} is no time", "Give seconds since 1970-01-01 UTC.")
    return int(text)
