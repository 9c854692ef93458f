from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError, InvalidResponseError
from airflow_provider_flowservice.client.flows import (
    FailOn,
    ReportedRun,
    RunDigest,
    delete_flow,
    report_runs,
    resources_of,
)
from airflow_provider_flowservice.client.flows.run_report import MAX_BAD, MAX_FILTERED, MAX_ROWS
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import RunError, RunState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.support.aep import FLOW_SERVICE, make, make_ends, profile_flow
from tests.support.batch import make_batch_flow
from tests.support.clients import Client
from tests.support.faults import fault

FLOWS, RUNS = f"{FLOW_SERVICE}/flows", f"{FLOW_SERVICE}/runs"
NOON = 1_700_000_000
WINDOW = Window(1_600_000_000, 1_600_000_001)


@pytest.fixture
def control(emulator: EmulatorServer) -> EmulatorControl:
    emulator.control.set_switches(scheduled_runs=False, run_seconds=0)
    return emulator.control


def listed(name: str, age: float, flow: str = "f", **metrics: Any) -> dict[str, Any]:
    """A run as AEP lists it, created some seconds before noon."""
    return {"id": name, "flowId": flow, "createdAt": int((NOON - age) * 1000), "metrics": metrics}


def answering(control: EmulatorControl, path: str, *items: Any, times: int = 1) -> None:
    control.inject(fault("status", "GET", path, times=times, status=200, body={"items": items}))


def calls(control: EmulatorControl) -> tuple[int, int]:
    """How many pages of runs and of flows were read, and nothing else."""
    pages = len(control.requests("GET", RUNS)), len(control.requests("GET", FLOWS))
    others = [entry for entry in control.requests() if entry["path"] != "/ims/token/v3"]
    assert len(others) == sum(pages)
    assert {entry["path"] for entry in others} <= {RUNS, FLOWS}
    return pages


def named_flow(client: Client, name: str) -> str:
    """A flow that can be run."""
    flow = client.send(request.get(request.FLOWS, make_batch_flow(client)))
    client.send(request.patch(request.FLOWS, flow.id, flow.etag or "", [_renamed(name)]))
    return flow.id


def _renamed(name: str) -> Any:
    from airflow_provider_flowservice.client.model import Operation

    return Operation(op="replace", path="/name", value=name)


def start(client: Client, flow: str) -> str:
    return client.send(create_run(flow, WINDOW)).id


# --- what a report has ------------------------------------------------------------------------------------------


def test_a_run_is_reported_with_its_flow_its_counts_and_aeps_reasons(
    plain_client: Client, control: EmulatorControl
) -> None:
    since = control.now() - 1
    good, bad = named_flow(plain_client, "customers"), named_flow(plain_client, "orders")
    first = start(plain_client, good)
    control.advance(1)
    control.set_switches(run_outcome="failed")
    second = start(plain_client, bad)
    created = {each["id"]: each["createdAt"] for each in control.state()["runs"]}
    page = f"https://experience.adobe.com/#/sname:{control.credential.sandbox}/platform/source/dataflows"
    assert list(report_runs(plain_client, since, control.now() + 1)) == [
        ReportedRun(
            flow_id=bad,
            flow_name="orders",
            run_id=second,
            state=RunState.FAILED,
            created_at=datetime.fromtimestamp(created[second] / 1000, UTC),
            records_read=1000,
            records_written=0,
            records_failed=1000,
            is_bad=True,
            errors=(RunError("CONNECTOR-2001-500", "The run could not process all of its data."),),
            page=f"{page}/{bad}",
        ),
        ReportedRun(
            flow_id=good,
            flow_name="customers",
            run_id=first,
            state=RunState.SUCCESS,
            created_at=datetime.fromtimestamp(created[first] / 1000, UTC),
            records_read=1000,
            records_written=1000,
            records_failed=0,
            page=f"{page}/{good}",
        ),
    ]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (NOON - 10, NOON, ["r1", "r10"]),
        (NOON - 10, NOON + 1, ["r0", "r1", "r10"]),
        (NOON - 1, NOON - 0.5, ["r1"]),
        (NOON - 10.001, NOON - 10, []),
        ("2023-11-14T22:13:10Z", datetime.fromtimestamp(NOON, UTC), ["r1", "r10"]),
    ],
)
def test_a_window_has_its_beginning_and_not_its_end(
    plain_client: Client, control: EmulatorControl, since: Any, until: Any, expected: list[str]
) -> None:
    answering(control, RUNS, *(listed(f"r{age}", age) for age in (0, 1, 10, 11)))
    assert [run.run_id for run in report_runs(plain_client, since, until)] == expected


def test_without_an_end_the_window_ends_now(plain_client: Client, virtual_clock: Any, control: Any) -> None:
    now = virtual_clock.wall()
    answering(
        control,
        RUNS,
        *({"id": name, "createdAt": int((now + at) * 1000)} for name, at in (("b", 5), ("a", -5))),
    )
    assert [run.run_id for run in report_runs(plain_client, now - 60)] == ["a"]


def test_a_run_whose_time_or_flow_is_unknown_is_not_left_out(
    plain_client: Client, control: EmulatorControl
) -> None:
    answering(control, RUNS, listed("a", 5), {"id": "odd"}, listed("b", 6))
    runs = {run.run_id: run for run in report_runs(plain_client, NOON - 10, NOON)}
    assert set(runs) == {"a", "odd", "b"}
    assert (runs["odd"].created_at, runs["odd"].flow_name, runs["odd"].state) == (None, "", "running")


def test_a_run_that_cannot_be_read_is_an_error(plain_client: Client, control: EmulatorControl) -> None:
    answering(control, RUNS, listed("a", 5), {"id": 5})
    with pytest.raises(InvalidResponseError):
        list(report_runs(plain_client, NOON - 10, NOON))


def test_a_flow_that_was_deleted_is_shown_by_its_id(plain_client: Client, control: EmulatorControl) -> None:
    kept, gone = named_flow(plain_client, "kept"), named_flow(plain_client, "gone")
    for flow in (kept, gone):
        start(plain_client, flow)
        control.advance(1)
    flow = plain_client.send(request.get(request.FLOWS, gone))
    delete_flow(plain_client, resources_of(plain_client, flow), with_connections=False)
    runs = list(report_runs(plain_client, control.now() - 60, control.now()))
    assert [(run.flow_id, run.flow_name) for run in runs] == [(gone, gone), (kept, "kept")]


def test_a_flow_without_a_name_is_shown_by_its_id_and_a_long_name_on_one_short_line(
    plain_client: Client, control: EmulatorControl
) -> None:
    answering(control, RUNS, listed("a", 5, "empty"), listed("b", 6, "long"))
    spec = {"flowSpec": {"id": "s"}}
    answering(control, FLOWS, {"id": "empty", **spec}, {"id": "long", "name": "a\n\x1b" + "b" * 1000, **spec})
    first, second = report_runs(plain_client, NOON - 10, NOON)
    assert first.flow_name == "empty"
    assert len(second.flow_name) == 200
    assert second.flow_name.startswith("a bbb")


# --- arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            (NOON, NOON),
            "until: 2023-11-14T22:13:20+00:00 is not after since, which is 2023-11-14T22:13:20+00:00.",
        ),
        ((NOON, NOON - 1), "until: 2023-11-14T22:13:19+00:00 is not after since"),
        ((9_000_000_000,), "until: "),
        (("yesterday", NOON), "since: 'yesterday' is not a time. Give"),
        ((NOON, "2026-01-01"), "until: '2026-01-01' has no time zone. Add"),
        ((NOON, NOON + 1, "f"), "flows: 'f' is not a list. Give ['f']."),
        ((NOON, NOON + 1, []), "flows: is empty. Give"),
        ((NOON, NOON + 1, ["a,b"]), "flows: 'a,b' is not the id of a flow. Give"),
        ((NOON, NOON + 1, [5]), "flows: 5 is not the id of a flow. Give"),
    ],
)
def test_a_wrong_argument_is_rejected_at_once(
    plain_client: Client, control: EmulatorControl, arguments: Any, problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        report_runs(plain_client, *arguments)
    assert str(caught.value).startswith(problem)
    assert control.requests() == []


# --- calls -------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(plain_client: Client, control: EmulatorControl) -> list[str]:
    """250 runs of three flows, and 120 other flows, which are newer."""
    flows = [named_flow(plain_client, name) for name in "abc"]
    for number in range(250):
        start(plain_client, flows[number % 3])
    control.advance(1)
    ends = make_ends(plain_client)
    for number in range(120):
        make(plain_client, profile_flow(*ends, f"other {number}"))
    control.clear_requests()
    return flows


def test_the_calls_are_bounded_by_the_pages(
    plain_client: Client, control: EmulatorControl, many: list[str]
) -> None:
    runs = list(report_runs(plain_client, control.now() - 3600, control.now()))
    assert (len({run.run_id for run in runs}), {run.flow_name for run in runs}) == (250, set("abc"))
    assert calls(control) == (3, 2)


def test_no_page_is_read_before_it_is_needed(
    plain_client: Client, control: EmulatorControl, many: list[str]
) -> None:
    report = report_runs(plain_client, control.now() - 3600, control.now())
    assert control.requests() == []
    assert len(list(islice(report, 100))) == 100
    assert calls(control) == (1, 2)
    control.advance(3600)
    control.clear_requests()
    assert list(report_runs(plain_client, control.now() - 60, control.now())) == []
    assert calls(control) == (1, 0)


def test_the_runs_of_few_flows_are_asked_for_by_flow(
    plain_client: Client, control: EmulatorControl, many: list[str]
) -> None:
    runs = list(report_runs(plain_client, control.now() - 3600, control.now(), many[:2]))
    assert {run.flow_id for run in runs} == set(many[:2])
    assert len(runs) == 84 + 83
    times = [run.created_at for run in runs if run.created_at]
    assert times == sorted(times, reverse=True)
    assert calls(control) == (2, 2)


def test_the_runs_of_many_flows_are_picked_from_all(
    plain_client: Client, control: EmulatorControl, many: list[str]
) -> None:
    missing = [f"missing-{number}" for number in range(MAX_FILTERED)]
    runs = list(report_runs(plain_client, control.now() - 3600, control.now(), [many[0], *missing]))
    assert len(runs) == 84
    assert calls(control) == (3, 2)


# --- the digest --------------------------------------------------------------------------------------------------


def reported(number: int = 0, state: RunState = RunState.SUCCESS, **changes: Any) -> ReportedRun:
    arguments = {
        "flow_id": f"f{number}",
        "flow_name": f"flow {number}",
        "run_id": f"r{number}",
        "state": state,
        "created_at": datetime.fromtimestamp(NOON - number, UTC),
        "records_read": 10,
        "records_written": 9,
        "records_failed": 1,
        **changes,
    }
    return ReportedRun(**arguments)


def failed(number: int = 0, **changes: Any) -> ReportedRun:
    return reported(number, RunState.FAILED, is_bad=True, **changes)


def digest(*runs: ReportedRun, fail_on: FailOn = FailOn.FAILED) -> RunDigest:
    made = RunDigest(NOON - 86_400, NOON, fail_on)
    for run in runs:
        made.add(run)
    return made


def test_nothing_is_a_report_too() -> None:
    nothing = digest()
    assert nothing.failure() is None
    assert nothing.table() == (
        "Flow runs created from 2023-11-13T22:13:20+00:00 until 2023-11-14T22:13:20+00:00: none"
    )
    assert nothing.summary().states == {"running": 0, "success": 0, "partialSuccess": 0, "failed": 0}


def test_a_table_is_aligned_and_begins_with_the_bad_runs() -> None:
    lost = reported(
        1, is_bad=True, flow_name="orders", errors=(RunError("C", "A record."),), omitted_errors=2
    )
    running = reported(2, RunState.RUNNING, records_read=None, records_written=None, records_failed=None)
    text = digest(running, lost, failed(3, created_at=None, flow_name="customers of the shop")).table()
    title, *lines = text.splitlines()
    assert title == (
        "Flow runs created from 2023-11-13T22:13:20+00:00 until 2023-11-14T22:13:20+00:00: 1 failed, 1 running,"
        " 1 success; records: 20 read, 18 written, 2 failed"
    )
    assert lines == [
        "state    created (UTC)        read  written  failed  flow                   run  error",
        "failed   -                      10        9       1  customers of the shop  r3",
        "success  2023-11-14 22:13:19    10        9       1  orders                 r1   C: A record. (and 2 more)",
        "running  2023-11-14 22:13:18     -        -       -  flow 2                 r2",
    ]


def test_what_is_kept_and_shown_is_bounded_however_much_there_is() -> None:
    long = tuple(RunError("CODE" * 50, f"{number} " + "x" * 250) for number in range(5))
    bad = [failed(number, flow_name="n" * 200, errors=long) for number in range(1000)]
    good = [reported(number) for number in range(1000)]
    full = digest(*good, *bad)
    summary = full.summary()
    assert (summary.runs, summary.bad, len(summary.bad_runs)) == (2000, 1000, MAX_BAD)
    assert [len(run.errors) for run in summary.bad_runs] == [2] * MAX_BAD
    assert summary.bad_runs[0].omitted_errors == 3
    assert len(str(summary.to_json())) < 130_000
    lines = full.table().splitlines()
    assert len(lines) == 1 + 1 + MAX_ROWS + 1
    assert max(map(len, lines)) < 270
    assert lines[-1] == "... and 1950 more, of which 950 are bad"
    assert digest(*good).table().splitlines()[-1] == "... and 950 more"
    message = full.failure()
    assert message is not None
    assert len(message) < 6000
    assert "; and 990 more flows failed" not in message
    assert "; and 990 more flows." in message


@pytest.mark.parametrize(
    ("fail_on", "expected"),
    [(FailOn.FAILED, "1 of the 3 flow runs"), (FailOn.PARTIAL, "2 of the 3 flow runs"), (FailOn.NEVER, None)],
)
def test_a_report_fails_for_the_runs_that_it_is_told(fail_on: FailOn, expected: str | None) -> None:
    partial = reported(1, RunState.PARTIAL, is_bad=True)
    message = digest(reported(2), partial, failed(3), fail_on=fail_on).failure()
    assert (message is None) is (expected is None)
    assert message is None or message.startswith(f"{expected} created from 2023-")
    assert message is None or ("'flow 1' (f1): run r1 is partialSuccess" in message) is (
        fail_on is FailOn.PARTIAL
    )
