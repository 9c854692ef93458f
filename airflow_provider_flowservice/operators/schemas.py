"""Operator for XDM schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_flowservice.client import DesiredSchema
from airflow_provider_flowservice.client.datasets import PROFILE_CLASS
from airflow_provider_flowservice.operators.arguments import required, resource_id, resource_ids
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator


class FlowServiceCreateSchemaOperator(FlowServiceCreateOperator):
    """Create a schema, or reuse one with the same title, and return its ``$id`` (``POST /tenant/schemas``).

    :param name: title of the schema.
    :param schema_class: ``$id`` of its class.
    :param field_groups: ``$id`` of each of its field groups.
    """

    schema_class = required(resource_id)
    field_groups = required(resource_ids(minimum=0))

    def __init__(
        self, *, schema_class: str = PROFILE_CLASS, field_groups: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def desired(self) -> DesiredSchema:
        """Return the schema."""
        return DesiredSchema(
            name=self.name,
            description=self.description,
            schema_class=self.schema_class,
            field_groups=self.field_groups,
        )
