"""Another DAG finds a flow by its name, through a real Airflow against the emulator."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from airflow_provider_flowservice.client import FlowState, specs
from airflow_provider_flowservice.client.errors import NameNotFoundError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServiceFindFlowOperator,
)
from tests.support import dags
from tests.support.aep import FLOW_SERVICE, make_flow, writes
from tests.support.batch import make_batch_flow
from tests.support.dags import Ran
from tests.support.faults import fault
from tests.support.tasks import rendered
from tests.support.tasks import run as run_task

pytestmark = pytest.mark.usefixtures("airflow_database")


def find(name: str = "loyalty", **arguments: Any) -> FlowServiceFindFlowOperator:
    return FlowServiceFindFlowOperator(task_id="find", name=name, **arguments)


def find_in_dag(**arguments: Any) -> Ran:
    return dags.run("find", lambda: find(**arguments))


def tear_down(**arguments: Any) -> Ran:
    """A DAG that finds a flow and deletes it with its connections."""

    def build() -> None:
        found = find(**arguments)
        FlowServiceDeleteFlowOperator(task_id="delete", flow_id=found.output, with_connections=True)

    return dags.run("tear_down", build)


def test_another_dag_finds_and_deletes_what_it_did_not_create(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow, other = make_flow(hook, "loyalty"), make_flow(hook, "other")
    control.clear_requests()
    ran = tear_down()
    assert ran.succeeded
    assert ran.results["find"] == flow
    assert len(ran.results["delete"]["deleted"]) == 5
    assert [each["id"] for each in control.state()["flows"]] == [other]
    assert writes(control) == [
        ("DELETE", "flows"),
        ("DELETE", "targetConnections"),
        ("DELETE", "sourceConnections"),
        ("DELETE", "connections"),
        ("DELETE", "connections"),
    ]


def test_what_is_already_gone_is_skipped_and_nothing_is_created(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    make_flow(hook, "loyalty")
    assert tear_down(if_missing="skip").succeeded
    control.clear_requests()
    ran = tear_down(if_missing="skip")
    assert ran.states == {"find": "skipped", "delete": "skipped"}
    assert ran.errors == []
    assert writes(control) == []


def test_a_flow_that_goes_between_the_two_tasks_is_deleted_all_the_same(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow = make_flow(hook, "loyalty")

    def build() -> None:
        found = find()
        first = FlowServiceDeleteFlowOperator(task_id="first", flow_id=flow)
        again = FlowServiceDeleteFlowOperator(task_id="again", flow_id=found.output, with_connections=True)
        found >> first >> again

    control.clear_requests()
    ran = dags.run("gone_between", build)
    assert ran.succeeded
    assert ran.results["again"] == {"deleted": [], "left": []}
    assert writes(control) == [("DELETE", "flows")]
    assert control.state()["flows"] == []


def test_a_missing_flow_fails_the_task_at_once_with_similar_names(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    make_flow(hook, "Loyalty to Kinesis")
    control.clear_requests()
    ran = tear_down(name="Loyalty to Kinesys")
    assert ran.states == {"find": "failed", "delete": "upstream_failed"}
    assert isinstance(ran.error, FlowServicePermanentException)
    assert isinstance(ran.error.error, NameNotFoundError)
    assert "AEP has no flow 'Loyalty to Kinesys'. Did you mean 'Loyalty to Kinesis'?" in str(ran.error)
    assert writes(control) == []


def test_segments_are_given_as_other_operators_take_them(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow, uuid = make_flow(hook, "loyalty"), control.segments[1]
    external = {"id": "extaud9001", "systemSegmentId": uuid, "namespace": "aamSegments"}
    hook.activate_segments(flow, [control.segments[0], external])
    _, pushed = run_task(find())
    assert pushed["segments"] == [control.segments[0], uuid]
    assert [segment.uuid for segment in hook.find_segments(pushed["segments"])] == pushed["segments"]


def test_several_flows_fail_the_task_even_if_a_missing_one_may_be_skipped(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    first = make_flow(hook, "loyalty")
    control.advance(1)
    second = make_flow(hook, "loyalty")
    ran = find_in_dag(if_missing="skip")
    assert isinstance(ran.error, FlowServicePermanentException)
    message = str(ran.error)
    assert "2 flows are named 'loyalty'" in message
    assert 0 < message.index(first) < message.index(second)


def test_state_and_flow_spec_by_name_or_id_tell_flows_apart(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    off, files = make_flow(hook, "files"), make_batch_flow(hook)
    hook.set_flow_state(off, FlowState.DISABLED)

    def build() -> None:
        for number, arguments in enumerate(
            (
                {"state": "disabled"},
                {"flow_spec": specs.PROFILE_DESTINATION_FLOW},
                {"flow_spec": "CloudStorageToAEP", "state": "{{ 'enabled' }}"},
                {"state": "draft", "if_missing": "skip"},
            )
        ):
            FlowServiceFindFlowOperator(task_id=f"find_{number}", name="files", **arguments)

    ran = dags.run("tell_apart", build)
    assert list(ran.results.values()) == [off, off, files, None]
    assert list(ran.states.values()) == ["success", "success", "success", "skipped"]


def test_a_wrong_flow_spec_is_no_missing_flow(control: EmulatorControl, hook: FlowServiceHook) -> None:
    make_flow(hook, "loyalty")
    ran = find_in_dag(flow_spec="upsToStreaming", if_missing="skip")
    assert isinstance(ran.error, FlowServicePermanentException)
    assert "AEP has no flow spec 'upsToStreaming'. Did you mean 'upsToStreamingDestination'" in str(ran.error)


def test_one_request_tells_all_that_other_tasks_need(control: EmulatorControl, hook: FlowServiceHook) -> None:
    flow = make_flow(hook, "loyalty")
    hook.activate_segments(flow, control.segments[:2])
    control.clear_requests()
    result, pushed = run_task(find())
    assert result == flow
    assert len(control.requests(path=FLOW_SERVICE)) == 1
    state = control.state()
    (item,) = state["flows"]
    assert pushed == {
        "connections": {
            "base": [each["id"] for each in state["connections"]][::-1],
            "source": item["sourceConnectionIds"],
            "target": item["targetConnectionIds"],
        },
        "segments": control.segments[:2],
        "state": "enabled",
        "etag": item["etag"],
        "console_url": f"{control.url}/#/flows/{item['id']}",
    }


def test_an_aep_that_is_down_is_no_missing_flow(control: EmulatorControl, hook: FlowServiceHook) -> None:
    make_flow(hook, "loyalty")
    control.inject(fault("status", "GET", f"{FLOW_SERVICE}/flows", times=99, status=503))
    ran = find_in_dag(if_missing="skip")
    assert ran.states == {"find": "failed"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"if_missing": "ignore"}, "if_missing: 'ignore' is not supported. Choose one of: fail, skip."),
        ({"state": "on"}, "state: 'on' is not supported. Choose one of: enabled, disabled, draft."),
        ({"name": ""}, "name: "),
    ],
)
def test_a_wrong_argument_is_rejected_when_the_dag_is_parsed(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        find(**arguments)


def test_a_name_from_a_skipped_task_is_rejected(control: EmulatorControl) -> None:
    operator = rendered(partial(find, if_missing="skip"), name=None)
    with pytest.raises(FlowServicePermanentException, match=r"^name: "):
        run_task(operator)
    assert control.requests(path=FLOW_SERVICE) == []
