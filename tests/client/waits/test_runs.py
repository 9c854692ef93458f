from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import (
    DriftError,
    PermissionDeniedError,
    RunFailedError,
    ServerError,
)
from airflow_provider_flowservice.client.flows import failure_of
from airflow_provider_flowservice.client.model import FlowRun, FlowSpec, Page
from airflow_provider_flowservice.client.waits import Judgement, RunsEnded, RunsSucceeded, ThisRunSucceeded
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from tests.client.waits.looks import SEGMENT, flow, paths, run, states

SPEC = FlowSpec(id="spec")


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
    asked, judged = paths(one.look(), ended)
    state = "running" if not expected else status
    assert (asked, judged.done, judged.seen["run_id"], judged.seen["state"]) == (
        ["runs/r"],
        expected,
        "r",
        state,
    )
    assert one.describe(judged.seen) == f"run r of flow f is {state}"
    asked, of_window = paths(wait.look(), page, *([] if expected else [flow(), FlowSpec(id="spec")]))
    assert asked == ["runs"] if expected else ["runs", "flows/f", "flowSpecs/spec"]
    assert of_window.done is expected
    if not expected:
        assert wait.describe(of_window.seen) == one.describe(judged.seen)


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
    page = Page(items=(run("old", "success", made=99.999),))
    _, judged = paths(wait.look(), page, flow("disabled"), FlowSpec(id="spec"))
    assert not judged.done
    assert wait.describe(judged.seen) == (
        "flow f has no run that was created after 1970-01-01T00:01:40+00:00 (the flow is disabled)"
    )


# Windows


def window(**changes: Any) -> RunsSucceeded:
    return RunsSucceeded(**{"flow_id": "f", "started_after": 100.0, **changes})


def ended(run_id: str, status: str, made: float, end: float) -> FlowRun:
    metrics = {
        "statusSummary": {"status": status},
        "durationSummary": {"completedAtUTC": round(end * 1000)},
        "recordSummary": {"inputRecordCount": 10, "outputRecordCount": 9, "failedRecordCount": 0},
    }
    return FlowRun(id=run_id, flow_id="f", created_at=round(made * 1000), metrics=metrics)


def look(wait: RunsSucceeded, *found: FlowRun, seen: Any = None) -> Judgement:
    """Judge some runs; the flow is only read if it is needed."""
    steps = wait.look(seen)
    answer: Any = Page(items=found)
    try:
        asked = next(steps)
        while True:
            asked = steps.send(answer)
            assert not isinstance(asked, float)
            answer = SPEC if "flowSpecs" in asked.path else flow(segments=[SEGMENT])
    except StopIteration as end:
        judged: Judgement = end.value
        return judged


def test_a_window_has_a_beginning_and_an_end() -> None:
    wait = window(started_before=200.0)
    before, inside, after = (
        ended("before", "success", 99.999, 120),
        ended("inside", "success", 100, 120),
        ended("after", "success", 200, 220),
    )
    assert not look(wait, after, before).done
    judged = look(wait, after, inside, before)
    assert judged.done
    assert wait.result(judged.seen) == {
        "flow_id": "f",
        "runs": 1,
        "run_ids": ["inside"],
        "records_read": 10,
        "records_written": 9,
        "records_failed": 0,
        "records_skipped": None,
    }


def test_as_many_runs_as_expected_must_have_ended() -> None:
    wait = window(expected_runs=2)
    one, other, third = (
        ended("one", "success", 101, 120),
        ended("other", "success", 102, 130),
        run("third", "running", 103),
    )
    judged = look(wait, one)
    assert not judged.done
    assert wait.describe(judged.seen) == (
        "flow f has only 1 of 2 expected runs that were created after 1970-01-01T00:01:40+00:00"
    )
    judged = look(wait, third, other, one)
    assert not judged.done
    assert wait.describe(judged.seen) == "run third of flow f is running"
    judged = look(wait, other, one)
    assert judged.done
    assert wait.result(judged.seen)["records_read"] == 20


def test_the_newest_run_must_not_be_new(virtual_clock: VirtualClock) -> None:
    wait = window(settle_seconds=60)
    new = ended("new", "success", START - 20, START - 10)
    judged = look(wait, new)
    assert (judged.done, judged.look_after) == (False, 40)
    assert wait.describe(judged.seen) == (
        "run new of flow f was created less than 60 s ago, so another one may follow"
    )
    virtual_clock.advance(40)
    assert look(wait, new, seen=judged.seen).done


def test_a_clock_that_is_behind_does_not_keep_a_run_new(virtual_clock: VirtualClock) -> None:
    wait = window(settle_seconds=60)
    assert not look(wait, ended("new", "success", START + 1000, START + 1059)).done
    assert look(wait, ended("old", "success", START + 1000, START + 1060)).done


@pytest.mark.parametrize(
    ("others", "is_made_up_for"),
    [
        ([], False),
        # Created together, one for each merge policy.
        ([("other", "success", 101, 130)], False),
        ([("again", "success", 120, 140)], True),
        ([("again", "failed", 120, 140)], False),
    ],
)
def test_a_run_that_failed_matters_unless_a_later_one_is_good(
    others: list[tuple[str, str, float, float]], is_made_up_for: bool
) -> None:
    failed = ended("failed", "failed", 101, 120)
    found = [ended(*other) for other in others]
    if is_made_up_for:
        judged = look(window(), *found, failed)
        assert judged.done
        assert window().result(judged.seen)["run_ids"] == ["again"]
    else:
        with pytest.raises(RunFailedError, match="run failed of flow f ended with status failed"):
            look(window(), *found, failed)


def test_a_run_that_goes_on_may_make_up_for_one_that_failed() -> None:
    failed, again = ended("failed", "failed", 101, 120), run("again", "running", 121)
    assert not look(window(), again, failed).done


def test_the_failure_of_one_merge_policy_is_not_made_up_for_by_the_run_of_another() -> None:
    failed, other, again = (
        ended("failed", "failed", 101, 120),
        ended("other", "success", 101, 130),
        ended("again", "success", 121, 140),
    )
    assert look(window(expected_runs=2), again, other, failed).done
    with pytest.raises(RunFailedError, match="failed"):
        look(window(expected_runs=3), again, other, failed)


def test_the_flow_is_read_once_if_its_runs_are_missing(virtual_clock: VirtualClock) -> None:
    wait = window()
    asked, judged = paths(wait.look(), Page(items=()), flow("disabled"), SPEC)
    assert asked == ["runs", "flows/f", "flowSpecs/spec"]
    assert paths(wait.look(judged.seen), Page(items=()))[0] == ["runs"]
    assert paths(wait.after(judged).look(), Page(items=()))[0] == ["runs"]


def test_a_flow_that_never_has_runs_is_an_error_at_once() -> None:
    never = FlowSpec(
        id="spec",
        name="Stream data",
        attributes={"uiAttributes": {"apiFeatures": {"flowRunsSupported": False}}},
    )
    with pytest.raises(
        DriftError, match="never has runs: AEP shows none for flows with the flow spec 'Stream data'"
    ):
        paths(window().look(), Page(items=()), flow(), never)


def test_a_spec_that_may_not_be_read_is_left_out_of_account() -> None:
    steps = window().look()
    next(steps)
    steps.send(Page(items=()))
    steps.send(flow())
    with pytest.raises(StopIteration) as end:
        steps.throw(PermissionDeniedError("no", status=403))
    assert not end.value.value.done
    steps = window().look()
    next(steps)
    steps.send(Page(items=()))
    steps.send(flow())
    with pytest.raises(ServerError):
        steps.throw(ServerError("down", status=503))


def test_without_a_run_in_time_the_error_says_what_the_flow_shows(virtual_clock: VirtualClock) -> None:
    wait = window(start_by=START + 100)
    judged = paths(wait.look(), Page(items=()), flow(), SPEC)[1]
    virtual_clock.advance(99)
    assert paths(wait.look(judged.seen), Page(items=()))[1] == judged
    virtual_clock.advance(1)
    with pytest.raises(DriftError) as caught:
        paths(wait.look(judged.seen), Page(items=()), flow("disabled"))
    assert str(caught.value) == (
        "flow f has no run that was created after 1970-01-01T00:01:40+00:00, and start_timeout has passed: the flow"
        " is disabled. Correct that, or give a longer start_timeout."
    )
    assert not paths(wait.look(judged.seen), Page(items=(run("late", "running", 101),)))[1].done


def test_the_runs_of_a_streaming_destination_are_polled_slowly() -> None:
    streaming = {"flow_spec": "71471eba-b620-49e4-90fd-23f1fa0174d8", "destination": True}
    for shape, given, expected in (
        (streaming, 900.0, 900.0),
        (streaming, None, None),
        ({**streaming, "destination": False}, 900.0, None),
        ({**streaming, "flow_spec": "spec"}, 900.0, None),
        ({**streaming, "schedule": {"frequency": "DAILY"}}, 900.0, None),
    ):
        wait = window(hourly_interval=given)
        _, judged = paths(wait.look(), Page(items=()), flow(segments=[SEGMENT], **shape), SPEC)
        assert judged.interval == expected
        assert paths(wait.after(judged).look(), Page(items=()))[1].interval == expected


def test_what_is_seen_of_many_runs_is_bounded() -> None:
    found = [run(f"{number:036}", "running", 100 + number) for number in reversed(range(5000))]
    judged = look(window(), *found)
    assert len(json.dumps(judged.seen)) < 10_000
    assert "and 4980 more of flow f are running" in window().describe(judged.seen)
    found = [ended(f"{number:036}", "success", 100 + number, 9000) for number in reversed(range(5000))]
    judged = look(window(), *found)
    assert judged.done
    assert len(json.dumps(judged.seen)) < 10_000
    assert window().result(judged.seen)["records_read"] == 50_000
