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

from datetime import timedelta

from airflow.sdk import DAG, Param, timezone
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator

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
            "", type="string", description="Id of a base connection with the spec HTTP API"
        ),
        "flow_id": Param("", type="string", description="Id of the flow that ingests the records"),
        "folder": Param("file:///data/customers", type="string", description="Directory of the files"),
        "date": Param(
            None, type=["null", "string"], format="date", description="Day to post, for manual runs"
        ),
    },
) as dag:
    FlowServicePostToInletOperator(
        task_id="post_records_of_the_day",
        connection_id="{{ params.connection_id }}",
        flow_id="{{ params.flow_id }}",
        path="{{ params.folder }}/" + DAY + ".jsonl",
        dead_letter_path="{{ params.folder }}/refused/" + DAY + ".jsonl",
    )
