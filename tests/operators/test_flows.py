from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.aep import make_ends, selected, writes
from tests.support.faults import fault
from tests.support.operators import activate, create_flow
from tests.support.tasks import refused, rendered, run

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"


@pytest.fixture
def ends(hook: FlowServiceHook) -> tuple[str, str]:
    """A source and a target connection."""
    return make_ends(hook)


def only_flow(control: EmulatorControl) -> dict[str, Any]:
    (flow,) = control.state()["flows"]
    return dict(flow)


def test_a_flow_is_created_ready_for_activation(control: EmulatorControl, ends: tuple[str, str]) -> None:
    made, pushed = run(create_flow(*ends))
    flow = only_flow(control)
    assert made == flow["id"]
    assert (flow["sourceConnectionIds"], flow["targetConnectionIds"]) == ([ends[0]], [ends[1]])
    assert selected(flow) == ([], [])
    console_url = f"{control.url}/#/flows/{made}"
    assert pushed == {"etag": flow["etag"], "created": True, "console_url": console_url}


def test_the_second_time_it_is_found_with_whatever_was_activated_meanwhile(
    control: EmulatorControl, ends: tuple[str, str]
) -> None:
    made, _ = run(create_flow(*ends))
    run(activate(made, control.segments[:2]))
    control.clear_requests()
    again, pushed = run(create_flow(*ends))
    assert (again, pushed["created"], pushed["etag"]) == (made, False, only_flow(control)["etag"])
    assert writes(control) == []
    run(create_flow(*ends, if_exists="update", description="new"))
    assert only_flow(control)["description"] == "new"
    assert selected(only_flow(control))[0] == control.segments[:2]


def test_a_flow_spec_may_be_named_and_one_id_is_a_list(
    control: EmulatorControl, ends: tuple[str, str]
) -> None:
    run(
        create_flow(
            *ends,
            flow_spec="upsToStreamingDestination",
            source_connection_ids=ends[0],
            target_connection_ids=ends[1],
        )
    )
    assert only_flow(control)["flowSpec"]["id"] == "71471eba-b620-49e4-90fd-23f1fa0174d8"


def test_a_create_whose_answer_is_lost_gives_one_flow(
    control: EmulatorControl, ends: tuple[str, str]
) -> None:
    control.inject(fault("reset_after", "POST", "flows"))
    made, pushed = run(create_flow(*ends))
    assert (only_flow(control)["id"], pushed["created"]) == (made, True)
    assert control.faults_left() == []


def test_other_ends_are_another_flow(control: EmulatorControl, hook: FlowServiceHook) -> None:
    one, _ = run(create_flow(*make_ends(hook)))
    other, _ = run(create_flow(*make_ends(hook)))
    assert one != other
    assert len(control.state()["flows"]) == 2


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"flow_spec": "upsToStreaming"}, "Did you mean 'upsToStreamingDestination'"),
        ({"flow_spec": None}, "flow_spec: is None, although it was given"),
        ({"source_connection_ids": []}, "source_connection_ids: is empty. Give at least one"),
        ({"source_connection_ids": None}, "source_connection_ids: is None, although it was given"),
        ({"source_connection_ids": 5}, "source_connection_ids: must be a list, not int"),
        ({"target_connection_ids": [None]}, "target_connection_ids[0]: is None, although it was given"),
        ({"target_connection_ids": [UNKNOWN]}, UNKNOWN),
        ({"schedule_params": "hourly"}, "schedule_params: must be a mapping, not str"),
        ({"transformations": "Mapping"}, "transformations: must be a list, not str"),
        ({"transformations": ["Mapping"]}, "transformations[0]: must be a mapping, not str"),
        ({"name": ""}, "name: is '', although it was given"),
    ],
)
def test_a_bad_argument_gets_a_sentence_and_leaves_nothing(
    control: EmulatorControl, ends: tuple[str, str], changes: dict[str, Any], problem: str
) -> None:
    assert problem in refused(rendered(partial(create_flow, *ends), **changes))
    assert control.state()["flows"] == []
    run(create_flow(*ends))
    assert len(control.state()["flows"]) == 1
