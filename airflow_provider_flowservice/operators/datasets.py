"""Operator for datasets."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client import DesiredDataset
from airflow_provider_flowservice.client.flows import Shown
from airflow_provider_flowservice.operators.arguments import required
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator
from airflow_provider_flowservice.operators.kinds import flag, resource_id


class FlowServiceCreateDatasetOperator(FlowServiceCreateOperator):
    """Create a dataset, or reuse one with the same name and schema, and return its id (``POST /dataSets``).

    :param name: name of the resource.
    :param schema_id: ``$id`` of its schema.
    :param enable_for_profile: whether its records are added to profiles and to the identity graph. The schema must be
        enabled for Profile too (``enable_for_profile`` of ``FlowServiceCreateSchemaOperator``).
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param adopt_id: id of an existing resource to use, instead of searching for one by name. It must have the same spec
        and parents and, as a schema or dataset, the same name. If anything else differs, ``if_exists="update"`` changes
        it, and ``"reuse"`` fails.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Create dataset"
    _shown = Shown.DATASET
    schema_id = required(resource_id)
    enable_for_profile = required(flag)

    def __init__(
        self,
        *,
        name: str,
        schema_id: str,
        enable_for_profile: bool | str = False,
        description: str | None = None,
        if_exists: str = "reuse",
        adopt_id: str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
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
