"""The benchmark of waits notices triggers that do not share their calls, or add to them while calls fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.waits.__main__ import ALONE, FAILING, HISTORY, SHARED, report, run
from tests.benchmarks.waits.loop import Crowd, Way
from tests.benchmarks.waits.run_report import History

CROWD = Crowd(flows=200, runs=200, windows=100, interval=1.0, rounds=3)
#: More than in the benchmark, because there are few.
OFTEN = replace(FAILING, warm_up=1, failing=0.4)


def asks_again_at_once() -> None:
    """Let a poller send each call that fails again at once."""
    from airflow_provider_flowservice.client.http import retry
    from airflow_provider_flowservice.triggers import poller

    retry.delay_after = lambda *_, **__: 0.0
    poller._Brake.saw = lambda *_: None  # type: ignore[method-assign]


def keeps_all_runs() -> None:
    """Let a report begin when all of its runs are there."""
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

    read = FlowServiceHook.run_report

    def read_all(*arguments: Any) -> Any:
        return list(read(*arguments))

    FlowServiceHook.run_report = read_all  # type: ignore[method-assign]


def missed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the bounds are of that have been missed, as far as is printed."""
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    return [row[0].removeprefix("| ") for row in rows if row[-1] == "**missed** |"]


def test_bounds_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CROWD, [SHARED, OFTEN]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("ways", "bound"),
    [
        ([ALONE], "calls a round"),
        (
            [SHARED, replace(OFTEN, prepare=asks_again_at_once)],
            "calls/s if calls fail; limit: those if none fail",
        ),
    ],
    ids=["each for itself", "asks again at once"],
)
def test_handicap_misses_a_bound(ways: list[Way], bound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CROWD, ways) == 1
    assert bound in missed(capsys)


def test_a_report_keeps_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(History(flows=500, runs=2_000)) == 0, capsys.readouterr().out


def test_a_report_that_keeps_all_runs_misses_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(HISTORY, keeps_all_runs) == 1
    assert missed(capsys) == ["memory of a report over an idle worker, MB"]
