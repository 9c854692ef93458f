"""The benchmark of the inlet notices a slow operator, and messages that do not arrive, or arrive twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.streaming.delivery import Courier
from tests.benchmarks.inlet.__main__ import run
from tests.benchmarks.inlet.measure import Run
from tests.benchmarks.inlet.scenarios import Scenario, off_rate, share_of
from tests.benchmarks.inlet.senders import LOOP, OPERATOR, Job, Sender
from tests.benchmarks.inlet.server import SLOT, Report
from tests.benchmarks.inlet.worker import Usage

#: A request takes 50 ms. The handicap makes it take at least 250 ms, far from the bound in the other direction.
SCENARIO = Scenario(
    "one request after the other",
    latency=0.05,
    batch=1,
    connections=1,
    records=16,
    one_by_one=16,
    rounds=1,
    senders=(OPERATOR, LOOP),
    bounds=(share_of(LOOP, 0.35),),
    store_seconds=0,
)
HANDICAP_SECONDS = 0.2


def handicapped(job: Job) -> Callable[[], object]:
    """The operator, in a process in which each batch is late."""
    deliver = Courier.deliver

    async def deliver_slowly(*arguments: Any) -> Any:
        time.sleep(HANDICAP_SECONDS)  # noqa: TID251 (the benchmark measures real time)
        return await deliver(*arguments)

    Courier.deliver = deliver_slowly  # type: ignore[method-assign]
    return OPERATOR.prepare(job)


def forgetful(job: Job) -> Callable[[], object]:
    """A sender that posts each record but the last, and one twice."""
    lines = job.path.read_bytes().splitlines(keepends=True)
    job.path.write_bytes(b"".join([*lines[:-1], lines[0]]))
    return LOOP.prepare(job)


def measured(tmp_path: Path, *senders: Sender) -> int:
    return run([replace(SCENARIO, senders=senders)], tmp_path, tmp_path / "build")


def test_bound_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measured(tmp_path, OPERATOR, LOOP) == 0
    assert "kept" in capsys.readouterr().out
    assert (tmp_path / "build/bench-inlet.png").read_bytes().startswith(b"\x89PNG")


def test_handicap_misses_the_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measured(tmp_path, replace(OPERATOR, prepare=handicapped), LOOP) == 1
    assert "**missed**" in capsys.readouterr().out


def test_each_message_must_arrive_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measured(tmp_path, replace(LOOP, prepare=forgetful)) == 1
    assert "posted 16 messages, 15 of them different, not 16" in capsys.readouterr().out


def test_what_cannot_be_measured_is_not_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measured(tmp_path, OPERATOR, replace(LOOP, missing="it is not installed")) == 0
    assert "it is not installed" in capsys.readouterr().out


def posted(messages: Iterable[int]) -> Run:
    """A run with so many messages in each second."""
    per_second = round(1 / SLOT)
    slots = [count // per_second for count in messages for _ in range(per_second)]
    report = Report(len(slots), sum(slots), sum(slots), 0.0, dict(enumerate(slots, start=1000)))
    return Run(Usage(1000 * SLOT, len(slots) * SLOT, 1.0, 0, 0), report, [])


@pytest.mark.parametrize(
    ("seconds", "deviation"),
    [
        ([10_000] * 60, 0),
        ([10_000] * 59 + [20_000], 0.1),
        ([19_000] + [10_000] * 40, 0.09),
        ([10_000] * 5, 0.5),
    ],
    ids=["steady", "late burst", "early burst", "short"],
)
def test_rate_is_judged_by_its_worst_period(seconds: list[int], deviation: float) -> None:
    bound = off_rate(10_000, 0.02)
    assert bound.measure({OPERATOR.name: [posted(seconds)]}) == pytest.approx(deviation)
    assert bound.is_kept(deviation) is (deviation == 0)
