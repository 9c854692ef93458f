"""Prunes flows: those that are not kept are disabled, and then deleted with their connections."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_flowservice.operators.flows import FlowServicePruneFlowsOperator

with DAG(
    dag_id="prune_flows",
    schedule=None,
    render_template_as_native_obj=True,
    params={"prefix": Param("", type="string"), "keep": Param([], type="array")},
) as dag:
    disable, delete = (
        FlowServicePruneFlowsOperator(
            task_id=action,
            keep="{{ params.keep }}",
            name_prefix="{{ params.prefix }}",
            action=action,
            with_connections=True,
        )
        for action in ("disable", "delete")
    )
    disable >> delete
