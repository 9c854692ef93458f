from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.aep import make_flow, selected, writes
from tests.support.faults import fault
from tests.support.operators import activate
from tests.support.tasks import rendered, run


@pytest.fixture
def flow(hook: FlowServiceHook) -> str:
    return make_flow(hook)


def selected_now(control: EmulatorControl) -> tuple[list[str], list[str]]:
    (flow,) = control.state()["flows"]
    return selected(flow)


def test_it_returns_what_it_did_and_the_second_time_does_nothing(control: EmulatorControl, flow: str) -> None:
    first, second, third = control.segments[:3]
    wanted = [first, {"id": second, "name": "Women", "description": "over 50"}]
    result, pushed = run(activate(flow, wanted, profile_attributes=["a.b"]))
    assert result == {
        "flow_id": flow,
        "added": [first, second],
        "already_active": [],
        "changed": [],
        "removed": [],
        "not_active": [],
        "profile_attributes_added": ["a.b"],
        "profile_attributes_removed": [],
        "settings_changed": [],
        "etag": pushed["etag"],
    }
    assert pushed == {"etag": control.state()["flows"][0]["etag"]}
    assert selected_now(control) == ([first, second], ["a.b"])
    control.clear_requests()
    result, _ = run(activate(flow, [*wanted, first], profile_attributes=("a.b",)))
    assert (result["added"], result["already_active"]) == ([], [first, second])
    assert writes(control) == []
    result, _ = run(activate(flow, [third, first]))
    assert (result["added"], result["already_active"]) == ([third], [first])


def test_the_result_can_go_to_xcom(control: EmulatorControl, flow: str) -> None:
    import json

    result, _ = run(activate(flow, control.segments[:1]))
    assert json.loads(json.dumps(result)) == result


def test_another_editors_change_is_kept(control: EmulatorControl, flow: str) -> None:
    theirs = control.segments[5]
    control.inject(fault("conflict", "PATCH", "flows/*", segment_id=theirs))
    run(activate(flow, control.segments[:2]))
    assert selected_now(control)[0] == [theirs, *control.segments[:2]]
    assert control.faults_left() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"segments": ["Men over 50"]}, "segments[0]: 'Men over 50' is not a segment id. Give the UUID"),
        (
            {"segments": "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"},
            "segments: must be a list, not str. Give a list",
        ),
        ({"segments": None}, "segments: is None, although it was given"),
        ({"segments": [{"id": None}]}, "segments[0]: None is not a segment id"),
        ({"profile_attributes": [""]}, "profile_attributes[0]: '' is not a path"),
        ({"profile_attributes": 5}, "profile_attributes: must be a list, not int"),
        ({"flow_id": ""}, "flow_id: is '', although it was given. Check the template or the upstream task"),
        ({"flow_id": None}, "flow_id: is None, although it was given"),
        ({"flow_id": "8256cfb4-17e6-432c-a469-6aedafb16cd5"}, "FLOW-1439-404"),
    ],
)
def test_a_bad_argument_gets_a_sentence_and_changes_nothing(
    control: EmulatorControl, flow: str, changes: dict[str, Any], problem: str
) -> None:
    control.clear_requests()
    operator = rendered(activate, **{"flow_id": flow, "segments": control.segments[:1], **changes})
    with pytest.raises(FlowServicePermanentException) as caught:
        run(operator)
    assert problem in str(caught.value)
    assert writes(control) == []
    assert selected_now(control) == ([], [])
    run(activate(flow, control.segments[:1]))
    assert selected_now(control)[0] == control.segments[:1]


def test_an_unknown_mode_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(
        InvalidInputError, match=r"activation_mode: 'replace' is not supported. Choose one of: add"
    ):
        activate("f", [], activation_mode="replace")
