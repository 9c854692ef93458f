from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import FlowServiceCreateConnectionOperator
from airflow_provider_flowservice.operators.flows import FlowServicePublishFlowOperator
from tests.support.aep import FLOW_SERVICE, make_flow, writes
from tests.support.faults import fault
from tests.support.operators import (
    create_flow,
    create_kinesis,
    create_profile_store,
    create_source,
    create_target,
)
from tests.support.tasks import run

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"


def publish(flow: str) -> FlowServicePublishFlowOperator:
    return FlowServicePublishFlowOperator(task_id="x", flow_id=flow)


def draft_all() -> dict[str, str]:
    """A flow with all that it is made of, each a draft; ids by what they are."""
    store, _ = run(create_profile_store(draft=True))
    base, _ = run(create_kinesis(draft=True))
    source, _ = run(create_source(store, draft=True))
    target, _ = run(create_target(base, draft=True))
    flow, _ = run(create_flow(source, target, draft=True))
    return {"store": store, "base": base, "source": source, "target": target, "flow": flow}


def states(control: EmulatorControl) -> set[str]:
    state = control.state()
    kinds = ("connections", "sourceConnections", "targetConnections", "flows")
    return {each["state"] for kind in kinds for each in state[kind]}


def published(control: EmulatorControl) -> list[str]:
    """Ids in the order in which they were published."""
    return [entry["path"].split("/")[-2] for entry in control.requests("POST", "/action", status=200)]


def test_drafts_are_made_once_and_published_in_aeps_order(control: EmulatorControl) -> None:
    made = draft_all()
    assert states(control) == {"draft"}
    control.clear_requests()
    assert draft_all() == made
    assert writes(control) == []
    assert run(publish(made["flow"]))[0] == made["flow"]
    order = published(control)
    assert set(order[:2]) == {made["store"], made["base"]}
    assert set(order[2:4]) == {made["source"], made["target"]}
    assert order[4:] == [made["flow"]]
    assert states(control) == {"enabled"}
    control.clear_requests()
    run(publish(made["flow"]))
    assert writes(control) == []


def test_only_what_is_a_draft_is_published(control: EmulatorControl) -> None:
    store, _ = run(create_profile_store())
    base, _ = run(create_kinesis())
    source, _ = run(create_source(store))
    target, _ = run(create_target(base, draft=True))
    flow, _ = run(create_flow(source, target, draft=True))
    run(publish(flow))
    assert published(control) == [target, flow]


@pytest.mark.parametrize("done", range(5))
def test_a_publication_that_is_interrupted_is_finished_by_the_next_attempt(
    control: EmulatorControl, done: int
) -> None:
    made = draft_all()
    control.inject(fault("status", "POST", "*/action", after=done, times=50, status=503))
    with pytest.raises(FlowServiceTransientException):
        run(publish(made["flow"]))
    assert len(published(control)) == done
    control.clear_faults()
    run(publish(made["flow"]))
    assert states(control) == {"enabled"}
    assert len(published(control)) == 5


@pytest.mark.parametrize("kind", ["reset_after", "reset", "html"])
def test_a_publication_whose_answer_is_lost_goes_on(control: EmulatorControl, kind: str) -> None:
    made = draft_all()
    control.inject(fault(kind, "POST", "*/action", after=2))
    run(publish(made["flow"]))
    assert states(control) == {"enabled"}
    assert control.faults_left() == []


def test_what_somebody_else_publishes_at_the_same_time_is_published(
    control: EmulatorControl, hook: FlowServiceHook, mocker: Any
) -> None:
    made = draft_all()
    send = FlowServiceHook.send

    def race(self: FlowServiceHook, wanted: Any) -> Any:
        if wanted.path.endswith("/action") and self is not hook:
            hook.send(request.Request("POST", wanted.path, lambda _: None, params=(("op", "publish"),)))
        return send(self, wanted)

    mocker.patch.object(FlowServiceHook, "send", race)
    run(publish(made["flow"]))
    assert states(control) == {"enabled"}


def test_what_aep_will_not_publish_is_an_error(control: EmulatorControl) -> None:
    made = draft_all()
    problem = {"type": "https://ns.adobe.com/aep/errors/FLOW-1421-400", "title": "No", "status": 400}
    where = f"connections/{made['base']}/action"
    control.inject(fault("status", "POST", where, times=9, status=400, body=problem))
    with pytest.raises(FlowServicePermanentException, match="FLOW-1421-400"):
        run(publish(made["flow"]))
    assert len(control.requests("POST", f"{FLOW_SERVICE}/{where}")) == 1


def test_a_draft_that_its_spec_does_not_know_is_refused_before_it_is_sent(control: EmulatorControl) -> None:
    inlet = FlowServiceCreateConnectionOperator(
        task_id="x", name="inlet", connection_spec="HTTP API", auth={"dataType": "xdm"}, draft=True
    )
    with pytest.raises(
        FlowServicePermanentException, match=r"draft: HTTP API does not support drafts\. Remove the argument"
    ):
        run(inlet)
    assert writes(control) == []


def test_a_flow_that_is_not_there_cannot_be_published(hook: FlowServiceHook) -> None:
    with pytest.raises(FlowServicePermanentException, match="FLOW-1439-404"):
        run(publish(UNKNOWN))


def test_a_flow_that_was_never_a_draft_is_left_alone(control: EmulatorControl, hook: FlowServiceHook) -> None:
    flow = make_flow(hook)
    control.clear_requests()
    run(publish(flow))
    assert writes(control) == []
