"""The DAG that onboards the destinations of a file and prunes those that were removed, by a real Airflow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import airflow as support
from tests.support.aep import make_flow, selected, writes

pytestmark = pytest.mark.usefixtures("airflow_database")

DAG_ID = "onboard_many_destinations"
PREFIX = "Destinations as code: "
ATTRIBUTES = ["person.name.firstName"]
PRUNE = "prune_removed_destinations"


@pytest.fixture
def control(emulator: EmulatorServer) -> Iterator[EmulatorControl]:
    with clock.installed(VirtualClock.in_step_with(emulator.control)):
        yield emulator.control


Runs = Callable[..., Any]


@pytest.fixture
def run(control: EmulatorControl, tmp_path: Path) -> Runs:
    """Runs the DAG over entries, or over a file with this text."""

    def run_over(entries: list[Any] | str, **conf: Any) -> Any:
        path = tmp_path / "destinations.yaml"
        # JSON is YAML.
        path.write_text(entries if isinstance(entries, str) else json.dumps({"destinations": entries}))
        control.clear_requests()
        return support.run_dag(DAG_ID, {"file": path.as_uri(), **conf})

    return run_over


def kinesis(control: EmulatorControl, name: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "name": name,
        "stream": f"stream of {name}",
        "region": "us-east-1",
        "auth_conn_id": "kinesis_destination",
        "segments": control.segments[:2],
        "profile_attributes": ATTRIBUTES,
    }
    return {field: value for field, value in {**entry, **changes}.items() if value is not None}


def event_hubs(control: EmulatorControl, name: str, **changes: Any) -> dict[str, Any]:
    """One that gives its segments by name."""
    segments = [{"name": each} for each in list(control.segments_by_name)[:2]]
    entry = {
        "name": name,
        "hub": f"hub-{name}",
        "auth_conn_id": "event_hubs_destination",
        "segments": segments,
    }
    return {**entry, **changes}


def flows(control: EmulatorControl) -> dict[str, dict[str, Any]]:
    """The flows by the names of their entries."""
    return {flow["name"].removeprefix(PREFIX): flow for flow in control.state()["flows"]}


def streams(control: EmulatorControl) -> dict[str, Any]:
    targets = control.state()["targetConnections"]
    return {each["name"][len(PREFIX) :].partition(":")[0]: each["params"] for each in targets}


def failed(dag_run: Any) -> set[tuple[str, int]]:
    """The tasks that failed, each with its map index; not those that did not run because of them."""
    return {(ti.task_id, ti.map_index) for ti in dag_run.get_task_instances() if str(ti.state) == "failed"}


def pruned(dag_run: Any) -> dict[str, list[str]]:
    (task,) = [ti for ti in dag_run.get_task_instances() if ti.task_id == PRUNE]
    return dict(task.xcom_pull(task_ids=PRUNE))


def test_of_twenty_one_is_wrong_one_is_gone_and_one_is_changed(control: EmulatorControl, run: Runs) -> None:
    before = [kinesis(control, name) for name in ("changed", "wrong", "gone")]
    assert run(before).state == "success"
    first = flows(control)

    entries = [
        kinesis(control, "changed", stream="another", segments=control.segments[1:4]),
        kinesis(control, "wrong", segments=[{"name": "No such audience"}]),
        *(kinesis(control, f"k{number}") for number in range(9)),
        *(event_hubs(control, f"e{number}") for number in range(9)),
    ]
    assert len(entries) == 20
    dag_run = run(entries, prune="disable")
    assert dag_run.state == "failed"
    assert failed(dag_run) == {("onboard.streaming_destination.activate_segments", 1)}
    now = flows(control)
    assert set(now) == {entry["name"] for entry in entries} | {"gone"}
    assert {name for name, flow in now.items() if flow["state"] == "disabled"} == {"gone"}
    assert {name: now[name]["id"] for name in first} == {name: flow["id"] for name, flow in first.items()}
    assert selected(now["changed"]) == (control.segments[1:4], ATTRIBUTES)
    assert selected(now["wrong"]) == selected(now["k8"]) == (control.segments[:2], ATTRIBUTES)
    assert selected(now["e8"]) == (control.segments[:2], [])
    assert streams(control)["changed"] == {"stream": "another", "region": "us-east-1"}
    assert streams(control)["e8"] == {"eventHubName": "hub-e8"}
    assert pruned(dag_run)["disabled"] == pruned(dag_run)["unexpected"] == [now["gone"]["id"]]
    assert pruned(dag_run)["unmatched"] == []

    state = control.state()
    dag_run = run(entries)
    assert writes(control) == []
    assert control.state() == state
    assert pruned(dag_run)["left"] == [now["gone"]["id"]]
    assert len(control.requests(path="/data/")) <= 9 * len(entries)


def test_a_removed_one_is_reported_then_disabled_then_deleted(control: EmulatorControl, run: Runs) -> None:
    entries = [kinesis(control, "a"), kinesis(control, "b")]
    assert run(entries).state == "success"
    gone = flows(control)["b"]["id"]
    for action, state in (("report", "enabled"), ("disable", "disabled")):
        dag_run = run(entries[:1], prune=action)
        assert (dag_run.state, pruned(dag_run)["unexpected"]) == ("success", [gone])
        assert flows(control)["b"]["state"] == state
    dag_run = run(entries[:1], prune="delete")
    assert pruned(dag_run)["deleted"] == [gone]
    assert set(flows(control)) == {"a"}
    assert set(streams(control)) == {"a"}
    assert len(control.state()["connections"]) == 2


def test_nothing_goes_before_what_may_replace_it_exists(control: EmulatorControl, run: Runs) -> None:
    assert run([kinesis(control, "a"), kinesis(control, "b")]).state == "success"
    renamed = [kinesis(control, "a"), kinesis(control, "b, renamed", stream=None)]
    dag_run = run(renamed, prune="disable")
    assert failed(dag_run) == {("onboard.check_destination", 1), (PRUNE, -1)}
    assert {flow["state"] for flow in flows(control).values()} == {"enabled"}
    dag_run = run([renamed[0], kinesis(control, "b, renamed")], prune="disable")
    assert dag_run.state == "success"
    assert {name: flow["state"] for name, flow in flows(control).items()} == {
        "a": "enabled",
        "b": "disabled",
        "b, renamed": "enabled",
    }


@pytest.mark.parametrize("text", ["", "destinations: []"])
def test_a_file_that_says_nothing_changes_nothing(control: EmulatorControl, run: Runs, text: str) -> None:
    hook = FlowServiceHook()
    for name in ("a", "b"):
        make_flow(hook, PREFIX + name)
    hook.close()
    before = control.state()
    dag_run = run(text, prune="disable")
    assert dag_run.state == "failed"
    assert failed(dag_run) == {("read_destinations", -1)}
    assert control.state() == before
    assert control.requests() == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("destinations: {name: a}", "has no destinations. Give a list with this name."),
        ("[{name: a}]", "has no destinations"),
        ("destinations: [{name: a}, {stream: s}]", "entry 2 has no name. Give a string."),
        ("destinations: [{name: a}, b]", "entry 2 has no name"),
        ("destinations: [{name: 7}]", "entry 1 has no name"),
        ("destinations: [{name: ' '}]", "entry 1 has no name"),
        ("destinations: [{name: a}, {name: a}]", "several entries are named 'a'. Rename one of them."),
    ],
)
def test_a_file_must_say_which_flows_are_kept(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "destinations.yaml"
    path.write_text(text)
    read_destinations = support.load_dag(DAG_ID).task_dict["read_destinations"]
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path.as_uri()}: {problem}')}"):
        read_destinations.python_callable({"file": path.as_uri()})


def read(entry: dict[str, Any]) -> dict[str, Any]:
    dag = support.load_dag(DAG_ID)
    checked: dict[str, Any] = dag.task_dict["onboard.check_destination"].python_callable(
        entry, {"prefix": PREFIX}
    )
    return checked


def test_a_wrong_entry_is_named_together_with_what_is_wrong(control: EmulatorControl) -> None:
    with pytest.raises(ValueError, match=r"^a: has no region, segments\. Add it in the file\.$"):
        read(kinesis(control, "a", region=None, segments=[]))
    with pytest.raises(ValueError, match=r"^a: region, segment is not a field\. Correct it in the file\.$"):
        read(event_hubs(control, "a", region="us-east-1", segment="x"))
    with pytest.raises(ValueError, match=r"^a: has no hub\."):
        read(event_hubs(control, "a", hub=""))


def test_a_plan_changes_nothing_and_says_what_would_be_pruned(control: EmulatorControl, run: Runs) -> None:
    entries = [kinesis(control, "a"), kinesis(control, "b")]
    assert run(entries, plan_only=True).state == "success"
    assert control.state()["flows"] == []
    assert run(entries).state == "success"
    before = control.state()
    dag_run = run([entries[0], event_hubs(control, "new")], plan_only=True, prune="disable")
    assert dag_run.state == "success"
    assert writes(control) == []
    assert control.state() == before
    assert pruned(dag_run)["disabled"] == [flows(control)["b"]["id"]]
    assert pruned(dag_run)["unmatched"] == [f"{PREFIX}new"]


def test_the_file_beside_the_dag_has_entries_of_both_kinds(control: EmulatorControl) -> None:
    import yaml

    path = support.EXAMPLE_DAGS / f"{DAG_ID}.yaml"
    assert support.load_dag(DAG_ID).params["file"] == path.as_uri()
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["destinations"]
    assert {read(entry)["connection_spec"] for entry in entries} == {"Amazon Kinesis", "Azure Event Hubs"}
    assert {segment for entry in entries for segment in entry["segments"]} <= set(control.segments)
