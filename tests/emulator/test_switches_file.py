from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_flowservice.emulator.__main__ import main
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.scenarios import read_scenario
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.settings import Switches, read_switches

COMMAND = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0"]


def written(folder: Path, **switches: object) -> Path:
    path = folder / "switches.json"
    path.write_text(json.dumps({"about": "our AEP", "switches": switches}))
    return path


def of(switches: dict[str, Any], *names: str) -> list[Any]:
    return [switches[name] for name in names]


def test_the_command_starts_with_the_switches_of_a_file(tmp_path: Path) -> None:
    command = [*COMMAND, "--switches", str(written(tmp_path, etag_quotes="none", mask_secrets=False))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = next(word for word in process.stdout.readline().split() if word.startswith("http://"))
            switches = EmulatorControl(url).switches()
        finally:
            process.terminate()
    assert switches == Switches(etag_quotes="none", mask_secrets=False).as_json()


@pytest.mark.parametrize("habit", [*Switches.habits()])
def test_a_file_can_have_every_habit(habit: str, tmp_path: Path) -> None:
    default = Switches.habits()[habit]
    assert read_switches(written(tmp_path, **{habit: default})) == {habit: default}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"switches": {"orderby": "x"}}', r"unknown switch 'orderby'; it must be one of .*list_order.*"),
        (
            '{"switches": {"list_order": "no"}}',
            r"switch 'list_order' must be one of honored, ignored, not 'no'; correct or remove the entry",
        ),
        (
            '{"switches": {"mask_secrets": "yes"}}',
            r"switch 'mask_secrets' must be of type bool, not 'yes'; correct or remove the entry",
        ),
        (
            '{"list_order": "ignored"}',
            r"Object missing required field `switches`; it must be JSON such as .*",
        ),
        ('{"switches": ["list_order"]}', r"Expected `object`, got `array` .*; it must be JSON such as .*"),
        ("[]", r"Expected `object`, got `array`; it must be JSON such as .*"),
        ("list_order: ignored", r"JSON is malformed: .*; it must be JSON such as .*"),
        ("", r"Input data was truncated; it must be JSON such as .*"),
    ],
)
def test_a_wrong_file_ends_the_start_with_one_line(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "habits.json"
    path.write_text(content)
    assert main(["--port", "0", "--switches", str(path)]) == 1
    shown = capsys.readouterr()
    prefix = re.escape(f"flowservice-emulator: switches file {path}: ")
    assert re.fullmatch(f"{prefix}{message}\n", shown.err)
    assert shown.out == ""


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0", "--switches", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_a_reset_returns_to_the_switches_of_the_start() -> None:
    with EmulatorServer(switches={"list_order": "ignored"}) as server:
        server.control.set_switches(list_order="honored", etag_quotes="none")
        server.control.reset()
        assert of(server.control.switches(), "list_order", "etag_quotes") == ["ignored", "inside"]


def test_a_wrong_switch_is_an_error_before_anything_is_served() -> None:
    with pytest.raises(ValueError, match="unknown switch 'orderby'"):
        EmulatorServer(switches={"orderby": "x"})


def test_switches_take_precedence_over_those_of_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump({"switches": {"list_order": "ignored", "etag_quotes": "none"}}))
    given = {"list_order": "honored", "draft_state": "initializing"}
    with EmulatorServer(prepare=read_scenario(path), switches=given) as server:
        switches = server.control.switches()
    assert of(switches, "list_order", "etag_quotes", "draft_state") == ["honored", "none", "initializing"]


def test_switches_take_precedence_over_those_of_a_state_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with EmulatorServer(state_file=path) as server:
        server.control.set_switches(list_order="ignored", etag_quotes="none")
    with EmulatorServer(state_file=path, switches={"list_order": "honored"}) as server:
        assert server.is_restored
        assert of(server.control.switches(), "list_order", "etag_quotes") == ["honored", "none"]
    with EmulatorServer(state_file=path) as server:
        assert of(server.control.switches(), "list_order", "etag_quotes") == ["honored", "none"]
