"""Operators for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_flowservice.client import (
    FLOWS,
    DesiredFlow,
    FlowState,
    PruneAction,
    SelectorKind,
    Window,
)
from airflow_provider_flowservice.client.ensure import is_planned, operations_json, planned_id
from airflow_provider_flowservice.client.errors import InvalidInputError, NameNotFoundError
from airflow_provider_flowservice.client.flows import (
    FIELD_ARGUMENTS,
    FlowResources,
    check_dataset_schedule,
    check_prefix,
    empty_flow,
    field_settings,
    text_changes,
)
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.client.times import epoch_seconds, iso
from airflow_provider_flowservice.links import CONSOLE_URL_KEY, FlowServiceLink, flow_url
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import (
    FlowServiceChangeOperator,
    FlowServiceFlowOperator,
    FlowServiceOperator,
    push,
    reject_backfill,
)
from airflow_provider_flowservice.operators.create import FlowServiceCreateResourceOperator
from airflow_provider_flowservice.operators.kinds import (
    choice,
    failure_limit,
    flag,
    list_of,
    mapping,
    resource_ids,
    string,
    text,
    whole_number,
)
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure import EnsureResult


class FlowServiceCreateFlowOperator(FlowServiceCreateResourceOperator):
    """Create a flow from source connections to target connections (``POST /flows``).

    :param name: name of the resource.
    :param flow_spec: name or id of the flow spec.
    :param source_connection_ids: ids of the source connections.
    :param target_connection_ids: ids of the target connections.
    :param transformations: transformations in the format of AEP's API. None sends the ones that the source requires:
        for the profile store, the empty selector lists without which nothing can be activated. If the flow does not
        exist yet, this reads the source connection, and the flow spec of a destination that has its own.
    :param profile_mapping: ``{"mappingId": ..., "mappingVersion": ...}``: the mapping set with the attributes of a file
        destination, made with ``FlowServiceCreateMappingSetOperator(columns=...)``. Not with ``transformations``, nor
        for a destination that takes attributes as selectors.
    :param mandatory_fields: columns or identity namespaces that a profile must have to be exported to a file.
    :param primary_fields: fields that identify an exported row, as mappings in the format of AEP's API.
    :param schedule_params: schedule of a batch flow, in the format of AEP's API. The schedule of a dataset export is
        checked before the flow is created.
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param draft: whether to create a draft, which has no effect until ``FlowServicePublishFlowOperator`` publishes it.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    flow_spec = required(string)
    source_connection_ids = required(resource_ids())
    target_connection_ids = required(resource_ids())
    transformations = optional(list_of(mapping))
    profile_mapping = optional(mapping)
    mandatory_fields = optional(list_of(string))
    primary_fields = optional(list_of(mapping))
    schedule_params = optional(mapping)
    operator_extra_links = (FlowServiceLink(),)

    def __init__(
        self,
        *,
        name: str,
        flow_spec: str,
        source_connection_ids: Sequence[str],
        target_connection_ids: Sequence[str],
        transformations: Sequence[Mapping[str, Any]] | None = None,
        profile_mapping: Mapping[str, Any] | None = None,
        mandatory_fields: Sequence[str] | None = None,
        primary_fields: Sequence[Mapping[str, Any]] | None = None,
        schedule_params: Mapping[str, Any] | None = None,
        description: str | None = None,
        if_exists: str = "reuse",
        draft: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Reject fields of a file destination that are given besides the whole transformations."""
        given = [name for name in FIELD_ARGUMENTS if self.is_given(name)]
        if given and self.is_given("transformations"):
            problem = f"is given besides {' and '.join(given)}, which are part of a transformation"
            raise InvalidInputError("transformations", problem, "Remove it.")

    def desired(self) -> DesiredFlow:
        """Return the flow."""
        spec_id, schedule = self.spec_id(self.flow_spec, self.hook.find_flow_spec), self.schedule_params
        if schedule and "timeUnit" in schedule:
            check_dataset_schedule(schedule)
        return DesiredFlow(
            name=self.name,
            spec_id=spec_id,
            draft=self.draft,
            description=self.description,
            source_connection_ids=self.source_connection_ids,
            target_connection_ids=self.target_connection_ids,
            transformations=self.transformations,
            settings=field_settings(self.profile_mapping, self.mandatory_fields, self.primary_fields),
            schedule_params=schedule,
        )

    def extra_xcoms(self, desired: DesiredFlow, result: EnsureResult[Any]) -> dict[str, Any]:
        """Return the URL of the flow in AEP's user interface."""
        flow = result.resource or self.hook.get(FLOWS, result.id)
        return {CONSOLE_URL_KEY: flow_url(self.hook.settings.sandbox, flow)}


class FlowServiceSetFlowStateOperator(FlowServiceFlowOperator):
    """Enable or disable a flow (``POST /flows/{id}/action``). A flow that already has the state is a success.

    :param flow_id: id of the flow.
    :param state: ``enabled`` or ``disabled``.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    state = required(choice((FlowState.ENABLED, FlowState.DISABLED)))

    def __init__(
        self,
        *,
        flow_id: str,
        state: str,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Change the state of the flow.

        :returns: the state.
        """
        flow = self.hook.set_flow_state(self.flow_id, self.state)
        push(context, etag=flow.etag)
        return self.state.value

    def plan(self, context: Context) -> str:
        """Log the change."""
        now = "planned" if is_planned(self.flow_id) else self.hook.get(FLOWS, self.flow_id).state
        self.log.info("Flow %s is %s and would be %s", self.flow_id, plain_text(str(now)), self.state.value)
        return self.state.value


class FlowServiceUpdateFlowOperator(FlowServiceFlowOperator):
    """Change the name or description of a flow (``PATCH /flows/{id}``).

    :param flow_id: id of the flow.
    :param new_name: the new name; None leaves the name unchanged.
    :param new_description: the new description; None leaves the description unchanged.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    new_name = optional(string)
    new_description = optional(text)

    def __init__(
        self,
        *,
        flow_id: str,
        new_name: str | None = None,
        new_description: str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Change name and description.

        :returns: the id of the flow.
        """
        flow = self.hook.update_flow(self.flow_id, name=self.new_name, description=self.new_description)
        push(context, etag=flow.etag)
        return flow.id

    def plan(self, context: Context) -> list[dict[str, Any]]:
        """Log and return the patch."""
        flow = empty_flow(self.flow_id) if is_planned(self.flow_id) else self.hook.get(FLOWS, self.flow_id)
        operations = operations_json(text_changes(flow, self.new_name, self.new_description))
        self.log.info("Would change flow %s: %s", self.flow_id, operations or "nothing")
        return operations


class FlowServicePublishFlowOperator(FlowServiceFlowOperator):
    """Publish a draft flow and its connections (``POST /{kind}/{id}/action?op=publish``).

    The order is: base connections, source connections, target connections, flow. Objects that are already published are
    not changed.

    :param flow_id: id of the flow.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    def __init__(
        self,
        *,
        flow_id: str,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Publish the flow.

        :returns: the id of the flow.
        """
        self.hook.publish_flow(self.flow_id)
        return self.flow_id

    def plan(self, context: Context) -> str:
        """Log that the flow would be published."""
        self.log.info("Would publish flow %s and its connections", self.flow_id)
        return self.flow_id


class FlowServiceDeleteFlowOperator(FlowServiceFlowOperator):
    """Delete a flow (``DELETE /flows/{id}``), optionally with its connections. A missing flow is a success.

    :param flow_id: id of the flow. Names are not accepted, because they are not unique.
    :param with_connections: whether to delete target, source and base connections too, in this order. A connection that
        another resource uses is not deleted, which is checked immediately before.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    with_connections = required(flag)

    def __init__(
        self,
        *,
        flow_id: str,
        with_connections: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, list[str]]:
        """Delete the flow.

        :returns: ids of the ``deleted`` objects, and of the connections that were ``left`` because they are in use.
        """
        flow_id = self.flow_id
        task_state = self.task_state(context, f"delete {flow_id}")
        saved = task_state.load()
        resources = FlowResources.from_json(saved) if saved else self.hook.flow_resources(flow_id)
        if resources is None:
            self.log.info(
                "Nothing to delete: flow %s does not exist, so its connections are unknown", flow_id
            )
            return {"deleted": [], "left": []}
        # After the flow has been deleted, AEP no longer shows which connections it had.
        task_state.save(resources.to_json())
        result = self.hook.delete_flow(resources, with_connections=self.with_connections)
        task_state.clear()
        return {"deleted": list(result.deleted), "left": list(result.left)}

    def plan(self, context: Context) -> dict[str, list[str]]:
        """Log and return what would be deleted."""
        resources = None if is_planned(self.flow_id) else self.hook.flow_resources(self.flow_id)
        to_delete = [self.flow_id] if resources else []
        if resources and self.with_connections:
            to_delete += [resource_id for _, resource_id in resources.in_order]
        self.log.info("Would delete, unless in use: %s", ", ".join(to_delete) or "nothing")
        return {"deleted": to_delete, "left": []}


class FlowServiceRunFlowOperator(RunStartingOperator):
    """Run a source flow with the schedule ``once`` over a time window, and wait for the run (``POST /runs``).

    :param flow_id: id of the flow.
    :param window_start: beginning of the window: a datetime or an ISO 8601 string, with a time zone; or seconds since
        1970-01-01 UTC, as a number or string. ``"{{ data_interval_start }}"`` is one of these. AEP's windows have whole
        seconds, so fractions are dropped.
    :param window_end: end of the window, as for ``window_start``; at least one second later.
    :param delta_column: timestamp column that identifies new data, if the source requires one.
    :param wait_for_completion: whether to wait until the run has ended, and fail if it failed or too many of its
        records did.
    :param max_failed_records: how many records of the run may fail: a whole number; a ratio such as 0.01, of the
        records read; or None for any number (in a template or a mapped task, ``"any"``, because None is rejected
        there). A partial success of which AEP does not say how many records failed is only accepted with None.
    :param poll_interval: seconds between two polls.
    :param wait_timeout: maximum time to wait, in seconds.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    window_start = required(epoch_seconds)
    window_end = required(epoch_seconds)
    delta_column = optional(string)

    def __init__(
        self,
        *,
        flow_id: str,
        window_start: datetime | float | str,
        window_end: datetime | float | str,
        delta_column: str | None = None,
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

    def change(self, context: Context) -> str:
        """Start the run and, with ``wait_for_completion``, wait for it.

        :returns: the id of the run.
        """
        task_state = self._task_state(context)
        run_id = self.hook.run_flow(
            self.flow_id, self._window(), task_state, failure_limit(self.max_failed_records)
        )
        push(context, run_id=run_id)
        if self.wait_for_completion:
            self.wait_for_runs([run_id], task_state, run_id=run_id)
        task_state.clear()
        return run_id

    def execute_complete(self, context: Context, event: dict[str, Any], run_id: str | None = None) -> str:
        """Process the event of the trigger."""
        # Airflow's ``dag.test()`` passes only the event.
        ended = run_id or next(iter(event.get("detail") or {}), "")
        self.wait_for_runs([ended], self._task_state(context), event=event)
        return ended

    def plan(self, context: Context) -> str:
        """Log what would run, and return a placeholder for the id of the run."""
        self.log.info("Would run flow %s over %s", self.flow_id, self._window())
        return planned_id("flow run", self.flow_id)

    def _task_state(self, context: Context) -> TaskState:
        return self.task_state(context, f"run {self.flow_id} {self._window()!r}")

    def _window(self) -> Window:
        # Both ends are rounded down, so that windows that adjoin still do.
        window = Window(int(self.window_start), int(self.window_end), self.delta_column)
        if window.end <= window.start:
            problem = f"{iso(window.end)} is not after window_start, which is {iso(window.start)}"
            raise InvalidInputError("window_end", problem, "Give a time that is at least one second later.")
        return window


class IfMissing(StrEnum):
    """What a look-up does if there is nothing to find."""

    FAIL = "fail"
    SKIP = "skip"


class FlowServiceFindFlowOperator(FlowServiceOperator):
    """Find a flow by its name (``GET /flows``), so that a DAG can use a flow that another one has created.

    It fails if several flows are found, and its message lists them. AEP may list a new flow only some seconds after it
    was created, and this does not wait for it: a DAG that has created the flow itself uses the id that the create
    operator returned.

    Its XComs are ``connections`` (ids of the ``base``, ``source`` and ``target`` connections), ``segments`` (ids of the
    active segments), ``state``, ``etag`` and ``console_url``.

    :param name: exact name of the flow.
    :param flow_spec: name or id of the flow spec that the flow must have; None for any.
    :param state: state that the flow must have: ``enabled``, ``disabled`` or ``draft``; None for any. While AEP changes
        a flow, it has another one, such as ``updating``.
    :param if_missing: what to do if there is no such flow: ``fail``, with similar names in the message, or ``skip``
        this task and thereby those that need the flow.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    name = required(string)
    flow_spec = optional(string)
    state = optional(choice(FlowState))
    if_missing = required(choice(IfMissing))
    operator_extra_links = (FlowServiceLink(),)

    def __init__(
        self,
        *,
        name: str,
        flow_spec: str | None = None,
        state: str | None = None,
        if_missing: str = "fail",
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def perform(self, context: Context) -> str:
        """Find the flow.

        :returns: the id of the flow.
        """
        try:
            flow = self.hook.find_flow(self.name, self.flow_spec, self.state)
        except NameNotFoundError as missing:
            if self.if_missing is IfMissing.SKIP:
                raise AirflowSkipException(missing.message) from missing
            raise
        found = self.hook.flow_connections(flow)
        connections = {"base": found.bases, "source": found.sources, "target": found.targets}
        push(
            context,
            connections={kind: list(ids) for kind, ids in connections.items()},
            segments=[selector.key for selector in flow.selectors(SelectorKind.SEGMENT)],
            state=flow.state,
            etag=flow.etag,
            **{CONSOLE_URL_KEY: flow_url(self.hook.settings.sandbox, flow)},
        )
        return flow.id


def _name_prefix(field: str, value: Any) -> str:
    """Convert the beginning of names; a short one is rejected."""
    prefix = string(field, value)
    check_prefix(prefix)
    return prefix


class FlowServicePruneFlowsOperator(FlowServiceChangeOperator):
    """Report, disable or delete the flows that nothing asks for any more, such as those of entries removed from a file.

    Only flows are looked at that the credential of the connection created and whose names begin with ``name_prefix``.
    Of these, the ones that ``keep`` does not name are *unexpected*. Each is read again immediately before it is
    disabled or deleted, and left if it has changed.

    An entry of ``keep`` that is neither the id nor the name of any flow in the sandbox is logged as a warning. If flows
    would be disabled or deleted, it is an error: the entry may be misspelled, so that the flow that it means is
    unexpected; or it is the new name of an unexpected flow, which must not go before its replacement exists. The flow
    of an entry that could not be onboarded yet therefore delays the pruning, and nothing else. In a dry run it is a
    warning, because an earlier task of the same dry run may be the one that would create the flow.

    This takes one list request for each 100 flows in the sandbox (``GET /flows``). For each flow to disable, two reads
    and an action are added (``POST /flows/{id}/action``); for each flow to delete, one read and one deletion
    (``DELETE /flows/{id}``); for each connection to delete, three reads at most and one deletion.

    :param keep: ids and exact names of the flows to keep; both can be mixed. At least one is required.
    :param name_prefix: beginning of the names of the flows to look at, in exactly this spelling; three characters or
        more.
    :param action: what happens to unexpected flows. ``report`` only logs and returns them; ``disable`` disables those
        that are enabled; ``delete`` deletes those that are disabled already, and leaves the others.
    :param max_removals: maximum number of flows to disable or delete. Default: half of the flows looked at. If there
        are more, the task fails before it changes anything.
    :param with_connections: whether to delete with a flow those of its connections that the same credential created and
        that nothing else uses.
    :param allow_in_backfill: whether ``disable`` and ``delete`` are allowed in a backfill, where runs can finish in any
        order.
    :param plan_only: whether to only log and return what would be done. ``keep`` may then contain placeholders of flows
        that do not exist yet.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    keep = required(list_of(string, minimum=1))
    name_prefix = required(_name_prefix)
    action = required(choice(PruneAction))
    max_removals = optional(whole_number())
    with_connections = required(flag)
    allow_in_backfill = required(flag)

    def __init__(
        self,
        *,
        keep: Sequence[str],
        name_prefix: str,
        action: str = "report",
        max_removals: int | str | None = None,
        with_connections: bool | str = False,
        allow_in_backfill: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> dict[str, list[str]]:
        """Find the unexpected flows and, unless they are only reported, disable or delete them.

        :returns: ids of flows: ``kept``; ``unexpected``, and of these ``disabled``, ``deleted`` and ``left`` as they
            are; of connections: ``deleted_connections``, and ``left_connections`` because another resource uses them;
            and ``unmatched``, the entries of ``keep`` that match no flow. A retry includes what earlier attempts did.
        """
        # Not what to keep: a deletion that was interrupted is finished whatever it is by now.
        task_state = self.task_state(context, f"prune {self.name_prefix!r} {self.action.value}")
        report = self._prune(context, saved=task_state)
        task_state.clear()
        return report

    def plan(self, context: Context) -> dict[str, list[str]]:
        """Log and return what would be done.

        :returns: as for :meth:`change`. Whether connections are in use is only checked when they are deleted.
        """
        return self._prune(context, plan_only=True)

    def _prune(self, context: Context, **how: Any) -> dict[str, list[str]]:
        if self.action is not PruneAction.REPORT and not self.allow_in_backfill:
            problem = f"action {self.action.value!r} in a backfill would keep what whichever run finishes last names."
            reject_backfill(context, problem, "Use action='report'")
        report = self.hook.prune_flows(
            self.keep,
            self.name_prefix,
            self.action,
            max_removals=self.max_removals,
            with_connections=self.with_connections,
            **how,
        )
        return report.to_json()
