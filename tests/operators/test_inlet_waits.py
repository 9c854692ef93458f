from __future__ import annotations

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.inlets import post, posts
from tests.support.streaming import SETTLED, Source, open_source, people
from tests.support.tasks import refused, run
from tests.support.triggers import fire


def settled_at(trigger: FlowServiceTrigger) -> float:
    """When the flow that a trigger waits for is old enough."""
    moment: float = trigger.wait["changed_at"] + trigger.wait["settle_seconds"]
    return moment


@pytest.mark.parametrize("deferrable", [True, False])
# The last age is well beyond: on a busy machine the emulator's clock moves by seconds while the source is opened.
@pytest.mark.parametrize(("age", "waits"), [(0, True), (120, True), (SETTLED + 60, False)])
def test_nothing_is_lost_with_the_default(
    control: EmulatorControl,
    hook: FlowServiceHook,
    in_step: VirtualClock,
    age: float,
    waits: bool,
    deferrable: bool,
) -> None:
    source = open_source(hook)
    in_step.advance(age)
    operator = post(source, messages=people(3), settle_seconds=SETTLED, deferrable=deferrable)
    result, deferrals = run_to_end(operator)
    assert result["accepted"] == 3
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [False] * 3
    assert len(deferrals) == (waits and deferrable)
    waited = sum(in_step.sleeps)
    # The emulator's clock also moves by itself, so the flow is a little younger than the virtual clock knows.
    assert SETTLED - age <= waited < SETTLED - age + 60 if waits else waited == 0


@pytest.mark.parametrize("deferrable", [True, False])
def test_everything_is_lost_with_zero(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    source = open_source(hook)
    result, deferrals = run_to_end(post(source, messages=people(3), settle_seconds=0, deferrable=deferrable))
    assert (result["accepted"], deferrals) == (3, [])
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [True] * 3


def test_the_default_waits_five_minutes() -> None:
    operator = FlowServicePostToInletOperator(task_id="post", connection_id="c", messages=[], deferrable=True)
    assert (operator.settle_seconds, operator.deferrable, operator.max_failures) == (300, True, 0)


def test_while_it_is_deferred_nothing_was_sent(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    source = open_source(hook)
    control.clear_requests()
    operator = post(source, messages=people(3), settle_seconds=SETTLED, deferrable=True)
    started = in_step.wall()
    with pytest.raises(TaskDeferred) as deferral:
        run(operator)
    assert posts(control) == []
    trigger = deferral.value.trigger
    assert isinstance(trigger, FlowServiceTrigger)
    assert started + SETTLED <= settled_at(trigger) < started + SETTLED + 60
    assert in_step.sleeps == []


def test_a_flow_that_was_changed_is_new_again(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow_provider_flowservice.client import model
    from airflow_provider_flowservice.client.http import request

    source = open_source(hook)
    in_step.advance(SETTLED)
    flow = hook.get(request.FLOWS, source.flow_id)
    rename = model.Operation(op="replace", path="/name", value="new")
    hook.patch(request.FLOWS, source.flow_id, flow.etag or "", [rename])
    run_to_end(post(source, messages=people(1), settle_seconds=SETTLED))
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [False]


def test_a_flow_that_was_changed_during_the_wait_is_waited_for_again(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_provider_flowservice.client import model
    from airflow_provider_flowservice.client.http import request

    source = open_source(hook)
    operator = post(source, messages=people(1), settle_seconds=SETTLED, deferrable=True)
    with pytest.raises(TaskDeferred) as first:
        run(operator)
    event = fire(first.value.trigger)
    flow = hook.get(request.FLOWS, source.flow_id)
    rename = model.Operation(op="replace", path="/name", value="new")
    hook.patch(request.FLOWS, source.flow_id, flow.etag or "", [rename])
    with pytest.raises(TaskDeferred) as again:
        operator.resume_execution("execute_settled", {**(first.value.kwargs or {}), "event": event}, {})
    assert posts(control) == []
    assert settled_at(again.value.trigger) > settled_at(first.value.trigger)
    assert again.value.kwargs == first.value.kwargs


def test_in_dag_test_which_passes_no_deadline_it_is_waited_for_on_the_worker(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    operator = post(open_source(hook), messages=people(1), settle_seconds=SETTLED, deferrable=True)
    event = {"status": "timeout", "detail": None}
    began = in_step.wall()
    assert operator.resume_execution("execute_settled", {"event": event}, {})["accepted"] == 1
    assert SETTLED <= in_step.wall() - began < SETTLED + 10


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_flow_is_read_once_before_the_wait_and_once_after_it(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    source = open_source(hook)
    control.clear_requests()
    run_to_end(post(source, messages=people(1), settle_seconds=SETTLED, deferrable=deferrable))
    reads = [entry for entry in control.requests("GET") if entry["path"].endswith(source.flow_id)]
    assert len(reads) == 2
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [False]


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_flow_that_is_changed_all_the_time_is_an_error_and_nothing_is_posted(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    from airflow_provider_flowservice.client.http import request

    source = open_source(hook)

    def somebody_changes(seconds: float) -> None:
        control.advance(seconds)
        operation = "disable" if hook.get(request.FLOWS, source.flow_id).state == "enabled" else "enable"
        hook.action(request.FLOWS, source.flow_id, operation)

    in_step.follow(somebody_changes)
    began = in_step.wall()
    operator = post(source, messages=people(1), settle_seconds=SETTLED, deferrable=deferrable)
    with pytest.raises(
        FlowServicePermanentException, match=f"flow {source.flow_id} was changed .* repeatedly"
    ):
        run_to_end(operator)
    assert posts(control) == []
    assert 2 * SETTLED < in_step.wall() - began <= 3 * SETTLED


def test_a_wait_that_the_triggerer_gave_up_is_no_reason_to_post(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    operator = post(open_source(hook), messages=people(1), settle_seconds=SETTLED, deferrable=True)
    event = {"status": "timeout", "detail": None}
    with pytest.raises(TaskDeferred):
        operator.resume_execution("execute_settled", {"event": event, "deadline": in_step.wall() + 900}, {})
    problem = {"message": "no connection", "permanent": True, "status": None}
    with pytest.raises(FlowServicePermanentException, match="no connection"):
        operator.resume_execution("execute_settled", {"event": {"status": "error", "error": problem}}, {})
    assert posts(control) == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_flow_that_cannot_be_read_until_the_end_of_the_wait_is_left_to_airflows_retries(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    source = open_source(hook)
    operator = post(source, messages=people(1), settle_seconds=5, deferrable=deferrable)
    control.inject(fault("status", "GET", "flows/*", times=50, status=503))
    with pytest.raises(FlowServiceTransientException):
        run_to_end(operator)
    assert posts(control) == []


def test_without_a_flow_nothing_is_waited_for(control: EmulatorControl, source: Source) -> None:
    message = refused(post(connection_id=source.connection_id, messages=people(1), settle_seconds=SETTLED))
    assert "The flow id is missing" in message
    assert control.requests("GET", "/flows/") == []
