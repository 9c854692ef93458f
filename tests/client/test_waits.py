from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator
from typing import Any

import pytest

from airflow_provider_flowservice.client import waits
from airflow_provider_flowservice.client.errors import (
    ApiError,
    DriftError,
    FlowServiceError,
    NotFoundError,
    RateLimitError,
    RunFailedError,
    ServerError,
)
from airflow_provider_flowservice.client.flows import failure_of
from airflow_provider_flowservice.client.model import Flow, FlowRun, Page, SpecRef
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
from airflow_provider_flowservice.testing.clock import START, VirtualClock

SEGMENT, OTHER = "8256cfb4-17e6-432c-a469-6aedafb16cd5", "0a1b2c3d-17e6-432c-a469-6aedafb16cd5"


def flow(state: str = "enabled", changed: float = 0, created: float = 0, **selected: list[str]) -> Flow:
    params = {
        "segmentSelectors": {"selectors": [{"value": {"id": i}} for i in selected.get("segments", ())]},
        "profileSelectors": {"selectors": [{"value": {"path": p}} for p in selected.get("attributes", ())]},
    }
    return Flow(
        id="f",
        flow_spec=SpecRef(id="spec"),
        state=state,
        created_at=round(created * 1000),
        updated_at=round(changed * 1000),
        transformations=({"name": "GeneralTransform", "params": params},),
    )


def run(run_id: str, status: str | None, made: float = 0, failed: int | None = None) -> FlowRun:
    metrics: dict[str, Any] = {"statusSummary": {"status": status}} if status else {}
    if failed is not None:
        metrics["recordSummary"] = {"inputRecordCount": 1000, "failedRecordCount": failed}
    return FlowRun(id=run_id, flow_id="f", created_at=round(made * 1000), metrics=metrics)


def states(judged: Judgement) -> dict[str, str]:
    return {run_id: outcome["state"] for run_id, outcome in judged.seen.items()}


def paths(look: Generator[Any, Any, Judgement], *responses: Any) -> tuple[list[str], Judgement]:
    """The paths that a look asks for, each given the next response, and what it judges."""
    asked: list[str] = []
    left = list(responses)
    try:
        request = next(look)
        while True:
            asked.append(request.path.rpartition("/flowservice/")[2])
            request = look.send(left.pop(0))
    except StopIteration as end:
        assert left == []
        return asked, end.value


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
    assert judged.seen["missing_segments"] == {"first": [OTHER], "count": 1}
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


def test_a_state_is_compared_and_named() -> None:
    wait = FlowInState(flow_id="f", state="disabled")
    asked, judged = paths(wait.look(), flow("enabled"))
    assert (asked, judged) == (["flows/f"], Judgement(False, "enabled"))
    assert wait.describe("enabled") == "flow f is enabled, not disabled"
    assert paths(wait.look(), flow("disabled"))[1] == Judgement(True, "disabled")


def test_runs_that_have_ended_are_not_asked_for_again() -> None:
    wait = RunsEnded(run_ids=("a", "b", "c"))
    _, begun = paths(wait.look(), run("a", None))
    asked, first = paths(wait.look(begun.seen), run("a", "failed"), run("b", None), run("c", "success"))
    assert asked == ["runs/a", "runs/b", "runs/c"]
    assert (first.done, states(first)) == (False, {"a": "failed", "b": "running", "c": "success"})
    assert wait.describe(first.seen) == "flow runs b have not ended yet"
    asked, second = paths(wait.look(first.seen), run("b", "partialSuccess"))
    assert asked == ["runs/b"]
    assert (second.done, states(second)) == (True, {"a": "failed", "b": "partialSuccess", "c": "success"})


def test_the_first_look_at_runs_stops_at_one_that_goes_on() -> None:
    wait = RunsEnded(run_ids=("a", "b", "c"))
    asked, judged = paths(wait.look(), run("a", "success"), run("b", "inProgress"))
    assert asked == ["runs/a", "runs/b"]
    assert (judged.done, states(judged)) == (False, {"a": "success", "b": "running"})
    assert wait.describe(judged.seen) == "flow runs b, c have not ended yet"
    asked, judged = paths(wait.look(), run("a", "success"), run("b", "failed"), run("c", "success"))
    assert judged.done


def test_no_runs_have_ended() -> None:
    assert paths(RunsEnded(run_ids=()).look()) == ([], Judgement(True, {}))


@pytest.mark.parametrize(
    ("status", "failed", "limit", "expected"),
    [
        ("success", None, 0, True),
        ("success", 3, 3, True),
        ("success", 3, 2, "ended with status success"),
        ("inProgress", None, 0, False),
        (None, None, 0, False),
        ("partialSuccess", None, None, True),
        ("partialSuccess", 10, 0.01, True),
        ("partialSuccess", 11, 0.01, "ended with status partialSuccess"),
        ("partialSuccess", 1, 0, "ended with status partialSuccess"),
        ("failed", None, 0, "ended with status failed"),
        ("failed", 0, None, "ended with status failed"),
    ],
)
def test_a_run_that_ended_badly_is_an_error_of_the_look(
    status: str | None, failed: int | None, limit: float | None, expected: bool | str
) -> None:
    wait = RunsSucceeded(flow_id="f", started_after=100.0, max_failed_records=limit)
    one = ThisRunSucceeded(flow_id="f", run_id="r", max_failed_records=limit)
    look = wait.look()
    assert next(look).params[0] == ("property", "flowId==f")
    ended = run("r", status, made=100, failed=failed)
    page = Page(items=(ended, run("old", "failed", made=99)))
    if isinstance(expected, str):
        with pytest.raises(RunFailedError, match=f"^run r of flow f {expected}") as caught:
            look.send(page)
        with pytest.raises(DriftError) as for_good:
            paths(one.look(), ended)
        assert str(for_good.value) == str(caught.value)
        return
    with pytest.raises(StopIteration) as end:
        look.send(page)
    state = "running" if not expected else status
    judged = end.value.value
    assert (judged.done, judged.seen["run_id"], judged.seen["state"]) == (expected, "r", state)
    assert wait.describe(judged.seen) == one.describe(judged.seen) == f"run r of flow f is {state}"
    assert paths(one.look(), ended) == (["runs/r"], judged)


def test_a_good_run_is_logged_with_its_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    paths(
        RunsEnded(run_ids=("a", "b"), max_failed_records=5).look(),
        run("a", "success", failed=5),
        run("b", "failed"),
    )
    assert [each.message for each in caplog.records] == [
        "AEP: run a of flow f ended with status success (records: 1000 read, 5 failed)."
    ]


def test_what_is_seen_of_many_failed_runs_is_bounded() -> None:
    ids = [str(number) for number in range(500)]
    errors = [{"code": f"C{number}", "message": "m" * 5000} for number in ids]
    metrics = {"statusSummary": {"status": "failed", "errors": errors}}
    wait = RunsEnded(run_ids=tuple(ids))
    _, begun = paths(wait.look(), run("0", None))
    _, judged = paths(
        wait.look(begun.seen), run("0", None), *(FlowRun(id=i, metrics=metrics) for i in ids[1:])
    )
    _, judged = paths(wait.look(judged.seen), FlowRun(id="0", metrics=metrics))
    assert judged.done
    assert len(json.dumps(judged.seen)) < 200_000
    told = failure_of(wait.outcomes(judged.seen).values()) or ""
    assert told.count("AEP's errors: C0: mmm") == told.count("and 495 more") == 10
    assert "AEP gives no reason" not in told
    assert len(told) < 30_000


def test_runs_from_before_the_moment_do_not_count() -> None:
    wait = RunsSucceeded(flow_id="f", started_after=100.0)
    _, judged = paths(wait.look(), Page(items=(run("old", "success", made=99.999),)))
    assert judged == Judgement(False, {})
    assert wait.describe({}) == "flow f has no run that was created after 1970-01-01T00:01:40+00:00"


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
