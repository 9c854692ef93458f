"""The example DAGs with what a user types into the form that starts them, and the runs that come of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash.stack import Stack
from tests.support import airflow as support
from tests.support.aep import make_flow
from tests.support.clients import client_of
from tests.support.streaming import open_source, people
from tests.ui.trigger_form import Run, TriggerForm
from tests.ui.windows import WIDE, Windows

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_RUN_SECONDS = 400
_DAY = "2026-01-31"
_PART_BYTES = 200
#: Tasks that wait until a new flow is old enough for records, and when it is.
_SETTLING, _SETTLED_SECONDS = {"onboard_http_api_source": "post_raw_records"}, 400
#: Constants at the top of their files must be set before anything works.
UNSET = {"on_flow_run_completed": "FLOW_ID"}


def dag_ids() -> list[str]:
    """The example DAGs, each in a file of its name."""
    return sorted(path.stem for path in support.EXAMPLE_DAGS.glob("*.py") if path.stem != "__init__")


@dataclass(frozen=True)
class Prepared:
    """What the examples work on.

    :param flow_id: a flow to a destination.
    :param inlet_id: the base connection of an inlet.
    :param inlet_flow_id: the flow of its records.
    :param segments: ids of segments.
    """

    folder: Path
    flow_id: str
    inlet_id: str
    inlet_flow_id: str
    segments: list[str]


def prepared(control: EmulatorControl, folder: Path) -> Prepared:
    """Make flows, and write the files that are read."""
    with client_of(control) as client:
        flow_id = make_flow(client, name="Browser: prepared destination")
        source = open_source(client)
    control.advance(_SETTLED_SECONDS)
    segments = control.segments
    today = datetime.fromtimestamp(clock.current().wall(), UTC).date()
    # Whatever interval Airflow infers for a run by hand begins on one of these days.
    due = [f"{today + timedelta(days=days)},{segments[1]}" for days in range(-3, 2)]
    (folder / "due.csv").write_text("\n".join(["due,segment_id", *due, ""]))
    records = "".join(json.dumps(record) + "\n" for record in people(6))
    (folder / f"{_DAY}.jsonl").write_text(records)
    return Prepared(folder, flow_id, source.connection_id, source.flow_id, segments)


def typed(dag_id: str, world: Prepared) -> dict[str, Any]:
    """What is typed into the form of a DAG, by param; every other one keeps its default."""
    inlet = {"connection_id": world.inlet_id, "flow_id": world.inlet_flow_id, "folder": world.folder.as_uri()}
    attributes = ["person.name.firstName", "personalEmail.address"]
    forms: dict[str, dict[str, Any]] = {
        "backfill_segment_activations": {
            "flow_id": world.flow_id,
            "segments_due": (world.folder / "due.csv").as_uri(),
        },
        "on_flow_run_completed": {},
        "onboard_event_hubs_destination": {
            "destination": "Browser hubs",
            "event_hub": "browser-profiles",
            "segments": world.segments[:2],
            "profile_attributes": attributes,
        },
        "onboard_http_api_source": {
            "source": "Browser shop",
            "authenticated": False,
            "mappings": [
                {"source": "id", "destination": "_id"},
                {"source": "email", "destination": "workEmail.address"},
            ],
            "records": [
                {
                    "id": "browser-1",
                    "email": "zoe@example.com",
                    "firstName": 'Zoë "Z"',
                    "tags": ["a", {"b": 1}],
                }
            ],
        },
        "onboard_kinesis_destination": {
            "destination": "Browser streams",
            "stream": "browser-stream",
            "region": "eu-west-1",
            "segments": world.segments[:2],
            "profile_attributes": attributes,
        },
        "onboard_many_destinations": {"prefix": "Browser many: "},
        "onboard_s3_destination": {
            "destination": "Browser files",
            "path": "exports/browser",
            "mappings": [
                {"source": "personalEmail.address", "destination": "email"},
                {"source": "person.name.lastName", "destination": "surname"},
            ],
            "segments": [{"id": segment} for segment in world.segments[:2]],
            "export_as": {
                "exportMode": "DAILY_FULL_EXPORT",
                "schedule": {
                    "frequency": "DAILY",
                    "triggerType": "AFTER_SEGMENT_EVAL",
                    "startDate": "2027-02-01",
                },
                "filenameTemplate": "%DESTINATION_NAME%_%SEGMENT_ID%",
            },
            "if_exists": "update",
        },
        "report_flow_runs": {"fail_on": "never", "folder": (world.folder / "reports").as_uri()},
        "stream_daily_records": {**inlet, "date": _DAY},
        "stream_partitioned_records": {**inlet, "part_bytes": _PART_BYTES},
    }
    return forms[dag_id]


class Examples:
    """The runs of the examples, each started once, through its form."""

    def __init__(
        self, airflow: Stack, control: EmulatorControl, context: BrowserContext, world: Prepared
    ) -> None:
        self._airflow = airflow
        self._control = control
        self._context = context
        self._world = world
        self._runs: dict[str, Run] = {}

    def run(self, dag_id: str) -> Run:
        """The run of a DAG, which is started if it was not."""
        if dag_id not in self._runs:
            page = Windows(self._context).open(WIDE)
            form = TriggerForm(page, self._airflow, dag_id)
            form.fill(typed(dag_id, self._world))
            self.note(form.trigger())
            page.close()
        return self._runs[dag_id]

    def note(self, run: Run) -> None:
        """Take a run for that of its DAG."""
        self._runs[run.dag_id] = run

    def ended(self, dag_id: str) -> Run:
        """The run of a DAG, when it has ended as it should."""
        run = self.run(dag_id)
        if task_id := _SETTLING.get(dag_id):
            self._airflow.until(lambda: self._state(run, task_id) in ("deferred", "success"), _RUN_SECONDS)
            if self._state(run, task_id) == "deferred":
                self._control.advance(_SETTLED_SECONDS)
        state = self._airflow.wait_for_run(dag_id, run.run_id, _RUN_SECONDS)
        expected = "failed" if dag_id in UNSET else "success"
        assert state == expected, self._airflow.tries(dag_id, run.run_id)
        return run

    def _state(self, run: Run, task_id: str) -> str | None:
        return self._airflow.tries(run.dag_id, run.run_id)[task_id][0]
