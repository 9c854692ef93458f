"""Finds a flow that reads files, and starts a run of it."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_flowservice.operators.flows import (
    FlowServiceFindFlowOperator,
    FlowServiceRunFlowOperator,
)

with DAG(dag_id="start_runs", schedule=None, params={"reading": Param("", type="string")}) as dag:
    flow = FlowServiceFindFlowOperator(task_id="find_flow", name="{{ params.reading }}")
    FlowServiceRunFlowOperator(
        task_id="run_flow",
        flow_id=flow.output,
        window_start=1_700_000_000,
        window_end=1_700_086_400,
        poll_interval=60,
    )
