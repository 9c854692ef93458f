"""Activate the segments that become due on each day, in scheduled runs and in backfills.

What to change:

* The Airflow connection ``flowservice_default`` defines the AEP organization, the sandbox and the credential.
* The params below: the flow, and a CSV file with the columns ``due`` (for example ``2026-01-31``) and ``segment_id``.

Runs can be executed in any order and in parallel: each adds the segments that are due and removes none, and a run that
loses a race for the flow reads it again. Nothing is exported for past windows, because AEP does not support it:
streaming destinations have no runs to start, and an ad-hoc activation exports the current members of a segment.

For a file destination, set the param ``export_as`` to the schedule of the segments. With the param ``export_after``,
the last run of a backfill starts one ad-hoc activation of all active segments. Its pool ``flowservice_export`` should
have one slot.
"""

from __future__ import annotations

import csv
import logging
from typing import Any

from airflow.sdk import DAG, ObjectStoragePath, Param, task, timezone
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_flowservice.client import FLOWS, SelectorKind, errors
from airflow_provider_flowservice.exceptions import flowservice_errors
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import (
    FlowServiceActivateSegmentsOperator,
    FlowServiceAdHocActivationOperator,
)

log = logging.getLogger(__name__)

with DAG(
    dag_id="backfill_segment_activations",
    schedule=CronDataIntervalTimetable("0 4 * * *", timezone="UTC"),
    start_date=timezone.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=8,
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["flowservice", "activation"],
    params={
        "flow_id": Param(
            "", type="string", title="Flow id", description="Id of the flow to activate segments on"
        ),
        "segments_due": Param(
            "file:///data/segments_due.csv",
            type="string",
            title="Segments due",
            description="URL of a CSV file with the columns due, segment_id",
        ),
        "export_as": Param(
            {},
            type="object",
            title="Export as",
            description="For a file destination: exportMode, schedule, filenameTemplate of each segment",
        ),
        "export_after": Param(
            False,
            type="boolean",
            title="Export after",
            description="Export once, after the last run of a backfill",
        ),
        "plan_only": Param(
            False, type="boolean", title="Plan only", description="Only log the changes, without sending them"
        ),
    },
) as dag:

    @task
    @flowservice_errors
    def read_due_segments(params: dict[str, Any], data_interval_start: Any = None) -> list[dict[str, Any]]:
        """Say what is missing, or return the segments that become due on the day of the data interval."""
        remedy = "Set it in backfill_segment_activations.py or, for a manual run, in the trigger form."
        if not params["flow_id"]:
            raise errors.InvalidInputError("Param flow_id", "not set", remedy)
        path = ObjectStoragePath(params["segments_due"])
        if not path.exists():
            raise errors.InvalidInputError("Param segments_due", f"there is no file {path}", remedy)
        # A missing or incomplete connection is an error even if nothing is due.
        settings = FlowServiceHook().settings
        log.info("Activating in organization %s, sandbox %s", settings.org_id, settings.sandbox)
        if data_interval_start is None:
            raise ValueError("This run has no data interval: trigger it with a logical date.")
        with path.open("r", newline="") as file:
            day = data_interval_start.date().isoformat()
            due = [row["segment_id"] for row in csv.DictReader(file) if row["due"] == day]
        return [{"id": segment, **params["export_as"]} for segment in due]

    due = read_due_segments()
    activate = FlowServiceActivateSegmentsOperator(
        task_id="activate_due_segments",
        flow_id="{{ params.flow_id }}",
        segments=due,
        plan_only="{{ params.plan_only }}",
        retries=3,
    )

    # One at a time, so that exactly one run finds that all others have finished.
    @task.short_circuit(max_active_tis_per_dag=1)
    def is_last_of_backfill(params: dict[str, Any], ti: Any = None, dag_run: Any = None) -> bool:
        """Whether all other runs of this DAG have reached this task."""
        if not params["export_after"] or params["plan_only"] or dag_run.run_type != "backfill":
            return False
        reached = ["running", "success", "failed", "upstream_failed", "skipped"]
        here = ti.get_ti_count(dag_id=ti.dag_id, task_ids=[ti.task_id], states=reached)
        return bool(here == ti.get_dr_count(dag_id=ti.dag_id))

    @task
    @flowservice_errors
    def read_active_segments(params: dict[str, Any]) -> list[str]:
        """Return the ids of all segments that are active on the flow."""
        flow = FlowServiceHook().get(FLOWS, params["flow_id"])
        return [selector.uuid for selector in flow.selectors(SelectorKind.SEGMENT)]

    active = read_active_segments()
    export = FlowServiceAdHocActivationOperator(
        task_id="export_now", flow_id="{{ params.flow_id }}", segments=active, pool="flowservice_export"
    )
    activate >> is_last_of_backfill() >> active >> export
