"""Start when a run of a flow has ended in AEP, and handle each run.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The constants below: the flow. The arguments of a watcher are not templates.
* The task ``handle``: what should be done about a run.

The runs that end within a short time may start one DAG run together, and after a restart of the triggerer, a run may be
reported twice. Therefore, the DAG handles every event, and remembers the runs in an Airflow variable.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetWatcher, Variable, task

from airflow_provider_flowservice.assets import flow_asset
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger

FLOW_ID = "00000000-0000-0000-0000-000000000000"
ORG_ID = "0123456789ABCDEF01234567@AdobeOrg"
SANDBOX = "dev"
HANDLED = "on_flow_run_completed_handled"

log = logging.getLogger(__name__)
watcher = AssetWatcher(
    name="flow_runs", trigger=FlowRunCompletedTrigger(flow_id=FLOW_ID, sandbox=SANDBOX, poll_interval=60)
)

with DAG(
    dag_id="on_flow_run_completed",
    schedule=[flow_asset(FLOW_ID, org_id=ORG_ID, sandbox=SANDBOX, watchers=[watcher])],
    max_active_runs=1,
    doc_md=__doc__,
    tags=["flowservice", "runs"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:

    @task
    def new_runs(triggering_asset_events: Any) -> list[dict[str, Any]]:
        """Return the runs that have not been handled, each once."""
        handled = Variable.get(HANDLED, default=[], deserialize_json=True)
        runs = {
            event.extra["payload"]["run_id"]: event.extra["payload"]
            for events in triggering_asset_events.values()
            for event in events
            if "payload" in event.extra
        }
        return [run for run_id, run in runs.items() if run_id not in handled]

    @task
    def handle(run: dict[str, Any]) -> str:
        """Log a run. Replace this with what should be done about it."""
        level = logging.INFO if run["state"] == "success" else logging.WARNING
        counts = f"{run['records_written']} of {run['records_read']} records written"
        log.log(level, "Run %s ended at %s: %s, %s", run["run_id"], run["ended_at"], run["state"], counts)
        return str(run["run_id"])

    @task
    def remember(run_ids: list[str]) -> None:
        """Keep the ids of the last 1,000 runs."""
        handled = Variable.get(HANDLED, default=[], deserialize_json=True)
        Variable.set(HANDLED, [*handled, *run_ids][-1000:], serialize_json=True)

    remember(handle.expand(run=new_runs()))
