"""The base classes of the create operators, which create an object once and return its id."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_flowservice.client import IfExists
from airflow_provider_flowservice.client.ensure import EnsureResult, check_adoption, reject_planned
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import is_uuid
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, push
from airflow_provider_flowservice.operators.kinds import choice, flag, resource_id, string, text

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure import Desired
    from airflow_provider_flowservice.client.flows import Console, Shown
    from airflow_provider_flowservice.client.model import ConnectionSpec, FlowSpec


class FlowServiceCreateOperator(FlowServiceChangeOperator):
    """Base class of the operators that create a resource and return its id.

    The version of the resource is pushed to the XCom key ``etag``, and whether this task created it to ``created``.
    """

    name = required(string)
    description = optional(text)
    if_exists = required(choice(IfExists))
    adopt_id = optional(resource_id)
    #: What is created.
    _shown: ClassVar[Shown]
    #: Id of the object, or its placeholder, as soon as it is known.
    _object_id: str | None = None

    def check_arguments(self) -> None:
        """Reject an id to adopt if an existing object would never be used."""
        if self.is_given("adopt_id"):
            check_adoption(self.if_exists)

    def change(self, context: Context) -> str:
        """Create the object if it does not exist, and push the other XComs.

        :returns: its id.
        """
        desired = self.desired()
        for parent in desired.parents:
            reject_planned("a parent", parent)
        # The representation of the desired object does not contain secrets.
        work = f"{self.hook.settings.sandbox} {self.if_exists.value} {desired!r}"
        if self.adopt_id is not None:
            work += f" adopt {self.adopt_id}"
        task_state = self.task_state(context, work)
        result = self.hook.ensure(desired, self.if_exists, task_state, self.adopt_id)
        self._object_id = result.id
        push(context, etag=result.etag, created=result.created, **self.extra_xcoms(desired, result))
        task_state.clear()
        return result.id

    def plan(self, context: Context) -> str:
        """Search for the object, log the request that would be sent, and push the other XComs.

        :returns: the id of the existing object, or the placeholder ``plan:<kind>:<name>``.
        """
        desired = self.desired()
        planned = self.hook.plan(desired, self.if_exists, self.adopt_id)
        self._object_id = planned.id
        found = planned.found
        title = desired.title(planned.id)
        if planned.change:
            self.log.info("%s would be %s: %s", title, "changed" if found else "created", planned.change)
        else:
            self.log.info("%s would be reused as it is", title)
        if found is None:
            push(context, **self.planned_xcoms(desired, planned.id))
        else:
            result = EnsureResult(found.id, found.etag, created=False, resource=found)
            push(context, etag=found.etag, **self.extra_xcoms(desired, result))
        return planned.id

    def page_in(self, console: Console) -> str:
        """Return the URL of the object."""
        return console.page(self._shown, self._object_id) if self._object_id else ""

    @abstractmethod
    def desired(self) -> Desired[Any]:
        """Return the desired resource."""

    def extra_xcoms(self, desired: Any, result: EnsureResult[Any]) -> dict[str, Any]:
        """Return further values to push to XCom, by key."""
        return {}

    def planned_xcoms(self, desired: Any, planned_id: str) -> dict[str, Any]:
        """Return the values to push in a dry run if the object does not exist yet."""
        return {}


class FlowServiceCreateResourceOperator(FlowServiceCreateOperator):
    """Base class of the operators that create connections and flows, which can be drafts."""

    draft = required(flag)

    def spec_id(self, name_or_id: str, find: Callable[[str], ConnectionSpec | FlowSpec]) -> str:
        """Return the id of a spec. A given id is only looked up to check whether the spec supports drafts."""
        if is_uuid(name_or_id) and not self.draft:
            return name_or_id
        spec = find(name_or_id)
        self.check_draft(spec)
        return spec.id

    def check_draft(self, spec: ConnectionSpec | FlowSpec) -> None:
        """Reject drafts for specs that do not support them.

        :raises InvalidInputError: if the spec does not support drafts.
        """
        if self.draft and spec.attributes.get("isDraftModeSupported") is not True:
            raise InvalidInputError(
                "draft", f"{spec.name or spec.id} does not support drafts", "Remove the argument."
            )
