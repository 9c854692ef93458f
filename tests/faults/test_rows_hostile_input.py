"""The fault matrix, its row 30: input that could take the worker's memory, end its process or lose other records."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.dags import run
from tests.support.operations import kept
from tests.support.streaming import Source

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

TOO_LONG = '{"n": "' + "x" * 5_000_000 + '"}'
HOSTILE = {
    "depth": '{"n": ' + "[" * 1100 + "]" * 1100 + "}",
    "length": TOO_LONG,
    "big_number": '{"n": ' + "9" * 4301 + "}",
    "lone_surrogate": '{"n": "\\ud800"}',
}
KINDS: dict[str, Callable[[str], str]] = {
    "jsonl": lambda bad: f'{{"n": 0}}\n{bad}\n{{"n": 2}}\n',
    "json": lambda bad: f'[{{"n": 0}}, {bad}, {{"n": 2}}]',
}


def post(source: Source, **arguments: Any) -> FlowServicePostToInletOperator:
    return FlowServicePostToInletOperator(
        task_id="post",
        connection_id=source.connection_id,
        flow_id=source.flow_id,
        settle_seconds=0,
        max_failures=1,
        **arguments,
    )


def check(control: EmulatorControl, source: Source, time: VirtualClock, ran: Any, dead: Path) -> None:
    """The bad record is refused, and the others have arrived in one request."""
    assert ran.succeeded
    result = ran.results["post"]
    assert (result["accepted"], result["rejected"], result["unknown"]) == (2, 1, 0)
    assert sorted(int(n) for n in kept(control, source)) == [0, 2]
    assert [json.loads(line)["position"] for line in dead.read_text().splitlines()] == [1]
    assert [entry["status"] for entry in control.requests("POST", "/collection/")] == [207]
    assert control.faults_left() == []
    assert time.monotonic() <= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", HOSTILE)
def test_row_30_a_hostile_record_of_a_file_is_refused_and_the_rest_arrives(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path, what: str, kind: str
) -> None:
    file, dead = tmp_path / f"people.{kind}", tmp_path / "dead.jsonl"
    content = KINDS[kind](HOSTILE[what])
    file.write_text(content)
    ran = run(f"row_30_{what}_{kind}", lambda: post(source, path=str(file), dead_letter_path=str(dead)))
    check(control, source, time, ran, dead)
    assert file.read_text() == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("people.jsonl.gz", KINDS["jsonl"](TOO_LONG)),
        ("people.json.gz", KINDS["json"](TOO_LONG)),
        ("people.csv.gz", f"n\n0\n{TOO_LONG}\n2\n"),
    ],
)
def test_row_30_a_bomb_is_refused_and_the_rest_arrives(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path, name: str, content: str
) -> None:
    file, dead = tmp_path / name, tmp_path / "dead.jsonl"
    file.write_bytes(gzip.compress(content.encode()))
    ran = run(
        f"row_30_bomb_{name.split('.')[1]}", lambda: post(source, path=str(file), dead_letter_path=str(dead))
    )
    check(control, source, time, ran, dead)
    assert dead.stat().st_size < 10_000


def test_row_30_a_hostile_message_is_refused_and_the_rest_arrives(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path
) -> None:
    dead = tmp_path / "dead.jsonl"
    messages = [{"n": 0}, {"n": {1: "one"}}, {"n": 2}]
    ran = run("row_30_message", lambda: post(source, messages=messages, dead_letter_path=str(dead)))
    check(control, source, time, ran, dead)
