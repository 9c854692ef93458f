"""What the create operators share: one object however often they run, and its id as the result."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.ensure.dry_run import plan_create, refuse_planned
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, push, required_text
from airflow_provider_flowservice.operators.task_state import TaskState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure.create import EnsureResult
    from airflow_provider_flowservice.client.ensure.desired import Desired
    from airflow_provider_flowservice.client.model import ConnectionSpec, FlowSpec

_IF_EXISTS = ("reuse", "update", "fail", "create")


class FlowServiceCreateOperator(FlowServiceChangeOperator):
    """Base of the operators that create one resource and return its id.

    The resource's version goes to the XCom key ``etag``, and whether this run made it to ``created``.

    :param name: the resource's name; templated.
    :param description: for people; templated.
    :param if_exists: what to do about an earlier one of this name, spec and parents: ``reuse`` it if its
        settings agree and fail if they differ, ``update`` what AEP can change, ``fail``, or
        ``create`` another.
    :param plan_only: only log what would be sent, and return the real id or a planned one; templated.
    """

    template_fields: Sequence[str] = (*FlowServiceChangeOperator.template_fields, "name", "description")

    def __init__(
        self, *, name: str, description: str | None = None, if_exists: str = "reuse", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if if_exists not in _IF_EXISTS:
            raise InvalidInputError(
                "if_exists", f"{if_exists!r} is not known", f"Known are {', '.join(_IF_EXISTS)}."
            )
        self.name = name
        self.description = description
        self.if_exists = if_exists

    def change(self, context: Context) -> str:
        """Ensure the object and push what is worth knowing.

        :returns: its id.
        """
        from airflow_provider_flowservice.client.ensure.create import IfExists

        self.check_name()
        desired = self.desired()
        for parent in desired.parents:
            refuse_planned("a parent", parent)
        # What is secret does not show in the text of what is desired.
        asked = f"{self.flowservice_conn_id} {self.hook.settings.sandbox} {self.if_exists} {desired!r}"
        task_state = TaskState(context, asked)
        ensured = self.hook.ensure(desired, IfExists(self.if_exists), task_state)
        push(context, etag=ensured.etag, created=ensured.created, **self.extra_xcoms(desired, ensured))
        task_state.clear()
        return ensured.id

    def plan(self, context: Context) -> str:
        """Look for the object, log what would be sent, push what is worth knowing, and return its id or a planned one.

        :returns: the real id of what is there, else ``plan:<kind>:<name>``.
        """
        from airflow_provider_flowservice.client.ensure.create import EnsureResult, IfExists

        self.check_name()
        desired = self.desired()
        planned = plan_create(self.hook, desired, IfExists(self.if_exists))
        if planned.change:
            self.log.info("Would send: %s", planned.change)
        else:
            self.log.info("Would use %s as it is", planned.id)
        if (found := planned.found) is None:
            push(context, **self.planned_xcoms(desired, planned.id))
        else:
            ensured = EnsureResult(found.id, found.etag, created=False, resource=found)
            push(context, etag=found.etag, **self.extra_xcoms(desired, ensured))
        return planned.id

    def check_name(self) -> None:
        """Refuse an empty name.

        :raises InvalidInputError: naming it.
        """
        required_text("name", self.name)

    @abstractmethod
    def desired(self) -> Desired[Any]:
        """The resource that shall exist."""

    def extra_xcoms(self, desired: Any, ensured: EnsureResult[Any]) -> dict[str, Any]:
        """What else goes to XCom, by key."""
        return {}

    def planned_xcoms(self, desired: Any, planned_id: str) -> dict[str, Any]:
        """What stands for it in a plan, where later tasks need it to be there."""
        return {}


class FlowServiceCreateResourceOperator(FlowServiceCreateOperator):
    """Base of the create operators whose objects can be drafts: connections and flows.

    :param draft: make a draft, which does nothing until ``FlowServicePublishFlowOperator`` publishes it.
    """

    def __init__(self, *, draft: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.draft = draft

    def check_draft(self, spec: ConnectionSpec | FlowSpec) -> None:
        """Refuse a draft of something that cannot be one.

        :raises InvalidInputError: naming the spec.
        """
        if self.draft and spec.attributes.get("isDraftModeSupported") is not True:
            raise InvalidInputError("draft", f"{spec.name or spec.id} supports no drafts", "Leave it out.")
