"""What all operators share: the connection, the sandbox, and how errors reach Airflow."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_flowservice.client.ensure import reject_planned
from airflow_provider_flowservice.exceptions import raise_for_airflow
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.arguments import (
    TakesArguments,
    flag,
    optional,
    required,
    resource_id,
    string,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class FlowServiceOperator(TakesArguments, BaseOperator):
    """Base of the provider's operators. Every argument of an operator is templated.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: sandbox to work in instead of the connection's.
    """

    flowservice_conn_id = required(string)
    sandbox = optional(string)

    def __init__(
        self, *, flowservice_conn_id: str = "flowservice_default", sandbox: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    @cached_property
    def hook(self) -> FlowServiceHook:
        """The hook for the operator's connection and sandbox."""
        return FlowServiceHook(self.flowservice_conn_id, self.sandbox)

    def execute(self, context: Context) -> Any:
        """Read the arguments and do the work.

        :raises FlowServiceException: the client's error, as one that Airflow retries or not.
        """
        return self._run(self.perform, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Read the arguments and go on after a wait in the triggerer.

        :raises FlowServiceException: the client's error, as one that Airflow retries or not.
        """
        return self._run(super().resume_execution, next_method, next_kwargs, context)

    @abstractmethod
    def perform(self, context: Context) -> Any:
        """The operator's own work.

        :raises FlowServiceError: when it fails.
        """

    def _run(self, work: Any, *arguments: Any) -> Any:
        try:
            with raise_for_airflow():
                self.read_arguments()
                return work(*arguments)
        finally:
            if hook := self.__dict__.get("hook"):
                hook.close()


class FlowServiceChangeOperator(FlowServiceOperator):
    """Base of the operators that change something in AEP.

    :param plan_only: only log and return what would be done.
    """

    plan_only = required(flag)

    def __init__(self, *, plan_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def perform(self, context: Context) -> Any:
        """Change AEP, or say what would change."""
        if self.plan_only:
            return self.plan(context)
        for name, argument in self.arguments.items():
            if argument.kind is resource_id:
                reject_planned(name, getattr(self, name))
        return self.change(context)

    @abstractmethod
    def change(self, context: Context) -> Any:
        """The change itself."""

    @abstractmethod
    def plan(self, context: Context) -> Any:
        """Read what is needed, log what would change, and return it. Nothing is written."""


class FlowServiceFlowOperator(FlowServiceChangeOperator):
    """Base of the operators that change one flow.

    :param flow_id: the flow.
    """

    flow_id = required(resource_id)

    def __init__(self, *, flow_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())


def push(context: Context, **values: Any) -> None:
    """Push each value that is there to the XCom key of its name."""
    for key, value in values.items():
        if value is not None:
            context["ti"].xcom_push(key=key, value=value)
