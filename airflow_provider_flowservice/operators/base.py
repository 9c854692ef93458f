"""The base classes of the operators: connection, sandbox, error conversion and dry run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_flowservice.client import FLOWS
from airflow_provider_flowservice.client.ensure import is_planned, reject_planned
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError
from airflow_provider_flowservice.client.flows import Shown, empty_flow
from airflow_provider_flowservice.client.text import titled
from airflow_provider_flowservice.exceptions import end_log_with_failure, raise_for_airflow
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.links import FlowServiceLink
from airflow_provider_flowservice.operators.arguments import TakesArguments, optional, required
from airflow_provider_flowservice.operators.kinds import flag, resource_id, string
from airflow_provider_flowservice.operators.task_state import Store, TaskState

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console
    from airflow_provider_flowservice.client.model import Flow
    from airflow_provider_flowservice.openlineage import Lineage


class FlowServiceOperator(TakesArguments, BaseOperator):
    """Base class of the provider's operators. All their arguments are templated."""

    flowservice_conn_id = required(string)
    sandbox = optional(string)
    operator_extra_links = (FlowServiceLink(),)
    #: Where the link of the task leads; empty if that is not known, None if it is known from before a wait.
    page_url: str | None = ""
    _has_valid_arguments = False

    # Without it, Airflow's metaclass would take BaseOperator's constructor, and skip that of BaseSensorOperator.
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @cached_property
    def hook(self) -> FlowServiceHook:
        """The hook for the connection and sandbox of the operator."""
        return FlowServiceHook(self.flowservice_conn_id, self.sandbox)

    def execute(self, context: Context) -> Any:
        """Convert the arguments and perform the task.

        :raises FlowServiceException: the client's exception, as one that Airflow retries or does not retry.
        """
        try:
            return self._run(self.perform, context)
        finally:
            self.page_url = self._find_page()

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Convert the arguments and continue after a wait in the triggerer.

        :raises FlowServiceException: the client's exception, as one that Airflow retries or does not retry.
        """
        self.page_url = None
        return self._run(super().resume_execution, next_method, next_kwargs, context)

    @abstractmethod
    def perform(self, context: Context) -> Any:
        """Perform the task.

        :raises FlowServiceError: if the task fails.
        """

    @abstractmethod
    def page_in(self, console: Console) -> str:
        """Return the URL of what the task is about, as far as it is known; otherwise an empty string."""

    def _find_page(self) -> str:
        hook = self.__dict__.get("hook")
        # Of an argument or a connection that is wrong, the task itself has told.
        with suppress(FlowServiceError):
            if hook and hook.is_configured:
                return self.page_in(hook.console)
        return ""

    def _run(self, work: Any, *arguments: Any) -> Any:
        try:
            with end_log_with_failure(self), raise_for_airflow():
                self.read_arguments()
                self._has_valid_arguments = True
                return work(*arguments)
        finally:
            if hook := self.__dict__.get("hook"):
                hook.close()


class FlowServiceChangeOperator(FlowServiceOperator):
    """Base class of the operators that change something in AEP."""

    plan_only = required(flag)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the datasets that the task has read and written, without any request to AEP.

        Airflow's OpenLineage provider calls this, if it is installed and enabled.
        """
        from airflow.providers.openlineage.extractors import OperatorLineage

        from airflow_provider_flowservice.openlineage import Lineage

        # Of an argument or a connection that is wrong, the task itself has told.
        with suppress(FlowServiceError):
            if self._has_valid_arguments and not self.plan_only:
                lineage = Lineage(self.hook.settings.sandbox)
                self.add_lineage(lineage)
                return lineage.to_operator_lineage()
        return OperatorLineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the same for a task that has failed, as far as it came. Airflow adds the error."""
        return self.get_openlineage_facets_on_complete(task_instance)

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the datasets that the task has read and written, as far as it knows them."""

    def perform(self, context: Context) -> Any:
        """Make the change or, with ``plan_only``, log it."""
        if self.plan_only:
            return self.plan(context)
        for name, argument in self.arguments.items():
            if argument.kind is resource_id:
                reject_planned(name, getattr(self, name))
        return self.change(context)

    def task_state(self, context: Context, work: str, instead: Store | None = None) -> TaskState:
        """Return the state that is kept between the attempts of this task.

        :param work: string that identifies the work of the task within its sandbox, without secrets.
        :param instead: what keeps it before Airflow 3.3.
        """
        return TaskState(context, f"{self.flowservice_conn_id} {self.sandbox} {work}", instead)

    @abstractmethod
    def change(self, context: Context) -> Any:
        """Make the change."""

    @abstractmethod
    def plan(self, context: Context) -> Any:
        """Log and return the change without making it. Only reads are sent."""


class FlowServiceFlowOperator(FlowServiceChangeOperator):
    """Base class of the operators that change a flow."""

    flow_id = required(resource_id)
    _is_destination = False
    #: Ids of the connections of the flow, if an earlier process of the task has read it.
    _ends: Mapping[str, Sequence[str]] = {}

    def page_in(self, console: Console) -> str:
        """Return the URL of the flow."""
        return console.flow_page(self.flow_id, is_destination=self._is_destination)

    def ends(self) -> Mapping[str, Sequence[str]]:
        """Return the ids of the flow's source and target connections by kind; empty if the task has not read it."""
        return ends_of(self.flow_id, self.hook.flow_read) or self._ends

    def add_flow(self, lineage: Lineage, rows: int | None = None) -> None:
        """Add the flow, and its target connections if they are known, to what the task has written.

        :param rows: number of records that the flow has written; None if it is not known.
        """
        lineage.write(Shown.FLOW, [self.flow_id], rows=rows)
        lineage.write(Shown.TARGET_CONNECTION, self.ends().get(Shown.TARGET_CONNECTION, ()))

    def planned_flow(self) -> Flow:
        """Return the flow for a dry run (``GET /flows/{id}``); without anything in it, if it does not exist yet."""
        return empty_flow(self.flow_id) if is_planned(self.flow_id) else self.hook.get(FLOWS, self.flow_id)


def ends_of(flow_id: str, read: Flow | None) -> dict[str, Sequence[str]]:
    """Return the ids of a flow's source and target connections by kind; empty if another flow was read, or none."""
    if read is None or read.id.lower() != flow_id.lower():
        return {}
    return {
        Shown.SOURCE_CONNECTION.value: read.source_connection_ids,
        Shown.TARGET_CONNECTION.value: read.target_connection_ids,
    }


def flow_title(flow: Flow) -> str:
    """Return name and id of a flow for the beginning of a log message."""
    return titled("Flow", flow.name, flow.id)


def reject_backfill(context: Context, problem: str, remedy: str) -> None:
    """Reject a change that removes what a run is not told to keep, if the run belongs to a backfill.

    :param problem: what would happen there, where runs can finish in any order, for the error.
    :param remedy: what to do instead of it, for the error.
    :raises DriftError: if the run belongs to a backfill.
    """
    run_type = str(getattr(context.get("dag_run"), "run_type", ""))
    if "backfill" in run_type.lower():
        raise DriftError(f"{problem} {remedy}, or set allow_in_backfill=True.")


def push(context: Context, **values: Any) -> None:
    """Push each value that is not None to the XCom key of its name."""
    for key, value in values.items():
        if value is not None:
            context["ti"].xcom_push(key=key, value=value)
