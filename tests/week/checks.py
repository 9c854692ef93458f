"""What the DAGs of a week do. ``test_week.py`` runs these tests as somebody who has configured nothing of Airflow."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.emulator import FlowServiceEmulator
from example_dags.onboard_http_api_source import dag as onboard_http_api_source
from tests.support.aep import selected
from tests.week import week

ROWS = 10_000
BAD_ROWS = (2, 5_000, ROWS)
EMAIL = ["personalEmail.address"]

pytestmark = pytest.mark.usefixtures("flowservice_clock")


@pytest.fixture
def emulator(flowservice_emulator: FlowServiceEmulator) -> FlowServiceEmulator:
    return flowservice_emulator


def run(dag: Any, expected: str = "success", **conf: Any) -> list[Any]:
    """Run a DAG to its end; its tasks."""
    dag_run = dag.test(run_conf=conf)
    tasks = list(dag_run.get_task_instances())
    assert dag_run.state == expected, [(task.task_id, task.map_index, str(task.state)) for task in tasks]
    return tasks


def result(dag: Any, task_id: str, **conf: Any) -> Any:
    """Run a DAG; what one of its tasks returns."""
    (task,) = [task for task in run(dag, **conf) if task.task_id == task_id]
    return task.xcom_pull(task_ids=task_id)


def unsuccessful(tasks: list[Any]) -> dict[str, tuple[int, str]]:
    """Map index and state of each task that did not succeed, by its id."""
    return {task.task_id: (task.map_index, str(task.state)) for task in tasks if str(task.state) != "success"}


def writes(emulator: FlowServiceEmulator) -> list[str]:
    """What was sent to change something, so far."""
    sent = [f"{each['method']} {each['path']}" for each in emulator.requests]
    return [each for each in sent if not re.match(r"GET|POST /ims/|POST .*/validate$", each)]


def flows(emulator: FlowServiceEmulator) -> dict[str, Any]:
    return {flow["name"]: flow for flow in emulator.state["flows"]}


def sizes(emulator: FlowServiceEmulator) -> dict[str, int]:
    """How many connections and flows there are."""
    kinds = ("connections", "sourceConnections", "targetConnections", "flows")
    return {kind: len(emulator.state[kind]) for kind in kinds}


def test_monday(emulator: FlowServiceEmulator) -> None:
    loyal, men, women = (emulator.segments[each["name"]] for each in (week.LOYAL, week.MEN, week.WOMEN))
    run(week.loyalty)
    assert selected(flows(emulator)["Loyalty"]) == ([loyal, men], EMAIL)
    before = writes(emulator)
    run(week.loyalty)
    assert writes(emulator) == before

    run(week.change_loyalty)
    assert selected(flows(emulator)["Loyalty"]) == ([women], EMAIL)
    assert [sent.split()[0] for sent in writes(emulator)[len(before) :]] == ["PATCH", "PATCH"]

    run(week.end_loyalty)
    assert set(sizes(emulator).values()) == {0}
    before = writes(emulator)
    tasks = run(week.end_loyalty)
    assert unsuccessful(tasks) == {"find": (-1, "skipped"), "delete": (-1, "skipped")}
    assert writes(emulator) == before


def test_tuesday_and_friday(emulator: FlowServiceEmulator, flowservice_clock: VirtualClock) -> None:
    run(week.partner_files)
    flow = flows(emulator)["Partner files"]
    (params,) = (each["params"] for each in flow["transformations"])
    assert params["profileMapping"]["mappingId"]
    (segment,) = params["segmentSelectors"]["selectors"]
    assert segment["value"]["id"] == emulator.segments["Loyal customers"]
    before = writes(emulator)
    run(week.partner_files)
    assert writes(emulator) == before

    # AEP refuses an export in the first hour.
    flowservice_clock.advance(3600)
    run(week.export_now)
    assert len(emulator.state["runs"]) == 1
    assert result(week.morning_check, "check_destinations") == [
        "Partner files (Loyal customers): lost 0 records."
    ]
    emulator.control.set_switches(run_outcome="failed")
    run(week.export_now, "failed")
    assert result(week.morning_check, "check_destinations") == [
        "Partner files (Loyal customers): lost 1000 records.",
        "Partner files is disabled: ACTIVATION_BATCH-0000-FAILED: Job aborted.",
    ]
    assert flows(emulator)["Partner files"]["state"] == "disabled"


def test_wednesday(emulator: FlowServiceEmulator, tmp_path: Path) -> None:
    run(onboard_http_api_source)
    path = tmp_path / "customers.csv"
    # A comma too many moves the cells of a row.
    rows = [f"{n},Ada,Byron{',' * (n in BAD_ROWS)},{n}@example.com\n" for n in range(1, ROWS + 1)]
    path.write_text("id,firstName,lastName,email\n" + "".join(rows))
    assert unsuccessful(run(week.post_customers, "failed", file=str(path))) == {"post": (-1, "failed")}

    rejected = Path(f"{path}.rejected.jsonl")
    letters = [json.loads(line) for line in rejected.read_text().splitlines()]
    assert [letter["line"] for letter in letters] == [n + 1 for n in BAD_ROWS]
    for letter in letters:
        letter["record"] = letter["record"].replace(",,", ",")
    rejected.write_text("".join(json.dumps(letter) + "\n" for letter in letters))
    run(week.post_customers, file=str(rejected))

    (messages,) = emulator.state["messages"].values()
    arrived = Counter(each["mapped"]["_id"] for each in messages if not each["dropped"])
    assert arrived == Counter(["web-shop-1", "web-shop-2", *(str(n) for n in range(1, ROWS + 1))])
    emails = {each["mapped"]["_id"]: each["mapped"]["workEmail"]["address"] for each in messages}
    assert all(emails[str(n)] == f"{n}@example.com" for n in BAD_ROWS)


def test_thursday(emulator: FlowServiceEmulator, tmp_path: Path) -> None:
    path = tmp_path / "destinations.yaml"
    entries = Path(week.__file__).with_name("destinations.yaml").read_text().splitlines(keepends=True)
    wrong, gone = 6, 12
    entries[wrong] = entries[wrong].replace("Loyal customers", "Loyl customers")
    path.write_text("".join(entries))
    assert unsuccessful(run(week.markets, "failed", file=str(path))) == {
        "event_hub.activate": (wrong, "failed"),
        "event_hub.validate": (wrong, "upstream_failed"),
    }
    made = flows(emulator)
    loyal = ([emulator.segments["Loyal customers"]], EMAIL)
    assert {name: selected(flow) for name, flow in made.items()} == {
        f"Market {n:02}": loyal if n != wrong + 1 else ([], []) for n in range(1, 21)
    }

    del entries[gone]
    path.write_text("".join(entries))
    unexpected = [made["Market 13"]["id"]]
    for action, state in (("report", "enabled"), ("disable", "disabled")):
        assert result(week.prune_markets, "prune", file=str(path), prune=action)["unexpected"] == unexpected
        assert flows(emulator)["Market 13"]["state"] == state
    assert result(week.prune_markets, "prune", file=str(path), prune="delete")["deleted"] == unexpected
    assert set(flows(emulator)) == set(made) - {"Market 13"}
    # The others and the source that all of them share are still there.
    assert sizes(emulator) == {
        "connections": 20,
        "sourceConnections": 1,
        "targetConnections": 19,
        "flows": 19,
    }
    assert {flow["state"] for flow in flows(emulator).values()} == {"enabled"}
