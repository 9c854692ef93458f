from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import (
    InvalidInputError,
    InvalidResponseError,
    NameNotFoundError,
)
from airflow_provider_flowservice.client.flows import (
    find_flow,
    iterate_flows,
    iterate_runs,
    last_run,
    resources_of,
    set_state,
    specs,
)
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import FlowKind, FlowState, RunState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.aep import FLOW_SERVICE, make, make_ends, make_flow, profile_flow
from tests.support.batch import make_batch_flow
from tests.support.clients import Client
from tests.support.faults import fault

FLOWS, RUNS = f"{FLOW_SERVICE}/flows", f"{FLOW_SERVICE}/runs"
NOON = 1_700_000_000.0
#: Runs as AEP lists them, the newest first; one of them is not counted.
LISTED: list[dict[str, Any]] = [
    {"id": f"r{age}", "flowId": "f", "createdAt": int((NOON - age) * 1000), "metrics": metrics}
    for age, metrics in (
        (0, {}),
        (10, {"statusSummary": {"status": "SUCCESS"}}),
        (20, {"statusSummary": {"status": "failed"}}),
        (30, {"statusSummary": {"status": "FAILED"}}),
    )
]


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    emulator.control.set_switches(scheduled_runs=False)
    return emulator.control


def answering(control: EmulatorControl, path: str, *items: Any, times: int = 1) -> None:
    control.inject(fault("status", "GET", path, times=times, status=200, body={"items": items}))


def queries(control: EmulatorControl, path: str) -> list[dict[str, Any]]:
    return [entry["query"] for entry in control.requests("GET", path)]


# --- listing flows ---------------------------------------------------------------------------------------------


def test_flows_are_listed_by_name_state_and_kind(plain_client: Client, control: EmulatorControl) -> None:
    first, second, files = (
        make_flow(plain_client, "one"),
        make_flow(plain_client, "two"),
        make_batch_flow(plain_client),
    )
    set_state(plain_client, second, FlowState.DISABLED)

    def found(**wanted: Any) -> set[str]:
        return {flow.id for flow in iterate_flows(plain_client, **wanted)}

    assert found() == {first, second, files}
    assert found(name="two") == {second}
    assert found(name="tw") == found(name="two", state="enabled") == set()
    assert found(state=FlowState.ENABLED) == {first, files}
    assert found(kind=FlowKind.DESTINATION) == {first, second}
    assert found(kind="source") == {files}
    assert found(kind="destination", state="disabled", name="two") == {second}


def test_only_a_plain_name_is_left_to_aeps_filter(plain_client: Client, control: EmulatorControl) -> None:
    odd = make_flow(plain_client, 'a,b "c"')
    plain = make_flow(plain_client, "plain")
    control.clear_requests()
    assert [flow.id for flow in iterate_flows(plain_client, 'a,b "c"')] == [odd]
    assert [flow.id for flow in iterate_flows(plain_client, "plain", "enabled")] == [plain]
    assert [query.get("property") for query in queries(control, FLOWS)] == [
        None,
        ["name==plain", "state==enabled"],
    ]


def test_what_aep_returns_is_compared_again(plain_client: Client, control: EmulatorControl) -> None:
    flow = {"id": "f", "name": "Mine", "state": "enabled", "flowSpec": {"id": "s"}}
    answering(
        control, FLOWS, {**flow, "name": "mine", "id": "g"}, {**flow, "id": "h", "state": "updating"}, flow
    )
    assert [(each.id, each.state) for each in iterate_flows(plain_client, "Mine", "enabled")] == [
        ("f", "enabled")
    ]


def test_a_kind_that_aep_does_not_show_is_told_by_the_source(
    plain_client: Client, control: EmulatorControl
) -> None:
    source, _ = make_ends(plain_client)
    bare = {"flowSpec": {"id": "s"}, "name": "n"}
    shown = {"sourceConnections": [{"connectionSpec": {"id": specs.DATA_LAKE_EXPORT}}]}
    flows = [
        {**bare, "id": "to", "inheritedAttributes": {"properties": {"isDestinationFlow": True}}},
        {**bare, "id": "from", "inheritedAttributes": {"properties": {"isSourceFlow": True}}},
        {**bare, "id": "exports", "inheritedAttributes": shown},
        {**bare, "id": "hidden", "inheritedAttributes": 5, "sourceConnectionIds": [source]},
    ]
    control.clear_requests()
    answering(control, FLOWS, *flows, times=2)
    kinds = {
        kind: [flow.id for flow in iterate_flows(plain_client, kind=kind)]
        for kind in ("destination", "source")
    }
    assert kinds == {"destination": ["to", "exports", "hidden"], "source": ["from"]}
    assert len(control.requests("GET", f"sourceConnections/{source}")) == 2
    assert len(control.requests()) == 4


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_not_a_name(plain_client: Client, control: EmulatorControl, nothing: Any) -> None:
    make_flow(plain_client)
    control.clear_requests()
    with pytest.raises(InvalidInputError, match=r"^name: .* is not a name"):
        find_flow(plain_client, nothing)
    assert control.requests() == []


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"name": ""}, "name: '' is not a name"),
        ({"state": "Enabled"}, "state: 'Enabled' is not supported. Choose one of: enabled, disabled, draft."),
        ({"kind": "target"}, "kind: 'target' is not supported. Choose one of: destination, source."),
    ],
)
def test_a_wrong_argument_is_rejected_before_anything_is_read(
    plain_client: Client, control: EmulatorControl, wanted: dict[str, str], problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        iterate_flows(plain_client, **wanted)
    assert str(caught.value).startswith(problem)
    assert control.requests() == []


# --- finding one flow ------------------------------------------------------------------------------------------


def test_a_flow_is_found_with_one_request(plain_client: Client, control: EmulatorControl) -> None:
    make_flow(plain_client, "other")
    flow = make_flow(plain_client, "mine")
    control.clear_requests()
    assert find_flow(plain_client, "mine").id == flow
    assert len(control.requests()) == 1


def test_a_flow_spec_or_a_state_tells_flows_of_one_name_apart(
    plain_client: Client, control: EmulatorControl
) -> None:
    off, files = make_flow(plain_client, "files"), make_batch_flow(plain_client)
    set_state(plain_client, off, FlowState.DISABLED)
    assert find_flow(plain_client, "files", state="disabled").id == off
    assert find_flow(plain_client, "files", specs.PROFILE_DESTINATION_FLOW.upper()).id == off
    assert find_flow(plain_client, "files", "CloudStorageToAEP").id == files
    with pytest.raises(InvalidInputError, match="Did you mean 'CloudStorageToAEP'") as caught:
        find_flow(plain_client, "files", "CloudStorageToAPE")
    # A caller who does without a missing flow does not take a wrong flow spec for one.
    assert not isinstance(caught.value, NameNotFoundError)


def test_several_flows_of_one_name_are_listed_and_none_is_chosen(
    plain_client: Client, control: EmulatorControl
) -> None:
    made = []
    for _ in range(3):
        made.append(make_flow(plain_client, "mine"))
        control.advance(1)
    set_state(plain_client, made[1], FlowState.DISABLED)
    with pytest.raises(InvalidInputError) as caught:
        find_flow(plain_client, "mine")
    spec = specs.PROFILE_DESTINATION_FLOW
    assert str(caught.value) == (
        f"name: 3 flows are named 'mine': {made[0]} (flow spec {spec}, enabled), {made[1]} (flow spec {spec},"
        f" disabled), {made[2]} (flow spec {spec}, enabled). Use the id of one of them, or give flow_spec or state if"
        " that tells them apart."
    )
    assert not isinstance(caught.value, NameNotFoundError)


def test_a_name_that_no_flow_has_is_an_error_of_its_own_with_similar_names(
    plain_client: Client, control: EmulatorControl
) -> None:
    ends = make_ends(plain_client)
    with pytest.raises(NameNotFoundError, match="Check the name and the sandbox, or use the id"):
        find_flow(plain_client, "Loyalty to Kinesis")
    for name in ("loyalty to kinesis ", "Loyalty to S3", "zzz"):
        make(plain_client, profile_flow(*ends, name=name))
    control.clear_requests()
    with pytest.raises(NameNotFoundError) as caught:
        find_flow(plain_client, "Loyalty to Kinesis")
    assert str(caught.value) == (
        "name: AEP has no flow 'Loyalty to Kinesis'. Did you mean 'loyalty to kinesis ' or 'Loyalty to S3'?"
    )
    assert len(control.requests()) == 2


def test_the_flows_that_have_the_name_but_not_the_rest_are_shown(
    plain_client: Client, control: EmulatorControl
) -> None:
    flow = make_flow(plain_client, "mine")
    spec = specs.AMAZON_S3_FLOW
    with pytest.raises(NameNotFoundError) as caught:
        find_flow(plain_client, "mine", spec, "disabled")
    assert str(caught.value) == (
        f"name: no flow named 'mine' has flow spec '{spec}' and state disabled. These have the name: {flow}"
        f" (flow spec {specs.PROFILE_DESTINATION_FLOW}, enabled)."
    )


def test_a_flow_that_cannot_be_read_may_be_the_one(plain_client: Client, control: EmulatorControl) -> None:
    flow = {"id": "f", "name": "mine", "flowSpec": {"id": "s"}, "transformations": []}
    answering(control, FLOWS, flow, {"id": "broken", "name": "mine"})
    with pytest.raises(InvalidResponseError, match=r"^broken"):
        find_flow(plain_client, "mine")
    answering(control, FLOWS, flow, {"id": "broken", "name": "other"})
    assert find_flow(plain_client, "mine").id == "f"


def test_the_connections_of_a_flow_are_known_from_what_aep_shows_with_it(
    plain_client: Client, control: EmulatorControl
) -> None:
    flow = plain_client.send(request.get(request.FLOWS, make_flow(plain_client)))
    bases = {connection["id"] for connection in control.state()["connections"]}
    control.clear_requests()
    found = resources_of(plain_client, flow)
    assert (found.flow, found.targets, found.sources, set(found.bases)) == (
        flow.id,
        flow.target_connection_ids,
        flow.source_connection_ids,
        bases,
    )
    assert control.requests() == []


@pytest.mark.parametrize(
    "odd", [None, 5, {}, {"sourceConnections": [5, {"id": 5, "baseConnection": {"id": "b"}}]}]
)
def test_the_connections_that_aep_does_not_show_are_read(
    plain_client: Client, control: EmulatorControl, odd: Any
) -> None:
    from msgspec.structs import replace

    flow = plain_client.send(request.get(request.FLOWS, make_flow(plain_client)))
    control.clear_requests()
    found = resources_of(plain_client, replace(flow, inherited_attributes=odd))
    assert set(found.bases) == {connection["id"] for connection in control.state()["connections"]}
    assert len(control.requests("GET")) == 2


# --- runs ------------------------------------------------------------------------------------------------------


def test_the_runs_of_one_flow_or_of_all_are_listed_the_newest_first(
    plain_client: Client, control: EmulatorControl
) -> None:
    made = []
    for flow in (make_batch_flow(plain_client), make_batch_flow(plain_client)):
        for _ in range(2):
            made.append((flow, plain_client.send(create_run(flow, Window(1_600_000_000, 1_600_000_001))).id))
            control.advance(1)
    assert [(run.flow_id, run.id) for run in iterate_runs(plain_client)] == made[::-1]
    flow = made[0][0]
    assert [run.id for run in iterate_runs(plain_client, flow)] == [made[1][1], made[0][1]]
    newest = last_run(plain_client, flow)
    assert newest is not None
    assert newest.id == made[1][1]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, ["r0", "r10", "r20", "r30"]),
        (NOON - 20, ["r0", "r10", "r20"]),
        (str(int(NOON) - 10), ["r0", "r10"]),
        (datetime.fromtimestamp(NOON - 19.5, UTC), ["r0", "r10"]),
        ("2023-11-14T22:13:20Z", ["r0"]),
        (NOON + 1, []),
    ],
)
def test_runs_from_before_a_time_are_left_out(
    plain_client: Client, control: EmulatorControl, since: Any, expected: list[str]
) -> None:
    answering(control, RUNS, *LISTED)
    assert [run.id for run in iterate_runs(plain_client, since=since)] == expected


def test_a_run_without_a_time_hides_no_other(plain_client: Client, control: EmulatorControl) -> None:
    timeless = {"id": "timeless", "flowId": "f"}
    for place in range(3):
        answering(control, RUNS, *LISTED[:place], timeless, *LISTED[place:])
        found = {run.id for run in iterate_runs(plain_client, since=NOON - 10)}
        assert found == {"r0", "r10", "timeless"}


def test_no_page_is_read_after_the_first_run_that_is_too_old(
    plain_client: Client, control: EmulatorControl
) -> None:
    body = {"items": LISTED, "_links": {"next": {"href": "/runs?continuationToken=c"}}}
    control.inject(fault("status", "GET", RUNS, times=9, status=200, body=body))
    assert len(list(iterate_runs(plain_client, since=NOON - 5))) == 1
    assert [query["orderby"] for query in queries(control, RUNS)] == ["-createdAt"]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], ["r0", "r10", "r20", "r30"]),
        (["failed"], ["r20", "r30"]),
        ((RunState.RUNNING, "success"), ["r0", "r10"]),
        ([RunState.PARTIAL], []),
    ],
)
def test_runs_are_told_apart_by_state_however_aep_spells_it(
    plain_client: Client, control: EmulatorControl, states: Any, expected: list[str]
) -> None:
    answering(control, RUNS, *LISTED)
    assert [run.id for run in iterate_runs(plain_client, "f", states=states)] == expected
    assert queries(control, RUNS)[0]["property"] == "flowId==f"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"states": "failed"}, "states: 'failed' is not a list. Give ['failed']."),
        ({"states": ["FAILED"]}, "states: 'FAILED' is not supported. Choose one of: running, success,"),
        ({"since": "2026-01-01T00:00:00"}, "since: '2026-01-01T00:00:00' has no time zone"),
        ({"since": datetime(2026, 1, 1)}, "since: 2026-01-01T00:00:00 has no time zone"),
        ({"flow_id": "a,b"}, "flowId: 'a,b' cannot be used in a filter"),
    ],
)
def test_a_wrong_argument_for_runs_is_rejected_at_once(
    plain_client: Client, control: EmulatorControl, wanted: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        iterate_runs(plain_client, **wanted)
    assert str(caught.value).startswith(problem)
    assert control.requests() == []


def test_a_run_that_cannot_be_read_is_not_overlooked(plain_client: Client, control: EmulatorControl) -> None:
    answering(control, RUNS, *LISTED, {"id": "broken", "createdAt": "x"}, times=2)
    with pytest.raises(InvalidResponseError, match=r"^broken"):
        list(iterate_runs(plain_client))
    with pytest.raises(InvalidResponseError, match=r"^broken"):
        last_run(plain_client, "f")


def test_the_last_run_is_one_small_request(plain_client: Client, control: EmulatorControl) -> None:
    flow = make_batch_flow(plain_client)
    assert last_run(plain_client, flow) is None
    control.clear_requests()
    following = {"next": {"href": "/runs?continuationToken=c"}}
    control.inject(fault("status", "GET", RUNS, status=200, body={"items": [], "_links": following}))
    answering(control, RUNS, LISTED[2])
    run = last_run(plain_client, flow)
    assert run is not None
    assert (run.id, run.state) == ("r20", RunState.FAILED)
    first, second = queries(control, RUNS)
    assert (first["limit"], first["orderby"], first["property"]) == ("1", "-createdAt", f"flowId=={flow}")
    assert second["continuationToken"] == "c"
