"""Operator for XDM schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.datasets.schemas import PROFILE_CLASS
from airflow_provider_flowservice.operators.base import id_list, required_text
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.datasets.schemas import DesiredSchema


class FlowServiceCreateSchemaOperator(FlowServiceCreateOperator):
    """Find a schema by its title or create it (``POST /tenant/schemas``); returns its ``$id``.

    :param name: the schema's title; templated.
    :param schema_class: ``$id`` of its class; templated.
    :param field_groups: ``$id`` of each field group beside the class; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceCreateOperator.template_fields,
        "schema_class",
        "field_groups",
    )

    def __init__(
        self,
        *,
        schema_class: str = PROFILE_CLASS,
        field_groups: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema_class = schema_class
        self.field_groups = field_groups

    def desired(self) -> DesiredSchema:
        """The schema."""
        from airflow_provider_flowservice.client.datasets.schemas import DesiredSchema

        return DesiredSchema(
            name=self.name,
            description=self.description,
            schema_class=required_text("schema_class", self.schema_class),
            field_groups=id_list("field_groups", self.field_groups) if self.field_groups else (),
        )
