"""The hook alone, as TaskFlow code uses it: with the public API and nothing below it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from airflow_provider_flowservice.client import (
    FLOWS,
    SOURCE_CONNECTIONS,
    ActivationMode,
    ActiveSegment,
    DesiredFlow,
    DesiredSourceConnection,
    FlowKind,
    FlowState,
    RemovalLimits,
    RunState,
    Window,
    errors,
    specs,
    waits,
)
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow, profile_flow, selected
from tests.support.batch import make_batch_flow
from tests.support.streaming import open_source

pytestmark = pytest.mark.usefixtures("virtual_clock")


def test_the_connection_of_the_hook_is_its_transport(hook: FlowServiceHook) -> None:
    assert hook.get_conn() is hook.transport


def test_a_flow_is_planned_ensured_disabled_renamed_and_deleted(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    other = hook.get(FLOWS, make_flow(hook, "other"))
    desired = DesiredFlow(
        name="mine",
        spec_id=specs.PROFILE_DESTINATION_FLOW,
        source_connection_ids=other.source_connection_ids,
        target_connection_ids=other.target_connection_ids,
    )
    planned = hook.plan(desired)
    assert planned.id == "plan:flow:mine"
    flow = hook.ensure(desired).id
    assert hook.plan(desired).id == flow
    assert hook.set_flow_state(flow, FlowState.DISABLED).state == FlowState.DISABLED
    assert hook.update_flow(flow, name="ours", description="for summer").name == "ours"
    resources = hook.flow_resources(flow)
    assert resources is not None
    result = hook.delete_flow(resources, with_connections=True)
    assert result.deleted == (flow,)
    assert set(result.left) == {*resources.targets, *resources.sources, *resources.bases}
    assert [item["id"] for item in control.state()["flows"]] == [other.id]
    assert hook.flow_resources(flow) is None


def test_a_draft_is_published_with_its_connections(hook: FlowServiceHook, control: EmulatorControl) -> None:
    other = hook.get(FLOWS, make_flow(hook))
    source = hook.get(SOURCE_CONNECTIONS, other.source_connection_ids[0])
    draft = DesiredSourceConnection(
        name="draft",
        spec_id=source.connection_spec.id,
        base_connection_id=source.base_connection_id,
        data={"format": "json"},
        draft=True,
    )
    desired = DesiredFlow(
        name="draft",
        spec_id=specs.PROFILE_DESTINATION_FLOW,
        source_connection_ids=[hook.ensure(draft).id],
        target_connection_ids=other.target_connection_ids,
        draft=True,
    )
    flow = hook.ensure(desired).id
    assert hook.get(FLOWS, flow).state == FlowState.DRAFT
    hook.publish_flow(flow)
    assert {item["state"] for item in control.state()["flows"]} == {"enabled"}
    assert {item["state"] for item in control.state()["sourceConnections"]} == {"enabled"}


def test_segments_are_activated_planned_and_limited(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flow, (first, second, third) = make_flow(hook), control.segments[:3]
    hook.activate_segments(flow, [first, second], ["person.name.firstName"])
    desired = hook.desired_selectors([third])
    patch = hook.plan_activation(hook.get(FLOWS, flow), desired, ActivationMode.SYNC)
    assert (patch.added, patch.removed) == ((third,), (first, second))
    with pytest.raises(errors.DriftError, match="max_removals=2"):
        hook.activate(flow, desired, ActivationMode.SYNC, RemovalLimits())
    hook.activate(flow, desired, ActivationMode.SYNC, RemovalLimits(max_removals=2))
    (item,) = control.state()["flows"]
    assert selected(item) == ([third], ["person.name.firstName"])


def test_choices_are_strings_or_members(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flow, segment = make_flow(hook, "App: a"), control.segments[0]
    make_flow(hook, "App: b")
    hook.activate_segments(flow, [segment], activation_mode="add")
    desired = hook.desired_selectors([segment])
    assert hook.plan_activation(hook.get(FLOWS, flow), desired, "remove").removed == (segment,)
    assert hook.activate_segments(flow, [segment], activation_mode="remove").patch.removed == (segment,)
    assert hook.prune_flows(["App: b"], "App: ", "disable").disabled == (flow,)
    existing = profile_flow("s", "t", "App: a")
    found = hook.get(FLOWS, flow)
    existing = replace(
        existing,
        source_connection_ids=found.source_connection_ids,
        target_connection_ids=found.target_connection_ids,
    )
    for attempt in (hook.ensure, hook.plan):
        with pytest.raises(errors.DriftError, match="already exists"):
            attempt(existing, "fail")


def test_a_choice_that_there_is_not_is_rejected(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flow = hook.get(FLOWS, make_flow(hook))
    desired = hook.desired_selectors([control.segments[0]])
    control.clear_requests()
    rejected: list[tuple[str, Callable[[], object]]] = [
        ("activation_mode", lambda: hook.activate(flow.id, desired, "Remove")),
        ("activation_mode", lambda: hook.plan_activation(flow, desired, "delete")),
        ("action", lambda: hook.prune_flows(["kept"], "App: ", "Delete")),
        ("if_exists", lambda: hook.ensure(profile_flow("s", "t"), "skip")),
        ("if_exists", lambda: hook.plan(profile_flow("s", "t"), "skip")),
        ("state", lambda: hook.set_flow_state(flow.id, "draft")),
    ]
    for argument, attempt in rejected:
        with pytest.raises(errors.InvalidInputError, match=rf"^{argument}: .*\. Choose"):
            attempt()
    assert control.requests() == []


def test_a_run_is_started_waited_for_and_read(hook: FlowServiceHook, control: EmulatorControl) -> None:
    control.set_switches(run_seconds=0)
    flow = make_batch_flow(hook)
    run = hook.run_flow(flow, Window(start=1_700_000_000, end=1_700_086_400))
    wait = waits.RunsEnded(run_ids=(run,))
    outcome = wait.outcomes(hook.wait(wait, timeout=60))[run]
    assert (outcome.state, outcome.is_good, outcome.counts.failed) == (RunState.SUCCESS, True, 0)
    last = hook.last_run(flow)
    assert last is not None
    assert [last] == list(hook.runs(flow, since=control.now() - 60, states=[RunState.SUCCESS]))
    assert (last.id, last.records_read, last.records_failed, last.errors) == (run, 1000, 0, ())
    assert list(hook.runs(states=["failed"])) == []
    (reported,) = hook.run_report(control.now() - 60, control.now() + 60, [flow])
    assert (reported.run_id, reported.flow_name, reported.records_read) == (run, "files", 1000)


def test_a_flow_is_found_by_name_with_its_segments_and_disabled(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    flow, (name, segment) = make_flow(hook, "mine"), next(iter(control.segments_by_name.items()))
    hook.activate_segments(flow, [segment])
    found = hook.find_flow("mine")
    assert [each.id for each in hook.flows(kind=FlowKind.DESTINATION)] == [found.id] == [flow]
    assert hook.active_segments(found) == (ActiveSegment(segment, segment, name),)
    assert hook.active_segments(flow) == hook.active_segments(found)
    hook.set_flow_state(found.id, FlowState.DISABLED)
    with pytest.raises(errors.NameNotFoundError, match="no flow named 'mine' has state enabled"):
        hook.find_flow("mine", state="enabled")
    assert hook.flow_connections(found) == hook.flow_resources(flow)


def test_a_wait_that_is_in_vain_ends_and_says_what_is_missing(
    hook: FlowServiceHook, virtual_clock: VirtualClock
) -> None:
    flow = make_flow(hook)
    before = virtual_clock.wall()
    with pytest.raises(errors.DriftError, match=f"Timed out after 300 seconds: flow {flow} is enabled"):
        hook.wait(waits.FlowInState(flow_id=flow, state="disabled"), timeout=300)
    assert 300 <= virtual_clock.wall() - before < 360


def test_records_are_posted_to_the_flow_in_an_inlets_url(hook: FlowServiceHook) -> None:
    source = open_source(hook)
    target = replace(source.inlet, url=f"{source.inlet.url}?x-adobe-flow-id={source.flow_id}")
    assert hook.post(target, [{"n": 1}]).accepted == 1
    with pytest.raises(errors.InvalidInputError, match=r"^flow_id: 'other' is not "):
        hook.post(target, [{"n": 1}], flow_id="other")


def test_records_are_posted_from_memory(hook: FlowServiceHook) -> None:
    source = open_source(hook)
    inlet = hook.inlet(source.connection_id)
    summary = hook.post(inlet, [{"n": 1}, {"n": 2}, "no record"], flow_id=source.flow_id)  # type: ignore[list-item]
    assert (summary.accepted, summary.rejected, summary.settled) == (2, 1, 3)
