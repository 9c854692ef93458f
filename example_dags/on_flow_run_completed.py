"""Start when a run of a flow has ended in AEP, and handle each run.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The constants below: the flow. The arguments of a watcher are not templates.
* The task ``handle``: what should be done about a run.

Several runs that end within a short time may start one DAG run, to which Airflow gives only some of their events, and
after a restart of the triggerer, a run may be reported twice. Therefore, the DAG looks at all events of the last days,
and remembers in an Airflow variable which runs it has handled.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetWatcher, Variable, task, timezone

from airflow_provider_flowservice.assets import flow_asset
from airflow_provider_flowservice.client import errors
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger

FLOW_ID = "00000000-0000-0000-0000-000000000000"
ORG_ID = "0123456789ABCDEF01234567@AdobeOrg"
SANDBOX = "dev"
HANDLED = "on_flow_run_completed_handled"
#: How far to look back, and the number of runs to remember: more than can end in that time.
DAYS, REMEMBERED = 7, 10_000

log = logging.getLogger(__name__)
watcher = AssetWatcher(
    name="flow_runs", trigger=FlowRunCompletedTrigger(flow_id=FLOW_ID, sandbox=SANDBOX, poll_interval=60)
)
ended_runs = flow_asset(FLOW_ID, org_id=ORG_ID, sandbox=SANDBOX, watchers=[watcher])

with DAG(
    dag_id="on_flow_run_completed",
    schedule=[ended_runs],
    max_active_runs=1,
    doc_md=__doc__,
    tags=["flowservice", "runs"],
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:

    @task(inlets=[ended_runs])
    @flowservice_errors
    def new_runs(inlet_events: Any) -> list[dict[str, Any]]:
        """Return the runs that have not been handled, each once."""
        if not FLOW_ID.strip("-0"):
            remedy = "Set the flow, its organization and its sandbox at the top of on_flow_run_completed.py."
            raise errors.InvalidInputError("FLOW_ID, ORG_ID, SANDBOX", "not set", remedy)
        handled = Variable.get(HANDLED, default=[], deserialize_json=True)
        since = timezone.utcnow() - timedelta(days=DAYS)
        events = inlet_events[ended_runs]
        if hasattr(events, "after"):  # Airflow 3.3: older events are not even read
            events = events.after(since.isoformat())
        runs = {
            event.extra["payload"]["run_id"]: event.extra["payload"]
            for event in events
            if event.timestamp >= since and "payload" in event.extra
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
        """Remember which runs are handled."""
        handled = Variable.get(HANDLED, default=[], deserialize_json=True)
        Variable.set(HANDLED, [*handled, *run_ids][-REMEMBERED:], serialize_json=True)

    remember(handle.expand(run=new_runs()))
