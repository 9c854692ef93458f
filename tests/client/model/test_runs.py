from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.model import FlowRun, RunError, RunState

COUNTERS = {
    "inputRecordCount": "records_read",
    "outputRecordCount": "records_written",
    "failedRecordCount": "records_failed",
    "skippedRecordCount": "records_skipped",
}


@pytest.mark.parametrize(("counter", "name"), COUNTERS.items())
@pytest.mark.parametrize(
    ("value", "count"),
    [
        *((7, 7), (0, 0), ("7", 7), (7.0, 7), (2**53, 2**53)),
        *((each, None) for each in (-1, None, True, "x", 7.5, 2**53 + 1, "9" * 5000, [7])),
    ],
)
def test_a_count_is_a_number_or_unknown(counter: str, name: str, value: Any, count: int | None) -> None:
    run = FlowRun(id="r", metrics={"recordSummary": {counter: value}})
    assert {each: getattr(run, each) for each in COUNTERS.values()} == {
        **dict.fromkeys(COUNTERS.values()),
        name: count,
    }


def test_a_run_of_which_nothing_is_known_is_running() -> None:
    run = FlowRun(id="r")
    assert [getattr(run, name) for name in COUNTERS.values()] == [None] * 4
    assert (run.state, run.errors, run.details, run.segments) == (RunState.RUNNING, (), (), frozenset())


def test_failed_records_may_be_counted_by_the_steps_alone() -> None:
    steps = [{"recordSummary": {"failedRecordCount": count}} for count in (3, 600, 0)]
    assert FlowRun(id="r", activities=[*steps, 5]).records_failed == 600
    counted = {"recordSummary": {"failedRecordCount": 0}}
    assert FlowRun(id="r", metrics=counted, activities=steps).records_failed == 0
    # What is 0 in one step is not known of the others.
    assert FlowRun(id="r", activities=steps[2:]).records_failed is None


def test_errors_are_plain_text_of_the_run_and_its_steps_each_once() -> None:
    signed = "https://user:SECRET@store.example/a?sig=SECRET"
    error = {"code": "A\x1b[31m", "message": f"see\n{signed}"}
    manifest = {"sampleErrors": signed, "failedRecords": "file:///etc"}
    step = {
        "statusSummary": {"errors": [error, {}, 5, {"code": 7}], "extensions": {"manifest": manifest}},
        "recordSummary": {"failedInfo": [error]},
    }
    run = FlowRun(id="r", metrics=step, activities=[step])
    assert run.errors == (RunError("A [31m", "see https://store.example/a"), RunError("7", ""))
    assert [str(each) for each in run.errors] == ["A [31m: see https://store.example/a", "7"]
    assert run.details == ("https://store.example/a",)
