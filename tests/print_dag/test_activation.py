"""What of an activation the operator can take over, and what is only told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.print_dag.flows import print_flow
from airflow_provider_flowservice.print_dag.model import Noted, Operator, PrintedFlow
from airflow_provider_flowservice.print_dag.reading import Reader
from tests.support.aep import make_flow
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow


def shown(control: EmulatorControl, hook: FlowServiceHook, flow_id: str, change: Any) -> PrintedFlow:
    """Print a flow of which AEP shows the parameters with a change."""
    (flow,) = control.state()["flows"]
    flow = copy.deepcopy(flow)
    change(flow["transformations"][0]["params"])
    control.inject(fault("status", "GET", "flows/*", times=10, status=200, body={"items": [flow]}))
    reader = Reader(hook)
    return print_flow(reader.flow(flow_id), reader)


def arguments(printed: PrintedFlow) -> dict[str, Any]:
    (task,) = (each for each in printed.tasks if each.operator is Operator.ACTIVATION)
    return {each.name: each.value for each in task.arguments}


def segments(printed: PrintedFlow) -> list[Any]:
    return [each.value if isinstance(each, Noted) else each for each in arguments(printed)["segments"]]


def selectors(params: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["value"] for each in params["segmentSelectors"]["selectors"]]


@pytest.fixture
def flow_id(control: EmulatorControl, hook: FlowServiceHook) -> str:
    flow_id = make_file_flow(hook)
    hook.activate_segments(flow_id, [exported(each) for each in control.segments[:2]])
    return flow_id


def test_a_segment_that_the_operator_does_not_take_is_left_alone(
    control: EmulatorControl, hook: FlowServiceHook, flow_id: str
) -> None:
    printed = shown(control, hook, flow_id, lambda params: selectors(params)[0].update(id="not a uuid"))
    assert [each["id"] for each in segments(printed)] == [control.segments[1]]
    # With sync, the operator would remove the other one.
    assert arguments(printed)["activation_mode"] == "add"
    assert [each for each in printed.losses if "not a uuid has an id" in each]


def test_a_schedule_that_the_operator_does_not_take_stays_as_it_is(
    control: EmulatorControl, hook: FlowServiceHook, flow_id: str
) -> None:
    printed = shown(
        control, hook, flow_id, lambda params: selectors(params)[0]["schedule"].update(frequency="HOURLY")
    )
    first, second = segments(printed)
    assert first == control.segments[0]
    assert second["schedule"]["frequency"] == "DAILY"
    assert arguments(printed)["activation_mode"] == "sync"
    assert [
        each for each in printed.losses if "does not take its exportMode, filenameTemplate, schedule" in each
    ]


def test_the_other_spelling_of_a_file_name_stays_as_it_is(
    control: EmulatorControl, hook: FlowServiceHook, flow_id: str
) -> None:
    def respell(params: dict[str, Any]) -> None:
        (value, _) = selectors(params)
        value["fileNameTemplate"] = value.pop("filenameTemplate")

    printed = shown(control, hook, flow_id, respell)
    assert "filenameTemplate" not in segments(printed)[0]
    assert [each for each in printed.losses if "fileNameTemplate, which stays as it is" in each]


def test_fields_that_the_operator_does_not_set_are_named(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow_id = make_flow(hook)
    hook.activate_segments(flow_id, control.segments[:1], ["person.name.firstName"])

    def add(params: dict[str, Any]) -> None:
        selectors(params)[0]["weight"] = 3
        params["profileSelectors"]["selectors"][0]["value"]["identity"] = True
        params["hashing"] = "SHA256"

    printed = shown(control, hook, flow_id, add)
    told = " ".join(printed.losses)
    assert "Segments have the fields weight" in told
    assert "Profile attributes have the fields identity" in told
    assert "Its transformations have hashing" in told
    assert arguments(printed)["profile_attributes"] == ["person.name.firstName"]
    notes = {each.operator: each.notes for each in printed.tasks}
    assert len(notes[Operator.ACTIVATION]) == 2
    assert len(notes[Operator.FLOW]) == 1


def test_names_of_segments_are_comments(
    control: EmulatorControl, hook: FlowServiceHook, flow_id: str
) -> None:
    printed = shown(
        control, hook, flow_id, lambda params: selectors(params)[1].update(name="as the flow has it")
    )
    names = {uuid: name for name, uuid in control.segments_by_name.items()}
    assert [each.note for each in arguments(printed)["segments"]] == [
        names[control.segments[0]],
        "as the flow has it",
    ]
