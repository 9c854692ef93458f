"""Activations of 30 days backfilled by a whole Airflow, eight runs at a time, and backfilled again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.crash import stack
from tests.stack.backfill import (
    AT_A_TIME,
    DAG_ID,
    DAYS,
    Backfill,
    due_segments,
    run_backfill,
    write_due_segments,
)
from tests.support import airflow as support
from tests.support import processes
from tests.support.aep import make_flow
from tests.support.clients import emulator_settings, open_client
from tests.support.postgresql import Server

pytestmark = pytest.mark.stack

_PARTS = Path(__file__).parent / "home"


@pytest.fixture(scope="module")
def due() -> dict[date, list[str]]:
    return due_segments()


@pytest.fixture(scope="module")
def backfills(due: dict[date, list[str]], postgresql: Server) -> Iterator[list[Backfill]]:
    """The first backfill and the second, one after the other on one Airflow."""
    home = Path("build/backfill").resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    table = home / "segments_due.csv"
    write_due_segments(due, table)
    with processes.emulator_process() as control:
        with open_client("requests", emulator_settings(control.url, control.credential)) as client:
            flow_id = make_flow(client)
        variables = {
            **support.connections(control.url, control.credential),
            "AIRFLOW__CORE__PARALLELISM": str(AT_A_TIME),
        }
        database = postgresql.create_database("backfill")
        with stack.running(home, _PARTS, database, variables) as airflow:
            airflow.wait_for_dag(DAG_ID)
            yield [
                run_backfill(airflow, control, flow_id, table, reprocess)
                for reprocess in ("none", "completed")
            ]


def test_every_run_succeeds_and_the_flow_ends_with_the_union(
    backfills: list[Backfill], due: dict[date, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = backfills
    with capsys.disabled():
        for name, backfill in zip(("first", "again"), backfills, strict=True):
            print(f"\nbackfill, {name}: {backfill}", end="")  # noqa: T201
    assert first.states == {("backfill", "success"): DAYS}
    assert len(first.selectors) == len(set(first.selectors))
    assert set(first.selectors) == {segment for segments in due.values() for segment in segments}


def test_the_second_time_every_run_goes_again_and_nothing_changes(backfills: list[Backfill]) -> None:
    first, second = backfills
    assert second.states == {("backfill", "success"): DAYS}
    ended = max(run["end_date"] for run in first.runs)
    assert all(run["start_date"] > ended for run in second.runs)
    looks = [entry for entry in second.journal if entry["method"] == "GET" and "/flows/" in entry["path"]]
    assert len(looks) == DAYS
    assert [entry for entry in second.journal if entry["method"] in ("PATCH", "PUT", "DELETE")] == []
    assert (second.selectors, second.etag) == (first.selectors, first.etag)
