"""Operator for mapping sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import DesiredMappingSet
from airflow_provider_flowservice.client.datasets import BodyForm, read_mappings
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.arguments import choice, items, required, resource_id, text
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.ensure import EnsureResult


class FlowServiceCreateMappingSetOperator(FlowServiceCreateOperator):
    """Find a mapping set or create it (``POST /mappingSets``); returns its id.

    AEP is asked first whether it accepts the mappings, and what it rejects is named field by field. The
    version goes to the XCom key ``mapping_version``.

    :param schema_id: ``$id`` of the schema that is filled.
    :param mappings: ``{"source": ..., "destination": ...}`` for each field, or in the tutorials' words
        ``{"sourceAttribute": ..., "destinationXdmPath": ...}``.
    :param name: the mapping set's name. An empty one finds it by its schema and mappings.
    :param body_form: ``new`` as in the API reference or ``old`` as in the tutorials, which carries no name.
    """

    name = required(text)
    schema_id = required(resource_id)
    mappings = required(items)
    body_form = required(choice(BodyForm))

    def __init__(
        self,
        *,
        schema_id: str,
        mappings: Sequence[Mapping[str, Any]],
        name: str = "",
        body_form: str = "new",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Check that a name can be sent."""
        if self.body_form == BodyForm.OLD and self.name:
            raise InvalidInputError("name", f"{self.name!r} cannot be sent in the old body", "Leave it out.")

    def desired(self) -> DesiredMappingSet:
        """The mapping set, once AEP has accepted it. A plan posts nothing, so there AEP is not asked."""
        desired = DesiredMappingSet(
            name=self.name,
            schema_id=self.schema_id,
            mappings=read_mappings(self.mappings),
            form=self.body_form,
        )
        if not self.plan_only:
            self.hook.send(desired.validate())
        return desired

    def extra_xcoms(self, desired: DesiredMappingSet, result: EnsureResult[Any]) -> dict[str, Any]:
        """The version that a flow's ``Mapping`` transformation names."""
        return {"mapping_version": int(result.etag or 0)}

    def planned_xcoms(self, desired: DesiredMappingSet, planned_id: str) -> dict[str, Any]:
        """The version that a new mapping set has."""
        return {"mapping_version": 0}
