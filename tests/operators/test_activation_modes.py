from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_flowservice.client.activation import selectors
from airflow_provider_flowservice.client.activation.activation import MAX_ATTRIBUTES, MAX_SEGMENTS
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow, selected, writes
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow
from tests.support.operators import activate
from tests.support.tasks import refused, run

AUDIENCES = "/data/core/ups/audiences"
BACKFILL = SimpleNamespace(run_type="backfill")
SCHEDULED = SimpleNamespace(run_type="scheduled")


@pytest.fixture
def flow(hook: FlowServiceHook) -> str:
    return make_flow(hook)


def now(control: EmulatorControl) -> tuple[list[str], list[str]]:
    (flow,) = control.state()["flows"]
    return selected(flow)


def held(control: EmulatorControl) -> list[dict[str, Any]]:
    """The segment selectors' values."""
    (flow,) = control.state()["flows"]
    return [each["value"] for each in flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]]


def calls(control: EmulatorControl) -> list[str]:
    """Methods of the requests about flows since the last look."""
    methods = [entry["method"] for entry in control.requests(path="/flows/")]
    control.clear_requests()
    return methods


def many(number: int) -> list[str]:
    return [str(uuid.UUID(int=each)) for each in range(1, number + 1)]


def test_any_number_of_segments_costs_one_patch_and_two_reads(control: EmulatorControl, flow: str) -> None:
    segments = many(500)
    first, other = segments[:250], segments[250:]
    attributes = ["a.b", "c.d"]
    control.clear_requests()
    run(activate(flow, first, profile_attributes=attributes))
    assert now(control) == (first, attributes)
    assert calls(control) == ["GET", "PATCH", "GET"]

    run(activate(flow, first, profile_attributes=attributes))
    assert calls(control) == ["GET"]

    result, _ = run(activate(flow, first[::2], activation_mode="remove"))
    assert result["removed"] == first[::2]
    assert now(control) == (first[1::2], attributes)
    assert calls(control) == ["GET", "PATCH", "GET"]

    result, _ = run(activate(flow, other, activation_mode="sync", max_removals=125))
    assert (result["added"], result["removed"]) == (other, first[1::2])
    assert now(control) == (other, attributes)
    assert calls(control) == ["GET", "PATCH", "GET"]

    run(activate(flow, other, activation_mode="sync"))
    assert calls(control) == ["GET"]


def test_removing_what_is_not_there_is_a_success_that_says_so(
    control: EmulatorControl, flow: str, task_log: pytest.LogCaptureFixture
) -> None:
    here, gone = control.segments[:2]
    run(activate(flow, [here]))
    result, _ = run(activate(flow, [gone, here], activation_mode="remove"))
    assert (result["removed"], result["not_active"], result["added"]) == ([here], [gone], [])
    assert now(control)[0] == []
    assert f"segment {gone}: not active, so there is nothing to remove" in task_log.text
    control.clear_requests()
    result, _ = run(activate(flow, [gone, here], activation_mode="remove"))
    assert (result["removed"], result["not_active"]) == ([], [gone, here])
    assert writes(control) == []


def test_remove_takes_off_attributes_that_are_given_and_no_others(
    control: EmulatorControl, flow: str
) -> None:
    first, second = control.segments[:2]
    run(activate(flow, [first, second], profile_attributes=["a", "b", "c"]))
    run(activate(flow, [first.upper()], profile_attributes=["c", "a", "x"], activation_mode="remove"))
    assert now(control) == ([second], ["b"])


def test_remove_needs_no_leave_for_a_segment_that_stands_twice(
    control: EmulatorControl, hook: FlowServiceHook, flow: str
) -> None:
    twice, once = control.segments[:2]
    control.inject(fault("conflict", "PATCH", "flows/*", segment_id=twice))
    run(activate(flow, [once]))
    control.inject(fault("conflict", "PATCH", "flows/*", segment_id=twice))
    hook.activate_segments(flow, [control.segments[2]])
    assert now(control)[0].count(twice) == 2
    run(activate(flow, [twice], activation_mode="remove"))
    assert now(control)[0] == [once, control.segments[2]]


def test_sync_leaves_exactly_what_is_given(control: EmulatorControl, flow: str) -> None:
    a, b, c, d = control.segments[:4]
    run(activate(flow, [a, b, c], profile_attributes=["x", "y"]))
    result, _ = run(activate(flow, [d, c, b], profile_attributes=["y", "z"], activation_mode="sync"))
    assert now(control) == ([b, c, d], ["y", "z"])
    assert (result["added"], result["already_active"], result["removed"]) == ([d], [c, b], [a])
    assert (result["profile_attributes_added"], result["profile_attributes_removed"]) == (["z"], ["x"])


@pytest.mark.parametrize("mode", ["add", "remove", "sync"])
def test_attributes_that_are_not_given_are_left_alone(control: EmulatorControl, flow: str, mode: str) -> None:
    run(activate(flow, control.segments[:2], profile_attributes=["x", "y"]))
    run(activate(flow, control.segments[1:2], activation_mode=mode))
    assert now(control)[1] == ["x", "y"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"segments": []},
            "segments: is empty, and sync would remove every segment. If that is intended, set allow_empty",
        ),
        (
            {"segments": 1},
            "3 of the 4 segments of flow {flow} would be removed, but at most 2 may be (removed: {1}, {2}, {3}",
        ),
        (
            {"segments": 2, "max_removals": 1},
            "2 of the 4 segments of flow {flow} would be removed, but at most 1 may be",
        ),
        ({"segments": 1}, "set max_removals=3"),
        ({"segments": 4, "profile_attributes": []}, "no profile attribute left (removed: x, y)"),
        ({"segments": 4, "profile_attributes": []}, "set profile_attributes=None"),
    ],
)
def test_a_sync_that_takes_off_too_much_stops_and_shows_what(
    control: EmulatorControl, flow: str, changes: dict[str, Any], problem: str
) -> None:
    active = control.segments[:4]
    run(activate(flow, active, profile_attributes=["x", "y"]))
    control.clear_requests()
    if isinstance(changes["segments"], int):
        changes = {**changes, "segments": active[: changes["segments"]]}
    message = refused(activate(flow, activation_mode="sync", **changes))
    assert problem.format(*active, flow=flow) in message
    assert writes(control) == []
    assert now(control) == (active, ["x", "y"])
    with pytest.raises(FlowServicePermanentException, match=r"set allow_empty=True|set max_removals="):
        run(activate(flow, activation_mode="sync", plan_only=True, **changes))


def test_a_sync_may_take_off_as_much_as_it_is_told(control: EmulatorControl, flow: str) -> None:
    active = control.segments[:4]
    run(activate(flow, active, profile_attributes=["x"]))
    run(activate(flow, active[:2], activation_mode="sync"))
    assert now(control)[0] == active[:2]
    run(activate(flow, active[3:], activation_mode="sync", max_removals=2))
    assert now(control)[0] == active[3:]
    run(activate(flow, [], profile_attributes=[], activation_mode="sync", allow_empty=True))
    assert now(control) == ([], [])


def test_the_brake_looks_at_the_flow_as_it_is_when_the_patch_goes_out(
    control: EmulatorControl, flow: str
) -> None:
    a, b, theirs = control.segments[:3]
    run(activate(flow, [a, b]))
    control.inject(fault("conflict", "PATCH", "flows/*", segment_id=theirs))
    message = refused(activate(flow, [a], activation_mode="sync", max_removals=1))
    assert f"removed: {b}, {theirs}" in message
    assert now(control)[0] == [a, b, theirs]


def test_a_sync_in_a_backfill_is_refused_unless_allowed(control: EmulatorControl, flow: str) -> None:
    active = control.segments[:2]
    run(activate(flow, active))
    control.clear_requests()
    for plan_only in (False, True):
        message = refused(
            activate(flow, active[:1], activation_mode="sync", plan_only=plan_only), dag_run=BACKFILL
        )
        assert "activation_mode 'sync' in a backfill" in message
        assert "allow_in_backfill=True" in message
    assert control.requests() == []
    run(activate(flow, active[:1], activation_mode="sync"), dag_run=SCHEDULED)
    assert now(control)[0] == active[:1]
    run(
        activate(flow, active[1:], activation_mode="sync", allow_in_backfill=True, max_removals=1),
        dag_run=BACKFILL,
    )
    assert now(control)[0] == active[1:]
    run(activate(flow, active[:1]), dag_run=BACKFILL)
    run(activate(flow, active[1:], activation_mode="remove"), dag_run=BACKFILL)
    assert now(control)[0] == active[:1]


def audience(audience_id: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": audience_id, "name": name, "type": "SegmentDefinition", "lifecycleState": "active", **more}


def found(*audiences: dict[str, Any]) -> dict[str, Any]:
    """The fault that lets AEP find these audiences once."""
    body = {"children": list(audiences), "_page": {"totalCount": len(audiences)}}
    return fault("status", "GET", AUDIENCES, status=200, body=body)


def test_a_segment_is_found_by_its_exact_name(control: EmulatorControl, flow: str) -> None:
    men, women = control.segments[:2]
    result, _ = run(activate(flow, [{"name": "Men over 50"}, women]))
    assert result["added"] == [men, women]
    assert held(control)[0]["name"] == "Men over 50"
    result, _ = run(activate(flow, [{"name": "Women over 50"}, men], activation_mode="remove"))
    assert now(control)[0] == []


@pytest.mark.parametrize(
    ("audiences", "problem"),
    [
        ([], "segments: AEP has none named 'Men'. Did you mean 'Men over 50'?"),
        ([audience("1", "Men over 50")], "segments: AEP has none named 'Men'. Did you mean 'Men over 50'?"),
        (
            [audience("1", "Men"), audience("2", "Men", type="ExternalSegment", lifecycleState="draft")],
            (
                "segments: 2 are named 'Men'. Give the id of one of them:"
                " 1 (SegmentDefinition, active), 2 (ExternalSegment, draft)."
            ),
        ),
    ],
)
def test_a_name_that_is_none_or_several_is_refused_with_the_candidates(
    control: EmulatorControl, flow: str, audiences: list[dict[str, Any]], problem: str
) -> None:
    control.clear_requests()
    control.inject(found(*audiences))
    assert problem in refused(activate(flow, [{"name": "Men"}]))
    assert writes(control) == []


def test_a_name_that_resembles_none_leads_to_the_id(control: EmulatorControl, flow: str) -> None:
    control.clear_requests()
    problem = refused(activate(flow, [{"name": "#" * 20}]))
    assert "segments: AEP has none named '####################'. Check the name, or give the id." in problem
    assert [entry["query"].get("name") for entry in control.requests("GET", AUDIENCES)] == ["#" * 20, None]


def test_an_external_audience_is_activated_by_its_name_and_by_its_ids(
    control: EmulatorControl, flow: str
) -> None:
    system_id = control.segments[0]
    external = audience(
        system_id, "Ads", type="ExternalSegment", audienceId="extaud9001", namespace="aamSegments"
    )
    control.inject(found(external))
    run(activate(flow, [{"name": "Ads"}]))
    (value,) = held(control)
    known = {"id": "extaud9001", "name": "Ads", "systemSegmentId": system_id, "namespace": "aamSegments"}
    assert {key: value[key] for key in known} == known
    control.clear_requests()
    ids = {"id": "extaud9001", "systemSegmentId": system_id.upper(), "namespace": "aamSegments"}
    run(activate(flow, [ids]))
    assert writes(control) == []
    run(activate(flow, [ids], activation_mode="remove"))
    assert now(control)[0] == []


def test_a_schedule_is_changed_in_place_and_the_servers_fields_stay(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    flow = make_file_flow(hook)
    a, b = control.segments[:2]
    run(activate(flow, [exported(a), exported(b)]))
    before = held(control)
    control.advance(60)
    result, _ = run(activate(flow, [exported(b), exported(a, startTime="11:30")]))
    assert (result["changed"], result["already_active"], result["added"]) == ([a], [b], [])
    after = held(control)
    assert [each["id"] for each in after] == [a, b]
    assert after[1] == before[1]
    assert after[0]["schedule"]["startTime"] == "11:30"
    assert after[0]["createTime"] == before[0]["createTime"] != after[0]["updateTime"]
    control.clear_requests()
    run(activate(flow, [exported(a, startTime="11:30"), b], activation_mode="sync"))
    assert writes(control) == []


def test_a_removal_hits_what_it_means_when_somebody_removes_something_else_first(
    control: EmulatorControl, hook: FlowServiceHook, flow: str, mocker: Any
) -> None:
    a, b, c, d = control.segments[:4]
    run(activate(flow, [a, b, c, d]))
    compute = selectors.compute_patch
    raced: list[bool] = []

    def race(*arguments: Any) -> selectors.SelectorPatch:
        plan = compute(*arguments)
        if not raced:
            raced.append(True)
            hook.activate_segments(flow, [a], activation_mode=selectors.ActivationMode.REMOVE)
        return plan

    control.clear_requests()
    mocker.patch.object(selectors, "compute_patch", race)
    run(activate(flow, [b, d], activation_mode="remove"))
    assert now(control)[0] == [c]
    assert [entry["status"] for entry in control.requests("PATCH")] == [200, 412, 200]


@pytest.mark.parametrize(
    ("segments", "attributes", "warned"),
    [
        (MAX_SEGMENTS, MAX_ATTRIBUTES, []),
        (MAX_SEGMENTS + 1, 0, ["will have 251 segments; AEP supports 250"]),
        (1, MAX_ATTRIBUTES + 1, ["will have 51 attributes; AEP supports 50"]),
    ],
)
def test_more_than_aep_supports_is_warned_of_and_sent(
    control: EmulatorControl,
    flow: str,
    caplog: pytest.LogCaptureFixture,
    segments: int,
    attributes: int,
    warned: list[str],
) -> None:
    paths = [f"a.b{number}" for number in range(attributes)]
    run(activate(flow, many(segments), profile_attributes=paths))
    assert now(control) == (many(segments), paths)
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert messages == [f"Flow {flow} {text}" for text in warned]


def test_what_a_sync_removes_does_not_count_towards_what_aep_supports(
    control: EmulatorControl, flow: str, caplog: pytest.LogCaptureFixture
) -> None:
    segments, paths = many(2 * MAX_SEGMENTS), [f"a.b{number}" for number in range(2 * MAX_ATTRIBUTES)]
    run(activate(flow, segments[:MAX_SEGMENTS], profile_attributes=paths[:MAX_ATTRIBUTES]))
    others = {"segments": segments[MAX_SEGMENTS:], "profile_attributes": paths[MAX_ATTRIBUTES:]}
    run(activate(flow, **others, activation_mode="sync", max_removals=MAX_SEGMENTS))
    assert now(control) == (others["segments"], others["profile_attributes"])
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize("mode", ["sync", "remove"])
def test_what_somebody_else_adds_right_after_a_change_is_theirs(
    control: EmulatorControl, flow: str, virtual_clock: VirtualClock, mode: str
) -> None:
    segments = many(3)
    run(activate(flow, segments))
    control.inject(fault("conflict", "GET", "flows/*", after=1))
    run(activate(flow, segments[:1], activation_mode=mode, max_removals=2))
    assert control.faults_left() == []
    ours = {"sync": segments[:1], "remove": segments[1:]}[mode]
    left, _ = now(control)
    assert (left[: len(ours)], len(left)) == (ours, len(ours) + 1)
    assert virtual_clock.sleeps == []
