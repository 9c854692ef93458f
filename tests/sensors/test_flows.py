from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred
from airflow.sdk import DAG

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
    FlowServiceWaitTimeout,
)
from airflow_provider_flowservice.hooks.caller import AIRFLOW
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.aep import make_flow
from tests.support.faults import fault
from tests.support.tasks import rendered
from tests.support.triggers import fire

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


@pytest.fixture
def control(emulator: EmulatorServer, virtual_clock: VirtualClock) -> EmulatorControl:
    return emulator.control


@pytest.fixture
def flow(hook: FlowServiceHook, control: EmulatorControl) -> str:
    """A flow that sends two segments and one attribute."""
    flow = make_flow(hook)
    hook.activate_segments(flow, control.segments[:2], ["person.name"])
    control.clear_requests()
    return flow


@pytest.fixture(autouse=True)
def poking_takes_no_time(virtual_clock: VirtualClock, mocker: Any) -> None:
    """Airflow's own loop reads and waits for real time, so it gets the virtual clock."""
    airflow_time = mocker.patch("airflow.sdk.bases.sensor.time")
    airflow_time.sleep.side_effect = virtual_clock.sleep
    airflow_time.monotonic.side_effect = virtual_clock.monotonic


def sensor(
    flow: Any, segments: Any = None, attributes: Any = None, **changes: Any
) -> FlowServiceFlowValidationSensor:
    arguments = {"task_id": "validate", "poke_interval": 30, "timeout": 300, "deferrable": False}
    return FlowServiceFlowValidationSensor(
        flow_id=flow, segments=segments, profile_attributes=attributes, **{**arguments, **changes}
    )


def wait(operator: FlowServiceFlowValidationSensor) -> Any:
    """Run a sensor to its end as Airflow does, over worker and triggerer if it defers."""
    context: Any = {}
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        event = json.loads(json.dumps(fire(deferred.trigger)))
        arguments = {**(deferred.kwargs or {}), "event": event}
        return operator.resume_execution(deferred.method_name, arguments, context)


@MODES
def test_what_is_mapped_is_found_at_once(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    wanted = [control.segments[1].upper(), {"id": control.segments[0], "name": "Men"}]
    wait(sensor(flow, wanted, ["person.name"], deferrable=deferrable))
    assert len(control.requests("GET", flow)) == 1
    assert virtual_clock.sleeps == []


@MODES
def test_what_is_mapped_later_is_waited_for(
    control: EmulatorControl, hook: FlowServiceHook, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    late = control.segments[4]

    def somebody_activates(seconds: float) -> None:
        if virtual_clock.wall() - START > 100:
            virtual_clock.follow(None)
            hook.activate_segments(flow, [late])

    virtual_clock.follow(somebody_activates)
    wait(sensor(flow, [late], deferrable=deferrable))
    assert 100 < virtual_clock.wall() - START < 150


@MODES
def test_what_is_missing_is_named_when_the_time_is_up(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    wanted = [control.segments[0], control.segments[7]]
    with pytest.raises(FlowServiceWaitTimeout) as caught:
        wait(sensor(flow, wanted, ["person.name", "a.b"], deferrable=deferrable))
    message = str(caught.value)
    assert f"flow {flow} lacks segments {control.segments[7]} and profile attributes a.b" in message
    assert control.segments[0] not in message
    assert "Timed out after 300 seconds" in message
    assert 300 <= virtual_clock.wall() - START < 340


@MODES
def test_a_soft_failure_skips_when_the_time_is_up(
    control: EmulatorControl, flow: str, deferrable: bool
) -> None:
    with pytest.raises(AirflowSkipException):
        wait(sensor(flow, [control.segments[7]], deferrable=deferrable, soft_fail=True))


@MODES
def test_a_soft_failure_skips_when_the_flow_is_not_there(control: EmulatorControl, deferrable: bool) -> None:
    with pytest.raises(AirflowSkipException):
        wait(sensor(UNKNOWN, [control.segments[7]], deferrable=deferrable, soft_fail=True))


@MODES
def test_a_flow_that_is_not_there_fails_the_task_at_once(
    control: EmulatorControl, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    with pytest.raises(FlowServicePermanentException, match="FLOW-1439-404") as caught:
        wait(sensor(UNKNOWN, [control.segments[0]], deferrable=deferrable))
    assert (caught.value.status, caught.value.code) == (404, "FLOW-1439-404")
    assert virtual_clock.sleeps == []


@MODES
def test_a_flow_that_is_deleted_meanwhile_ends_the_wait(
    control: EmulatorControl, hook: FlowServiceHook, flow: str, virtual_clock: VirtualClock, deferrable: bool
) -> None:
    def somebody_deletes(seconds: float) -> None:
        virtual_clock.follow(None)
        hook.delete(request.FLOWS, flow)

    virtual_clock.follow(somebody_deletes)
    with pytest.raises(FlowServicePermanentException, match="404"):
        wait(sensor(flow, [control.segments[7]], deferrable=deferrable))


@MODES
def test_an_aep_that_stumbles_does_not_fail_the_wait(
    control: EmulatorControl, flow: str, deferrable: bool
) -> None:
    control.inject(fault("reset", "GET", "flows/*"), fault("status", "GET", "flows/*", times=3, status=503))
    wait(sensor(flow, control.segments[:2], deferrable=deferrable))
    assert control.faults_left() == []


def test_an_aep_that_stays_down_is_left_to_airflows_retries(control: EmulatorControl, flow: str) -> None:
    control.inject(fault("status", "GET", "flows/*", times=5, status=503))
    with pytest.raises(FlowServiceTransientException):
        wait(sensor(flow, control.segments[:2]))


@MODES
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"segments": ["Men over 50"]}, "segments[0]: 'Men over 50' is not a segment id"),
        ({"segments": None}, "segments: is None, although it was given"),
        ({"segments": []}, "segments, absent and profile_attributes: leave nothing to wait for"),
        ({"absent": ["Men over 50"]}, "absent[0]: 'Men over 50' is not a segment id"),
        ({"absent": None}, "absent: is None, although it was given"),
        ({"exact": None}, "exact: is None, although it was given"),
        ({"exact": "maybe"}, "exact: 'maybe' is neither true nor false"),
        ({"absent": [UNKNOWN], "exact": "True"}, "absent: cannot be combined with exact=True"),
        ({"segments": [UNKNOWN.upper()], "absent": [UNKNOWN]}, f"absent: '{UNKNOWN}' is also in segments"),
        ({"segments": [{"name": "A"}], "absent": [{"name": "A"}]}, "absent: 'A' is also in segments"),
        ({"profile_attributes": [""]}, "profile_attributes[0]: '' is not a path"),
        ({"flow_id": None}, "flow_id: is None, although it was given"),
    ],
)
def test_a_bad_argument_gets_a_sentence_before_anything_is_sent(
    control: EmulatorControl, changes: dict[str, Any], problem: str, deferrable: bool
) -> None:
    build = partial(FlowServiceFlowValidationSensor, task_id="x", deferrable=deferrable)
    arguments = {"flow_id": UNKNOWN, "segments": control.segments[:1], **changes}
    with pytest.raises(FlowServicePermanentException) as caught:
        wait(rendered(build, **arguments))
    assert problem in str(caught.value)
    assert control.requests() == []


@pytest.mark.parametrize(
    ("kind", "more", "seconds"),
    [
        (FlowServiceFlowValidationSensor, {"segments": [UNKNOWN]}, 600),
        (FlowServiceFlowStateSensor, {}, 1800),
        (FlowServiceFlowRunSensor, {"run_id": UNKNOWN}, 86_400),
    ],
)
def test_without_a_timeout_a_sensor_waits_for_a_time_that_fits_its_wait(
    kind: type[Any], more: dict[str, Any], seconds: int
) -> None:
    build = partial(kind, flow_id=UNKNOWN, **more)
    with DAG("plain"):
        assert build(task_id="x").timeout == seconds
        assert build(task_id="given", timeout=90).timeout == 90
        assert build(task_id="own", default_args={"timeout": 80}).timeout == 80
        mapped = kind.partial(task_id="mapped", **more).expand(flow_id=[UNKNOWN])
        assert mapped.unmap({"flow_id": UNKNOWN}).timeout == seconds
    with DAG("defaults", default_args={"timeout": 70}):
        assert build(task_id="x").timeout == 70
        assert (
            kind.partial(task_id="y", **more).expand(flow_id=[UNKNOWN]).unmap({"flow_id": UNKNOWN}).timeout
            == 70
        )


def test_deferring_hands_an_absolute_deadline_and_no_secret_to_the_trigger(control: EmulatorControl) -> None:
    with pytest.raises(TaskDeferred) as caught:
        sensor(UNKNOWN, control.segments[:1], ["a"], deferrable=True, sandbox="prod").execute({})
    trigger = caught.value.trigger
    assert isinstance(trigger, FlowServiceTrigger)
    assert caught.value.timeout is None
    # It looked once, since a trigger that fires at once can overtake the scheduler.
    assert [entry["status"] for entry in control.requests("GET")] == [404]
    _, arguments = trigger.serialize()
    assert arguments == {
        "flowservice_conn_id": "flowservice_default",
        "sandbox": "prod",
        "poll_interval": 30,
        "deadline": START + 300,
        "caller": AIRFLOW.to_json(),
        "wait": {
            "wait": "SelectorsMapped",
            "flow_id": UNKNOWN,
            "segments": control.segments[:1],
            "attributes": ["a"],
            "absent": [],
            "exact": False,
            "fail_fast": False,
            "first_update": None,
        },
    }
    assert clock.current().wall() == START


def test_without_any_time_it_looks_once_and_does_not_defer(control: EmulatorControl, flow: str) -> None:
    operator = sensor(flow, control.segments[:1], deferrable=True, timeout=0)
    assert operator.execute({}) is None
    with pytest.raises(
        FlowServiceWaitTimeout, match=f"Timed out after 0 seconds: flow {flow} lacks segments"
    ):
        sensor(flow, control.segments[7:8], deferrable=True, timeout=0).execute({})
    with pytest.raises(FlowServicePermanentException, match="404"):
        sensor(UNKNOWN, control.segments[:1], deferrable=True, timeout=0).execute({})


def test_what_is_missing_is_named_without_looking_names_up_again(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock
) -> None:
    operator = sensor(flow, [{"name": "Loyal customers"}, control.segments[7]], deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute({})
    control.clear_requests()
    resumed = sensor(flow, [{"name": "Loyal customers"}, control.segments[7]], deferrable=True)
    missing = {"missing_segments": {"first": [control.segments[7]], "count": 1}}
    event = {"status": "timeout", "detail": {"mismatch": missing, "first_update": 1}}
    with pytest.raises(FlowServiceWaitTimeout, match=f"flow {flow} lacks segments {control.segments[7]}"):
        resumed.execute_complete({}, event, **(deferred.value.kwargs or {}))
    assert control.requests() == []


def test_the_time_is_up_although_aep_never_answered(control: EmulatorControl) -> None:
    operator = sensor(UNKNOWN, control.segments[:1])
    with pytest.raises(FlowServiceWaitTimeout, match="AEP did not respond"):
        operator.resume_execution("execute_complete", {"event": {"status": "timeout", "detail": None}}, {})
