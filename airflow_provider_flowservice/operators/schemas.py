"""Operator for XDM schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.client import DesiredSchema
from airflow_provider_flowservice.client.datasets import PROFILE_CLASS, PrimaryIdentity, read_primary_identity
from airflow_provider_flowservice.client.flows import Shown
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator
from airflow_provider_flowservice.operators.kinds import flag, mapping, resource_id, resource_ids


def _primary_identity(field: str, value: Any) -> PrimaryIdentity:
    """Convert a primary identity."""
    return read_primary_identity(mapping(field, value))


class FlowServiceCreateSchemaOperator(FlowServiceCreateOperator):
    """Create a schema, or reuse one with the same title, and return its ``$id`` (``POST /tenant/schemas``).

    :param name: title of the schema.
    :param schema_class: ``$id`` of its class.
    :param field_groups: ``$id`` of each of its field groups. Further ones that an existing schema has do not matter;
        ``if_exists="update"`` adds missing ones.
    :param primary_identity: the field that identifies a person, and the code or id of its identity namespace, for
        example ``{"property": "/workEmail/address", "namespace": "Email"}``. AEP rejects records without this field.
    :param enable_for_profile: whether its records can be added to profiles. AEP cannot undo this.
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

    custom_operator_name = "Create schema"
    _shown = Shown.SCHEMA
    schema_class = required(resource_id)
    field_groups = required(resource_ids(minimum=0))
    primary_identity = optional(_primary_identity)
    enable_for_profile = required(flag)

    def __init__(
        self,
        *,
        name: str,
        schema_class: str = PROFILE_CLASS,
        field_groups: Sequence[str] = (),
        primary_identity: Mapping[str, Any] | None = None,
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

    def desired(self) -> DesiredSchema:
        """Return the schema."""
        return DesiredSchema(
            name=self.name,
            description=self.description,
            schema_class=self.schema_class,
            field_groups=self.field_groups,
            primary_identity=self.primary_identity,
            enable_for_profile=self.enable_for_profile,
        )
