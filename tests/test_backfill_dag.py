"""The DAG that activates what became due, in scheduled runs and in runs of a backfill, by a real Airflow."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import airflow as support
from tests.support.aep import make_flow
from tests.support.files import EXPORT, make_file_flow
from tests.support.scheduling import run_scheduled

pytestmark = pytest.mark.usefixtures("airflow_database")

DAG_ID = "backfill_segment_activations"
ADHOC = "/data/core/activation/disflowprovider/adhocrun"
DAYS = 4


@pytest.fixture
def control(emulator: EmulatorServer) -> Iterator[EmulatorControl]:
    emulator.control.set_switches(scheduled_runs=False)
    with clock.installed(VirtualClock.in_step_with(emulator.control)):
        yield emulator.control


@pytest.fixture
def due(tmp_path: Path) -> tuple[Path, dict[datetime, list[str]]]:
    """Segments by the day on which they become due, some on several; and the file that says so."""
    # A year of its own for each test: the runs of a date exist once in the session's Airflow.
    first = datetime(2000 + next(_YEARS), 1, 10, tzinfo=UTC)
    segments = [str(uuid.UUID(int=number)) for number in range(1, 13)]
    chosen = random.Random(5)
    days = {first + timedelta(days=day): chosen.sample(segments, 5) for day in range(DAYS)}
    lines = [f"{day.date()},{segment}" for day, each in days.items() for segment in each]
    chosen.shuffle(lines)
    path = tmp_path / "segments_due.csv"
    path.write_text("\n".join(["due,segment_id", *lines, ""]))
    return path, days


_YEARS = iter(range(30, 99))


def activate(day: datetime, path: Path, flow: str, *, backfill: bool = True, **conf: Any) -> dict[str, str]:
    """Run the DAG for the data interval that begins on a day at four."""
    conf = {"flow_id": flow, "segments_due": path.as_uri(), **conf}
    dag_run = run_scheduled(DAG_ID, day + timedelta(hours=4), conf, backfill=backfill)
    assert dag_run.state == "success", support.task_states(dag_run)
    return support.task_states(dag_run)


def active(control: EmulatorControl) -> list[str]:
    (flow,) = control.state()["flows"]
    selectors = flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    return [selector["value"]["id"] for selector in selectors]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0, 2, 1]])
@pytest.mark.parametrize("backfill", [False, True], ids=["scheduled", "backfill"])
def test_dates_in_any_order_give_the_union(
    control: EmulatorControl,
    hook: FlowServiceHook,
    due: tuple[Path, dict[datetime, list[str]]],
    order: list[int],
    backfill: bool,
) -> None:
    flow = make_flow(hook)
    path, days = due
    dates = list(days)
    expected: set[str] = set()
    for position in order:
        states = activate(dates[position], path, flow, backfill=backfill)
        assert states["export_now"] == "skipped"
        assert states["read_active_segments"] == "skipped"
        expected |= set(days[dates[position]])
        assert set(active(control)) == expected
    assert len(active(control)) == len(expected)
    assert control.requests("POST", ADHOC) == []


def test_a_day_on_which_nothing_is_due_sends_nothing(
    control: EmulatorControl, hook: FlowServiceHook, due: tuple[Path, dict[datetime, list[str]]]
) -> None:
    flow = make_flow(hook)
    path, days = due
    control.clear_requests()
    activate(min(days) - timedelta(days=5), path, flow)
    assert control.requests("PATCH") == []


def test_a_plan_changes_nothing(
    control: EmulatorControl, hook: FlowServiceHook, due: tuple[Path, dict[datetime, list[str]]]
) -> None:
    flow = make_flow(hook)
    path, days = due
    states = activate(min(days), path, flow, plan_only=True, export_after=True)
    assert states["export_now"] == "skipped"
    assert active(control) == []


@pytest.mark.parametrize(("backfill", "exports"), [(True, 1), (False, 0)], ids=["backfill", "scheduled"])
def test_the_last_run_of_a_backfill_exports_everything_that_is_active(
    control: EmulatorControl,
    hook: FlowServiceHook,
    due: tuple[Path, dict[datetime, list[str]]],
    backfill: bool,
    exports: int,
) -> None:
    """Here each run is the only one that has not ended, so each of a backfill is the last."""
    flow = make_file_flow(hook)
    path, days = due
    states = activate(min(days), path, flow, backfill=backfill, export_as=EXPORT, export_after=True)
    assert sorted(active(control)) == sorted(days[min(days)])
    assert states["export_now"] == ("success" if backfill else "skipped")
    calls = control.requests("POST", ADHOC)
    assert len(calls) == exports
    if calls:
        assert calls[0]["body"]["activationInfo"] == {flow: active(control)}
