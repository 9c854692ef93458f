"""The command line: what it prints, where, and what it does when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import get_mapping_set
from airflow_provider_flowservice.client.http import FLOWS
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.print_dag.__main__ import main
from airflow_provider_flowservice.print_dag.naming import dag_id_of
from tests.print_dag.printed import calls_of
from tests.print_dag.test_unusual import MADE
from tests.support.aep import kinesis, make, make_flow, profile_flow, profile_store, profiles, stream
from tests.support.airflow import flowservice_connection, stored_connection
from tests.support.faults import fault
from tests.support.streaming import open_source

NOWHERE = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
#: The rules of this project, in a folder from which the package is not taken for a part of the project.
RULES = "A,ARG,B,BLE,C4,C90,D,E,F,FA,I,ICN,ISC,N,PERF,PIE,PT,PTH,RET,RUF,S,SIM,T20,TID,UP,W"


def ruff(*arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "110", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=folder)
    assert finished.returncode == 0, finished.stdout


def test_files_are_as_a_formatter_leaves_them_and_the_same_each_time(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for build in MADE:
        build(hook, control)
    for more in ([], ["--mapped"]):
        assert main(["--all", *more, "--output-dir", str(tmp_path / "one")]) == 0
        assert main(["--all", *more, "--output-dir", str(tmp_path / "two")]) == 0
    ruff("format", "--check", folder=tmp_path)
    ruff("check", "--select", RULES, "--ignore", "D100,D203,D213,D401,S608", folder=tmp_path)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    progress = [line for line in capsys.readouterr().err.splitlines() if f" of {len(MADE)}: " in line]
    assert len(progress) == 4 * len(MADE)


@pytest.mark.usefixtures("airflow_database")
def test_a_connection_in_airflows_database_is_found(
    control: EmulatorControl, hook: FlowServiceHook, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id = make_flow(hook)
    with stored_connection("acme", flowservice_connection(control.url, control.credential)):
        assert main([flow_id, "--conn-id", "acme"]) == 0, capsys.readouterr().err
    assert dag_id_of(flow_id) in capsys.readouterr().out


def test_one_flow_goes_to_standard_output(
    control: EmulatorControl, hook: FlowServiceHook, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    flow_id = make_flow(hook)
    assert main([flow_id]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    # Nothing that AEP itself adds is told of.
    assert "AEP also has" not in out
    assert main([flow_id, "--output-dir", str(tmp_path)]) == 0
    assert (tmp_path / f"{dag_id_of(flow_id)}.py").read_text() == out


def test_sandbox_and_connection_are_in_the_file(
    control: EmulatorControl,
    hook: FlowServiceHook,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control.open_sandbox("other")
    monkeypatch.setenv("AIRFLOW_CONN_AEP_OTHER", os.environ["AIRFLOW_CONN_FLOWSERVICE_DEFAULT"])
    with_other = FlowServiceHook("aep_other", "other")
    flow_id = make_flow(with_other)
    with_other.close()
    assert main([flow_id, "--conn-id", "aep_other", "--sandbox", "other"]) == 0
    out = capsys.readouterr().out
    assert '"flowservice_conn_id": "aep_other"' in out
    assert '"sandbox": "other"' in out
    assert main([flow_id]) == 1


def test_existing_files_are_left_alone_unless_forced(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id, other = make_flow(hook), make_flow(hook, "other")
    existing = tmp_path / f"{dag_id_of(other)}.py"
    existing.write_text("mine")
    control.clear_requests()
    arguments = [flow_id, other, "--output-dir", str(tmp_path)]
    assert main(arguments) == 1
    assert f"{existing} exists" in capsys.readouterr().err
    assert calls_of(control) == []
    assert list(tmp_path.iterdir()) == [existing]
    assert main(["--all", "--output-dir", str(tmp_path)]) == 1
    assert {path for _, path in calls_of(control)} == {"/data/foundation/flowservice/flows"}
    assert existing.read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert len(list(tmp_path.iterdir())) == 2
    assert "with DAG(" in existing.read_text()


def test_nothing_is_written_if_a_flow_cannot_be_read(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id = make_flow(hook)
    assert main([flow_id, NOWHERE, "no-such-id", "--output-dir", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert f"flow {NOWHERE}: " in err
    assert "flow no-such-id: " in err
    assert list(tmp_path.iterdir()) == []


def test_of_all_flows_those_that_cannot_be_read_are_left_out(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id, other = make_flow(hook), make_flow(hook, "other")
    control.inject(fault("status", "GET", f"flows/{flow_id}", times=10, status=404, body={}))
    for more, files in (([], 1), (["--mapped"], 3)):
        assert main(["--all", *more, "--output-dir", str(tmp_path)]) == 1
        (problem,) = (line for line in capsys.readouterr().err.splitlines() if "It is left out." in line)
        assert f"flow {flow_id}: " in problem
        assert len(list(tmp_path.iterdir())) == files
    assert (tmp_path / f"{dag_id_of(other)}.py").exists()
    assert flow_id not in (tmp_path / "take_over_flows.yaml").read_text()


@pytest.mark.parametrize("more", [[], ["--mapped"]], ids=["files", "mapped"])
def test_a_sandbox_without_flows_is_named(
    control: EmulatorControl,
    hook: FlowServiceHook,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
) -> None:
    make_flow(hook)
    assert main(["--all", "--kind", "source", *more, "--output-dir", str(tmp_path)]) == 1
    assert "sandbox 'dev' does not have any flow of kind 'source'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_objects_that_several_files_have_are_noted(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path
) -> None:
    source = make(hook, profiles(make(hook, profile_store())))
    account = make(hook, kinesis())
    targets = [make(hook, stream(account, name, name)) for name in ("one", "two", "three")]
    flow_ids = [make(hook, profile_flow(source, target)) for target in targets]
    for number, shared in ((3, "2 other printed files have"), (2, "Another printed file has"), (1, None)):
        folder = tmp_path / str(number)
        assert main([*flow_ids[:number], "--output-dir", str(folder)]) == 0
        for file in folder.iterdir():
            text = file.read_text()
            # Profile store, source connection and account.
            assert text.count("printed file") == (3 if shared else 0)
            assert not shared or text.count(shared) == 3


def test_what_concerns_all_flows_is_said_once(
    control: EmulatorControl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["--output-dir", str(tmp_path / "new"), "one", "two"]
    assert main([*ids, "--conn-id", "nowhere"]) == 1
    assert capsys.readouterr().err.count("nowhere") == 1


def test_a_folder_that_cannot_be_written_is_named(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "file"
    folder.write_text("mine")
    assert main([make_flow(hook), "--output-dir", str(folder)]) == 1
    assert str(folder) in capsys.readouterr().err
    assert folder.read_text() == "mine"


def test_a_missing_permission_is_named(
    control: EmulatorControl, hook: FlowServiceHook, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id = make_flow(hook)
    control.inject(fault("status", "GET", "targetConnections/*", times=10, status=403))
    assert main([flow_id]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "403" in err


def test_without_permission_for_audiences_their_names_are_missing(
    control: EmulatorControl, hook: FlowServiceHook, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id = make_flow(hook)
    hook.activate_segments(flow_id, control.segments[:1])
    control.inject(fault("status", "GET", "/data/core/ups/audiences", times=10, status=403))
    assert main([flow_id]) == 0
    out, err = capsys.readouterr()
    assert control.segments[0] in out
    assert "may not read audiences" in err


def test_without_permission_for_mapping_sets_a_flow_refers_to_its_own_by_id(
    control: EmulatorControl, hook: FlowServiceHook, capsys: pytest.CaptureFixture[str]
) -> None:
    flow_id = open_source(hook, "raw").flow_id
    mapping_id = hook.get(FLOWS, flow_id).transformations[0]["params"]["mappingId"]
    control.inject(fault("status", "GET", get_mapping_set(mapping_id).path, times=10, status=403))
    assert main([flow_id]) == 0
    out, err = capsys.readouterr()
    assert f'"mappingId": "{mapping_id}"' in out
    assert "this credential may not read it" in err


def test_several_flows_share_what_is_read(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path
) -> None:
    flow_ids = [make_flow(hook, name) for name in ("one", "two", "three")]
    control.clear_requests()
    assert main([*flow_ids, flow_ids[0].upper(), "--output-dir", str(tmp_path)]) == 0
    # Catalogs once; per flow itself, a source and a target connection, and their base connections.
    assert len(calls_of(control)) == 2 + 3 * 5


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "give a FLOW_ID"),
        ([NOWHERE, "--all"], "not both"),
        ([NOWHERE, "--kind", "source"], "--kind needs --all"),
        ([NOWHERE, "other"], "--output-dir"),
        (["--all"], "--output-dir"),
        ([NOWHERE, "--mapped"], "--output-dir"),
    ],
)
def test_arguments_that_contradict_each_other(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert problem in capsys.readouterr().err


def test_an_unknown_argument_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--everything"])
    assert caught.value.code == 2


def test_the_command_is_described_without_loading_airflow() -> None:
    code = (
        "import argparse, sys\n"
        "from airflow_provider_flowservice.print_dag.command import add_arguments\n"
        "add_arguments(argparse.ArgumentParser())\n"
        "assert not {'airflow', 'msgspec', 'yaml', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_it_runs_as_a_module(control: EmulatorControl, hook: FlowServiceHook) -> None:
    flow_id = make_flow(hook)
    command: list[Any] = [sys.executable, "-m", "airflow_provider_flowservice.print_dag", flow_id]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert finished.stdout.startswith('"""Take over the flow')


@pytest.mark.parametrize(
    "switches", [{}, {"list_selectors": "omitted"}, {"inherited_attributes": "omitted"}], ids=str
)
def test_files_are_the_same_whatever_lists_leave_out(
    control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, switches: dict[str, str]
) -> None:
    flow_ids = [build(hook, control) for build in MADE]
    one, two = tmp_path / "one", tmp_path / "two"
    for flow_id in flow_ids:
        assert main([flow_id, "--output-dir", str(one)]) == 0
    control.set_switches(**switches)
    assert main(["--all", "--output-dir", str(two)]) == 0
    assert {file.name: file.read_text() for file in one.iterdir()} == {
        file.name: file.read_text() for file in two.iterdir()
    }
