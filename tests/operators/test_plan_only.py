from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceDeleteConnectionOperator,
)
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServicePublishFlowOperator,
    FlowServiceRunFlowOperator,
    FlowServiceSetFlowStateOperator,
    FlowServiceUpdateFlowOperator,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from tests.support.aep import make_flow, writes
from tests.support.files import FILE_DESTINATIONS, SECRET, FileDestination
from tests.support.operators import (
    activate,
    create_flow,
    create_kinesis,
    create_source,
    create_target,
    onboard,
)
from tests.support.tasks import rendered, run

PLANNED = "plan:flow:summer"
#: What a plan must not say that it has done.
_DONE = re.compile(
    r"(?<!would be )\b(activated|added|changed|created|deleted|exported|posted|published|removed|reused|run|set)\b",
    re.I,
)
SEGMENT = "72ddd79b-6b0a-4e97-a8d2-112ccd81bd02"
Builder = Callable[..., Any]
ON_A_FLOW: dict[str, Builder] = {
    "activate": lambda flow, **more: activate(flow, [SEGMENT], profile_attributes=["a.b"], **more),
    "export": lambda flow, **more: FlowServiceAdHocActivationOperator(
        task_id="x", flow_id=flow, segments=[SEGMENT], **more
    ),
    "set state": lambda flow, **more: FlowServiceSetFlowStateOperator(
        task_id="x", flow_id=flow, state="disabled", **more
    ),
    "update": lambda flow, **more: FlowServiceUpdateFlowOperator(
        task_id="x", flow_id=flow, new_name="n", **more
    ),
    "publish": lambda flow, **more: FlowServicePublishFlowOperator(task_id="x", flow_id=flow, **more),
    "delete": lambda flow, **more: FlowServiceDeleteFlowOperator(
        task_id="x", flow_id=flow, with_connections=True, **more
    ),
    "run": lambda flow, **more: FlowServiceRunFlowOperator(
        task_id="x", flow_id=flow, window_start=1_700_000_000, window_end=1_700_000_001, **more
    ),
}
ON_OTHERS: dict[str, Builder] = {
    "delete connection": lambda planned, **more: FlowServiceDeleteConnectionOperator(
        task_id="x", connection_id=planned, kind="base", **more
    ),
    "create source": lambda planned, **more: create_source(planned, **more),
    "create target": lambda planned, **more: create_target(planned, **more),
    "create flow": lambda planned, **more: create_flow(planned, planned, **more),
    "post": lambda planned, **more: FlowServicePostToInletOperator(
        task_id="x", connection_id=planned, messages=[{"a": 1}], **more
    ),
}
ALL = pytest.mark.parametrize("build", [pytest.param(b, id=n) for n, b in {**ON_A_FLOW, **ON_OTHERS}.items()])


def methods(control: EmulatorControl) -> set[str]:
    """Methods of all requests but the one for a token."""
    return {entry["method"] for entry in control.requests() if not entry["path"].startswith("/ims/")}


@ALL
def test_what_does_not_exist_yet_is_planned_against_and_never_sent(
    control: EmulatorControl, build: Builder
) -> None:
    control.clear_requests()
    run(build(PLANNED, plan_only=True))
    assert methods(control) <= {"GET"}
    assert [entry["path"] for entry in control.requests(path="plan")] == []


@ALL
def test_outside_of_a_plan_a_planned_id_is_an_error_that_says_what_to_do(
    control: EmulatorControl, build: Builder
) -> None:
    control.clear_requests()
    with pytest.raises(FlowServicePermanentException) as caught:
        run(build(PLANNED))
    assert f"{PLANNED!r} is a placeholder from a plan_only task" in str(caught.value)
    assert "without plan_only" in str(caught.value)
    assert control.requests(path="plan:") == []
    assert writes(control) == []


def made_up(messages: list[str]) -> list[str]:
    """The first lines of messages that say of something that it was done."""
    first = (message.partition("\n")[0] for message in messages)
    return [line for line in first if _DONE.search(line)]


@pytest.mark.parametrize("build", [pytest.param(b, id=n) for n, b in ON_A_FLOW.items()])
def test_a_plan_for_what_is_there_only_reads(
    control: EmulatorControl, hook: FlowServiceHook, build: Builder, task_log: pytest.LogCaptureFixture
) -> None:
    flow = make_flow(hook)
    before = control.state()
    control.clear_requests()
    result, _ = run(build(flow, plan_only="true"))
    assert json.loads(json.dumps(result)) == result
    assert methods(control) <= {"GET"}
    assert control.state() == before
    assert "would be" in task_log.text
    assert made_up(task_log.messages) == []


@pytest.mark.parametrize("text", ["yes", "", "None", "1", None, 1, "{{ params.plan_only }}"])
@ALL
def test_a_plan_only_that_is_neither_true_nor_false_changes_nothing(
    control: EmulatorControl, build: Builder, text: Any
) -> None:
    control.clear_requests()
    with pytest.raises(
        FlowServicePermanentException,
        match=r"plan_only: (.* is neither true nor false|is .*, although it was given)",
    ):
        run(rendered(partial(build, "f"), plan_only=text))
    assert control.requests() == []


@pytest.mark.parametrize("text", ["False", "false", " FALSE ", False])
def test_a_false_text_is_no_plan(control: EmulatorControl, text: Any) -> None:
    run(create_kinesis(plan_only=text))
    assert len(control.state()["connections"]) == 1


@pytest.mark.parametrize("text", ["True", "true", " TRUE ", True])
def test_a_true_text_is_a_plan(control: EmulatorControl, text: Any) -> None:
    assert run(create_kinesis(plan_only=text))[0] == "plan:base_connection:kinesis"
    assert control.state()["connections"] == []


@pytest.mark.parametrize("flow", [PLANNED, "real"])
@pytest.mark.parametrize(
    "build",
    [
        lambda flow, **more: FlowServiceFlowValidationSensor(
            task_id="x", flow_id=flow, segments=[SEGMENT], **more
        ),
        lambda flow, **more: FlowServiceFlowStateSensor(task_id="x", flow_id=flow, state="disabled", **more),
        lambda flow, **more: FlowServiceFlowRunSensor(
            task_id="x", flow_id=flow, started_after=1_700_000_000, **more
        ),
    ],
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_sensors_wait_for_nothing_in_a_plan(
    control: EmulatorControl, build: Builder, flow: str, deferrable: bool
) -> None:
    control.clear_requests()
    assert build(flow, plan_only="True", deferrable=deferrable).execute({}) is None
    assert control.requests() == []
    with pytest.raises(FlowServicePermanentException, match="plan_only: 'maybe' is neither"):
        rendered(partial(build, flow, deferrable=deferrable), plan_only="maybe").execute({})


def test_the_patch_is_returned_with_what_it_does(control: EmulatorControl) -> None:
    flow = onboard()["flows"]
    first, second = control.segments[:2]
    run(activate(flow, [first], profile_attributes=["a"]))
    control.clear_requests()
    result, _ = run(activate(flow, [second], activation_mode="sync", max_removals=1, plan_only=True))
    assert (result["added"], result["removed"]) == ([second], [first])
    assert [operation["op"] for operation in result["operations"]] == ["remove", "add"]
    assert methods(control) == {"GET"}
    (name,) = [o["value"] for o in run(ON_A_FLOW["update"](flow, plan_only=True))[0]]
    assert name == "n"


def test_what_would_be_updated_is_shown(control: EmulatorControl, task_log: pytest.LogCaptureFixture) -> None:
    made = onboard()
    wanted = {"target_params": {"stream": "other", "region": "us-east-1"}, "if_exists": "update"}
    result, _ = run(create_target(made["connections"], plan_only=True, **wanted))
    assert result == made["targetConnections"]
    change = f"PATCH /data/foundation/flowservice/targetConnections/{result}"
    assert f"target connection 'stream' ({result}) would be changed: {change}" in task_log.text
    assert '"stream": "other"' in task_log.text
    task_log.clear()
    run(create_target(made["connections"], plan_only=True))
    assert f"target connection 'stream' ({result}) would be reused as it is" in task_log.text


def test_a_plan_meets_the_errors_that_the_change_would_meet(control: EmulatorControl) -> None:
    made = onboard()
    differing = {"target_params": {"stream": "other", "region": "us-east-1"}}
    with pytest.raises(FlowServicePermanentException, match="exists with other settings"):
        run(create_target(made["connections"], plan_only=True, **differing))
    with pytest.raises(FlowServicePermanentException, match="already exists"):
        run(create_target(made["connections"], plan_only=True, if_exists="fail"))


@pytest.mark.parametrize("destination", FILE_DESTINATIONS, ids=lambda each: each.auth_spec or each.name)
def test_no_credential_is_shown_whatever_its_name(
    control: EmulatorControl,
    destination: FileDestination,
    monkeypatch: pytest.MonkeyPatch,
    task_log: pytest.LogCaptureFixture,
) -> None:
    arguments: dict[str, Any] = {}
    if destination.connection:
        monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps(destination.connection))
        arguments = {"auth_conn_id": "files"}
    run(
        FlowServiceCreateConnectionOperator(
            task_id="x", name="files", connection_spec=destination.name, plan_only=True, **arguments
        )
    )
    assert "would be created: POST" in task_log.text
    assert SECRET not in task_log.text
    for name, value in destination.auth_params.items():
        if value == SECRET or name == "sshKey":
            assert f'"{name}": "***"' in task_log.text
