"""Where a task waits: as it says itself, else as ``[operators] default_deferrable`` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.batch import make_batch_flow
from tests.support.files import exported, make_file_flow
from tests.support.streaming import open_source, people
from tests.support.tasks import run

#: What makes a task that has to wait.
Builder = Callable[[EmulatorControl, FlowServiceHook, dict[str, Any]], Any]


def run_flow(control: EmulatorControl, hook: FlowServiceHook, more: dict[str, Any]) -> Any:
    window = {"window_start": 1_700_000_000, "window_end": 1_700_086_400}
    return FlowServiceRunFlowOperator(task_id="x", flow_id=make_batch_flow(hook), **window, **more)


def export(control: EmulatorControl, hook: FlowServiceHook, more: dict[str, Any]) -> Any:
    flow = make_file_flow(hook)
    hook.activate_segments(flow, [exported(control.segments[0])])
    return FlowServiceAdHocActivationOperator(
        task_id="x", flow_id=flow, segments=control.segments[:1], **more
    )


def post(control: EmulatorControl, hook: FlowServiceHook, more: dict[str, Any]) -> Any:
    source = open_source(hook)
    return FlowServicePostToInletOperator(
        task_id="x", connection_id=source.connection_id, flow_id=source.flow_id, messages=people(1), **more
    )


OPERATORS = pytest.mark.parametrize("build", [run_flow, export, post])


@pytest.fixture
def in_step(control: EmulatorControl, virtual_clock: VirtualClock) -> VirtualClock:
    """Waiting moves the emulator's time."""
    control.set_switches(scheduled_runs=False, run_seconds=100)
    virtual_clock.set_wall_ahead(control.now() - virtual_clock.wall())
    virtual_clock.follow(control.advance)
    return virtual_clock


@OPERATORS
@pytest.mark.parametrize(
    ("setting", "argument", "deferred"),
    [
        ("False", {}, False),
        ("True", {}, True),
        ("True", {"deferrable": False}, False),
        ("False", {"deferrable": True}, True),
        (None, {}, False),
    ],
)
def test_an_operator_waits_where_it_is_told_to(
    control: EmulatorControl,
    hook: FlowServiceHook,
    in_step: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    build: Builder,
    setting: str | None,
    argument: dict[str, Any],
    deferred: bool,
) -> None:
    if setting is not None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", setting)
    operator = build(control, hook, argument)
    if deferred:
        with pytest.raises(TaskDeferred) as caught:
            run(operator)
        assert isinstance(caught.value.trigger, FlowServiceTrigger)
        assert in_step.sleeps == []
    else:
        run(operator)
        assert sum(in_step.sleeps) >= 100


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (FlowServiceFlowValidationSensor, {"segments": [], "exact": True}),
        (FlowServiceFlowStateSensor, {}),
        (FlowServiceFlowRunSensor, {"started_after": 1_700_000_000}),
    ],
)
@pytest.mark.parametrize("setting", [True, False])
def test_a_sensor_waits_where_the_setting_says(
    monkeypatch: pytest.MonkeyPatch, kind: Any, more: dict[str, Any], setting: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(setting))
    assert kind(task_id="x", flow_id="f", **more).deferrable is setting
    assert kind(task_id="x", flow_id="f", deferrable=not setting, **more).deferrable is not setting
