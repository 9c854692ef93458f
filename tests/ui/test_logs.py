"""What the log of a task says while it waits, when it has finished and when it has failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from airflow_provider_flowservice.client.flows.lifecycle import set_state
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash.stack import Stack
from tests.support.aep import make_flow
from tests.support.clients import client_of
from tests.ui.examples import UNSET, Examples, dag_ids
from tests.ui.task_page import TaskPage, links, log, tasks
from tests.ui.trigger_form import Run
from tests.ui.windows import WIDE, WIDTHS, Screenshots, Windows

pytestmark = pytest.mark.ui

_SECONDS = 400
FAILING = "failing"
#: Of each failing task, how its log ends: with the remedy.
REMEDIES = {
    "unknown_flow": "Check the id, and that it belongs to sandbox 'dev'.",
    "unknown_base": "Check the id, and that it belongs to sandbox 'dev'.",
    "wrong_messages": "messages: must be a list, not str. Give a list.",
}


def find(airflow: Stack, run: Run, task_id: str) -> dict[str, Any]:
    return next(task for task in tasks(airflow, run) if task["task_id"] == task_id)


def is_ours(task: dict[str, Any]) -> bool:
    return str(task["operator"]).startswith("FlowService")


def test_a_task_that_waits_and_then_finishes(
    control: EmulatorControl, airflow: Stack, windows: Windows, screenshots: Screenshots, tally: Counter[str]
) -> None:
    run, task_id = Run("waiting", "by-test", {}), "wait_until_disabled"
    airflow.wait_for_dag(run.dag_id)
    airflow.unpause(run.dag_id)

    def look(state: str, message: str) -> None:
        for width in WIDTHS:
            lines = TaskPage(windows.open(width), airflow, run, task_id).open_log()
            lines.filter(has_text=message).first.wait_for()
            screenshots.take(lines.page, f"log-{state}")
            tally[f"logs of a {state} task"] += 1

    with client_of(control) as client:
        flow_id = make_flow(client, name="Browser: to be disabled")
        airflow.trigger(run.dag_id, run.run_id, {"flow_id": flow_id})
        airflow.until(lambda: "Still waiting" in text(log(airflow, find(airflow, run, task_id))), _SECONDS)
        waiting = find(airflow, run, task_id)
        assert waiting["state"] == "deferred"
        assert [url.startswith(control.url) for url in links(airflow, waiting).values()] == [True]
        look("waiting", "Still waiting")
        set_state(client, flow_id, "disabled")
    assert airflow.wait_for_run(run.dag_id, run.run_id, _SECONDS) == "success"
    look("finished", "is disabled")


def text(lines: list[dict[str, Any]]) -> str:
    return "\n".join(line["event"] for line in lines)


@pytest.fixture(scope="module")
def failed(airflow: Stack) -> Run:
    """A run whose tasks have failed."""
    airflow.wait_for_dag(FAILING)
    airflow.unpause(FAILING)
    airflow.trigger(FAILING, "by-test", {})
    assert airflow.wait_for_run(FAILING, "by-test", _SECONDS) == "failed"
    return Run(FAILING, "by-test", {})


@pytest.mark.parametrize("task_id", REMEDIES)
def test_a_failure_ends_with_its_remedy(
    task_id: str, failed: Run, airflow: Stack, windows: Windows, screenshots: Screenshots, tally: Counter[str]
) -> None:
    last = log(airflow, find(airflow, failed, task_id))[-1]
    assert (last["level"], last.get("error_detail")) == ("error", None), (
        "the log does not end in a plain error"
    )
    assert " ".join(last["event"].split()).endswith(REMEDIES[task_id])
    for width in WIDTHS:
        lines = TaskPage(windows.open(width), airflow, failed, task_id).open_log()
        line = lines.filter(has_text=last["event"].splitlines()[-1].strip()).last
        line.scroll_into_view_if_needed()
        screenshots.take(line.page, f"log-failed-{task_id}")
        if width == WIDE:
            assert line.locator("code, pre").last.evaluate(
                "e => e.getBoundingClientRect().right <= innerWidth"
            )
        tally["logs of a failed task"] += 1


@pytest.mark.parametrize("dag_id", dag_ids())
def test_no_log_of_a_successful_task_is_empty(
    dag_id: str, airflow: Stack, examples: Examples, tally: Counter[str]
) -> None:
    run = examples.ended(dag_id)
    ended = [task for task in tasks(airflow, run) if task["state"] == "success" and is_ours(task)]
    empty = [task["task_id"] for task in ended if not any("logger" in line for line in log(airflow, task))]
    assert empty == []
    tally["logs of successful tasks that say what was done"] += len(ended)


@pytest.mark.parametrize(
    ("dag_id", "missing"),
    [
        ("backfill_segment_activations", "flow_id"),
        ("report_flow_runs", None),
        ("stream_daily_records", "connection_id"),
    ],
)
def test_a_scheduled_run_says_what_is_missing(
    dag_id: str,
    missing: str | None,
    airflow: Stack,
    examples: Examples,
    windows: Windows,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    """The run is that which Airflow starts by itself when the form has unpaused the DAG."""
    examples.run(dag_id)
    airflow.until(lambda: any(run["run_type"] == "scheduled" for run in airflow.runs(dag_id)))
    run_id = next(run["dag_run_id"] for run in airflow.runs(dag_id) if run["run_type"] == "scheduled")
    state = airflow.wait_for_run(dag_id, run_id, _SECONDS)
    assert state == ("failed" if missing else "success")
    if missing:
        check_told(airflow, Run(dag_id, run_id, {}), missing, windows, screenshots)
    tally["scheduled runs that say what is missing, or need nothing"] += 1


@pytest.mark.parametrize("dag_id", UNSET)
def test_a_run_says_which_constants_are_not_set(
    dag_id: str,
    airflow: Stack,
    examples: Examples,
    windows: Windows,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    check_told(airflow, examples.ended(dag_id), UNSET[dag_id], windows, screenshots)
    tally["examples that say which constants to set"] += 1


def check_told(airflow: Stack, run: Run, missing: str, windows: Windows, screenshots: Screenshots) -> None:
    """Check that the first task of a run that fails ends its log with what is missing."""
    failed = next(task for task in tasks(airflow, run) if task["state"] == "failed")
    assert missing in log(airflow, failed)[-1]["event"]
    for width in WIDTHS:
        lines = TaskPage(windows.open(width), airflow, run, failed["task_id"]).open_log()
        lines.filter(has_text=missing).last.wait_for()
        screenshots.take(lines.page, f"log-missing-{run.dag_id}")
