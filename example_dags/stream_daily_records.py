"""Post a file of records to an existing inlet every day.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The params below: the base connection of the inlet, the flow, and the directory with a file for each day, for
  example ``2026-01-31.jsonl``.

Scheduled and backfill runs post the file of the first day of their data interval. This requires
``CronDataIntervalTimetable``: with a plain cron string, the data interval has no length. Manual runs use the param
``date`` or, without it, the last complete interval before their logical date or, without one, the day before their
start.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, timezone
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_flowservice.client import errors
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator

log = logging.getLogger(__name__)
#: The param or, if it is not set, the beginning of the data interval or, if there is none, the day before the run.
DAY = (
    "{{ params.date or"
    " (data_interval_start | default(dag_run.run_after - macros.timedelta(days=1), true)) | ds }}"
)

with DAG(
    dag_id="stream_daily_records",
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=timezone.datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["flowservice", "streaming"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    params={
        "connection_id": Param(
            "",
            type="string",
            title="Connection id",
            description="Id of a base connection with the spec HTTP API",
        ),
        "flow_id": Param(
            "", type="string", title="Flow id", description="Id of the flow that ingests the records"
        ),
        "folder": Param(
            "file:///data/customers",
            type="string",
            title="Folder",
            description="URL of the directory of the files",
        ),
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Date",
            description="Day to post, for manual runs; if empty, the day before",
        ),
    },
) as dag:

    @task
    @flowservice_errors
    def check_settings(params: dict[str, Any]) -> None:
        """Say what is missing, before anything waits or is sent."""
        if missing := [name for name in ("connection_id", "flow_id") if not params[name]]:
            remedy = (
                "Set their defaults in stream_daily_records.py or, for a manual run, in the trigger form."
            )
            raise errors.InvalidInputError(f"Params {', '.join(missing)}", "not set", remedy)
        settings = FlowServiceHook().settings
        log.info("Posting to organization %s, sandbox %s", settings.org_id, settings.sandbox)

    post = FlowServicePostToInletOperator(
        task_id="post_records_of_the_day",
        connection_id="{{ params.connection_id }}",
        flow_id="{{ params.flow_id }}",
        path="{{ params.folder }}/" + DAY + ".jsonl",
        dead_letter_path="{{ params.folder }}/refused/" + DAY + ".jsonl",
    )
    check_settings() >> post
