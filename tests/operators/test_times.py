"""Time arguments in DAG runs: literals, templates and XComs, with native rendering and without."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pytest
from airflow.sdk import task

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.batch import make_batch_flow
from tests.support.dags import run

pytestmark = pytest.mark.usefixtures("airflow_database")

NATIVE = pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])
#: A logical date of its own for each run: the runs of a date exist once in the session's Airflow.
DATES = (datetime(2024, 1, 1, 6, tzinfo=UTC) + timedelta(days=day) for day in itertools.count())
#: What gives the logical date, which is also the beginning of the data interval of a manual run.
BEGINNINGS = [
    "{{ data_interval_start }}",
    "{{ logical_date }}",
    "{{ ts }}",
    "{{ logical_date.timestamp() }}",
    "{{ logical_date.timestamp() | int }}",
    "{{ logical_date.isoformat() }}",
]


@pytest.fixture
def time(control: EmulatorControl, virtual_clock: VirtualClock, mocker: Any) -> VirtualClock:
    """Time that jumps where somebody waits, Airflow's own loop included, and the emulator's with it."""
    airflow_time = mocker.patch("airflow.sdk.bases.sensor.time")
    airflow_time.sleep.side_effect = virtual_clock.sleep
    airflow_time.monotonic.side_effect = virtual_clock.monotonic
    virtual_clock.follow(control.advance)
    control.set_switches(scheduled_runs=False, run_seconds=10)
    return virtual_clock


@pytest.fixture
def flow(hook: FlowServiceHook, time: VirtualClock) -> str:
    return make_batch_flow(hook)


def run_flow(flow: str, start: Any, end: Any, **more: Any) -> FlowServiceRunFlowOperator:
    return FlowServiceRunFlowOperator(
        task_id="run", flow_id=flow, window_start=start, window_end=end, poll_interval=10, **more
    )


def windows(control: EmulatorControl) -> list[tuple[Any, Any]]:
    """The windows of the runs in AEP."""
    sent = [entry["body"]["params"] for entry in control.requests("POST", "/runs")]
    return [(params["windowStartTime"], params["windowEndTime"]) for params in sent]


@NATIVE
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_template_of_a_time_gives_a_window(
    control: EmulatorControl, flow: str, beginning: str, native: bool
) -> None:
    date, end = next(DATES), "{{ logical_date + macros.timedelta(days=1) }}"
    ran = run(
        "window",
        lambda: run_flow(flow, beginning, end, deferrable=True),
        logical_date=date,
        render_template_as_native_obj=native,
    )
    assert ran.succeeded
    assert windows(control) == [(date.timestamp(), date.timestamp() + 86_400)]


@NATIVE
@pytest.mark.parametrize("what", ["datetime", "pendulum", "text", "number"])
def test_a_time_comes_from_an_upstream_task(
    control: EmulatorControl, flow: str, what: str, native: bool
) -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 900_000, tzinfo=UTC)

    @task
    def ends() -> dict[str, Any]:
        made: dict[str, Callable[[datetime], Any]] = {
            "datetime": lambda each: each,
            "pendulum": lambda each: pendulum.instance(each).in_timezone("Europe/Berlin"),
            "text": datetime.isoformat,
            "number": datetime.timestamp,
        }
        return {"start": made[what](moment), "end": made[what](moment + timedelta(hours=1))}

    def build() -> None:
        given = ends()
        run_flow(flow, given["start"], "{{ ti.xcom_pull('ends')['end'] }}").set_upstream(given)

    assert run("window_from_xcom", build, render_template_as_native_obj=native).succeeded
    assert windows(control) == [(1_767_225_600, 1_767_229_200)]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), pendulum.datetime(2026, 1, 1, 2, tz="Europe/Berlin")),
        ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+01:00"),
        (1_767_225_600, "1767229200.9"),
    ],
)
def test_a_literal_gives_a_window(control: EmulatorControl, flow: str, start: Any, end: Any) -> None:
    assert run("window_of_literals", lambda: run_flow(flow, start, end)).succeeded
    assert windows(control) == [(1_767_225_600, 1_767_229_200)]


def test_windows_that_adjoin_still_do_in_whole_seconds(control: EmulatorControl, flow: str) -> None:
    ends = [f"2026-01-01T00:00:{each}Z" for each in ("00.999", "10.500", "20.001")]
    for start, end in itertools.pairwise(ends):
        assert run("adjoining_windows", lambda start=start, end=end: run_flow(flow, start, end)).succeeded
    assert windows(control) == [(1_767_225_600, 1_767_225_610), (1_767_225_610, 1_767_225_620)]


@NATIVE
@pytest.mark.parametrize(
    "template", ["{{ ds }}", "{{ ds_nodash }}", "{{ ts_nodash }}", "{{ logical_date.naive() }}"]
)
def test_a_template_without_a_time_zone_is_rejected(
    control: EmulatorControl, flow: str, template: str, native: bool
) -> None:
    control.clear_requests()
    ran = run(
        "window_without_zone",
        lambda: run_flow(flow, template, "{{ ts }}"),
        logical_date=next(DATES),
        render_template_as_native_obj=native,
    )
    assert isinstance(ran.error, FlowServicePermanentException)
    assert str(ran.error).startswith("window_start: ")
    assert "time zone" in str(ran.error)
    assert control.requests() == []


@NATIVE
def test_a_window_that_ends_before_it_begins_is_rejected(
    control: EmulatorControl, flow: str, native: bool
) -> None:
    control.clear_requests()
    ran = run(
        "window_backwards",
        lambda: run_flow(flow, "{{ data_interval_start }}", "{{ data_interval_start }}"),
        logical_date=next(DATES),
        render_template_as_native_obj=native,
    )
    assert isinstance(ran.error, FlowServicePermanentException)
    assert str(ran.error).startswith("window_end: 2024-")
    assert "is not after window_start" in str(ran.error)
    assert control.requests() == []


def test_a_literal_without_a_time_zone_is_rejected_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidInputError, match=r"^window_start: 2026-01-01T00:00:00 has no time zone"):
        run_flow("f", datetime(2026, 1, 1), "{{ ts }}")
    with pytest.raises(InvalidInputError, match=r"^started_after: '2026-01-01' has no time zone"):
        FlowServiceFlowRunSensor(task_id="x", flow_id="f", started_after="2026-01-01")


@MODES
@NATIVE
@pytest.mark.parametrize(
    "after", ["{{ data_interval_start }}", "{{ ts }}", "{{ ti.xcom_pull('given') }}", "literal"]
)
def test_a_sensor_waits_for_a_run_after_a_time(
    control: EmulatorControl,
    hook: FlowServiceHook,
    flow: str,
    time: VirtualClock,
    after: str,
    native: bool,
    deferrable: bool,
) -> None:
    """One run is too old, and has ended; another one is started while the sensor waits."""
    start_run(hook, flow)
    control.advance(60)
    date, before = datetime.fromtimestamp(control.now(), UTC), time.wall()

    def moved(seconds: float) -> None:
        control.advance(seconds)
        if time.wall() - before > 100:
            time.follow(control.advance)
            start_run(hook, flow)

    def build() -> None:
        @task
        def given() -> datetime:
            return date

        FlowServiceFlowRunSensor(
            task_id="wait",
            flow_id=flow,
            started_after=date if after == "literal" else after,
            poke_interval=30,
            timeout=300,
            deferrable=deferrable,
        ).set_upstream(given())

    time.follow(moved)
    assert run("wait_for_run", build, logical_date=date, render_template_as_native_obj=native).succeeded
    assert time.wall() - before > 100


def start_run(hook: FlowServiceHook, flow: str) -> None:
    hook.send(create_run(flow, Window(1_767_225_600, 1_767_229_200)))
