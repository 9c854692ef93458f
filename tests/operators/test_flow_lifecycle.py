from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServiceTransientException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import FlowServiceDeleteConnectionOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServiceSetFlowStateOperator,
    FlowServiceUpdateFlowOperator,
)
from tests.support.aep import make, make_flow, profile_flow, stream, writes
from tests.support.faults import fault
from tests.support.operators import create_kinesis, onboard
from tests.support.tasks import TaskStateStore, refused, rendered, run

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
ACTION = ("POST", "flows/*/action")
#: The kinds of answer that leave open whether a request had its effect.
LOST = pytest.mark.parametrize(
    ("kind", "more"), [("reset_after", {}), ("reset", {}), ("status", {"status": 502}), ("html", {})]
)


@pytest.fixture
def flow(hook: FlowServiceHook) -> str:
    return make_flow(hook)


def set_state(flow: str, state: str, **changes: Any) -> FlowServiceSetFlowStateOperator:
    return FlowServiceSetFlowStateOperator(task_id="x", flow_id=flow, state=state, **changes)


def update(flow: str, **changes: Any) -> FlowServiceUpdateFlowOperator:
    return FlowServiceUpdateFlowOperator(task_id="x", flow_id=flow, **changes)


def delete(flow: str, **changes: Any) -> FlowServiceDeleteFlowOperator:
    return FlowServiceDeleteFlowOperator(
        task_id="x", **{"flow_id": flow, "with_connections": True, **changes}
    )


def delete_connection(connection: str, kind: str) -> FlowServiceDeleteConnectionOperator:
    return FlowServiceDeleteConnectionOperator(task_id="x", connection_id=connection, kind=kind)


def flow_now(control: EmulatorControl) -> dict[str, Any]:
    (flow,) = control.state()["flows"]
    return dict(flow)


# State


def test_a_flow_is_disabled_and_enabled_and_may_be_so_already(control: EmulatorControl, flow: str) -> None:
    for state in ("disabled", "enabled"):
        result, pushed = run(set_state(flow, state))
        assert (result, flow_now(control)["state"]) == (state, state)
        assert pushed == {"etag": flow_now(control)["etag"]}
        control.clear_requests()
        result, pushed = run(set_state(flow, state))
        assert (result, pushed["etag"]) == (state, flow_now(control)["etag"])
        assert writes(control) == []


@LOST
def test_a_state_whose_answer_is_lost_is_set_once(
    control: EmulatorControl, flow: str, kind: str, more: dict[str, Any]
) -> None:
    control.inject(fault(kind, *ACTION, **more))
    run(set_state(flow, "disabled"))
    assert flow_now(control)["state"] == "disabled"
    assert control.faults_left() == []


def test_a_refusal_because_it_is_so_already_is_a_success(
    control: EmulatorControl, hook: FlowServiceHook, flow: str, mocker: Any
) -> None:
    send = FlowServiceHook.send

    def race(self: FlowServiceHook, wanted: Any) -> Any:
        if wanted.path.endswith("/action") and self is not hook and flow_now(control)["state"] == "enabled":
            hook.action(request.FLOWS, flow, "disable")
        return send(self, wanted)

    mocker.patch.object(FlowServiceHook, "send", race)
    assert run(set_state(flow, "disabled"))[0] == "disabled"
    refusals = control.requests("POST", "/action", status=400)
    assert len(refusals) == 1


def test_a_draft_has_no_state_to_set(control: EmulatorControl, hook: FlowServiceHook, flow: str) -> None:
    draft = dict(flow_now(control))
    body = {key: draft[key] for key in ("flowSpec", "sourceConnectionIds", "targetConnectionIds")}
    made = hook.send(request.create(request.FLOWS, {"name": "draft", **body}, draft=True)).id
    assert "FLOW-1421" in refused(set_state(made, "enabled"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((UNKNOWN, "enabled"), "FLOW-1439-404"),
        ((None, "enabled"), "flow_id: is None, although it was given"),
        (("f", "on"), "state: 'on' is not supported. Choose one of: enabled, disabled."),
        (("f", True), "state: True is not supported"),
    ],
)
def test_a_state_that_makes_no_sense_is_refused(
    control: EmulatorControl, arguments: tuple[Any, Any], problem: str
) -> None:
    flow_id, state = arguments
    make = partial(FlowServiceSetFlowStateOperator, task_id="x")
    assert problem in refused(rendered(make, flow_id=flow_id, state=state))
    assert writes(control) == []


# Name and description


def test_a_flow_gets_a_name_and_a_description(control: EmulatorControl, flow: str) -> None:
    wanted = {"new_name": "Winter", "new_description": "cold"}
    result, pushed = run(update(flow, **wanted))
    found = flow_now(control)
    assert (result, found["name"], found["description"]) == (flow, "Winter", "cold")
    assert pushed == {"etag": found["etag"]}
    control.clear_requests()
    run(update(flow, **wanted))
    run(update(flow))
    assert writes(control) == []
    run(update(flow, new_description="colder"))
    assert (flow_now(control)["name"], flow_now(control)["description"]) == ("Winter", "colder")


@pytest.mark.parametrize("kind", ["conflict", "reset_after", "reset"])
def test_a_new_name_is_sent_again_when_needed(control: EmulatorControl, flow: str, kind: str) -> None:
    control.inject(fault(kind, "PATCH", "flows/*"))
    run(update(flow, new_name="Winter"))
    assert flow_now(control)["name"] == "Winter"
    assert control.faults_left() == []


def test_a_new_name_that_aep_confirms_and_does_not_keep_is_an_error(
    control: EmulatorControl, flow: str
) -> None:
    control.set_switches(silent_patch=True)
    assert "does not show it after 15.5 s: name is 'flow', expected 'Winter'" in refused(
        update(flow, new_name="Winter")
    )


# Deletion


def test_a_flow_goes_with_all_that_it_is_made_of_in_the_right_order(control: EmulatorControl) -> None:
    made = onboard()
    control.clear_requests()
    result, _ = run(delete(made["flows"]))
    deletes = [entry["path"].rpartition("/")[2] for entry in control.requests("DELETE")]
    assert deletes[:3] == [made["flows"], made["targetConnections"], made["sourceConnections"]]
    assert sorted(deletes[3:]) == sorted([made["connections"], made["profile store"]])
    assert result == {"deleted": deletes, "left": []}
    state = control.state()
    assert not any(state[kind] for kind in ("flows", "sourceConnections", "targetConnections", "connections"))
    again, _ = run(delete(made["flows"]))
    assert again == {"deleted": [], "left": []}


def test_a_flow_alone_leaves_its_connections(control: EmulatorControl) -> None:
    made = onboard()
    result, _ = run(delete(made["flows"], with_connections=False))
    assert result == {"deleted": [made["flows"]], "left": []}
    state = control.state()
    assert (state["flows"], len(state["connections"])) == ([], 2)


def test_what_another_flow_uses_is_left_alone_with_all_that_it_hangs_on(
    control: EmulatorControl, hook: FlowServiceHook, caplog: pytest.LogCaptureFixture
) -> None:
    made = onboard()
    target = make(hook, stream(made["connections"], "other", "other"))
    other = make(hook, profile_flow(made["sourceConnections"], target, "other"))
    result, _ = run(delete(made["flows"]))
    assert result["deleted"] == [made["flows"], made["targetConnections"]]
    assert sorted(result["left"]) == sorted(
        made[kind] for kind in ("sourceConnections", "connections", "profile store")
    )
    assert (
        f"Not deleting source connection {made['sourceConnections']}, because it is used by {other}"
        in caplog.text
    )
    assert len(control.state()["connections"]) == 2


def test_a_base_connection_that_aep_says_is_in_use_is_left_alone(
    control: EmulatorControl, caplog: pytest.LogCaptureFixture
) -> None:
    made = onboard()
    problem = {
        "type": "https://ns.adobe.com/aep/errors/FLOW-1418-400",
        "title": "Bad request",
        "status": 400,
        "report": {"detailed-message": "The connection is used."},
    }
    where = f"connections/{made['connections']}"
    control.inject(fault("status", "DELETE", where, status=400, body=problem))
    result, _ = run(delete(made["flows"]))
    assert result["left"] == [made["connections"]]
    assert "because it is in use" in caplog.text


@pytest.mark.parametrize("done", range(5))
def test_a_deletion_that_is_interrupted_is_finished_by_the_next_attempt(
    control: EmulatorControl, done: int
) -> None:
    made = onboard()
    store = TaskStateStore()
    control.inject(fault("status", "DELETE", "*", after=done, times=20, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(delete(made["flows"]), task_state_store=store)
    assert len(control.requests("DELETE", status=202)) == done
    control.clear_faults()
    run(delete(made["flows"]), task_state_store=store)
    state = control.state()
    assert not any(state[kind] for kind in ("flows", "sourceConnections", "targetConnections", "connections"))
    assert store == {}


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("kind", ["reset_after", "reset", "html"])
def test_a_deletion_whose_answer_is_lost_goes_on(control: EmulatorControl, which: int, kind: str) -> None:
    made = onboard()
    control.inject(fault(kind, "DELETE", "*", after=which))
    result, _ = run(delete(made["flows"]))
    assert len(result["deleted"]) == 5
    assert control.faults_left() == []
    assert control.state()["connections"] == []


def test_what_a_note_of_another_flow_says_is_not_deleted(control: EmulatorControl) -> None:
    first, second = onboard("first"), onboard("second")
    store = TaskStateStore()
    control.inject(fault("status", "DELETE", "*", times=20, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(delete(first["flows"]), task_state_store=store)
    control.clear_faults()
    run(delete(second["flows"]), task_state_store=store)
    assert [flow["id"] for flow in control.state()["flows"]] == [first["flows"]]


@pytest.mark.parametrize(
    ("kind", "made"),
    [("target", "targetConnections"), ("source", "sourceConnections"), ("base", "connections")],
)
def test_a_connection_is_deleted_by_its_kind_unless_something_uses_it(
    control: EmulatorControl, kind: str, made: str, caplog: pytest.LogCaptureFixture
) -> None:
    ids = onboard()
    assert run(delete_connection(ids[made], kind))[0] is False
    assert "Not deleting " in caplog.text
    assert control.requests("DELETE") == []
    run(delete(ids["flows"], with_connections=False))
    if kind == "base":
        run(delete_connection(ids["targetConnections"], "target"))
    assert run(delete_connection(ids[made], kind))[0] is True
    assert ids[made] not in [each["id"] for each in control.state()[made]]
    assert run(delete_connection(ids[made], kind))[0] is True


def test_a_kind_that_is_none_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(
        InvalidInputError, match=r"kind: 'flow' is not supported. Choose one of: base, source, target"
    ):
        delete_connection("x", "flow")


# Credentials


def test_credentials_are_exchanged_and_no_masked_one_is_sent_back(
    control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = run(create_kinesis())
    fresh = {
        "conn_type": "aws",
        "login": "AKIANEW",
        "password": "fresh/secret",
        "extra": {"region_name": "x"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_FRESH", json.dumps(fresh))
    control.set_switches(mask_secrets=True)
    sent: list[Any] = []
    send = FlowServiceHook.send

    def spy(self: FlowServiceHook, wanted: Any) -> Any:
        sent.append(wanted)
        return send(self, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FlowServiceHook, "send", spy)
        again, _ = run(create_kinesis(auth_conn_id="fresh", if_exists="update"))
    assert again == made
    (patched,) = [wanted for wanted in sent if wanted.method == "PATCH"]
    (operation,) = patched.json
    assert (operation["op"], operation["path"]) == ("replace", "/auth/params")
    assert operation["value"] == {"accessKeyId": "AKIANEW", "secretKey": "fresh/secret", "region": "x"}
    assert control.requests("PATCH")[0]["status"] == 200
