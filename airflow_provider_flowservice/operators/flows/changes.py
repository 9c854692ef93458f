"""Operators that create, change and delete one flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import FLOWS, DesiredFlow, FlowState
from airflow_provider_flowservice.client.ensure import is_planned, operations_json
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import (
    FIELD_ARGUMENTS,
    FlowResources,
    Shown,
    check_dataset_schedule,
    field_settings,
    text_changes,
)
from airflow_provider_flowservice.client.text import plain_text, titled
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceFlowOperator, flow_title, push
from airflow_provider_flowservice.operators.create import FlowServiceCreateResourceOperator
from airflow_provider_flowservice.operators.kinds import (
    choice,
    flag,
    list_of,
    mapping,
    resource_ids,
    string,
    text,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure import EnsureResult
    from airflow_provider_flowservice.client.flows import Console
    from airflow_provider_flowservice.openlineage import Lineage


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
    :param adopt_id: id of an existing resource to use, instead of searching for one by name. It must have the same spec
        and parents and, as a schema or dataset, the same name. If anything else differs, ``if_exists="update"`` changes
        it, and ``"reuse"`` fails.
    :param draft: whether to create a draft, which has no effect until ``FlowServicePublishFlowOperator`` publishes it.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Create flow"
    _shown = Shown.FLOW
    flow_spec = required(string)
    source_connection_ids = required(resource_ids())
    target_connection_ids = required(resource_ids())
    transformations = optional(list_of(mapping))
    profile_mapping = optional(mapping)
    mandatory_fields = optional(list_of(string))
    primary_fields = optional(list_of(mapping))
    schedule_params = optional(mapping)

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
        adopt_id: str | None = None,
        draft: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Also reject fields of a file destination that are given beside the whole transformations."""
        super().check_arguments()
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
        # What the create itself returns does not show whether the flow has a destination.
        console = self.hook.console
        console.learn(result.resource or self.hook.get(FLOWS, result.id))
        return {"console_url": console.flow_page(result.id)}

    def page_in(self, console: Console) -> str:
        """Return the URL of the flow."""
        return console.flow_page(self._object_id) if self._object_id else ""

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the connections. The flow itself is what other tasks write to, and it leads to its targets, too."""
        lineage.read(Shown.SOURCE_CONNECTION, self.source_connection_ids)
        lineage.read(Shown.FLOW, [self._object_id])
        lineage.write(Shown.TARGET_CONNECTION, self.target_connection_ids)


class FlowServiceSetFlowStateOperator(FlowServiceFlowOperator):
    """Enable or disable a flow (``POST /flows/{id}/action``). A flow that already has the state is a success.

    :param flow_id: id of the flow.
    :param state: ``enabled`` or ``disabled``.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Set flow state"
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
        flow = self.planned_flow()
        if flow.state == self.state:
            self.log.info("%s is %s already and would be left as it is", flow_title(flow), self.state.value)
        else:
            now = "planned" if is_planned(flow.id) else plain_text(str(flow.state))
            self.log.info("%s is %s and would be %s", flow_title(flow), now, self.state.value)
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

    custom_operator_name = "Update flow"
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
        flow = self.planned_flow()
        operations = operations_json(text_changes(flow, self.new_name, self.new_description))
        if operations:
            self.log.info("%s would be changed: %s", flow_title(flow), operations)
        else:
            self.log.info("%s would be left as it is", flow_title(flow))
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

    custom_operator_name = "Publish flow"

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
        self.log.info("Flow %s and its connections would be published", self.flow_id)
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

    custom_operator_name = "Delete flow"
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

    def page_in(self, console: Console) -> str:
        """Return the URL of the list from which the flow has gone."""
        return console.page(Shown.FLOW)

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
        if resources:
            connections = f", and of its connections those that nothing else uses: {', '.join(to_delete[1:])}"
            title = titled("Flow", resources.name, resources.flow)
            self.log.info("%s would be deleted%s", title, connections if to_delete[1:] else "")
        else:
            self.log.info("Nothing would be deleted: flow %s does not exist", self.flow_id)
        return {"deleted": to_delete, "left": []}
