"""A task that waits until a flow is disabled."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor

with DAG(
    dag_id="waiting", schedule=None, params={"flow_id": Param("", type="string", description="The flow")}
) as dag:
    FlowServiceFlowStateSensor(
        task_id="wait_until_disabled",
        flow_id="{{ params.flow_id }}",
        state="disabled",
        poke_interval=5,
        deferrable=True,
    )
