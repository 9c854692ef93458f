"""The log of a task that has succeeded says what was done with which object, whatever the task is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServicePruneFlowsOperator,
    FlowServiceRunFlowOperator,
    FlowServiceSetFlowStateOperator,
    FlowServiceUpdateFlowOperator,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor, FlowServiceFlowStateSensor
from tests.support.aep import make_flow
from tests.support.batch import make_batch_flow
from tests.support.files import exported, make_file_flow
from tests.support.lifecycle import WINDOW
from tests.support.operation import NAME, POLL, SEGMENTS, Operation, Sandbox
from tests.support.operations import operations
from tests.support.operators import activate, create_flow, create_target, onboard
from tests.support.streaming import Source
from tests.support.tasks import RecordingTaskInstance, run
from tests.support.triggers import fire
from tests.test_signatures import OPERATORS, SENSORS

pytestmark = pytest.mark.usefixtures("time")


def _waits(
    build: Callable[..., Any],
    prepare: Callable[[Sandbox], str],
    happens: Callable[[Sandbox, str], object] | None = None,
) -> list[Operation]:
    """A wait on the worker, one in the triggerer, and one that the triggerer is not needed for.

    :param happens: makes it end, before it begins or while the triggerer waits; None if it ends by itself.
    """

    def ready(sandbox: Sandbox) -> str:
        flow = prepare(sandbox)
        if happens:
            happens(sandbox, flow)
        return flow

    name, on_worker, deferrable = (
        build("a").task_type,
        partial(build, deferrable=False),
        partial(build, deferrable=True),
    )
    one = Operation(name=name, prepare=ready, build=on_worker, places={}, left=lambda *_: None, wanted=None)
    deferred = replace(one, name=f"{name}, deferred", prepare=prepare, build=deferrable, meanwhile=happens)
    at_once = replace(one, name=f"{name}, no need to defer", build=deferrable)
    return [one, deferred, at_once] if happens else [one, deferred]


def _started(sandbox: Sandbox, flow: str) -> None:
    sandbox.hook.run_flow(flow, WINDOW)
    sandbox.control.advance(POLL)


def _batch(sandbox: Sandbox) -> str:
    sandbox.control.set_switches(scheduled_runs=False, run_seconds=int(POLL) // 2)
    return make_batch_flow(sandbox.hook)


def _files(sandbox: Sandbox) -> str:
    sandbox.control.set_switches(scheduled_runs=False, run_seconds=int(POLL) // 2)
    flow = make_file_flow(sandbox.hook)
    sandbox.hook.activate_segments(flow, [exported(segment) for segment in SEGMENTS])
    return flow


EXTRA = [
    *_waits(
        lambda flow, **more: FlowServiceFlowStateSensor(
            task_id="x", flow_id=flow, state="disabled", poke_interval=POLL, **more
        ),
        lambda sandbox: make_flow(sandbox.hook),
        lambda sandbox, flow: sandbox.hook.set_flow_state(flow, "disabled"),
    ),
    *_waits(
        lambda flow, **more: FlowServiceFlowRunSensor(
            task_id="x", flow_id=flow, started_after=1_700_000_000, poke_interval=POLL, **more
        ),
        _batch,
        _started,
    ),
    *_waits(
        lambda flow, **more: FlowServiceRunFlowOperator(
            task_id="x",
            flow_id=flow,
            window_start=WINDOW.start,
            window_end=WINDOW.end,
            poll_interval=POLL,
            **more,
        ),
        _batch,
    ),
    *_waits(
        lambda flow, **more: FlowServiceAdHocActivationOperator(
            task_id="x", flow_id=flow, segments=SEGMENTS[:1], poll_interval=POLL, **more
        ),
        _files,
    ),
]


def all_operations() -> list[Any]:
    return [pytest.param(each, id=each.name) for each in (*operations(), *EXTRA)]


class Task:
    """A task and its log, or that of its last part if it has waited in the triggerer."""

    def __init__(self, log: pytest.LogCaptureFixture, sandbox: Sandbox, operation: Operation) -> None:
        self._log = log
        self._sandbox = sandbox
        self._operation = operation
        self._told = operation.prepare(sandbox)

    def run(self) -> list[str]:
        """Run it to its end.

        :returns: the messages at level INFO or above.
        """
        happens = self._operation.meanwhile
        context = {"ti": RecordingTaskInstance()}
        operator = self._operation.build(self._told)
        go_on = partial(operator.execute, context)
        self._log.clear()
        while True:
            try:
                go_on()
                return messages(self._log)
            except TaskDeferred as deferral:
                assert messages(self._log) != []
                if happens:
                    happens(self._sandbox, self._told)
                arguments = {**(deferral.kwargs or {}), "event": fire(deferral.trigger)}
                go_on = partial(operator.resume_execution, deferral.method_name, arguments, context)
                self._log.clear()


def messages(log: pytest.LogCaptureFixture) -> list[str]:
    """What the provider has logged."""
    ours = (
        each for each in log.records if each.name.startswith(("airflow_provider_flowservice", "tests.tasks"))
    )
    return [each.getMessage() for each in ours if "outside of the Task Runner" not in each.getMessage()]


def known(sandbox: Sandbox) -> set[str]:
    """Ids and names of what there is."""
    held = [each for kind in sandbox.control.state().values() if isinstance(kind, list) for each in kind]
    return {each[key] for each in held for key in ("id", "name") if each.get(key)} | {NAME}


def test_every_operator_and_sensor_is_among_the_operations() -> None:
    built = {type(each.build(each.example)) for each in operations()} | {
        type(each.build("a")) for each in EXTRA
    }
    assert built == {*OPERATORS, *SENSORS}


@pytest.mark.parametrize("operation", all_operations())
def test_the_log_names_what_was_done_also_if_nothing_was_left_to_do(
    sandbox: Sandbox, operation: Operation, task_log: pytest.LogCaptureFixture
) -> None:
    task = Task(task_log, sandbox, operation)
    objects = known(sandbox)
    first = task.run()
    objects |= known(sandbox)
    again = task.run()
    for logged in (first, again):
        assert [each for each in logged if any(one in each for one in objects)] != [], logged


@pytest.mark.parametrize("wait_for_completion", [True, False])
def test_runs_are_named_whether_they_are_waited_for_or_not(
    sandbox: Sandbox, task_log: pytest.LogCaptureFixture, wait_for_completion: bool
) -> None:
    flow = _batch(sandbox)
    window = {"window_start": WINDOW.start, "window_end": WINDOW.end}
    operator = FlowServiceRunFlowOperator(
        task_id="x", flow_id=flow, wait_for_completion=wait_for_completion, deferrable=False, **window
    )
    run_id, _ = run(operator)
    first, *_, last = messages(task_log)
    assert first.startswith(f"Run {run_id} of flow 'files' ({flow}) covers 2023-11-14T22:13:20+00:00 to ")
    if wait_for_completion:
        assert last.startswith(f"Successful runs of flow {flow}: 1 (1000 records read, ")
    else:
        assert last == f"Started runs of flow {flow}, which are not waited for: {run_id}"


def test_exports_are_shown_by_the_names_of_their_segments(
    sandbox: Sandbox, task_log: pytest.LogCaptureFixture
) -> None:
    flow, (name, segment) = _files(sandbox), next(iter(sandbox.control.segments_by_name.items()))
    arguments = {"task_id": "x", "flow_id": flow, "segments": [{"name": name}], "wait_for_completion": False}
    runs, _ = run(FlowServiceAdHocActivationOperator(**arguments))
    assert f"segment {name!r} ({segment}): run {runs[segment]}" in task_log.text
    task_log.clear()
    run(FlowServiceAdHocActivationOperator(**arguments, plan_only=True))
    assert f"1 segments would be exported:\n  segment {name!r} ({segment})" in task_log.text


def test_an_activation_is_shown_by_the_names_that_are_known(
    sandbox: Sandbox, task_log: pytest.LogCaptureFixture
) -> None:
    flow, by_name = make_flow(sandbox.hook), sandbox.control.segments_by_name
    (name, named), (_, other), *_ = by_name.items()
    shown = f"  segment {name!r} ({named})"
    run(activate(flow, [{"name": name}, other]))
    assert f"Flow 'flow' ({flow}):\n{shown}: activated\n  segment {other}: activated" in task_log.text
    # The flow has the name by now, so that it is known if only the id is given.
    run(activate(flow, [named.upper()]))
    assert f"{shown}: active already" in task_log.text
    task_log.clear()
    sandbox.control.clear_requests()
    run(activate(flow, [named, SEGMENTS[2]], activation_mode="remove", plan_only=True))
    assert f"{shown}: would be removed" in task_log.text
    assert f"  segment {SEGMENTS[2]}: not active, so there is nothing to remove" in task_log.text
    assert len([entry for entry in sandbox.control.requests() if "ims" not in entry["path"]]) == 1


def test_an_input_without_records(source: Source, task_log: pytest.LogCaptureFixture) -> None:
    operator = FlowServicePostToInletOperator(
        task_id="x", flow_id=source.flow_id, messages=[], allow_empty=True, settle_seconds=0
    )
    result, _ = run(operator)
    begin, end = messages(task_log)
    assert begin == f"Posting the messages to inlet {result['inlet_id']}, for flow {source.flow_id}"
    assert end.startswith("Records: 0 accepted")


def test_a_change_that_changes_nothing(hook: FlowServiceHook, task_log: pytest.LogCaptureFixture) -> None:
    flow = make_flow(hook)
    run(FlowServiceSetFlowStateOperator(task_id="x", flow_id=flow, state="enabled"))
    assert messages(task_log) == [f"Flow 'flow' ({flow}) is enabled already"]
    task_log.clear()
    run(FlowServiceUpdateFlowOperator(task_id="x", flow_id=flow, new_name="flow"))
    assert messages(task_log) == [
        f"Nothing to change: name and description of flow 'flow' ({flow}) are as desired"
    ]


def test_what_is_reused_is_named(control: EmulatorControl, task_log: pytest.LogCaptureFixture) -> None:
    made = onboard()
    for create, title in (
        (
            partial(create_target, made["connections"]),
            f"target connection 'stream' ({made['targetConnections']})",
        ),
        (
            partial(create_flow, made["sourceConnections"], made["targetConnections"]),
            f"flow 'flow' ({made['flows']})",
        ),
    ):
        for if_exists, end in (("reuse", ""), ("update", ", which has the desired settings already")):
            task_log.clear()
            run(create(if_exists=if_exists))
            assert messages(task_log) == [f"Reusing {title}{end}"]
        task_log.clear()
        run(create(plan_only=True))
        assert messages(task_log) == [f"{title} would be reused as it is"]


@pytest.mark.parametrize("action", ["disable", "delete"])
def test_a_pruning_says_what_would_be_done(
    sandbox: Sandbox, task_log: pytest.LogCaptureFixture, action: str
) -> None:
    onboard("mine: kept")
    flow = onboard("mine: gone")["flows"]
    if action == "delete":
        sandbox.hook.set_flow_state(flow, "disabled")
    arguments = {"keep": ["mine: kept"], "name_prefix": "mine: ", "action": action}
    task_log.clear()
    run(FlowServicePruneFlowsOperator(task_id="x", **arguments, plan_only=True))
    (message,) = messages(task_log)
    assert f"1 kept, 1 unexpected\n  would be {action}d" in message
    assert message.endswith(f"  {flow}  mine: gone")
