"""The fault matrix, its rows about what is read and kept: 27, 32, and of 30 the file that is both."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.dags import run
from tests.support.faults import fault
from tests.support.operations import kept
from tests.support.streaming import Source, people
from tests.support.tasks import Attempts

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("airflow_database")]

INLET = "/collection/*"


def post(source: Source, **arguments: Any) -> FlowServicePostToInletOperator:
    """Posts batches of two, in order unless ``concurrency`` says so."""
    given = {"connection_id": source.connection_id, "flow_id": source.flow_id, "settle_seconds": 0}
    given |= {"task_id": "post", "batch_size": 2, "concurrency": 1}
    return FlowServicePostToInletOperator(**{**given, **arguments})


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.mark.parametrize("concurrency", [1, 8], ids="{} at once".format)
@pytest.mark.parametrize("changed", range(6), ids="record {}".format)
@pytest.mark.parametrize("has_store", [True, False], ids=["store", "no store"])
@pytest.mark.parametrize("is_file", [True, False], ids=["file", "messages"])
def test_row_27_a_corrected_input_is_posted_from_where_it_differs(
    control: EmulatorControl,
    source: Source,
    time: VirtualClock,
    tmp_path: Path,
    changed: int,
    has_store: bool,
    is_file: bool,
    concurrency: int,
) -> None:
    attempts, file = Attempts(has_store), tmp_path / "people.jsonl"

    def attempt(records: list[dict[str, Any]], context: dict[str, Any]) -> Any:
        file.write_bytes(as_lines(records))
        given: dict[str, Any] = {"path": str(file)} if is_file else {"messages": records}
        return post(source, concurrency=concurrency, **given).execute(context)

    records = people(6)
    # One of the three batches is refused as a whole; if they are sent one by one, it is the last one.
    control.inject(fault("status", "POST", INLET, after=2, status=400))
    with pytest.raises(FlowServicePermanentException):
        attempt(records, attempts.another())
    corrected = [*records[:changed], {**records[changed], "mail": "new@example.com"}, *records[changed + 1 :]]
    result = attempt(corrected, attempts.cleared())
    arrived = [json.dumps(each["message"]) for each in control.messages(source.inlet.id)]
    assert {json.dumps(each) for each in corrected} <= set(arrived)
    assert (result["accepted"], result["rejected"]) == (6, 0)
    twice = sum(times - 1 for times in Counter(kept(control, source)).values())
    if has_store:
        assert twice <= result["maybe_duplicated"]
    if has_store and concurrency == 1:
        # What comes before the batch of the change is there once, and what follows may be there twice.
        begin = min(changed, 4) // 2 * 2
        assert arrived[4:] == [json.dumps(each) for each in corrected[begin:]]
        assert result["maybe_duplicated"] <= 6 - begin
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def test_row_27_an_input_that_has_become_shorter_is_no_error_and_loses_nothing(
    control: EmulatorControl, source: Source, time: VirtualClock
) -> None:
    attempts = Attempts(has_store=True)
    control.inject(fault("status", "POST", INLET, after=2, status=400))
    with pytest.raises(FlowServicePermanentException):
        post(source, messages=people(6)).execute(attempts.another())
    result = post(source, messages=people(3)).execute(attempts.cleared())
    # Of the second batch, a part is left, which is sent again.
    assert (result["accepted"], kept(control, source)) == (3, [0, 1, 2, 3, 2])
    assert result["maybe_duplicated"] == 1
    assert control.faults_left() == []
    assert time.monotonic() <= 1


def test_row_30_a_file_that_is_also_that_of_the_dead_letters_is_kept(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path
) -> None:
    file = tmp_path / "people.jsonl"
    file.write_bytes(as_lines(people(3)))
    ran = run(
        "row_30", lambda: post(source, path=f"file://{file}", dead_letter_path=f"{tmp_path}/./people.jsonl")
    )
    assert isinstance(ran.error, FlowServicePermanentException)
    assert "dead_letter_path" in str(ran.error)
    assert file.read_bytes() == as_lines(people(3))
    assert control.requests("POST", "/collection/") == []
    assert time.monotonic() <= 1


def test_row_32_dead_letters_that_are_posted_back_arrive_once_each(
    control: EmulatorControl, source: Source, time: VirtualClock, tmp_path: Path
) -> None:
    answer = [{"status": 400, "message": "bad"}] * 2
    control.inject(fault("status", "POST", INLET, after=1, times=2, status=207, body={"responses": answer}))
    file = tmp_path / "dead.jsonl"
    ran = run("row_32", lambda: post(source, messages=people(8), max_failures=4, dead_letter_path=str(file)))
    assert ran.succeeded
    assert sorted(kept(control, source)) == [0, 1, 6, 7]
    ran = run(
        "row_32_again", lambda: post(source, path=str(file), dead_letter_path=str(tmp_path / "second.jsonl"))
    )
    assert ran.succeeded
    assert ran.results["post"]["accepted"] == 4
    assert Counter(kept(control, source)) == Counter(range(8))
    assert [each["message"] for each in control.messages(source.inlet.id)][4:] == people(8)[2:6]
    assert (tmp_path / "second.jsonl").read_bytes() == b""
    assert control.faults_left() == []
    assert time.monotonic() <= 1
