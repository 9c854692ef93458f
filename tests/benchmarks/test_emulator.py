"""The benchmark of the emulator notices lists that look at every resource."""

from __future__ import annotations

import pytest

from tests.benchmarks.emulator.__main__ import Limits, Size, run

SIZE = Size(flows=4_000, runs=1, reads=20, rounds=1)
#: So far off that no machine is too slow for them.
WIDE = Limits(empty=60, busy=60, by_id=10, filtered=10, page=60, portion=60)


def test_bounds_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SIZE, WIDE) == 0, capsys.readouterr().out


def test_handicap_misses_the_bound(capsys: pytest.CaptureFixture[str]) -> None:
    # Looking at so many takes ten times as long as the bound allows.
    assert run(SIZE, Limits(empty=60, busy=60, by_id=10, page=60, portion=60), "--scan") == 1
    bounds = capsys.readouterr().out.partition("| measured |")[2]
    assert "| filtered reads in a CPU second | ≥ 2,000 |" in bounds
    assert bounds.count("**missed**") == 1
