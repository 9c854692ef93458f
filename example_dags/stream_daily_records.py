"""Every day, post the day's file to an inlet that exists already.

What to change:

* The Airflow connection ``flowservice_default`` says which AEP organisation and sandbox this runs against.
* The params below: the base connection whose inlet is used, the flow, and the folder that has a file for each
  day, such as ``2026-01-31.jsonl``.

A scheduled or backfilled run takes the day that its data interval begins with. It is
``CronDataIntervalTimetable`` that gives it one: with a plain cron string the interval has no length. A manual
run takes the param ``date``, else the last whole interval before its logical date, else the day before it was
started.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, timezone

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator

#: The param, else the beginning of the data interval, else the day before a manual run that has none.
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
        "connection_id": Param("", type="string", description="Base connection of spec HTTP API"),
        "flow_id": Param("", type="string", description="Flow that the records are for"),
        "folder": Param("file:///data/customers", type="string", description="Where the day's files lie"),
        "date": Param(
            None, type=["null", "string"], format="date", description="Day to post, for a manual run"
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
