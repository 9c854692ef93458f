"""The operators of a destination, as its tests need them."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.operators.activation import FlowServiceActivateSegmentsOperator
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.flows import FlowServiceCreateFlowOperator
from tests.support.tasks import run


def create_profile_store(name: str = "profile store", **changes: Any) -> FlowServiceCreateConnectionOperator:
    spec = specs.UNIFIED_PROFILE_SERVICE
    return FlowServiceCreateConnectionOperator(
        **{"task_id": "profile_store", "name": name, "connection_spec": spec, **changes}
    )


def create_kinesis(name: str = "kinesis", **changes: Any) -> FlowServiceCreateConnectionOperator:
    arguments = {"connection_spec": "Amazon Kinesis", "auth_conn_id": "kinesis_destination"}
    return FlowServiceCreateConnectionOperator(**{"task_id": "kinesis", "name": name, **arguments, **changes})


def create_source(
    base_id: str, name: str = "profiles", **changes: Any
) -> FlowServiceCreateSourceConnectionOperator:
    arguments = {"connection_spec": specs.UNIFIED_PROFILE_SERVICE, "base_connection_id": base_id}
    return FlowServiceCreateSourceConnectionOperator(
        **{"task_id": "source", "name": name, **arguments, **changes}
    )


def create_target(
    base_id: str, name: str = "stream", **changes: Any
) -> FlowServiceCreateTargetConnectionOperator:
    arguments = {
        "connection_spec": specs.AMAZON_KINESIS,
        "base_connection_id": base_id,
        "target_params": {"stream": "events", "region": "us-east-1"},
    }
    return FlowServiceCreateTargetConnectionOperator(
        **{"task_id": "target", "name": name, **arguments, **changes}
    )


def create_flow(
    source_id: str, target_id: str, name: str = "flow", **changes: Any
) -> FlowServiceCreateFlowOperator:
    arguments = {
        "flow_spec": specs.PROFILE_DESTINATION_FLOW,
        "source_connection_ids": [source_id],
        "target_connection_ids": [target_id],
    }
    return FlowServiceCreateFlowOperator(**{"task_id": "flow", "name": name, **arguments, **changes})


def activate(flow_id: str, segments: Any, **changes: Any) -> FlowServiceActivateSegmentsOperator:
    arguments = {"task_id": "activate", "flow_id": flow_id, "segments": segments}
    return FlowServiceActivateSegmentsOperator(**{**arguments, **changes})


def onboard(name: str = "") -> dict[str, str]:
    """Create all four kinds, parents first; their ids by collection. ``name`` goes to each."""

    def named(default: str) -> dict[str, str]:
        return {"name": name or default}

    profile_store, _ = run(create_profile_store(**named("profile store")))
    kinesis, _ = run(create_kinesis(**named("kinesis")))
    source, _ = run(create_source(profile_store, **named("profiles")))
    target, _ = run(create_target(kinesis, **named("stream")))
    flow, _ = run(create_flow(source, target, **named("flow")))
    return {
        "profile store": profile_store,
        "connections": kinesis,
        "sourceConnections": source,
        "targetConnections": target,
        "flows": flow,
    }
