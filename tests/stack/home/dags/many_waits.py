"""As many tasks that wait in the triggerer as a DAG run asks for: for a state of a flow, and for a run.

The parameters ``flows`` and ``runs`` have the arguments of each task.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor, FlowServiceFlowStateSensor

with DAG(
    dag_id="many_waits",
    schedule=None,
    params={"flows": Param([], type="array"), "runs": Param([], type="array")},
    default_args={"retries": 1, "deferrable": True, "poke_interval": 5},
) as dag:

    @task
    def asked_for(name: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the arguments of the tasks of one kind."""
        return list((params or {})[name])

    FlowServiceFlowStateSensor.partial(task_id="wait_for_flow", state="disabled").expand_kwargs(
        asked_for.override(task_id="flows")("flows")
    )
    FlowServiceFlowRunSensor.partial(task_id="wait_for_run").expand_kwargs(
        asked_for.override(task_id="runs")("runs")
    )
