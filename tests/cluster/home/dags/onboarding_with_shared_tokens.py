"""The example with a connection whose tokens are shared."""

from __future__ import annotations

from example_dags.onboard_kinesis_destination import dag

dag.dag_id = "onboard_with_shared_tokens"
for task in dag.tasks:
    task.flowservice_conn_id = "flowservice_shared_tokens"  # type: ignore[union-attr]
