"""A DAG that starts when a run of a flow ends, for a flow that the environment names."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, AssetWatcher, task

from airflow_provider_flowservice.assets import flow_asset
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger

# Other tests have no such flow.
if flow_id := os.environ.get("FLOWSERVICE_TEST_FLOW"):
    trigger = FlowRunCompletedTrigger(flow_id=flow_id, poll_interval=0.2)
    watcher = AssetWatcher(name="flow_runs", trigger=trigger)
    asset = flow_asset(flow_id, org_id="0123456789ABCDEF01234567@AdobeOrg", sandbox="dev", watchers=[watcher])

    with DAG(dag_id="watched_flow", schedule=[asset], max_active_runs=1) as dag:

        @task(inlets=[asset])
        def handle(inlet_events: Any) -> list[str]:
            """Return the ids of the runs of all events so far.

            Airflow does not give a DAG run all events that there are when it starts. Those that it leaves out wait for
            the next event.
            """
            return [event.extra["payload"]["run_id"] for event in inlet_events[asset]]

        handle()
