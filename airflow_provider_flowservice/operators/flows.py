"""Operators for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import FLOWS, DesiredFlow, FlowState, Window, specs
from airflow_provider_flowservice.client.activation import check_dataset_schedule
from airflow_provider_flowservice.client.ensure import is_planned, operations_json, planned_id
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import FlowResources, describe_flow_changes, empty_flow
from airflow_provider_flowservice.links import CONSOLE_URL_KEY, FlowServiceLink, flow_url
from airflow_provider_flowservice.operators.arguments import (
    choice,
    epoch_seconds,
    flag,
    list_of,
    mapping,
    optional,
    required,
    resource_ids,
    string,
    text,
)
from airflow_provider_flowservice.operators.base import FlowServiceFlowOperator, push
from airflow_provider_flowservice.operators.create import FlowServiceCreateResourceOperator
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure import EnsureResult


class FlowServiceCreateFlowOperator(FlowServiceCreateResourceOperator):
    """Create a flow from source connections to target connections (``POST /flows``).

    :param flow_spec: name as AEP shows it, or id.
    :param source_connection_ids: ids of the source connections.
    :param target_connection_ids: ids of the target connections.
    :param transformations: as AEP takes them. None sends what the flow spec needs: for profile
        destinations the empty selectors without which nothing can be activated.
    :param schedule_params: when a batch flow runs.
    """

    flow_spec = required(string)
    source_connection_ids = required(resource_ids())
    target_connection_ids = required(resource_ids())
    transformations = optional(list_of(mapping))
    schedule_params = optional(mapping)
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
        self.set_arguments(locals())

    def desired(self) -> DesiredFlow:
        """The flow."""
        spec_id, schedule = self.spec_id(self.flow_spec, self.hook.find_flow_spec), self.schedule_params
        if spec_id in specs.DATASET_EXPORT_FLOWS or (schedule and "timeUnit" in schedule):
            check_dataset_schedule(schedule or {})
        return DesiredFlow(
            name=self.name,
            spec_id=spec_id,
            draft=self.draft,
            description=self.description,
            source_connection_ids=self.source_connection_ids,
            target_connection_ids=self.target_connection_ids,
            transformations=self.transformations,
            schedule_params=schedule,
        )

    def extra_xcoms(self, desired: DesiredFlow, result: EnsureResult[Any]) -> dict[str, Any]:
        """The URL at which AEP's user interface shows the flow."""
        return {CONSOLE_URL_KEY: flow_url(self.hook.settings.sandbox, result.id, desired.spec_id)}


class FlowServiceSetFlowStateOperator(FlowServiceFlowOperator):
    """Enable or disable a flow (``POST /flows/{id}/action``). One that has the state already is a success.

    :param state: ``enabled`` or ``disabled``.
    """

    state = required(choice((FlowState.ENABLED, FlowState.DISABLED)))

    def __init__(self, *, state: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Bring the flow to the state.

        :returns: the state.
        """
        flow = self.hook.set_flow_state(self.flow_id, self.state)
        push(context, etag=flow.etag)
        return self.state.value

    def plan(self, context: Context) -> str:
        """Say what would change."""
        now = "planned" if is_planned(self.flow_id) else self.hook.get(FLOWS, self.flow_id).state
        self.log.info("Flow %s is %s, would be %s", self.flow_id, now, self.state.value)
        return self.state.value


class FlowServiceUpdateFlowOperator(FlowServiceFlowOperator):
    """Change the name or description of a flow (``PATCH /flows/{id}``).

    :param new_name: its name from now on. None leaves it.
    :param new_description: its description from now on. None leaves it.
    """

    new_name = optional(string)
    new_description = optional(text)

    def __init__(
        self, *, new_name: str | None = None, new_description: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Rename and describe.

        :returns: the flow's id.
        """
        flow = self.hook.update_flow(self.flow_id, name=self.new_name, description=self.new_description)
        push(context, etag=flow.etag)
        return flow.id

    def plan(self, context: Context) -> list[dict[str, Any]]:
        """Say what would change, and return the patch."""
        flow = empty_flow(self.flow_id) if is_planned(self.flow_id) else self.hook.get(FLOWS, self.flow_id)
        operations = operations_json(describe_flow_changes(flow, self.new_name, self.new_description))
        self.log.info("Would change on flow %s: %s", self.flow_id, operations or "nothing")
        return operations


class FlowServicePublishFlowOperator(FlowServiceFlowOperator):
    """Publish a draft flow with its connections, in AEP's order (``POST /{kind}/{id}/action?op=publish``).

    Base connections go first, then source and target connections, then the flow. What is published already is left
    as it is.
    """

    def change(self, context: Context) -> str:
        """Publish.

        :returns: the flow's id.
        """
        self.hook.publish_flow(self.flow_id)
        return self.flow_id

    def plan(self, context: Context) -> str:
        """Say that it would be published."""
        self.log.info("Would publish flow %s and its connections", self.flow_id)
        return self.flow_id


class FlowServiceDeleteFlowOperator(FlowServiceFlowOperator):
    """Delete a flow (``DELETE /flows/{id}``), with its connections if wanted. One that is gone is a success.

    :param flow_id: the flow. Ids only: a name may be another's.
    :param with_connections: delete target, source and base connections too, in this order. One that something
        else uses is left alone; AEP is asked right before.
    """

    with_connections = required(flag)

    def __init__(self, *, with_connections: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, list[str]]:
        """Delete.

        :returns: ids by what became of them: ``deleted``, ``left``.
        """
        flow_id = self.flow_id
        task_state = TaskState(context, f"{self.flowservice_conn_id} {self.sandbox} delete {flow_id}")
        saved = task_state.load()
        resources = FlowResources.from_json(saved) if saved else self.hook.flow_resources(flow_id)
        if resources is None:
            self.log.info("Flow %s is gone already, and with it the ids of its connections", flow_id)
            return {"deleted": [], "left": []}
        # Once the flow is gone, AEP no longer says which connections it had.
        task_state.save(resources.to_json())
        result = self.hook.delete_flow(resources, with_connections=self.with_connections)
        task_state.clear()
        return {"deleted": list(result.deleted), "left": list(result.left)}

    def plan(self, context: Context) -> dict[str, list[str]]:
        """Say what would be deleted."""
        resources = None if is_planned(self.flow_id) else self.hook.flow_resources(self.flow_id)
        going = [self.flow_id] if resources else []
        if resources and self.with_connections:
            going += [resource_id for _, resource_id in resources.in_order]
        self.log.info("Would delete, unless they are shared: %s", ", ".join(going) or "nothing")
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

    window_start = required(epoch_seconds)
    window_end = required(epoch_seconds)
    delta_column = optional(string)

    def __init__(
        self,
        *,
        window_start: int | str,
        window_end: int | str,
        delta_column: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Start the run, and wait for it.

        :returns: the run's id.
        """
        task_state = self._task_state(context)
        run_id = self.hook.run_flow(self.flow_id, self._window(), task_state)
        push(context, run_id=run_id)
        if self.wait_for_completion:
            self.wait_for_runs([run_id], task_state, run_id=run_id)
        task_state.clear()
        return run_id

    def execute_complete(self, context: Context, event: dict[str, Any], run_id: str | None = None) -> str:
        """Take over from the trigger."""
        # Airflow's ``dag.test()`` passes the event alone.
        ended = run_id or next(iter(event.get("detail") or {}), "")
        self.wait_for_runs([ended], self._task_state(context), event=event)
        return ended

    def plan(self, context: Context) -> str:
        """Say what would run."""
        self.log.info("Would run flow %s over %s", self.flow_id, self._window())
        return planned_id("flow run", self.flow_id)

    def _task_state(self, context: Context) -> TaskState:
        asked = f"{self.flowservice_conn_id} {self.sandbox} run {self.flow_id} {self._window()!r}"
        return TaskState(context, asked)

    def _window(self) -> Window:
        if self.window_end <= self.window_start:
            raise InvalidInputError(
                "window_end", f"{self.window_end} is not after window_start", "Give a later time."
            )
        return Window(self.window_start, self.window_end, self.delta_column)
