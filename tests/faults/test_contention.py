"""Many workers at once: nobody's work is lost, and nothing is made twice."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from typing import Any

import pytest

from airflow_provider_flowservice.client.converge import ATTEMPTS
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.faults.outcomes import Outcomes
from tests.support import operators
from tests.support.aep import ids, make_flow, writes
from tests.support.crowd import all_at_once
from tests.support.faults import fault
from tests.support.operation import NAME, Sandbox
from tests.support.tasks import run

pytestmark = pytest.mark.faults

WRITERS = 16
EACH = 25
#: Seconds after which AEP is reported to show a change.
LATE = 8
#: Seconds of a request and its answer.
LATENCY = 0.5


def segments_of(writer: int) -> list[str]:
    return [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{writer}/{number}")) for number in range(EACH)]


def test_many_writers_of_one_flow_lose_nothing(
    control: EmulatorControl, sandbox: Sandbox, outcomes: Outcomes, mocker: Any
) -> None:
    flow = make_flow(sandbox.hook)
    control.clear_requests()
    control.inject(
        *(fault("conflict", "PATCH", "flows/*", after=after) for after in (3, 9, 20, 30)),
        fault("stale_etag", "PATCH", "flows/*", after=1, times=WRITERS, seconds=1),
    )
    jobs = [
        lambda writer=writer: run(operators.activate(flow, segments_of(writer)))[0]
        for writer in range(WRITERS)
    ]
    results, seconds = all_at_once(jobs, control.advance, LATENCY, mocker)

    wanted = [segment for writer in range(WRITERS) for segment in segments_of(writer)]
    found, _ = sandbox.selected(flow)
    assert Counter(segment for segment in found if segment in set(wanted)) == Counter(wanted)
    assert [result["added"] for result in results] == [segments_of(writer) for writer in range(WRITERS)]
    # What somebody else put there meanwhile is kept.
    assert len(set(found) - set(wanted)) == 4
    assert control.faults_left() == []
    answers = Counter(entry["status"] for entry in control.requests("PATCH"))
    assert set(answers) == {200, 412}
    assert answers[200] == WRITERS
    assert answers.total() <= 8 * WRITERS
    assert seconds <= 120
    outcomes.figures.append(
        f"contention: {WRITERS} writers, {len(wanted)} segments, {answers.total()} PATCH calls"
        f" ({answers[412]} met a newer version), {seconds:.0f} s by the virtual clock"
    )


def test_as_many_writers_as_a_backfill_has_lose_nothing_although_changes_show_late(
    control: EmulatorControl, sandbox: Sandbox, outcomes: Outcomes, mocker: Any
) -> None:
    flow = make_flow(sandbox.hook)
    control.set_switches(change_delay_seconds=LATE)
    control.clear_requests()
    jobs = [
        lambda writer=writer: run(operators.activate(flow, segments_of(writer)))[0]
        for writer in range(ATTEMPTS)
    ]
    _, seconds = all_at_once(jobs, control.advance, LATENCY, mocker)
    wanted = [segment for writer in range(ATTEMPTS) for segment in segments_of(writer)]
    assert Counter(sandbox.selected(flow)[0]) == Counter(wanted)
    answers = Counter(entry["status"] for entry in control.requests("PATCH"))
    assert answers[200] == ATTEMPTS
    # Each round has one winner, and nobody sends twice in a round.
    assert answers[412] <= sum(range(ATTEMPTS))
    assert seconds <= ATTEMPTS * (LATE + 4)
    outcomes.figures.append(
        f"changes that show {LATE} s late: {ATTEMPTS} writers, {answers.total()} PATCH calls"
        f" ({answers[412]} met a newer version), {seconds:.0f} s by the virtual clock"
    )


@pytest.mark.parametrize("hidden_for", [0, 6], ids=["listed at once", "listed late"])
def test_two_workers_that_create_the_same_thing_end_with_one(
    control: EmulatorControl, sandbox: Sandbox, mocker: Any, caplog: pytest.LogCaptureFixture, hidden_for: int
) -> None:
    sandbox.hook.test_connection()
    control.clear_requests()
    if hidden_for:
        control.inject(fault("eventual", "POST", "connections", times=2, seconds=hidden_for))
    jobs = [lambda: run(operators.create_kinesis(NAME)) for _ in range(2)]
    with caplog.at_level(logging.WARNING):
        results, seconds = all_at_once(jobs, control.advance, LATENCY, mocker)

    (kept,) = control.state()["connections"]
    assert [result for result, _ in results] == [kept["id"]] * 2
    assert sorted(pushed["created"] for _, pushed in results) == [False, True]
    assert writes(control) == [("POST", "connections")] * 2 + [("DELETE", "connections")]
    (warning,) = [record for record in caplog.messages if "at the same time" in record]
    assert kept["id"] in warning
    assert control.faults_left() == []
    assert seconds <= 20


def test_two_workers_that_onboard_at_once_end_with_one_of_everything(
    control: EmulatorControl, sandbox: Sandbox, mocker: Any
) -> None:
    sandbox.hook.test_connection()
    results, seconds = all_at_once([operators.onboard] * 2, control.advance, LATENCY, mocker)
    assert results[0] == results[1]
    state = control.state()
    assert sorted(ids(state["connections"])) == sorted(
        [results[0]["profile store"], results[0]["connections"]]
    )
    for kind in ("sourceConnections", "targetConnections", "flows"):
        assert ids(state[kind]) == [results[0][kind]]
    assert seconds <= 120
