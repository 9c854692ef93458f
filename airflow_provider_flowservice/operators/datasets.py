"""Operator for datasets."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client import DesiredDataset
from airflow_provider_flowservice.operators.arguments import flag, required, resource_id
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator


class FlowServiceCreateDatasetOperator(FlowServiceCreateOperator):
    """Create a dataset, or reuse one with the same name and schema, and return its id (``POST /dataSets``).

    :param schema_id: ``$id`` of its schema.
    :param enable_for_profile: whether its records are added to profiles and to the identity graph. The schema must be
        enabled for Profile too (``enable_for_profile`` of ``FlowServiceCreateSchemaOperator``).
    """

    schema_id = required(resource_id)
    enable_for_profile = required(flag)

    def __init__(self, *, schema_id: str, enable_for_profile: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def desired(self) -> DesiredDataset:
        """Return the dataset."""
        return DesiredDataset(
            name=self.name,
            description=self.description,
            schema_id=self.schema_id,
            enable_for_profile=self.enable_for_profile,
        )
