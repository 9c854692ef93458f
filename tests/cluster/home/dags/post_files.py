"""Posts files with a task for each, and sums up what the tasks return.

Each task sends a batch at a time, two a second, so that it is in the middle of its file for seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator

BATCH = 500

with DAG(
    dag_id="post_files",
    schedule=None,
    params={"flow_id": Param("", type="string"), "files": Param([], type="array")},
    default_args={"retries": 2, "retry_delay": timedelta(0)},
) as dag:

    @task
    def find_files(params: dict[str, Any]) -> list[str]:
        """Return the paths of the files."""
        return list(params["files"])

    posted = FlowServicePostToInletOperator.partial(
        task_id="post",
        flow_id="{{ params.flow_id }}",
        settle_seconds=0,
        concurrency=1,
        batch_size=BATCH,
        resend_window=BATCH,
        messages_per_second=2 * BATCH,
    ).expand(path=find_files())

    @task
    def sum_up(results: Iterable[dict[str, Any]]) -> dict[str, int]:
        """Return the sums of what the tasks have counted."""
        counted = ("accepted", "rejected", "unknown", "maybe_duplicated")
        found = list(results)
        return {name: sum(result[name] for result in found) for name in counted}

    sum_up(posted.output)
