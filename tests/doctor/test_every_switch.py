"""The whole doctor: each switch is found, and what it writes makes another emulator behave in the same way."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.doctor.command import add_arguments, run
from airflow_provider_flowservice.doctor.habits import READ_HABITS
from airflow_provider_flowservice.doctor.writes.session import WRITE_HABITS
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Switches, read_switches
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.airflow import flowservice_connection

NUMBERS = {"inlet_limit_bytes": 1_048_576, "default_page_size": 7, "token_lifetime": 600}
VARIABLE = "AIRFLOW_CONN_FLOWSERVICE_DEFAULT"


def other_values() -> Iterator[tuple[str, object]]:
    """Every habit's switch with each value that is not its default, or another number."""
    for switch in fields(Switches):
        # What is found of this one is what AEP has accepted earlier.
        if switch.name in Switches.habits().keys() - {"union_without_identity"}:
            others = switch.metadata.get("choices", (None, NUMBERS.get(switch.name, 8)))[1:]
            values = (not switch.default,) if isinstance(switch.default, bool) else others
            yield from ((switch.name, value) for value in values)


def examined(
    control: EmulatorControl, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str
) -> dict[str, Any]:
    """The report of the command, which also writes ``switches.json`` into the folder."""
    monkeypatch.setenv(VARIABLE, flowservice_connection(control.url, control.credential))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    report, switches = folder / "report.json", folder / "switches.json"
    options = ["--json", str(report), "--switches", str(switches), *more]
    with clock.installed(VirtualClock.in_step_with(control)):
        code = run(parser.parse_args(options))
    found: dict[str, Any] = json.loads(report.read_bytes())
    assert found["exit_code"] == code
    return found


def test_each_switch_has_a_check_and_each_check_a_switch() -> None:
    checked = [habit.switch for habit in (*READ_HABITS, *WRITE_HABITS)]
    assert sorted(checked) == sorted(Switches.habits())


def test_an_emulator_with_its_defaults_has_nothing_to_tell(
    populated: EmulatorControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examined(populated, tmp_path, monkeypatch, "--with-writes")
    assert found["exit_code"] == 0
    assert found["switches"] == Switches.habits()


@pytest.mark.parametrize(("switch", "value"), list(other_values()))
def test_the_switch_is_found_and_makes_another_emulator_the_same(
    populated: EmulatorControl,
    second: EmulatorControl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    switch: str,
    value: object,
) -> None:
    populated.set_switches(**{switch: value})
    found = examined(populated, tmp_path, monkeypatch, "--with-writes")
    assert found["switches"] == {**Switches.habits(), switch: value}

    second.set_switches(**read_switches(tmp_path / "switches.json"))
    assert examined(second, tmp_path, monkeypatch, "--with-writes") == found


def test_reads_alone_are_gets_and_one_request_for_a_token(
    populated: EmulatorControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined(populated, tmp_path, monkeypatch)
    sent = [(each["method"], each["path"]) for each in populated.requests()]
    assert [path for method, path in sent if method != "GET"] == ["/ims/token/v3"]
