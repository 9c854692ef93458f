"""Task groups of destinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_provider_flowservice.client import ActivationMode, specs
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.activation import FlowServiceActivateSegmentsOperator
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from airflow_provider_flowservice.operators.kinds import choice
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor
from airflow_provider_flowservice.task_groups.shared import Common, given, output, reference

if TYPE_CHECKING:
    from airflow.sdk import XComArg

_MODES = (ActivationMode.ADD, ActivationMode.SYNC)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """What a task group of a destination gives to later tasks.

    :param group: the task group. ``group >> task`` waits until the segments are active and validated; a task that only
        takes ``flow_id`` waits until the flow exists.
    :param flow_id: id of the flow.
    """

    group: TaskGroup
    flow_id: XComArg


def streaming_destination(
    *,
    name: str,
    connection_spec: str,
    auth_conn_id: str | None = None,
    target_params: Mapping[str, Any],
    segments: Sequence[str | Mapping[str, Any]],
    profile_attributes: Sequence[str] | None = None,
    flow_spec: str = specs.PROFILE_DESTINATION_FLOW,
    source_connection_id: str | None = None,
    activation_mode: str = "add",
    if_exists: str | None = None,
    deferrable: bool | str | None = None,
    plan_only: bool | str | None = None,
    flowservice_conn_id: str | None = None,
    sandbox: str | None = None,
    group_id: str = "streaming_destination",
    **kwargs: Any,
) -> Destination:
    """Connect AEP to a streaming destination, activate segments there, and wait until the flow has them.

    The tasks: ``connect_profile_store``, ``create_source_connection``, ``connect_destination``,
    ``create_target_connection``, ``create_flow``, ``activate_segments``, ``validate_flow``.

    :param name: name of the flow and of everything else that is created for it.
    :param connection_spec: name or id of the connection spec, for example ``Amazon Kinesis`` or ``Azure Event Hubs``.
    :param auth_conn_id: Airflow connection that contains the credentials, as for
        ``FlowServiceCreateConnectionOperator``.
    :param target_params: parameters of the connection spec, for example ``{"stream": ..., "region": ...}`` for Amazon
        Kinesis or ``{"eventHubName": ...}`` for Azure Event Hubs.
    :param segments: segment ids, or mappings as for ``FlowServiceActivateSegmentsOperator``.
    :param profile_attributes: paths such as ``person.name.firstName``. None (default) leaves attributes unchanged.
    :param flow_spec: name or id of the flow spec, for a destination that has its own.
    :param source_connection_id: id of a source connection of the profile store, for several flows that share one.
        Default: the flow gets its own.
    :param activation_mode: ``add`` adds the segments and attributes, and ``sync`` also removes all others. Must not be
        a template.
    :param if_exists: what to do about a target connection or flow with this name, spec and parents: ``reuse`` it and
        fail if its settings differ, ``update`` its settings, ``fail``, or ``create`` another one. Base and source
        connections are reused: AEP does not show credentials, so an update would send them each time.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to only log the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``. Default: ``flowservice_default``.
    :param sandbox: overrides the sandbox of the connection.
    :param group_id: id of the task group. A second one with the same id in a DAG is rejected by Airflow.
    :param kwargs: further arguments of the ``TaskGroup``, for example ``default_args`` for all its tasks.
    :returns: the group and the id of the flow.
    :raises InvalidInputError: if a literal is invalid.
    """
    common = Common(
        plan_only=plan_only, flowservice_conn_id=flowservice_conn_id, sandbox=sandbox, if_exists=if_exists
    )
    with TaskGroup(group_id, **kwargs) as group:
        source_id = _profiles(name, common) if source_connection_id is None else source_connection_id
        target_id = _target(name, connection_spec, auth_conn_id, common, target_params=target_params)
        flow_id = FlowServiceCreateFlowOperator(
            task_id="create_flow",
            name=name,
            flow_spec=flow_spec,
            source_connection_ids=[source_id],
            target_connection_ids=[target_id],
            **common.of_creates,
        ).output
        _activate(
            activation_mode,
            common,
            deferrable,
            flow_id=flow_id,
            segments=segments,
            profile_attributes=profile_attributes,
        )
    return Destination(group=group, flow_id=flow_id)


def file_destination(
    *,
    name: str,
    connection_spec: str,
    auth_conn_id: str | None = None,
    target_params: Mapping[str, Any],
    columns: Sequence[str] | Mapping[str, str | Mapping[str, Any]],
    mappings: Sequence[Mapping[str, Any]],
    segments: Sequence[str | Mapping[str, Any]],
    mandatory_fields: Sequence[str] | None = None,
    primary_fields: Sequence[Mapping[str, Any]] | None = None,
    flow_spec: str | None = None,
    source_connection_id: str | None = None,
    activation_mode: str = "add",
    if_exists: str | None = None,
    deferrable: bool | str | None = None,
    plan_only: bool | str | None = None,
    flowservice_conn_id: str | None = None,
    sandbox: str | None = None,
    group_id: str = "file_destination",
    **kwargs: Any,
) -> Destination:
    """Connect AEP to a file destination, schedule the export of segments there, and wait until the flow has them.

    The tasks: ``connect_profile_store``, ``create_source_connection``, ``connect_destination``,
    ``create_target_connection``, ``create_mapping``, ``create_flow``, ``activate_segments``, ``validate_flow``.

    :param name: name of the flow and of everything else that is created for it.
    :param connection_spec: name or id of the connection spec, for example ``specs.AMAZON_S3``.
    :param auth_conn_id: Airflow connection that contains the credentials, as for
        ``FlowServiceCreateConnectionOperator``. The landing zone has none.
    :param target_params: parameters of the connection spec, for example ``{"mode": "Server-to-server", "bucketName":
        ..., "path": ..., "fileType": "CSV", "compression": "NONE"}`` for Amazon S3.
    :param columns: names of the columns of the files, without dots, as for ``FlowServiceCreateMappingSetOperator``.
    :param mappings: ``{"source": ..., "destination": ...}`` for each column: the path of a profile attribute, and the
        column.
    :param segments: mappings with ``id`` or ``name``, ``exportMode``, ``schedule`` and ``filenameTemplate``, as for
        ``FlowServiceActivateSegmentsOperator``.
    :param mandatory_fields: columns or identity namespaces that a profile must have to be exported to a file.
    :param primary_fields: fields that identify an exported row, as mappings in the format of AEP's API.
    :param flow_spec: name or id of the flow spec. Default: the one of ``connection_spec``, if that is the id of one of
        the six cloud storages, such as ``specs.AMAZON_S3``.
    :param source_connection_id: id of a source connection of the profile store, for several flows that share one.
        Default: the flow gets its own.
    :param activation_mode: ``add`` adds the segments, and ``sync`` also removes all others. Must not be a template.
    :param if_exists: what to do about a target connection, mapping set or flow with this name, spec and parents:
        ``reuse`` it and fail if its settings differ, ``update`` its settings, ``fail``, or ``create`` another one. Base
        and source connections are reused: AEP does not show credentials, so an update would send them each time.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to only log the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``. Default: ``flowservice_default``.
    :param sandbox: overrides the sandbox of the connection.
    :param group_id: id of the task group. A second one with the same id in a DAG is rejected by Airflow.
    :param kwargs: further arguments of the ``TaskGroup``, for example ``default_args`` for all its tasks.
    :returns: the group and the id of the flow.
    :raises InvalidInputError: if a literal is invalid, or the flow spec is not known.
    """
    flow_spec = _file_flow_spec(connection_spec) if flow_spec is None else flow_spec
    common = Common(
        plan_only=plan_only, flowservice_conn_id=flowservice_conn_id, sandbox=sandbox, if_exists=if_exists
    )
    with TaskGroup(group_id, **kwargs) as group:
        source_id = _profiles(name, common) if source_connection_id is None else source_connection_id
        target_id = _target(
            name, connection_spec, auth_conn_id, common, target_params=target_params, data_format=None
        )
        mapping = FlowServiceCreateMappingSetOperator(
            task_id="create_mapping", name=name, columns=columns, mappings=mappings, **common.of_creates
        )
        flow_id = FlowServiceCreateFlowOperator(
            task_id="create_flow",
            name=name,
            flow_spec=flow_spec,
            source_connection_ids=[source_id],
            target_connection_ids=[target_id],
            profile_mapping=reference(mapping),
            mandatory_fields=mandatory_fields,
            primary_fields=primary_fields,
            **common.of_creates,
        ).output
        _activate(activation_mode, common, deferrable, flow_id=flow_id, segments=segments)
    return Destination(group=group, flow_id=flow_id)


def _profiles(name: str, common: Common) -> Any:
    """Make the tasks that create a source connection of the profile store, and return its id."""
    spec = specs.UNIFIED_PROFILE_SERVICE
    store = FlowServiceCreateConnectionOperator(
        task_id="connect_profile_store", name=name, connection_spec=spec, **common.of_reused
    )
    profiles = FlowServiceCreateSourceConnectionOperator(
        task_id="create_source_connection",
        name=name,
        connection_spec=spec,
        base_connection_id=output(store),
        **common.of_reused,
    )
    return output(profiles)


def _target(
    name: str, connection_spec: str, auth_conn_id: str | None, common: Common, **arguments: Any
) -> Any:
    """Make the tasks that create the base and target connection of a destination, and return the id of the latter.

    :param arguments: further arguments of the target connection.
    """
    destination = FlowServiceCreateConnectionOperator(
        task_id="connect_destination",
        name=name,
        connection_spec=connection_spec,
        auth_conn_id=auth_conn_id,
        **common.of_reused,
    )
    target = FlowServiceCreateTargetConnectionOperator(
        task_id="create_target_connection",
        name=name,
        connection_spec=connection_spec,
        base_connection_id=output(destination),
        **arguments,
        **common.of_creates,
    )
    return output(target)


def _activate(activation_mode: str, common: Common, deferrable: bool | str | None, **selection: Any) -> None:
    """Make the tasks that activate segments and wait until the flow has them.

    :param selection: the flow, its segments and attributes, which both tasks take.
    :raises InvalidInputError: if the mode is neither ``add`` nor ``sync``.
    """
    is_exact = choice(_MODES)("activation_mode", activation_mode) is ActivationMode.SYNC
    activate = FlowServiceActivateSegmentsOperator(
        task_id="activate_segments", activation_mode=activation_mode, **selection, **common.of_all
    )
    validate = FlowServiceFlowValidationSensor(
        task_id="validate_flow", exact=is_exact, **given(deferrable=deferrable), **selection, **common.of_all
    )
    activate >> validate


def _file_flow_spec(connection_spec: str) -> str:
    """Return the flow spec of a file destination.

    :raises InvalidInputError: if it is not known.
    """
    known = specs.FILE_FLOWS.get(connection_spec) if isinstance(connection_spec, str) else None
    if known is None:
        problem = f"is missing, and the one of connection_spec {connection_spec!r} is not known"
        remedy = "Give it, or give an id such as specs.AMAZON_S3 as connection_spec."
        raise InvalidInputError("flow_spec", problem, remedy)
    return known
