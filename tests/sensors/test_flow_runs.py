from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor, FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.support.tasks import rendered
from tests.support.triggers import fire

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


@pytest.fixture
def control(emulator: EmulatorServer, virtual_clock: VirtualClock, mocker: Any) -> EmulatorControl:
    """Time jumps where somebody waits, Airflow's own loop included, and the emulator's with it."""
    airflow_time = mocker.patch("airflow.sdk.bases.sensor.time")
    airflow_time.sleep.side_effect = virtual_clock.sleep
    airflow_time.monotonic.side_effect = virtual_clock.monotonic
    virtual_clock.follow(emulator.control.advance)
    emulator.control.set_switches(scheduled_runs=False, run_seconds=100)
    return emulator.control


@pytest.fixture
def flow(control: EmulatorControl) -> str:
    hook = FlowServiceHook()
    flow = make_batch_flow(hook)
    hook.close()
    return flow


def start_run(flow: str) -> str:
    hook = FlowServiceHook()
    run_id = hook.send(create_run(flow, Window(1_700_000_000, 1_700_000_001))).id
    hook.close()
    return run_id


def sensor(kind: type[Any], flow: Any, **changes: Any) -> Any:
    return kind(**{"task_id": "x", "flow_id": flow, "poke_interval": 30, "timeout": 300, **changes})


def run_sensor(flow: Any, after: Any = 1_700_000_000, **changes: Any) -> Any:
    return sensor(FlowServiceFlowRunSensor, flow, **{"started_after": after, **changes})


def state_sensor(flow: Any, state: Any = "disabled", **changes: Any) -> Any:
    return sensor(FlowServiceFlowStateSensor, flow, state=state, **changes)


def wait(operator: Any) -> Any:
    """Run a sensor to its end as Airflow does, over worker and triggerer if it defers."""
    try:
        return operator.execute({})
    except TaskDeferred as deferred:
        event = json.loads(json.dumps(fire(deferred.trigger)))
        arguments = {**(deferred.kwargs or {}), "event": event}
        return operator.resume_execution(deferred.method_name, arguments, {})


def told(control: EmulatorControl, flow: str, run_id: str, status: str, limit: Any) -> str:
    """The error of a run that ended in one of the emulator's bad ways."""
    failed = status == "failed"
    counts = "1000 read, 0 written, 1000 failed" if failed else "1000 read, 999 written, 1 failed"
    problem = (
        ""
        if failed
        else f": more records failed than max_failed_records={limit} allows; raise max_failed_records if that is"
        " acceptable"
    )
    rejection = "" if failed else "; MAPPER-3700-400: A record could not be mapped to the target schema"
    batch = f"https://platform.adobe.io/data/foundation/export/batches/{run_id}/meta"
    return (
        f"run {run_id} of flow {flow} ended with status {status} (records: {counts}, 0 skipped){problem}."
        f" AEP's errors: CONNECTOR-2001-500: The run could not process all of its data{rejection}."
        f"{'' if failed else f' Details: {batch}'}"
        f" See https://experience.adobe.com/#/sname:{control.credential.sandbox}/platform/source/dataflows/{flow}"
    )


def meanwhile(clock: VirtualClock, control: EmulatorControl, action: Any, after: float = 60) -> None:
    """Let somebody do something once some seconds have passed."""

    def moved(seconds: float) -> None:
        control.advance(seconds)
        if clock.wall() - START >= after:
            clock.follow(control.advance)
            action()

    clock.follow(moved)


# Runs


@MODES
def test_a_run_that_has_not_begun_yet_is_waited_for_to_its_end(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    meanwhile(virtual_clock, control, lambda: start_run(flow))
    wait(run_sensor(flow, deferrable=deferrable))
    assert 160 <= virtual_clock.wall() - START < 230


@MODES
def test_a_run_that_began_before_the_moment_does_not_count(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    start_run(flow)
    control.advance(1000)
    moment = control.now()
    with pytest.raises(FlowServiceWaitTimeout, match=f"flow {flow} has no run that was created after"):
        wait(run_sensor(flow, moment, deferrable=deferrable))
    start_run(flow)
    control.advance(200)
    wait(run_sensor(flow, str(moment), deferrable=deferrable))


@MODES
@pytest.mark.parametrize(
    ("outcome", "limit", "ended"),
    [
        ("success", 0, None),
        ("success-with-errors", 1, None),
        ("success-with-errors", 0, "success"),
        ("partialSuccess", 0, "partialSuccess"),
        ("partialSuccess", 0.0001, "partialSuccess"),
        ("partialSuccess", "0.001", None),
        ("partialSuccess", None, None),
        ("failed", None, "failed"),
    ],
)
@pytest.mark.parametrize("already", [False, True], ids=["later", "already"])
def test_a_run_that_ends_badly_fails_the_task_at_once(
    control: EmulatorControl,
    flow: str,
    outcome: str,
    limit: Any,
    ended: str | None,
    deferrable: bool,
    already: bool,
) -> None:
    control.set_switches(run_outcome=outcome)
    run_id = start_run(flow)
    control.advance(200 if already else 0)
    operator = run_sensor(flow, deferrable=deferrable, max_failed_records=limit)
    if ended is None:
        wait(operator)
        return
    with pytest.raises(FlowServiceTransientException) as caught:
        wait(operator)
    assert str(caught.value) == told(control, flow, run_id, ended, limit)


@MODES
@pytest.mark.parametrize("names", ["payload", "openapi"])
def test_a_run_that_does_not_end_is_named_when_the_time_is_up(
    control: EmulatorControl, flow: str, deferrable: bool, names: str
) -> None:
    control.set_switches(run_seconds=10_000, run_status_names=names)
    run_id = start_run(flow)
    with pytest.raises(FlowServiceWaitTimeout) as caught:
        wait(run_sensor(flow, deferrable=deferrable))
    assert str(caught.value) == (
        f"Timed out after 300 seconds: run {run_id} of flow {flow} is running. Check it in AEP, or wait longer."
    )


@MODES
def test_a_state_that_nobody_knows_counts_as_running(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    control.set_switches(run_seconds=0)
    run_id = start_run(flow)
    metrics = {"statusSummary": {"status": "REFACTORING"}}
    odd = {"items": [{"id": run_id, "flowId": flow, "createdAt": 4_000_000_000_000, "metrics": metrics}]}
    control.inject(fault("status", "GET", "runs", times=3, status=200, body=odd))
    wait(run_sensor(flow, deferrable=deferrable))
    assert control.faults_left() == []
    assert len(virtual_clock.sleeps) == (2 if deferrable else 3)


@MODES
@pytest.mark.parametrize("moment", [None, "", "yesterday", "nan", "inf", [1]])
def test_a_moment_that_is_none_is_refused(control: EmulatorControl, moment: Any, deferrable: bool) -> None:
    with pytest.raises(
        FlowServicePermanentException, match=r"started_after: (.* is not a time|is .*, although)"
    ):
        wait(
            rendered(
                partial(sensor, FlowServiceFlowRunSensor, UNKNOWN, deferrable=deferrable),
                started_after=moment,
            )
        )
    assert control.requests() == []


# One run


@MODES
def test_a_given_run_is_waited_for_to_its_end(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    run_id = start_run(flow)
    meanwhile(virtual_clock, control, lambda: start_run(flow), after=1)
    wait(sensor(FlowServiceFlowRunSensor, flow, run_id=run_id, deferrable=deferrable))
    assert 100 <= virtual_clock.wall() - START < 140
    assert {entry["path"].rpartition("/")[2] for entry in control.requests("GET", "/runs")} == {run_id}


@MODES
@pytest.mark.parametrize(
    ("outcome", "limit", "ended"),
    [
        ("failed", None, "failed"),
        ("partialSuccess", 0, "partialSuccess"),
        ("success-with-errors", 0, "success"),
        ("partialSuccess", 1, None),
        ("partialSuccess", "any", None),
    ],
)
def test_a_given_run_that_failed_is_not_waited_for_again(
    control: EmulatorControl, flow: str, deferrable: bool, outcome: str, limit: Any, ended: str | None
) -> None:
    control.set_switches(run_outcome=outcome)
    run_id = start_run(flow)
    operator = sensor(
        FlowServiceFlowRunSensor, flow, run_id=run_id, deferrable=deferrable, max_failed_records=limit
    )
    if ended is None:
        wait(operator)
        return
    with pytest.raises(FlowServicePermanentException) as caught:
        wait(operator)
    assert str(caught.value) == told(control, flow, run_id, ended, limit)


@MODES
@pytest.mark.parametrize("limit", [None, "", -1, 1.5, "many", True, "nan", 1e300])
def test_a_limit_that_a_template_makes_none_or_no_number_is_refused(
    control: EmulatorControl, limit: Any, deferrable: bool
) -> None:
    with pytest.raises(
        FlowServicePermanentException,
        match=r"max_failed_records: (is .*, although|.* is neither a whole number)",
    ):
        wait(rendered(partial(run_sensor, UNKNOWN, deferrable=deferrable), max_failed_records=limit))
    assert control.requests() == []


@MODES
def test_a_given_run_must_belong_to_the_flow(control: EmulatorControl, flow: str, deferrable: bool) -> None:
    run_id = start_run(flow)
    message = f"run {run_id} is a run of flow {flow}, not of flow {UNKNOWN}"
    with pytest.raises(FlowServicePermanentException, match=message):
        wait(sensor(FlowServiceFlowRunSensor, UNKNOWN, run_id=run_id, deferrable=deferrable))


@MODES
def test_a_given_run_that_does_not_end_is_named_when_the_time_is_up(
    control: EmulatorControl, flow: str, deferrable: bool
) -> None:
    control.set_switches(run_seconds=10_000)
    run_id = start_run(flow)
    with pytest.raises(FlowServiceWaitTimeout, match=f"run {run_id} of flow {flow} is running"):
        wait(sensor(FlowServiceFlowRunSensor, flow, run_id=run_id, deferrable=deferrable))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [({}, "is missing"), ({"run_id": "r", "started_after": 1_700_000_000}, "are both given")],
    ids=["none", "both"],
)
def test_the_runs_are_given_in_one_way(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"started_after or run_id: {problem}"):
        sensor(FlowServiceFlowRunSensor, UNKNOWN, **arguments)


# Airflow's own arguments


@pytest.mark.parametrize("name", ["timeout", "poke_interval"])
def test_a_time_that_is_none_is_named_and_not_tried_again(name: str) -> None:
    assert getattr(run_sensor(UNKNOWN, **{name: "60"}), name) == 60
    with pytest.raises(InvalidInputError, match=f"{name}: 'sixty' is not a duration"):
        run_sensor(UNKNOWN, **{name: "sixty"})
    with pytest.raises(FlowServicePermanentException, match=f"{name}: 'sixty' is not a duration"):
        run_sensor(UNKNOWN, **{name: "sixty"}, _airflow_from_mapped=True)


# States


@MODES
def test_a_state_that_comes_later_is_waited_for(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    from airflow_provider_flowservice.client.http import request

    hook = FlowServiceHook()
    meanwhile(virtual_clock, control, lambda: hook.action(request.FLOWS, flow, "disable"))
    wait(state_sensor(flow, deferrable=deferrable))
    hook.close()
    assert 60 <= virtual_clock.wall() - START < 120
    slept = len(virtual_clock.sleeps)
    wait(state_sensor(flow, deferrable=deferrable))
    assert len(virtual_clock.sleeps) == slept


@MODES
def test_a_state_that_does_not_come_is_named_when_the_time_is_up(
    control: EmulatorControl, flow: str, deferrable: bool
) -> None:
    with pytest.raises(FlowServiceWaitTimeout, match=f"Timed out after 300 seconds: flow {flow} is enabled"):
        wait(state_sensor(flow, deferrable=deferrable))


@MODES
@pytest.mark.parametrize("state", [None, "", "on", "Enabled", True])
def test_a_state_that_is_none_is_refused(control: EmulatorControl, state: Any, deferrable: bool) -> None:
    with pytest.raises(FlowServicePermanentException, match=r"state: (.* is not supported|is .*, although)"):
        wait(rendered(partial(state_sensor, UNKNOWN, deferrable=deferrable), state=state))
    assert control.requests() == []


@MODES
def test_a_flow_that_is_not_there_ends_the_wait(control: EmulatorControl, deferrable: bool) -> None:
    with pytest.raises(FlowServicePermanentException, match="FLOW-1439-404"):
        wait(state_sensor(UNKNOWN, deferrable=deferrable))


@MODES
@pytest.mark.parametrize("make", [run_sensor, state_sensor])
def test_a_flow_id_that_is_none_is_refused(control: EmulatorControl, make: Any, deferrable: bool) -> None:
    with pytest.raises(FlowServicePermanentException, match="flow_id: is None, although it was given"):
        wait(rendered(partial(make, UNKNOWN, deferrable=deferrable), flow_id=None))
    assert control.requests() == []
