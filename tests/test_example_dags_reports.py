"""The example DAG that reports on flow runs, run by a real Airflow against the emulator."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseNotifier

from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support import airflow as support
from tests.support.batch import make_batch_flow

pytestmark = pytest.mark.usefixtures("airflow_database")

DAG_ID = "report_flow_runs"
TABLE = "{{ ti.xcom_pull(task_ids='report_flow_runs', key='table') }}"
WINDOW = Window(1_700_000_000, 1_700_086_400)


class Recorder(BaseNotifier):
    """A notifier as those of chats are: its text is a template."""

    template_fields = ("text",)

    def __init__(self, sent: list[str]) -> None:
        super().__init__()
        self.text = TABLE
        self.sent = sent

    def notify(self, context: Any) -> None:
        self.sent.append(self.text)


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    emulator.control.set_switches(scheduled_runs=False, run_seconds=0)
    return emulator.control


def report(control: EmulatorControl, sent: list[str], folder: Path, **conf: Any) -> Any:
    """Run the DAG as of a moment of the emulator's clock, with a notifier."""
    dag: DAG = support.load_dag(DAG_ID)
    (task,) = dag.tasks
    task.on_success_callback = task.on_failure_callback = [Recorder(sent)]  # type: ignore[attr-defined]
    moment = datetime.fromtimestamp(control.now(), UTC)
    return dag.test(run_after=moment, logical_date=moment, run_conf={"folder": folder.as_uri(), **conf})


@pytest.mark.parametrize(
    ("conf", "state"), [({}, "failed"), ({"fail_on": "partial"}, "failed"), ({"fail_on": "never"}, "success")]
)
def test_the_runs_of_the_last_day_are_reported_and_sent_however_the_task_ends(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, conf: dict[str, str], state: str
) -> None:
    flow = make_batch_flow(hook)
    hook.send(create_run(flow, WINDOW))
    control.advance(timedelta(days=1).total_seconds() + 60)
    control.set_switches(run_outcome="failed")
    yesterday = hook.send(create_run(flow, WINDOW)).id
    control.advance(60)
    control.clear_requests()
    sent: list[str] = []
    dag_run = report(control, sent, tmp_path, **conf)
    assert dag_run.state == state
    (file,) = tmp_path.iterdir()
    assert file.name == f"{dag_run.run_after:%Y-%m-%d}.jsonl"
    assert [json.loads(line)["run_id"] for line in file.read_text().splitlines()] == [yesterday]
    (ti,) = dag_run.get_task_instances()
    assert ti.xcom_pull(task_ids=DAG_ID)["bad"] == 1
    (text,) = sent
    assert text == ti.xcom_pull(task_ids=DAG_ID, key="table")
    assert yesterday in text
    assert len(control.requests("GET")) == 2
