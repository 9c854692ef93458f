"""Starts runs of two flows that exist: one that reads from a source, and one that exports segments to files."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_flowservice.client import FLOWS
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import (
    FlowServiceActivateSegmentsOperator,
    FlowServiceAdHocActivationOperator,
)
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator
from tests.support.files import exported

with DAG(
    dag_id="start_runs",
    schedule=None,
    render_template_as_native_obj=True,
    params={name: Param("", type="string") for name in ("reading", "exporting")}
    | {"segments": Param([], type="array")},
) as dag:

    @task
    @flowservice_errors
    def find_flow(name: str) -> str:
        return next(flow.id for flow in FlowServiceHook().iterate(FLOWS) if flow.name == name)

    @task
    def with_schedule(segments: list[str]) -> list[dict[str, Any]]:
        return [exported(segment) for segment in segments]

    FlowServiceRunFlowOperator(
        task_id="run_flow",
        flow_id=find_flow("{{ params.reading }}"),
        window_start=1_700_000_000,
        window_end=1_700_086_400,
        poll_interval=60,
    )
    exporting = find_flow("{{ params.exporting }}")
    activate = FlowServiceActivateSegmentsOperator(
        task_id="activate", flow_id=exporting, segments=with_schedule("{{ params.segments }}")
    )
    export = FlowServiceAdHocActivationOperator(
        task_id="export", flow_id=exporting, segments="{{ params.segments }}", poll_interval=60
    )
    activate >> export
