"""Operator for datasets."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client import DesiredDataset
from airflow_provider_flowservice.operators.arguments import flag, required, resource_id
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator


class FlowServiceCreateDatasetOperator(FlowServiceCreateOperator):
    """Find a dataset by its name and schema or create it (``POST /dataSets``); returns its id.

    :param schema_id: ``$id`` of its schema.
    :param enable_for_profile: whether its records go into profiles and the identity graph.
    """

    schema_id = required(resource_id)
    enable_for_profile = required(flag)

    def __init__(self, *, schema_id: str, enable_for_profile: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def desired(self) -> DesiredDataset:
        """The dataset."""
        return DesiredDataset(
            name=self.name,
            description=self.description,
            schema_id=self.schema_id,
            enable_for_profile=self.enable_for_profile,
        )
