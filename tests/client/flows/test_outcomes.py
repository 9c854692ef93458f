from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.flows.outcomes import (
    MAX_ERRORS,
    MAX_EXPLAINED,
    MAX_LISTED,
    MaxFailedRecords,
    RunCounts,
    RunError,
    RunOutcome,
    RunTotals,
    failure_of,
    outcome_of,
)
from airflow_provider_flowservice.client.model import FlowRun, RunState

NO_JSON_OBJECTS: list[Any] = [None, 5, True, "x", [], {}, [None, 5, "x", []], [{"code": [], "message": {}}]]


def run(
    status: Any = "success",
    failed: Any = None,
    read: Any = 1000,
    *,
    run_id: str = "r",
    created_at: int = 0,
    errors: Any = (),
    **more: Any,
) -> FlowRun:
    metrics = {
        "statusSummary": {"status": status, "errors": errors},
        "recordSummary": {"inputRecordCount": read, "failedRecordCount": failed},
    }
    return FlowRun(id=run_id, flow_id="f", created_at=created_at, metrics=metrics, **more)


def error(code: Any, message: Any = "") -> dict[str, Any]:
    return {"code": code, "message": message}


@pytest.mark.parametrize("status", ["success", "partialSuccess"])
@pytest.mark.parametrize(
    ("failed", "read", "limit", "is_good"),
    [
        (1, 1000, 0, False),
        (1, 1000, 1, True),
        (2, 1000, 1, False),
        (10, 1000, 0.01, True),
        (11, 1000, 0.01, False),
        (1, 1, 0.99, False),
        (1, 0, 0.5, False),
        (1, -1, 0.5, False),
        (1, None, 1, True),
        (10**15, 1, None, True),
    ],
)
def test_a_run_that_ended_is_judged_by_its_failed_records_whatever_aep_calls_it(
    status: str, failed: int, read: Any, limit: MaxFailedRecords, is_good: bool
) -> None:
    outcome = outcome_of(run(status, failed, read), limit)
    assert (outcome.is_good, outcome.is_bad) == (is_good, not is_good)
    assert (f"max_failed_records={limit}" in outcome.problem) is not is_good
    assert f"{failed} failed" in str(outcome)


@pytest.mark.parametrize("limit", [0, 5, 0.5, None])
@pytest.mark.parametrize("failed", [None, 0, 7])
def test_a_run_that_failed_or_goes_on_is_good_with_no_limit(failed: Any, limit: MaxFailedRecords) -> None:
    outcome = outcome_of(run("FAILED", failed), limit)
    assert (outcome.is_good, outcome.is_bad, outcome.problem) == (False, True, "")
    outcome = outcome_of(run("inProgress", failed), limit)
    assert (outcome.is_good, outcome.is_bad, outcome.problem) == (False, False, "")


UNKNOWN_COUNTS: list[Any] = [None, -1, "five", "5" * 20, True, 5.5, [], {}, 10**30]


@pytest.mark.parametrize("count", UNKNOWN_COUNTS)
@pytest.mark.parametrize("limit", [0, 1000, 0.5])
def test_a_count_that_aep_does_not_know_is_no_zero_if_something_failed(
    count: Any, limit: MaxFailedRecords
) -> None:
    for doubtful in (run("partialSuccess", count), run("success", count, errors=[error("C")])):
        outcome = outcome_of(doubtful, limit)
        assert outcome.is_bad
        assert f"AEP does not say how many records failed, so max_failed_records={limit}" in str(outcome)
        assert outcome_of(doubtful, None).is_good
    assert outcome_of(run("success", count), limit).is_good


@pytest.mark.parametrize("count", ["5", 5.0])
def test_a_count_may_be_spelled_otherwise(count: Any) -> None:
    outcome = outcome_of(run("success", count), 4)
    assert (outcome.counts.failed, outcome.is_bad) == (5, True)


def test_what_the_run_does_not_count_its_activities_may() -> None:
    activity = {"recordSummary": {"failedRecordCount": 600}, "statusSummary": {"status": "failed"}}
    counted = msgspec.structs.replace(run("success", -1), activities=[activity, {}, 5])
    assert outcome_of(counted).counts.failed == 600
    assert outcome_of(counted).is_bad
    assert outcome_of(counted, 600).is_good
    silent = msgspec.structs.replace(
        run("success", None), activities=[{"statusSummary": {"status": "failed"}}]
    )
    assert "AEP does not say how many records failed" in str(outcome_of(silent))


@pytest.mark.parametrize("summary", [None, {}, [], "x"])
def test_a_partial_success_without_any_counts_is_not_good(summary: Any) -> None:
    metrics = {"statusSummary": {"status": "PARTIAL_SUCCESS"}, "recordSummary": summary}
    outcome = outcome_of(FlowRun(id="r", metrics=metrics))
    assert outcome.is_bad
    assert str(outcome).startswith(
        "run r ended with status partialSuccess (records: not counted): AEP does not say"
    )


def test_a_partial_success_with_a_count_of_0_is_not_believed() -> None:
    assert outcome_of(run("partialSuccess", 0), 5).is_bad
    assert outcome_of(run("success", 0, errors=[error("C")])).is_good


def test_skipped_records_are_shown_and_are_no_failures() -> None:
    records = {"inputRecordCount": 9, "outputRecordCount": 2, "skippedRecordCount": 7}
    outcome = outcome_of(
        FlowRun(id="r", metrics={"statusSummary": {"status": "success"}, "recordSummary": records})
    )
    assert outcome.is_good
    assert outcome.counts == RunCounts(9, 2, None, 7)
    assert str(outcome) == "run r ended with status success (records: 9 read, 2 written, 7 skipped)."


def test_errors_come_from_everywhere_and_each_is_told_once() -> None:
    metrics = {
        "statusSummary": {
            "status": "failed",
            "errors": [error("A", "one."), error("A", "one.")],
            "extensions": {"errors": [error("B")]},
        },
        "recordSummary": {"failedInfo": [error("A", "one."), error(7, "three")]},
    }
    activities = [
        {"statusSummary": {"errors": [error("A", "one.")], "extensions": {"errors": [error("D", "four")]}}},
        {"recordSummary": {"failedInfo": [error("", "five")]}},
    ]
    outcome = outcome_of(FlowRun(id="r", metrics=metrics, activities=activities))
    assert outcome.errors == (
        RunError("A", "one."),
        RunError("B", ""),
        RunError("7", "three"),
        RunError("D", "four"),
        RunError("", "five"),
    )
    assert str(outcome).endswith(". AEP's errors: A: one; B; 7: three; D: four; five.")


def test_errors_are_bounded_plain_text() -> None:
    errors = [error(f"C{number}" + "x" * 9999, "a\r\nb\x1b[31m\u202e" * 9999) for number in range(50)]
    outcome = outcome_of(run("failed", errors=errors))
    assert (len(outcome.errors), outcome.omitted_errors) == (MAX_ERRORS, 50 - MAX_ERRORS)
    assert str(outcome).isprintable()
    assert "and 45 more" in str(outcome)
    assert len(str(outcome)) < 4000


@pytest.mark.parametrize(
    "url",
    [
        "https://store.example/a/b?sig=SECRET&se=1",
        "https://user:SECRET@store.example/a/b",
        "https://store.example/a/b#SECRET",
        "abfss://SECRET@store.example/a/b?x",
        "https://SECRET:p@store.example/a/b?redirect=https://x.example/?sig=SECRET",
        "https://store.example/a/b?" + "SECRET" * 500,
    ],
)
def test_no_signature_of_a_url_is_shown(url: str) -> None:
    manifest = {"failedRecords": url, "sampleErrors": url}
    activity = {
        "statusSummary": {"extensions": {"manifest": manifest, "errors": [error("C", f"see {url} .")]}}
    }
    outcome = outcome_of(run("failed", 5, errors=[error(url, url)], activities=[activity]))
    assert "SECRET" not in f"{outcome} {outcome!r} {outcome.to_json()}"
    assert "://store.example/a/b" in str(outcome)
    assert outcome.details == (("https://store.example/a/b",) if url.startswith("https") else ())


@pytest.mark.parametrize("odd", NO_JSON_OBJECTS)
def test_whatever_is_in_a_run_it_is_judged(odd: Any) -> None:
    runs = [
        FlowRun(
            id="r", metrics={"statusSummary": odd, "recordSummary": odd}, activities=odd, sandbox_name=odd
        ),
        run("failed", odd, odd, errors=odd, activities=[odd, {"statusSummary": odd, "recordSummary": odd}]),
        run("success", 0, activities=[{"statusSummary": {"errors": odd, "extensions": odd}}]),
        run("success", 0, activities=[{"statusSummary": {"extensions": {"manifest": odd, "errors": odd}}}]),
        run(odd, 0, sandbox_name="dev"),
    ]
    outcomes = [outcome_of(each) for each in runs]
    assert [outcome.errors for outcome in outcomes] == [()] * 5
    assert [outcome.details for outcome in outcomes] == [()] * 5
    assert [outcome.is_good for outcome in outcomes] == [False, False, True, True, False]
    assert [RunOutcome.from_json(outcome.to_json()) for outcome in outcomes] == outcomes


def test_the_page_is_that_of_the_flow_or_the_list_of_destinations() -> None:
    def page(**changes: Any) -> str:
        return outcome_of(run("failed", **changes)).page

    console = "https://experience.adobe.com/#/sname:{}/platform"
    assert page(sandbox_name="dev") == f"{console.format('dev')}/source/dataflows/f"
    assert page(sandbox_name="a/b?c") == f"{console.format('a%2Fb%3Fc')}/source/dataflows/f"
    assert page() == page(sandbox_name="") == page(sandbox_name=5) == ""
    summaries = [{"entitySummaries": [{"id": "segment:s"}]}]
    export = FlowRun(
        id="r", flow_id="f", sandbox_name="dev", metrics={"recordSummary": {"sourceSummaries": summaries}}
    )
    assert outcome_of(export).page == f"{console.format('dev')}/destination/browse"
    assert " See " not in str(outcome_of(run("success", sandbox_name="dev")))


def test_several_runs_are_told_with_their_reasons_as_far_as_there_is_room() -> None:
    good = outcome_of(run("success", run_id="good"))
    bad = [outcome_of(run("failed", run_id=f"bad{i}", errors=[error(f"C{i}")])) for i in range(1000)]
    assert failure_of([good, good]) is None
    assert failure_of([]) is None
    told = failure_of([good, *bad]) or ""
    assert told.startswith(
        "1000 of 1001 flow runs did not succeed: run bad0 of flow f ended with status failed"
    )
    assert [f"C{i}" in told for i in range(MAX_EXPLAINED + 1)] == [True] * MAX_EXPLAINED + [False]
    assert "good" not in told
    assert "Also: bad10, bad11," in told
    assert told.endswith("bad109 and 890 more.")
    few = failure_of(bad[: MAX_EXPLAINED + 1]) or ""
    assert few.endswith(" Also: bad10.")


def test_the_state_is_part_of_the_outcome() -> None:
    assert outcome_of(run("PARTIAL_FAILURE", 5)).state is RunState.FAILED


def test_totals_are_unknown_where_one_run_is_not_counted() -> None:
    counts = [RunCounts(9, 7, 2, 0), RunCounts(3, None, 0, 1), RunCounts(None, 1, 1, 0)]
    outcomes = [
        RunOutcome(run_id=f"r{n}", state=RunState.SUCCESS, is_good=True, counts=each)
        for n, each in enumerate(counts)
    ]
    assert RunTotals.of("f", outcomes).to_json() == {
        "flow_id": "f",
        "runs": 3,
        "run_ids": ["r0", "r1", "r2"],
        "records_read": None,
        "records_written": None,
        "records_failed": 3,
        "records_skipped": 1,
    }
    assert RunTotals.of("f", iter(outcomes[:1])).to_json() == {
        "flow_id": "f",
        "runs": 1,
        "run_ids": ["r0"],
        "records_read": 9,
        "records_written": 7,
        "records_failed": 2,
        "records_skipped": 0,
    }


def test_totals_are_bounded() -> None:
    run_ids = [f"{n}\n{'x' * 1000}" for n in range(2 * MAX_LISTED)]
    runs = [outcome_of(run(run_id=run_id)) for run_id in run_ids]
    for totals in (RunTotals.of("f", runs), RunTotals.of_started("f", run_ids)):
        assert totals.runs == 2 * MAX_LISTED
        assert len(totals.run_ids) == MAX_LISTED
        assert len(msgspec.json.encode(totals)) < 110 * MAX_LISTED
        assert "\n" not in "".join(totals.run_ids)
