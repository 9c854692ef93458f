"""One DAG for all flows of a sandbox, mapped over a YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.print_dag.printed import Printed, changed
from tests.print_dag.test_unusual import (
    that_is_disabled,
    to_files_with_a_mapping_set,
    with_an_external_audience,
    with_two_targets_of_one_account,
    with_weird_names,
)
from tests.support.streaming import open_source


@pytest.fixture
def mapped(printed: Printed, control: EmulatorControl, hook: FlowServiceHook) -> tuple[Path, Path]:
    """The files for flows of several kinds."""
    for build in (
        that_is_disabled,
        to_files_with_a_mapping_set,
        with_an_external_audience,
        with_two_targets_of_one_account,
        with_weird_names,
    ):
        build(hook, control)
    open_source(hook, "raw")
    printed.print("--all", "--kind", "destination", "--mapped")
    dag, entries = (printed.folder / f"take_over_destinations.{each}" for each in ("py", "yaml"))
    return dag, entries


def test_a_run_sends_no_write_and_a_change_of_an_entry_changes_that(
    printed: Printed, control: EmulatorControl, mapped: tuple[Path, Path]
) -> None:
    dag, file = mapped
    state = control.state()
    document = yaml.safe_load(file.read_text())
    assert len(document["flows"]) == 5
    ran = printed.run(dag)
    assert ran.succeeded, ran.errors
    assert ran.sent == []
    assert control.state() == state

    printed.edit(file, "stream: one", "stream: another")
    ran = printed.run(dag)
    assert ran.succeeded, ran.errors
    (index,) = (
        n for n, each in enumerate(state["targetConnections"]) if each["params"].get("stream") == "one"
    )
    assert changed(state, control.state()) == [f"targetConnections[{index}].params.stream"]
    assert len(ran.sent) == 1


def test_an_entry_that_is_wrong_fails_alone(
    printed: Printed, control: EmulatorControl, mapped: tuple[Path, Path]
) -> None:
    dag, file = mapped
    document = yaml.safe_load(file.read_text())
    document["target_connections"][0]["adopt_id"] = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
    document["flows"][-1]["description"] = "changed"
    file.write_text(yaml.safe_dump(document))
    ran = printed.run(dag)
    (error,) = ran.errors
    assert "has no target connection '8256cfb4" in str(error)
    assert len(ran.sent) == 1
    assert ran.states["check_all"] == "upstream_failed"


def test_the_user_is_told_if_airflow_would_not_map_a_task_over_all_entries(
    printed: Printed,
    control: EmulatorControl,
    hook: FlowServiceHook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_two_targets_of_one_account(hook, control)
    for longest, told in ((2, False), (1, True)):
        monkeypatch.setattr("airflow_provider_flowservice.print_dag.printing._MAX_MAP_LENGTH", longest)
        printed.print("--all", "--mapped")
        assert ("mapped over 2 entries: set [core] max_map_length" in capsys.readouterr().err) is told


def test_it_is_parsed_from_a_relative_path(
    mapped: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.moved import DagBag

    dag, _ = mapped
    monkeypatch.chdir(dag.parent)
    bag = DagBag(dag.name)
    assert not bag.import_errors
    assert list(bag.dags) == [dag.stem]


def test_a_file_that_cannot_be_read_changes_nothing(
    printed: Printed, control: EmulatorControl, mapped: tuple[Path, Path]
) -> None:
    dag, file = mapped
    file.write_text("flows: [")
    ran = printed.run(dag)
    assert ran.sent == []
    assert ran.states["check_all"] == "upstream_failed"
