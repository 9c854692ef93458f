"""What a posting says of itself while it goes on: in the log, and in Airflow's metrics."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.operators import progress
from airflow_provider_flowservice.operators.progress import REPORT_SECONDS
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.faults import fault
from tests.support.inlets import post
from tests.support.streaming import Source, people
from tests.support.tasks import run


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == progress.__name__]


def test_a_posting_that_takes_long_says_how_far_it_is(
    source: Source, virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    def slow() -> Iterator[Any]:
        for n, person in enumerate(people(30)):
            if n in (10, 20):
                virtual_clock.advance(REPORT_SECONDS + 5)
            yield person if n % 10 else "no record"

    with caplog.at_level(logging.INFO):
        run(post(source, messages=slow(), batch_size=2, max_failures=3))
    first, *_, last = said(caplog)
    assert first.startswith("Posted ")
    assert first.endswith("0 possibly sent twice")
    assert last == (
        "Records: 27 accepted, 3 rejected, 0 unknown, 0 possibly sent twice; processed up to record 30"
    )


def test_the_progress_is_a_share_of_the_files(
    source: Source, tmp_path: Path, virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in people(20)))
    half = path.stat().st_size // 2
    with caplog.at_level(logging.INFO):
        run(post(source, path=str(path), byte_range=[half, 2 * half], messages_per_second=0.1, batch_size=1))
    assert any("(100% of the input read)" in each for each in said(caplog))


def test_metrics_count_what_came_of_the_records(
    control: EmulatorControl, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()
    seen: list[Any] = []

    def incr(name: str, count: int, *, tags: Any) -> None:
        counted[name] += count
        seen.append(tags)

    monkeypatch.setattr(progress.Stats, "incr", incr)
    control.inject(fault("rate_limit", "POST", source.paths[1]))
    run(post(source, messages=[*people(3), "no record"], batch_size=2, max_failures=1))
    assert counted == {
        "flowservice.inlet.requests": 3,
        "flowservice.inlet.throttled": 1,
        "flowservice.inlet.accepted": 3,
        "flowservice.inlet.rejected": 1,
    }
    assert {*seen[0]} == {"dag_id", "task_id"}
