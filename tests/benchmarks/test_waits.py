"""The benchmark of waits notices triggers that do not share their calls, or add to them while calls fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.waits.__main__ import ALONE, FAILING, HISTORY, SHARED, report, run
from tests.benchmarks.waits.loop import Crowd
from tests.benchmarks.waits.run_report import History

CROWD = Crowd(flows=200, runs=200, windows=100, interval=1.0, rounds=3)


def sends_again_at_once() -> None:
    """Let calls that fail neither be a reason to wait nor to poll less often."""
    from airflow_provider_flowservice.client.http import retry
    from airflow_provider_flowservice.triggers import poller

    retry.delay_after = lambda *_: 0.0
    poller._Brake.saw = lambda *_: None  # type: ignore[method-assign]


def gathers_for_longer() -> None:
    """Let polls be gathered until none has come for longer than other processes keep this one from running."""
    from airflow_provider_flowservice.triggers import poller

    poller.GATHER_SECONDS = 0.25


GATHERING = replace(SHARED, prepare=gathers_for_longer)
#: More than in the benchmark, because there are few calls.
OFTEN = replace(FAILING, name="40 % fail", warm_up=1, failing=0.4)
AT_ONCE = replace(OFTEN, name="sent again at once", prepare=sends_again_at_once)


def keeps_all_runs() -> None:
    """Let a report begin when all of its runs are there."""
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

    read = FlowServiceHook.run_report

    def read_all(*arguments: Any) -> Any:
        return list(read(*arguments))

    FlowServiceHook.run_report = read_all  # type: ignore[method-assign]


def missed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the bounds are of that have been missed, except for the lag, which other processes cause too."""
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    names = [row[0].removeprefix("| ") for row in rows if row[-1] == "**missed** |"]
    return [name for name in names if not name.startswith("event loop lag")]


def test_only_calls_that_are_sent_again_at_once_miss_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CROWD, [GATHERING, OFTEN, AT_ONCE]) == 1
    assert missed(capsys) == ["sent again at once: calls/s (limit: if none fails)"]


def test_triggers_that_do_not_share_their_calls_miss_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(replace(CROWD, rounds=1), [ALONE]) == 1
    # On a machine that has other work, so many requests are not done in time, either.
    assert "calls a round" in missed(capsys)


def test_a_report_keeps_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(History(flows=500, runs=2_000)) == 0, capsys.readouterr().out


def test_a_report_that_keeps_all_runs_misses_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(HISTORY, keeps_all_runs) == 1
    assert missed(capsys) == ["memory of a report over an idle worker, MB"]
