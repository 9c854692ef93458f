"""Task groups of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from airflow_provider_flowservice.task_groups.shared import Common, output, reference

if TYPE_CHECKING:
    from airflow.sdk import XComArg


@dataclass(frozen=True, kw_only=True)
class HttpApiSource:
    """What a task group of an HTTP API source gives to later tasks.

    :param group: the task group.
    :param flow_id: id of the flow.
    :param connection_id: id of the base connection, which has the inlet.
    :param inlet_url: URL of the inlet.
    :param schema_id: ``$id`` of the schema.
    :param dataset_id: id of the dataset.
    """

    group: TaskGroup
    flow_id: XComArg
    connection_id: XComArg
    inlet_url: XComArg
    schema_id: XComArg | str
    dataset_id: XComArg | str


def http_api_source(
    *,
    name: str,
    field_groups: Sequence[str] | None = None,
    primary_identity: Mapping[str, Any] | None = None,
    enable_for_profile: bool | str = False,
    schema_id: str | None = None,
    dataset_id: str | None = None,
    mappings: Sequence[Mapping[str, Any]] | None = None,
    authentication_required: bool | str = True,
    if_exists: str | None = None,
    plan_only: bool | str | None = None,
    flowservice_conn_id: str | None = None,
    sandbox: str | None = None,
    group_id: str = "http_api_source",
    **kwargs: Any,
) -> HttpApiSource:
    """Open an HTTP API source: an inlet, and a flow that ingests what is posted there into a dataset.

    The tasks: ``create_schema``, ``create_dataset``, ``open_inlet``, ``create_source_connection``,
    ``create_target_connection``, ``create_mapping``, ``create_flow``. Use ``FlowServicePostToInletOperator`` to post
    records.

    :param name: name of the flow and of everything else that is created for it.
    :param field_groups: ``$id`` of each field group of the schema. Give either this, and schema and dataset are
        created, or ``schema_id`` and ``dataset_id``.
    :param primary_identity: primary identity of the schema, as for ``FlowServiceCreateSchemaOperator``.
    :param enable_for_profile: whether records can be added to profiles. AEP cannot undo this for a schema.
    :param schema_id: ``$id`` of an existing schema.
    :param dataset_id: id of an existing dataset of this schema.
    :param mappings: ``{"source": ..., "destination": ...}`` for each field of raw records, as for
        ``FlowServiceCreateMappingSetOperator``. Default: the records are already XDM, and no mapping set is created.
    :param authentication_required: whether the inlet requires a token.
    :param if_exists: what to do about a schema, dataset, target connection, mapping set or flow with this name, spec
        and parents: ``reuse`` it and fail if its settings differ, ``update`` its settings, ``fail``, or ``create``
        another one. The inlet and the source connection are reused.
    :param plan_only: whether to only log the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``. Default: ``flowservice_default``.
    :param sandbox: overrides the sandbox of the connection.
    :param group_id: id of the task group. A second one with the same id in a DAG is rejected by Airflow.
    :param kwargs: further arguments of the ``TaskGroup``, for example ``default_args`` for all its tasks.
    :returns: the group, and the ids of the flow and of what belongs to it.
    :raises InvalidInputError: if a literal is invalid.
    """
    _check_schema(field_groups, primary_identity, enable_for_profile, schema_id, dataset_id)
    common = Common(
        plan_only=plan_only, flowservice_conn_id=flowservice_conn_id, sandbox=sandbox, if_exists=if_exists
    )
    with TaskGroup(group_id, **kwargs) as group:
        schema: Any = schema_id
        dataset: Any = dataset_id
        if field_groups is not None:
            schema = FlowServiceCreateSchemaOperator(
                task_id="create_schema",
                name=name,
                field_groups=field_groups,
                primary_identity=primary_identity,
                enable_for_profile=enable_for_profile,
                **common.of_creates,
            ).output
            dataset = FlowServiceCreateDatasetOperator(
                task_id="create_dataset",
                name=name,
                schema_id=schema,
                enable_for_profile=enable_for_profile,
                **common.of_creates,
            ).output
        inlet = FlowServiceCreateConnectionOperator(
            task_id="open_inlet",
            name=name,
            connection_spec=specs.HTTP_API,
            auth={
                "dataType": "xdm" if mappings is None else "raw",
                "sourceId": name,
                "name": name,
                "authenticationRequired": authentication_required,
            },
            **common.of_reused,
        )
        source = FlowServiceCreateSourceConnectionOperator(
            task_id="create_source_connection",
            name=name,
            connection_spec=specs.HTTP_API,
            base_connection_id=output(inlet),
            data_format=None,
            **common.of_reused,
        )
        target = FlowServiceCreateTargetConnectionOperator(
            task_id="create_target_connection",
            name=name,
            connection_spec=specs.DATA_LAKE,
            schema_id=schema,
            target_params={"dataSetId": dataset},
            data_format=None,
            **common.of_creates,
        )
        transformations = None
        if mappings is not None:
            mapping = FlowServiceCreateMappingSetOperator(
                task_id="create_mapping", name=name, schema_id=schema, mappings=mappings, **common.of_creates
            )
            transformations = [{"name": "Mapping", "params": reference(mapping)}]
        flow = FlowServiceCreateFlowOperator(
            task_id="create_flow",
            name=name,
            flow_spec=specs.HTTP_API_FLOW if mappings is None else specs.HTTP_API_FLOW_WITH_MAPPING,
            source_connection_ids=[output(source)],
            target_connection_ids=[output(target)],
            transformations=transformations,
            **common.of_creates,
        )
    return HttpApiSource(
        group=group,
        flow_id=flow.output,
        connection_id=inlet.output,
        inlet_url=output(inlet)["inlet_url"],
        schema_id=schema,
        dataset_id=dataset,
    )


def _check_schema(
    field_groups: Any, primary_identity: Any, enable_for_profile: Any, schema_id: Any, dataset_id: Any
) -> None:
    """Reject a source without a schema, with half of an existing one, or with two.

    :raises InvalidInputError: if the arguments do not go together.
    """
    if (field_groups is None) == (schema_id is None):
        problem = "is missing" if schema_id is None else "are both given"
        raise InvalidInputError("field_groups or schema_id", problem, "Give exactly one of them.")
    if (schema_id is None) != (dataset_id is None):
        missing, given = ("dataset_id", "schema_id") if dataset_id is None else ("schema_id", "dataset_id")
        raise InvalidInputError(missing, f"is missing, but {given} is given", "Give both.")
    if schema_id is None:
        return
    for name, is_given in (
        ("primary_identity", primary_identity is not None),
        ("enable_for_profile", enable_for_profile is not False),
    ):
        if is_given:
            remedy = "Remove it: it is a property of schemas and datasets that are created here."
            raise InvalidInputError(name, "cannot be combined with schema_id", remedy)
