from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client import waits
from airflow_provider_flowservice.client.errors import (
    ApiError,
    DriftError,
    FlowServiceError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from airflow_provider_flowservice.client.times import iso
from airflow_provider_flowservice.client.waits import (
    TOLERATED_FAILURES,
    FlowInState,
    FlowSettled,
    Judgement,
    RunsEnded,
    RunsSucceeded,
    SelectorsMapped,
    ThisRunSucceeded,
    drive,
    drive_async,
    polling,
)
from airflow_provider_flowservice.client.waits.runs import Expectation
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from tests.client.waits.looks import OTHER, SEGMENT, flow, paths, run, states


class Line:
    """A sender that gives one response after the other; errors are raised."""

    def __init__(self, *responses: Any) -> None:
        self.left = list(responses)

    def send(self, request: Any) -> Any:
        response = self.left.pop(0)
        if isinstance(response, FlowServiceError):
            raise response
        return response

    async def send_async(self, request: Any) -> Any:
        return self.send(request)


def blocking(wait: waits.Wait, line: Line, interval: float, deadline: float) -> Judgement:
    return drive(polling(wait, interval=interval, deadline=deadline), line)


def asynchronous(wait: waits.Wait, line: Line, interval: float, deadline: float) -> Judgement:
    return asyncio.run(drive_async(polling(wait, interval=interval, deadline=deadline), line.send_async))


Driver = Callable[[waits.Wait, Line, float, float], Judgement]
DRIVERS = pytest.mark.parametrize("wait_for", [blocking, asynchronous])
ENABLED = FlowInState(flow_id="f", state="enabled")


def server_error(status: int = 503) -> ApiError:
    return ServerError("down", status=status)


# Conditions


def test_what_is_not_mapped_is_seen_and_named() -> None:
    wait = SelectorsMapped(flow_id="f", segments=(SEGMENT.upper(), OTHER), attributes=("a.b", "c"))
    asked, judged = paths(wait.look(), flow(segments=[SEGMENT], attributes=["c"]))
    assert asked == ["flows/f"]
    assert not judged.done
    assert judged.seen["mismatch"]["missing_segments"] == {"first": [OTHER], "count": 1}
    assert wait.describe(judged.seen) == f"flow f lacks segments {OTHER} and profile attributes a.b"
    _, judged = paths(wait.look(judged.seen), flow(segments=[OTHER, SEGMENT], attributes=["a.b", "c"]))
    assert judged.done


def test_what_should_not_be_there_is_seen_and_named() -> None:
    wait = SelectorsMapped(flow_id="f", absent=(SEGMENT.upper(),))
    judged = paths(wait.look(), flow(segments=[SEGMENT, OTHER], attributes=["c"]))[1]
    assert not judged.done
    assert wait.describe(judged.seen) == f"flow f still has segments {SEGMENT}"
    assert paths(wait.look(), flow(segments=[OTHER]))[1].done
    exact = SelectorsMapped(flow_id="f", attributes=(), exact=True)
    judged = paths(exact.look(), flow(segments=[SEGMENT, OTHER], attributes=["c"]))[1]
    assert not judged.done
    assert exact.describe(judged.seen) == (
        f"flow f also has segments {SEGMENT}, {OTHER} and profile attributes c"
    )
    assert paths(exact.look(), flow())[1].done


def test_what_aep_has_ignored_is_hinted_at_or_an_error() -> None:
    wait = SelectorsMapped(flow_id="f", attributes=("a.b",))
    strict = msgspec.structs.replace(wait, fail_fast=True)
    _, first = paths(wait.look(), flow(changed=10, operation="completed"))
    assert wait.describe(first.seen) == "flow f lacks profile attributes a.b"
    hint = (
        "flow f lacks profile attributes a.b. AEP has changed the flow since this wait began, and completed that"
        " change without them. If somebody activated them, AEP ignores them: a destination with a mapping set takes"
        " its attributes from profile_mapping, not from profile_attributes"
    )
    for changed, operation, is_ignored in (
        (10, "completed", False),
        (11, "inProgress", False),
        (11, "", False),
        (11, "completed", True),
    ):
        now = flow(changed=changed, operation=operation)
        # In the same process, and in the triggerer, which is not told what was seen before.
        for later in (wait.look(first.seen), wait.after(first).look()):
            assert (wait.describe(paths(later, now)[1].seen) == hint) is is_ignored
        for later in (strict.look(first.seen), strict.after(first).look()):
            if is_ignored:
                with pytest.raises(DriftError, match="takes its attributes from profile_mapping") as caught:
                    paths(later, now)
                assert str(caught.value) == f"{hint}."
            else:
                assert not paths(later, now)[1].done
    unwanted = SelectorsMapped(flow_id="f", absent=(SEGMENT,), fail_fast=True)
    first = paths(unwanted.look(), flow(segments=[SEGMENT]))[1]
    assert not paths(unwanted.look(first.seen), flow(changed=11, operation="completed", segments=[SEGMENT]))[
        1
    ].done


def test_a_state_is_compared_and_named() -> None:
    wait = FlowInState(flow_id="f", state="disabled")
    asked, judged = paths(wait.look(), flow("enabled"))
    assert (asked, judged) == (["flows/f"], Judgement(False, "enabled"))
    assert wait.describe("enabled") == "flow f is enabled, not disabled"
    assert paths(wait.look(), flow("disabled"))[1] == Judgement(True, "disabled")


@pytest.mark.parametrize(
    ("created", "changed", "rest"), [(-10, -100, 290), (-400, -20, 280), (-301, -300, 0)]
)
def test_a_flow_is_settled_some_time_after_its_last_change(
    virtual_clock: VirtualClock, created: float, changed: float, rest: float
) -> None:
    wait = FlowSettled(flow_id="f", settle_seconds=300)
    asked, judged = paths(wait.look(), flow(created=START + created, changed=START + changed))
    assert asked == ["flows/f"]
    assert judged == Judgement(rest == 0, START + max(created, changed), look_after=rest)


def test_until_a_flow_may_be_settled_aep_is_not_asked(virtual_clock: VirtualClock) -> None:
    wait = FlowSettled(flow_id="f", settle_seconds=300)
    _, judged = paths(wait.look(), flow(changed=START - 100))
    rest = wait.after(judged)
    assert paths(rest.look()) == ([], Judgement(False, START - 100, look_after=200))
    assert rest.describe(START - 100) == "flow f was changed 100 s ago, which is less than 300 s"
    virtual_clock.advance(199.9996)
    assert paths(rest.look()) == ([], Judgement(True, START - 100, look_after=0))
    assert ENABLED.after(Judgement(False, "disabled")) is ENABLED


@pytest.mark.parametrize(
    "wait",
    [
        SelectorsMapped(flow_id="f", segments=("a", "b"), attributes=("x",)),
        SelectorsMapped(flow_id="f", absent=("a",)),
        SelectorsMapped(flow_id="f", attributes=(), exact=True),
        FlowInState(flow_id="f", state="enabled"),
        RunsEnded(run_ids=("a", "b")),
        RunsSucceeded(flow_id="f", started_after=1.5, max_failed_records=None),
        RunsSucceeded(flow_id="f", started_after=1.5, max_failed_records=0.25),
        RunsSucceeded(
            flow_id="f", started_after=1.5, start_by=7.0, expected=Expectation("why", is_hourly=True)
        ),
        ThisRunSucceeded(flow_id="f", run_id="r", max_failed_records=7),
        FlowSettled(flow_id="f", settle_seconds=300),
        FlowSettled(flow_id="f", settle_seconds=0.5, changed_at=1.25),
    ],
)
def test_a_wait_survives_json(wait: waits.Wait) -> None:
    document = wait.to_json()
    assert document == json.loads(json.dumps(document))
    assert not hasattr(wait, "max_failed_records") or "max_failed_records" in document
    assert document["wait"] == type(wait).__name__
    assert waits.from_json(document) == wait


# Polling


@DRIVERS
def test_looks_are_repeated_until_it_is_so(virtual_clock: VirtualClock, wait_for: Driver) -> None:
    line = Line(flow("disabled"), flow("disabled"), flow("enabled"))
    assert wait_for(ENABLED, line, 30, START + 300) == Judgement(True, "enabled")
    assert line.left == []
    assert len(virtual_clock.sleeps) == 2
    assert all(27 <= seconds <= 33 for seconds in virtual_clock.sleeps)
    assert len(set(virtual_clock.sleeps)) == 2


def test_the_log_has_a_beginning_an_end_and_what_changes(
    virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    line = Line(flow("disabled"), flow("disabled"), server_error(), flow("updating"), flow("enabled"))
    assert blocking(ENABLED, line, 10, START + 1000).done
    deadline = iso(START + 1000)
    assert [each.message for each in caplog.records][:-1] == [
        f"Waiting until flow f is enabled; polling every 10 s, until {deadline}",
        "Still waiting: flow f is disabled, not enabled",
        "A poll has failed and is repeated: down",
        "Still waiting: flow f is updating, not enabled",
    ]
    assert re.fullmatch("Waited [34][0-9] s: flow f is enabled", caplog.records[-1].message)


@pytest.mark.parametrize(
    ("wait", "goal"),
    [
        (
            SelectorsMapped(flow_id="f", segments=("a", "b"), attributes=("x",), absent=("c",)),
            "flow f has segments a, b and profile attributes x and not segments c",
        ),
        (SelectorsMapped(flow_id="f", segments=("a",), exact=True), "flow f has segments a and nothing else"),
        (SelectorsMapped(flow_id="f", exact=True), "flow f has no segments"),
        (ENABLED, "flow f is enabled"),
        (RunsEnded(run_ids=("a", "b")), "flow runs a, b have ended"),
        (
            RunsEnded(run_ids=tuple("abcdefghijklmnopqrstuvwxyz")),
            "flow runs a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t and 6 more have ended",
        ),
        (
            RunsSucceeded(flow_id="f", started_after=1.5),
            "a run of flow f created after 1970-01-01T00:00:01+00:00 has succeeded",
        ),
        (
            RunsSucceeded(flow_id="f", started_after=1.5, started_before=2, expected_runs=2),
            (
                "2 runs of flow f created after 1970-01-01T00:00:01+00:00 and before 1970-01-01T00:00:02+00:00 have"
                " succeeded"
            ),
        ),
        (ThisRunSucceeded(flow_id="f", run_id="r"), "run r of flow f has succeeded"),
        (FlowSettled(flow_id="f", settle_seconds=300), "the last change of flow f is 300 s old"),
    ],
)
def test_a_wait_says_what_it_waits_for(wait: waits.Wait, goal: str) -> None:
    assert wait.goal == goal
    assert bool(wait.goes_on) is ("run" in goal)


@DRIVERS
def test_the_last_look_is_at_the_deadline(virtual_clock: VirtualClock, wait_for: Driver) -> None:
    line = Line(*[flow("disabled")] * 4)
    assert wait_for(ENABLED, line, 40, START + 100) == Judgement(False, "disabled")
    assert virtual_clock.wall() - START == pytest.approx(100)
    assert line.left == []
    line = Line(flow("disabled"), flow("disabled"))
    assert wait_for(ENABLED, line, 40, START + 50) == Judgement(False, "disabled")
    assert len(line.left) == 1


@DRIVERS
def test_some_failures_in_a_row_are_tolerated_and_a_good_look_resets_their_count(
    virtual_clock: VirtualClock, wait_for: Driver
) -> None:
    failing = [server_error() for _ in range(TOLERATED_FAILURES)]
    line = Line(*failing, flow("disabled"), *failing, flow("enabled"))
    assert wait_for(ENABLED, line, 10, START + 1000).done
    assert line.left == []
    error = server_error()
    with pytest.raises(ServerError) as caught:
        wait_for(ENABLED, Line(*failing, error), 10, START + 1000)
    assert caught.value is error


@DRIVERS
def test_what_was_seen_before_a_failure_is_not_forgotten(
    virtual_clock: VirtualClock, wait_for: Driver
) -> None:
    wait = RunsEnded(run_ids=("a", "b"))
    line = Line(run("a", "success"), run("b", None), server_error(), run("b", "success"))
    assert states(wait_for(wait, line, 10, START + 1000)) == {"a": "success", "b": "success"}
    line = Line(run("a", "success"), run("b", None), server_error())
    assert states(wait_for(wait, line, 10, START + 5)) == {"a": "success", "b": "running"}


@DRIVERS
@pytest.mark.parametrize("error", [NotFoundError("gone", status=404), DriftError("differs")])
def test_what_a_further_look_would_meet_again_is_raised_at_once(
    virtual_clock: VirtualClock, wait_for: Driver, error: FlowServiceError
) -> None:
    with pytest.raises(type(error)):
        wait_for(ENABLED, Line(error), 10, START + 1000)
    assert virtual_clock.sleeps == []


@DRIVERS
@pytest.mark.parametrize(("asked", "slept"), [(50.0, 50.0), (5.0, None), (1e6, 60.0)])
def test_a_server_may_ask_for_a_longer_pause_of_up_to_a_minute(
    virtual_clock: VirtualClock, wait_for: Driver, asked: float, slept: float | None
) -> None:
    line = Line(RateLimitError("busy", status=429, retry_after=asked), flow("enabled"))
    wait_for(ENABLED, line, 30, START + 1000)
    assert virtual_clock.sleeps == ([slept] if slept else [pytest.approx(30, rel=0.1)])


@DRIVERS
def test_a_wait_that_knows_when_to_look_again_is_asked_then(
    virtual_clock: VirtualClock, wait_for: Driver
) -> None:
    line = Line(flow(changed=START), flow(changed=START))
    judged = wait_for(FlowSettled(flow_id="f", settle_seconds=300), line, 10, START + 900)
    assert judged.done
    assert virtual_clock.sleeps == [300]
    assert line.left == []


@DRIVERS
def test_a_flow_that_is_changed_again_and_again_is_not_settled(
    virtual_clock: VirtualClock, wait_for: Driver
) -> None:
    line = Line(*(flow(changed=START + seconds) for seconds in (0, 299, 598, 897, 899)))
    judged = wait_for(FlowSettled(flow_id="f", settle_seconds=300), line, 10, START + 900)
    assert not judged.done
    assert virtual_clock.wall() == START + 900


def test_a_step_is_a_request_or_a_pause(virtual_clock: VirtualClock) -> None:
    steps = polling(ENABLED, interval=10, deadline=START + 5)
    assert next(steps).path.endswith("/flows/f")
    assert steps.send(flow("disabled")) == 5


@DRIVERS
def test_a_wait_that_never_saw_anything_ends_with_what_it_met(
    virtual_clock: VirtualClock, wait_for: Driver
) -> None:
    line = Line(server_error(), server_error())
    with pytest.raises(ServerError):
        wait_for(ENABLED, line, 30, START + 20)
    assert (virtual_clock.wall(), line.left) == (START + 20, [])


@DRIVERS
def test_a_deadline_that_passes_right_after_a_failed_look_changes_nothing_about_that(
    virtual_clock: VirtualClock, wait_for: Driver, mocker: Any
) -> None:
    mocker.patch.object(virtual_clock, "wall", side_effect=[START + 19, START + 21])
    with pytest.raises(ServerError):
        wait_for(ENABLED, Line(server_error(), server_error()), 30, START + 20)
