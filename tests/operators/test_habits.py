"""Whichever of its habits AEP has, the operators do the same, or say what is different."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from airflow_provider_flowservice.client import RUNS, clock, specs
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import (
    FlowServiceCreateConnectionOperator,
    FlowServiceCreateSourceConnectionOperator,
    FlowServiceCreateTargetConnectionOperator,
)
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceCreateFlowOperator,
    FlowServiceDeleteFlowOperator,
    FlowServiceFindFlowOperator,
    FlowServicePruneFlowsOperator,
    FlowServicePublishFlowOperator,
    FlowServiceRunFlowOperator,
    FlowServiceSetFlowStateOperator,
    FlowServiceUpdateFlowOperator,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.operators.test_drafts import draft_all, published
from tests.support.aep import writes
from tests.support.batch import make_batch_flow
from tests.support.deferral import run_to_end
from tests.support.operators import (
    activate,
    create_flow,
    create_kinesis,
    create_profile_store,
    create_source,
    create_target,
    onboard,
)
from tests.support.streaming import PERSON, SETTLED, WORK, people
from tests.support.tasks import refused, run

NAMES = (
    "missing_token",
    "request_id",
    "etag_quotes",
    "list_order",
    "list_selectors",
    "count_response",
    "filter_quotes",
    "lists_comma",
    "duplicate_names",
    "draft_state",
    "inherited_attributes",
)
HABITS = [
    (item.name, value)
    for item in fields(Switches)
    if item.name in NAMES
    for value in item.metadata["choices"]
    if value != item.default
]
#: What differs each time, or follows from something else that is compared.
LEFT_OUT = {
    "createdAt", "updatedAt", "etag", "version", "inheritedAttributes", "lastOperation", "runs", "sourceId", "inletUrl",
    "inletId", "authorizedDate", "createTime", "updateTime",
}  # fmt: skip


@pytest.fixture(params=HABITS, ids=["=".join(each) for each in HABITS])
def habit(request: pytest.FixtureRequest) -> dict[str, str]:
    """A switch with a value that is not the default."""
    return dict([request.param])


def test_all_names_are_switches() -> None:
    assert set(NAMES) <= Switches.habits().keys()
    assert len(HABITS) == 12


def held(control: EmulatorControl, habit: dict[str, str]) -> Any:
    """What the sandbox holds, with names in place of ids, as AEP shows it by default."""
    control.set_switches(**{name: Switches.habits()[name] for name in habit})
    state = control.state()
    control.set_switches(**habit)
    text = json.dumps(state)
    for kind, resources in state.items():
        for each in resources if kind not in ("messages", "runs") else ():
            text = text.replace(each["id"], f"{kind} {each['name']}")
    return json.loads(text, object_hook=_compared)


def _compared(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in LEFT_OUT}


def done(control: EmulatorControl, work: Callable[[EmulatorControl], Any], **habit: str) -> Any:
    """The result of some work in an empty AEP, and what that holds afterwards."""
    control.reset()
    control.set_switches(**habit)
    with clock.installed(VirtualClock.in_step_with(control)):
        return work(control), held(control, habit)


# Destinations


def a_destination(control: EmulatorControl) -> Any:
    first, second, third = control.segments[:3]
    made = onboard()
    flow = made["flows"]
    run(activate(flow, [first, second], profile_attributes=["person.name.firstName"]))
    run(activate(flow, [second, third], activation_mode="sync"))
    validation = FlowServiceFlowValidationSensor(
        task_id="x", flow_id=flow, segments=[second, third], exact=True, deferrable=True
    )
    run_to_end(validation)
    run(FlowServiceUpdateFlowOperator(task_id="x", flow_id=flow, new_name="renamed", new_description="new"))
    run(FlowServiceSetFlowStateOperator(task_id="x", flow_id=flow, state="disabled"))
    run_to_end(FlowServiceFlowStateSensor(task_id="x", flow_id=flow, state="disabled", deferrable=True))
    found, pushed = run(FlowServiceFindFlowOperator(task_id="x", name="renamed", state="disabled"))
    assert found == flow
    hook = FlowServiceHook()
    assert [each.id for each in hook.flows(kind="destination")] == [flow]
    listed = [each.id for each in hook.active_segments(next(hook.flows("renamed")))]
    hook.close()
    run(FlowServiceUpdateFlowOperator(task_id="x", flow_id=flow, new_name="flow"))
    control.clear_requests()
    assert onboard() == made
    run(activate(flow, [second, third]))
    assert writes(control) == []
    assert pushed["segments"] == listed == [second, third]
    return {kind: len(ids) for kind, ids in pushed["connections"].items()}


def test_a_destination_is_the_same(control: EmulatorControl, habit: dict[str, str]) -> None:
    assert done(control, a_destination, **habit) == done(control, a_destination)


def two_destinations_of_which_one_goes(control: EmulatorControl) -> Any:
    # Those of a destination of its own would share its name.
    store, _ = run(create_profile_store())
    base, _ = run(create_kinesis())

    def destination(name: str) -> str:
        source, target = run(create_source(store, name))[0], run(create_target(base, name))[0]
        return str(run(create_flow(source, target, name))[0])

    kept, gone = destination("App: kept"), destination("App: gone")
    run(FlowServiceSetFlowStateOperator(task_id="x", flow_id=gone, state="disabled"))
    arguments = {"name_prefix": "App: ", "keep": ["App: kept"], "action": "delete", "max_removals": 1}
    pruned, _ = run(FlowServicePruneFlowsOperator(task_id="x", with_connections=True, **arguments))
    third = destination("App: third")
    run(FlowServiceDeleteFlowOperator(task_id="x", flow_id=third, with_connections=True))
    names = {kept: "kept", gone: "gone"}
    return [names[each] for each in (*pruned["kept"], *pruned["deleted"])], len(pruned["deleted_connections"])


def test_deletions_are_the_same(control: EmulatorControl, habit: dict[str, str]) -> None:
    work = two_destinations_of_which_one_goes
    assert done(control, work, **habit) == done(control, work)


# Sources


def an_http_api_source(control: EmulatorControl) -> Any:
    schema, _ = run(FlowServiceCreateSchemaOperator(task_id="x", name="people", field_groups=[PERSON, WORK]))
    dataset, _ = run(FlowServiceCreateDatasetOperator(task_id="x", name="people", schema_id=schema))
    mappings = [
        {"source": "first", "destination": "person.name.firstName"},
        {"source": "mail", "destination": "workEmail.address"},
    ]
    mapping, pushed = run(
        FlowServiceCreateMappingSetOperator(task_id="x", name="people", schema_id=schema, mappings=mappings)
    )
    reference = {"mappingId": mapping, "mappingVersion": pushed["mapping_version"]}
    base = FlowServiceCreateConnectionOperator(
        task_id="x", name="inlet", connection_spec="HTTP API", auth={"dataType": "raw"}
    )
    source = FlowServiceCreateSourceConnectionOperator(
        task_id="x",
        name="inlet",
        connection_spec=specs.HTTP_API,
        base_connection_id=run(base)[0],
        data_format=None,
    )
    target = FlowServiceCreateTargetConnectionOperator(
        task_id="x",
        name="lake",
        connection_spec=specs.DATA_LAKE,
        schema_id=schema,
        target_params={"dataSetId": dataset},
        data_format=None,
    )

    def flow() -> tuple[Any, Any]:
        return run(
            FlowServiceCreateFlowOperator(
                task_id="x",
                name="people",
                flow_spec=specs.HTTP_API_FLOW_WITH_MAPPING,
                source_connection_ids=[run(source)[0]],
                target_connection_ids=[run(target)[0]],
                transformations=[{"name": "Mapping", "params": reference}],
            )
        )

    made, _ = flow()
    control.clear_requests()
    assert flow()[0] == made
    assert writes(control) == []
    control.advance(SETTLED)
    post = FlowServicePostToInletOperator(task_id="x", flow_id=made, messages=people(3), settle_seconds=0)
    posted, _ = run(post)
    (kept,) = control.state()["messages"].values()
    counts = {kind: len(found) for kind, found in control.state().items()}
    return posted["accepted"], [each["mapped"] for each in kept], counts


def test_an_http_api_source_is_the_same(control: EmulatorControl, habit: dict[str, str]) -> None:
    assert done(control, an_http_api_source, **habit)[0] == done(control, an_http_api_source)[0]


def runs_of_a_batch_flow(control: EmulatorControl) -> Any:
    control.set_switches(scheduled_runs=False, run_seconds=100)
    hook = FlowServiceHook()
    flow = make_batch_flow(hook)
    start = control.now()
    window = {"window_start": 1_700_000_000, "window_end": 1_700_086_400}
    operator = FlowServiceRunFlowOperator(task_id="x", flow_id=flow, deferrable=True, **window)
    first, _ = run_to_end(operator)
    run_to_end(FlowServiceFlowRunSensor(task_id="x", flow_id=flow, started_after=start - 60, deferrable=True))
    second, _ = run_to_end(operator)
    window = {"since": start - 60, "until": control.now() + 60}
    reported, _ = run(FlowServiceFlowRunReportOperator(task_id="x", **window))
    assert [each.id for each in hook.runs(flow)] == [second, first]
    assert hook.count(RUNS) == 2
    hook.close()
    return reported["runs"]


def test_runs_are_the_same(control: EmulatorControl, habit: dict[str, str]) -> None:
    assert done(control, runs_of_a_batch_flow, **habit)[0] == done(control, runs_of_a_batch_flow)[0]


# Drafts


def test_drafts_are_published(control: EmulatorControl, habit: dict[str, str]) -> None:
    control.set_switches(**habit)
    made = draft_all()
    assert draft_all() == made
    run(FlowServicePublishFlowOperator(task_id="x", flow_id=made["flow"]))
    assert len(published(control)) == 5
    assert {each["state"] for each in held(control, habit)["flows"]} == {"enabled"}
    control.clear_requests()
    run(FlowServicePublishFlowOperator(task_id="x", flow_id=made["flow"]))
    assert writes(control) == []


# What is not the same, and says so


def test_a_name_that_is_taken_is_an_error_with_a_remedy(control: EmulatorControl) -> None:
    control.set_switches(duplicate_names="refuse")
    run(create_profile_store("same"))
    error = refused(create_kinesis("same"))
    assert re.search(r"HTTP 409 .* already has the name 'same'.* choose another name", error)
    assert len(control.state()["connections"]) == 1


def test_a_draft_is_not_found_by_a_state_that_aep_does_not_name(control: EmulatorControl) -> None:
    control.set_switches(draft_state="initializing")
    flow = draft_all()["flow"]
    error = refused(FlowServiceFindFlowOperator(task_id="x", name="flow", state="draft"))
    assert re.search(rf"no flow named 'flow' has state draft\. .* {flow} .*initializing", error)
