"""The benchmark of waits notices triggers that do not share their calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.waits.__main__ import run
from tests.benchmarks.waits.loop import Crowd

CROWD = Crowd(flows=200, runs=200, windows=100, interval=1.5, warm_up=6, rounds=2)


def test_bounds_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CROWD, {"shared": True}) == 0, capsys.readouterr().out


def test_handicap_misses_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(replace(CROWD, warm_up=1, rounds=1), {"each for itself": False}) == 1
    assert "| calls a round | 6 | 500.0 | **missed** |" in capsys.readouterr().out
