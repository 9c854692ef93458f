"""Post all files of a folder to an existing inlet, with several tasks at once.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The params below: the base connection of the inlet, the flow, and the folder with the files, at a location that all
  workers can read. They can also be set when the DAG is triggered.
* ``TASKS``, the number of tasks that post at the same time. Each takes its share of what AEP allows an organization.

There is a task for each file; files of JSON lines are divided further, into parts of ``part_bytes`` bytes. A part that
fails can be cleared alone, and its rejected records are in a file of its own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator

TASKS = 4

with DAG(
    dag_id="stream_partitioned_records",
    schedule=None,
    doc_md=__doc__,
    tags=["flowservice", "streaming"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    params={
        "connection_id": Param(
            type="string",
            minLength=1,
            title="Connection id",
            description="Id of a base connection with the spec HTTP API",
        ),
        "flow_id": Param(
            type="string", minLength=1, title="Flow id", description="Id of the flow that ingests the records"
        ),
        "folder": Param(
            "file:///data/customers",
            type="string",
            title="Folder",
            description="URL of the folder of the files",
        ),
        "pattern": Param(
            "*.jsonl", type="string", title="Pattern", description="The files in it, for example *.csv.gz"
        ),
        "part_bytes": Param(
            256_000_000,
            type="integer",
            minimum=1,
            title="Part bytes",
            description="Maximum size of a part of a file, in bytes",
        ),
    },
) as dag:

    @task(retries=0)
    def find_parts(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the arguments of each task: a file, or a part of it."""
        parts: list[dict[str, Any]] = []
        for file in sorted(ObjectStoragePath(params["folder"]).glob(params["pattern"])):
            size = file.stat().st_size
            starts = range(0, size, params["part_bytes"]) if file.suffix == ".jsonl" else [0]
            for begin in starts:
                part: dict[str, Any] = {
                    "path": str(file),
                    "dead_letter_path": f"{params['folder']}/refused/{len(parts)}.jsonl",
                }
                end = min(begin + params["part_bytes"], size)
                if len(starts) > 1:
                    # In a part that lies within a long line, no record begins.
                    part |= {"byte_range": [begin, end], "allow_empty": begin > 0}
                parts.append(part)
        if not parts:
            raise ValueError(f"{params['folder']} has no file {params['pattern']} with records")
        return parts

    FlowServicePostToInletOperator.partial(
        task_id="post_records",
        connection_id="{{ params.connection_id }}",
        flow_id="{{ params.flow_id }}",
        rate_share=1 / TASKS,
        max_active_tis_per_dagrun=TASKS,
    ).expand_kwargs(find_parts())
