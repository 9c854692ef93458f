"""Operator for datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.operators.base import required_text
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset


class FlowServiceCreateDatasetOperator(FlowServiceCreateOperator):
    """Find a dataset by its name and schema or create it (``POST /dataSets``); returns its id.

    :param schema_id: ``$id`` of its schema; templated.
    :param enable_for_profile: whether its records shall go into profiles and the identity graph.
    """

    template_fields: Sequence[str] = (*FlowServiceCreateOperator.template_fields, "schema_id")

    def __init__(self, *, schema_id: str, enable_for_profile: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema_id = schema_id
        self.enable_for_profile = enable_for_profile

    def desired(self) -> DesiredDataset:
        """The dataset."""
        from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset

        return DesiredDataset(
            name=self.name,
            description=self.description,
            schema_id=required_text("schema_id", self.schema_id),
            enable_for_profile=self.enable_for_profile,
        )
