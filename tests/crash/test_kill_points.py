"""Kill it anywhere, run it again: nothing is there twice, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import harness
from tests.crash.conftest import Warm
from tests.crash.harness import Lane, Result
from tests.crash.killing import KillPoint, Moment
from tests.crash.scenarios import SCENARIOS, Mode
from tests.support import secrets

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def results(warm: Warm, folder: Path) -> list[Result]:
    """What came of every kill point, and of every run that ended untouched."""
    results = harness.run_lanes(warm.controls, warm.dags, warm.template, folder, warm.planted)
    figures = harness.figures(results)
    print("", *(f"{label}: {figure}" for label, figure in figures.items()), sep="\n")  # noqa: T201
    return results


def test_a_note_of_the_first_try_is_read_by_the_second(warm: Warm, folder: Path) -> None:
    lane = Lane(warm.controls[0], warm.dags, warm.template, folder / "guard", warm.planted)
    scenario, mode = SCENARIOS[0], Mode(store=True, deferrable=True)
    create = next(
        result
        for result in lane.sweep(scenario, mode, Moment.AFTER, 1, 1)
        if result.exchange is not None and result.exchange.startswith("POST /data/foundation/flowservice")
    )
    task, number, note = create.notes_read[0].split(" ", 2)
    assert (task, number) == ("connect_kinesis", "2")
    assert note == '{"known": []}'

    hidden = lane.attempt(scenario, Mode(store=False, deferrable=True), _point_of(create))
    assert hidden.exchange == create.exchange
    assert hidden.notes_read == []


def _point_of(result: Result) -> KillPoint:
    return KillPoint(int(result.point.rpartition(" ")[2]), Moment.AFTER)


def test_every_exchange_was_a_kill_point(results: list[Result]) -> None:
    tried = [result for result in results if result.exchange is not None]
    assert len(tried) >= 60
    assert {result.scenario for result in tried} == {scenario.name for scenario in SCENARIOS}
    untouched = [result for result in results if result.exchange is None]
    assert len(untouched) == harness.LANES * len(SCENARIOS) * len(harness.WAYS)


def test_nothing_is_duplicated_or_lost(results: list[Result]) -> None:
    wrong = [
        f"{result}: {'; '.join(result.findings.problems)}" for result in results if result.findings.problems
    ]
    assert not wrong, "\n".join(wrong)
    figures = harness.figures(results)
    lost = ("resources duplicated", "segments lost", "records lost")
    assert {label: figures[label] for label in lost} == dict.fromkeys(lost, 0)


def test_only_the_batch_in_flight_is_sent_twice(results: list[Result]) -> None:
    posting = [result for result in results if "/collection/" in (result.exchange or "")]
    assert posting
    kept = [result.findings for result in posting if result.store]
    assert all(found.records_duplicated <= found.maybe_duplicated <= 2 for found in kept)
    assert any(found.records_duplicated for found in kept)
    others = [result.findings for result in results if result not in posting]
    assert sum(found.records_duplicated + found.maybe_duplicated for found in others) == 0


def test_no_secret_was_written(results: list[Result], warm: Warm, folder: Path) -> None:
    leaks = [f"{result}: {', '.join(result.leaks)}" for result in results if result.leaks]
    assert not leaks, "\n".join(leaks)
    assert list(secrets.leaks(folder, warm.planted)) == []
    assert list(secrets.tokens(folder)) == []
