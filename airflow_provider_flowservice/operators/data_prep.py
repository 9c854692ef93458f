"""Operator for mapping sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.base import required_text
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.datasets.mapping_sets import DesiredMappingSet
    from airflow_provider_flowservice.client.ensure.create import EnsureResult

_FORMS = ("new", "old")


class FlowServiceCreateMappingSetOperator(FlowServiceCreateOperator):
    """Find a mapping set or create it (``POST /mappingSets``); returns its id.

    AEP is asked first whether it accepts the mappings, and what it refuses is named field by field. The
    version goes to the XCom key ``mapping_version``.

    :param schema_id: ``$id`` of the schema that is filled; templated.
    :param mappings: ``{"source": ..., "destination": ...}`` for each field, or in the tutorials' words
        ``{"sourceAttribute": ..., "destinationXdmPath": ...}``; templated.
    :param name: the mapping set's name; templated. Empty finds it by its schema and mappings.
    :param body_form: ``new`` as in the API reference or ``old`` as in the tutorials, which carries no name.
    """

    template_fields: Sequence[str] = (*FlowServiceCreateOperator.template_fields, "schema_id", "mappings")

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
        if body_form not in _FORMS:
            raise InvalidInputError("body_form", f"{body_form!r} is not known", "Known are new and old.")
        if body_form == "old" and name:
            raise InvalidInputError("name", f"{name!r} cannot be sent in the old body", "Leave it out.")
        self.schema_id = schema_id
        self.mappings = mappings
        self.body_form = body_form

    def check_name(self) -> None:
        """A mapping set needs no name."""

    def desired(self) -> DesiredMappingSet:
        """The mapping set, once AEP has said that it accepts it; in a plan nothing is posted, so it is not asked."""
        from airflow_provider_flowservice.client.datasets.mapping_sets import (
            BodyForm,
            DesiredMappingSet,
            read_mappings,
        )

        desired = DesiredMappingSet(
            name=self.name,
            schema_id=required_text("schema_id", self.schema_id),
            mappings=read_mappings(self.mappings),
            form=BodyForm(self.body_form),
        )
        if not self.is_planning():
            self.hook.send(desired.validate())
        return desired

    def extra_xcoms(self, desired: DesiredMappingSet, ensured: EnsureResult[Any]) -> dict[str, Any]:
        """The version that a flow's ``Mapping`` transformation names."""
        return {"mapping_version": int(ensured.etag or 0)}

    def planned_xcoms(self, desired: DesiredMappingSet, planned_id: str) -> dict[str, Any]:
        """The version that a new mapping set has."""
        return {"mapping_version": 0}
