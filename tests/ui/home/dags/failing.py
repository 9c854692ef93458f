"""Tasks that fail: what they are given is wrong, or AEP refuses what they ask for."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.operators.activation import FlowServiceActivateSegmentsOperator
from airflow_provider_flowservice.operators.connections import FlowServiceCreateSourceConnectionOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator

NOWHERE = "00000000-0000-0000-0000-000000000000"

with DAG(dag_id="failing", schedule=None) as dag:
    FlowServiceActivateSegmentsOperator(
        task_id="unknown_flow", flow_id=NOWHERE, segments=["72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"]
    )
    FlowServiceCreateSourceConnectionOperator(
        task_id="unknown_base",
        name="records of nobody",
        connection_spec=specs.HTTP_API,
        base_connection_id=NOWHERE,
        data_format=None,
    )
    FlowServicePostToInletOperator(
        task_id="wrong_messages", connection_id=NOWHERE, messages="{{ 'not a list of records' }}"
    )
