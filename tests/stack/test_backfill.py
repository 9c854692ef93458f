"""Activations of 30 days backfilled by a whole Airflow, eight runs at a time, and backfilled again."""

from __future__ import annotations

import json
import random
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash import stack
from tests.crash.stack import Stack
from tests.support import airflow as support
from tests.support import processes
from tests.support.aep import make_flow, selected
from tests.support.clients import emulator_settings, open_client
from tests.support.postgresql import Server

pytestmark = pytest.mark.stack

DAG_ID = "backfill_segment_activations"
FIRST, DAYS = date(2026, 1, 1), 30
AT_A_TIME = 8
_PARTS = Path(__file__).parent / "home"
_BACKFILL_SECONDS = 1200


@dataclass
class Backfill:
    """What a backfill left.

    :param journal: the requests that it made.
    """

    runs: list[dict[str, Any]]
    selectors: list[str]
    etag: str
    journal: list[dict[str, Any]] = field(repr=False)

    @property
    def runs_per_minute(self) -> float:
        """By Airflow's own times."""
        began = min(datetime.fromisoformat(run["start_date"]) for run in self.runs)
        ended = max(datetime.fromisoformat(run["end_date"]) for run in self.runs)
        return len(self.runs) * 60 / (ended - began).total_seconds()

    def __str__(self) -> str:
        calls = Counter(entry["method"] for entry in self.journal)
        each = ", ".join(
            f"{number / len(self.runs):.1f} {method}" for method, number in sorted(calls.items())
        )
        conflicts = sum(entry["status"] == 412 for entry in self.journal)
        return (
            f"{len(self.runs)} runs, {self.runs_per_minute:.1f} a minute,"
            f" {len(self.journal) / len(self.runs):.1f} calls a run ({each}), {conflicts} conflicts"
        )


@pytest.fixture(scope="module")
def due() -> dict[date, list[str]]:
    """What becomes due on each day; some segments on several days."""
    segments = [str(uuid.UUID(int=0xA0000 + number)) for number in range(80)]
    chosen = random.Random(30)
    return {FIRST + timedelta(days=day): chosen.sample(segments, 6) for day in range(DAYS)}


@pytest.fixture(scope="module")
def backfills(due: dict[date, list[str]], postgresql: Server) -> Iterator[list[Backfill]]:
    """The first backfill and the second, one after the other on one Airflow."""
    home = Path("build/backfill").resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    table = home / "segments_due.csv"
    lines = [f"{day},{segment}" for day, segments in due.items() for segment in segments]
    table.write_text("\n".join(["due,segment_id", *lines, ""]))
    with processes.emulator_process() as control:
        with open_client("requests", emulator_settings(control.url, control.credential)) as client:
            conf = {"flow_id": make_flow(client), "segments_due": table.as_uri()}
        variables = {
            **support.connections(control.url, control.credential),
            "AIRFLOW__CORE__PARALLELISM": str(AT_A_TIME),
        }
        database = postgresql.create_database("backfill")
        with stack.running(home, _PARTS, database, variables) as airflow:
            airflow.wait_for_dag(DAG_ID)
            yield [_backfill(airflow, control, conf, again) for again in ("none", "completed")]


def _backfill(airflow: Stack, control: EmulatorControl, conf: dict[str, str], again: str) -> Backfill:
    control.clear_requests()
    days = ("--from-date", f"{FIRST}", "--to-date", f"{FIRST + timedelta(days=DAYS)}")
    how = ("--max-active-runs", str(AT_A_TIME), "--reprocess-behavior", again)
    airflow.command("backfill", "create", "--dag-id", DAG_ID, *days, *how, "--dag-run-conf", json.dumps(conf))
    airflow.wait_for_backfills(DAG_ID, _BACKFILL_SECONDS)
    (flow,) = control.state()["flows"]
    return Backfill(airflow.runs(DAG_ID), selected(flow)[0], flow["etag"], control.requests())


def test_every_run_succeeds_and_the_flow_ends_with_the_union(
    backfills: list[Backfill], due: dict[date, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = backfills
    with capsys.disabled():
        for name, backfill in zip(("first", "again"), backfills, strict=True):
            print(f"\nbackfill, {name}: {backfill}", end="")  # noqa: T201
    assert Counter((run["run_type"], run["state"]) for run in first.runs) == {("backfill", "success"): DAYS}
    assert len(first.selectors) == len(set(first.selectors))
    assert set(first.selectors) == {segment for segments in due.values() for segment in segments}


def test_the_second_time_every_run_goes_again_and_nothing_changes(backfills: list[Backfill]) -> None:
    first, second = backfills
    assert Counter((run["run_type"], run["state"]) for run in second.runs) == {("backfill", "success"): DAYS}
    ended = max(run["end_date"] for run in first.runs)
    assert all(run["start_date"] > ended for run in second.runs)
    looks = [entry for entry in second.journal if entry["method"] == "GET" and "/flows/" in entry["path"]]
    assert len(looks) == DAYS
    assert [entry for entry in second.journal if entry["method"] in ("PATCH", "PUT", "DELETE")] == []
    assert (second.selectors, second.etag) == (first.selectors, first.etag)
