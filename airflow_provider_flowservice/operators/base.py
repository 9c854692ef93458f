"""What all operators share: the connection, the sandbox, and Airflow's face of an error."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator

from airflow_provider_flowservice.client.ensure.dry_run import refuse_planned
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.exceptions import raise_for_airflow

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

T = TypeVar("T")

_TRUE_AND_FALSE = {"true": True, "false": False}


class FlowServiceOperator(BaseOperator):
    """Base of the provider's operators.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``; templated.
    :param sandbox: sandbox to work in instead of the connection's; templated.
    """

    template_fields: Sequence[str] = ("flowservice_conn_id", "sandbox")

    def __init__(
        self, *, flowservice_conn_id: str = "flowservice_default", sandbox: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox

    @cached_property
    def hook(self) -> FlowServiceHook:
        """The hook for the operator's connection and sandbox."""
        from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

        return FlowServiceHook(self.flowservice_conn_id, self.sandbox)

    def execute(self, context: Context) -> Any:
        """Do the work; client errors get Airflow's face."""
        try:
            with raise_for_airflow():
                return self.perform(context)
        finally:
            self.hook.close()

    @abstractmethod
    def perform(self, context: Context) -> Any:
        """The operator's own work.

        :raises FlowServiceError: when it fails.
        """


class FlowServiceChangeOperator(FlowServiceOperator):
    """Base of the operators that change something in AEP.

    :param plan_only: only log and return what would be done; a bool, or a template that gives one; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceOperator.template_fields, "plan_only")

    def __init__(self, *, plan_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_only = plan_only

    def perform(self, context: Context) -> Any:
        """Change AEP, or say what would change."""
        return self.plan(context) if self.is_planning() else self.change(context)

    def is_planning(self) -> bool:
        """Whether nothing may be changed.

        :raises InvalidInputError: if ``plan_only`` is neither a bool nor the text of one.
        """
        return read_plan_only(self.plan_only)

    def existing_id(self, field: str, value: Any) -> str:
        """A templated argument that is an id; outside of a plan it must not be a planned one.

        :raises InvalidInputError: if it is no text.
        :raises DriftError: if it was only planned and this is not.
        """
        resource_id = required_text(field, value)
        if not self.is_planning():
            refuse_planned(field, resource_id)
        return resource_id

    @abstractmethod
    def change(self, context: Context) -> Any:
        """The change itself."""

    @abstractmethod
    def plan(self, context: Context) -> Any:
        """Read what is needed, log what would change, and return it. Nothing is written."""


def read_plan_only(value: bool | str) -> bool:
    """Whether ``plan_only``, a bool or what a template gave, forbids every change.

    :raises InvalidInputError: if it is neither a bool nor the text of one.
    """
    if isinstance(value, bool):
        return value
    try:
        return _TRUE_AND_FALSE[str(value).strip().lower()]
    except KeyError:
        raise InvalidInputError(
            "plan_only", f"{value!r} is neither true nor false", "Write one of them."
        ) from None


class FlowServiceFlowOperator(FlowServiceChangeOperator):
    """Base of the operators that change one flow.

    :param flow_id: the flow; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceChangeOperator.template_fields, "flow_id")

    def __init__(self, *, flow_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id

    def flow(self) -> str:
        """The checked id of the flow."""
        return self.existing_id("flow_id", self.flow_id)


def push(context: Context, **values: Any) -> None:
    """Push each value that is there to the XCom key of its name."""
    for key, value in values.items():
        if value is not None:
            context["ti"].xcom_push(key=key, value=value)


def required_text(field: str, value: Any) -> str:
    """A templated argument that must have become a text.

    :raises InvalidInputError: if it is empty or no text, as when an upstream task returned nothing.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(
            field, f"{value!r} is no text", "Give a value, or an upstream task's .output that returns one."
        )
    return value


def given_text(field: str, value: Any, *, given: bool) -> str | None:
    """A templated argument that may be left out, but once given must have become a text.

    :param given: whether it was given; an upstream task that was skipped makes None of it at run time.
    :raises InvalidInputError: if it was given and is empty or no text.
    """
    return required_text(field, value) if given else None


def optional_mapping(field: str, value: Any) -> Mapping[str, Any] | None:
    """A templated argument that is an object or left out.

    :raises InvalidInputError: if it is something else.
    """
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInputError(field, f"{value!r} is no mapping", "Give a dict.")
    return value


def optional_mappings(field: str, value: Any) -> list[Mapping[str, Any]] | None:
    """A templated argument that is a list of objects or left out.

    :raises InvalidInputError: if it is something else.
    """
    if value is None:
        return None
    for position, item in enumerate(_sequence(field, value, "Give a list of dicts.")):
        if not isinstance(item, Mapping):
            raise InvalidInputError(f"{field}[{position}]", f"{item!r} is no mapping", "Give a dict.")
    return list(value)


def id_list(field: str, value: Any) -> list[str]:
    """A templated argument that is one id or a list of ids.

    :raises InvalidInputError: if it is empty or holds something else.
    """
    ids = [value] if isinstance(value, str) else list(_sequence(field, value or (), "Give a list of ids."))
    if not ids:
        raise InvalidInputError(field, "is empty", "Give at least one id.")
    return [required_text(f"{field}[{position}]", item) for position, item in enumerate(ids)]


def _sequence(field: str, value: Any, remedy: str) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidInputError(field, f"{value!r} is no list", remedy)
    return value
