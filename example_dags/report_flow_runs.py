"""Report every morning on the flow runs of the last 24 hours, and send the report.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* ``SEND``: the notifiers that send the report, whether the task succeeds or fails.
* The params below: which runs make the task fail, and the directory for the whole report.
"""

from __future__ import annotations

from airflow.sdk import DAG, BaseNotifier, Param, timezone

from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator

#: The table of the runs, of which the bad ones come first.
TABLE = "{{ ti.xcom_pull(task_ids='report_flow_runs', key='table') }}"
#: For example, ``[SlackNotifier(slack_conn_id="slack", text=f"```{TABLE}```", channel="#data")]``.
SEND: list[BaseNotifier] = []

with DAG(
    dag_id="report_flow_runs",
    schedule="0 6 * * *",
    start_date=timezone.datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["flowservice", "monitoring"],
    params={
        "fail_on": Param(
            "failed",
            type="string",
            enum=["failed", "partial", "never"],
            title="Fail on",
            description="Runs that fail the task: failed ones, also those that lost records (partial), or none",
        ),
        "folder": Param(
            "file:///data/flow_runs",
            type="string",
            title="Folder",
            description="URL of the directory of the reports",
        ),
    },
) as dag:
    FlowServiceFlowRunReportOperator(
        task_id="report_flow_runs",
        # The same for a run by schedule, by hand, and for a retry.
        since="{{ dag_run.run_after - macros.timedelta(days=1) }}",
        until="{{ dag_run.run_after }}",
        fail_on="{{ params.fail_on }}",
        path="{{ params.folder }}/{{ dag_run.run_after | ds }}.jsonl",
        on_success_callback=SEND,
        on_failure_callback=SEND,
    )
