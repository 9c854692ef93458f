"""What the create operators share: one object however often they run, and its id as the result."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import IfExists
from airflow_provider_flowservice.client.ensure import EnsureResult, reject_planned
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import is_uuid
from airflow_provider_flowservice.operators.arguments import choice, flag, optional, required, string, text
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, push
from airflow_provider_flowservice.operators.task_state import TaskState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure import Desired
    from airflow_provider_flowservice.client.model import ConnectionSpec, FlowSpec


class FlowServiceCreateOperator(FlowServiceChangeOperator):
    """Base of the operators that create one resource and return its id.

    The resource's version goes to the XCom key ``etag``, and whether this run created it to ``created``.

    :param name: the resource's name.
    :param description: for people; it is never compared.
    :param if_exists: what to do about an earlier one of this name, spec and parents: ``reuse`` it if its
        settings agree and fail if they differ, ``update`` what AEP can change, ``fail``, or
        ``create`` another.
    :param plan_only: only log what would be sent, and return the real id or a planned one.
    """

    name = required(string)
    description = optional(text)
    if_exists = required(choice(IfExists))

    def __init__(
        self, *, name: str, description: str | None = None, if_exists: str = "reuse", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def change(self, context: Context) -> str:
        """Ensure the object and push the other XComs.

        :returns: its id.
        """
        desired = self.desired()
        for parent in desired.parents:
            reject_planned("a parent", parent)
        # Secrets are not part of the representation of what is desired.
        fingerprint = (
            f"{self.flowservice_conn_id} {self.hook.settings.sandbox} {self.if_exists.value} {desired!r}"
        )
        task_state = TaskState(context, fingerprint)
        result = self.hook.ensure(desired, self.if_exists, task_state)
        push(context, etag=result.etag, created=result.created, **self.extra_xcoms(desired, result))
        task_state.clear()
        return result.id

    def plan(self, context: Context) -> str:
        """Look for the object, log what would be sent, push the other XComs, and return its id or a planned one.

        :returns: the real id of what exists, or ``plan:<kind>:<name>``.
        """
        desired = self.desired()
        planned = self.hook.plan(desired, self.if_exists)
        self.log.info(
            "Would %s", f"send: {planned.change}" if planned.change else f"use {planned.id} as it is"
        )
        if (found := planned.found) is None:
            push(context, **self.planned_xcoms(desired, planned.id))
        else:
            result = EnsureResult(found.id, found.etag, created=False, resource=found)
            push(context, etag=found.etag, **self.extra_xcoms(desired, result))
        return planned.id

    @abstractmethod
    def desired(self) -> Desired[Any]:
        """The desired resource."""

    def extra_xcoms(self, desired: Any, result: EnsureResult[Any]) -> dict[str, Any]:
        """What else goes to XCom, by key."""
        return {}

    def planned_xcoms(self, desired: Any, planned_id: str) -> dict[str, Any]:
        """What takes its place in a plan, where later tasks need a value."""
        return {}


class FlowServiceCreateResourceOperator(FlowServiceCreateOperator):
    """Base of the create operators whose objects can be drafts: connections and flows.

    :param draft: create a draft, which does nothing until ``FlowServicePublishFlowOperator`` publishes it.
    """

    draft = required(flag)

    def __init__(self, *, draft: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def spec_id(self, name_or_id: str, find: Callable[[str], ConnectionSpec | FlowSpec]) -> str:
        """The id of a spec. An id is looked up only to see whether the spec supports drafts."""
        if is_uuid(name_or_id) and not self.draft:
            return name_or_id
        spec = find(name_or_id)
        self.check_draft(spec)
        return spec.id

    def check_draft(self, spec: ConnectionSpec | FlowSpec) -> None:
        """Reject a draft of something that cannot be one.

        :raises InvalidInputError: naming the spec.
        """
        if self.draft and spec.attributes.get("isDraftModeSupported") is not True:
            raise InvalidInputError(
                "draft", f"{spec.name or spec.id} does not support drafts", "Leave it out."
            )
