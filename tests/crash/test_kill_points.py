"""Kill it anywhere, run it again: nothing is there twice, and nothing is lost."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

import pytest

from tests.crash import harness
from tests.crash.conftest import Warm
from tests.crash.harness import Lane, Result
from tests.crash.killing import KillPoint, Moment
from tests.crash.scenarios import SCENARIOS, Mode, scenarios_in
from tests.support import secrets, thirds
from tests.support.features import features
from tests.support.thirds import Share

pytestmark = pytest.mark.crash

SHARE = thirds.asked_for()
TRIED = scenarios_in(SHARE)
#: How many there are at least: a DAG makes more than 16 exchanges on average, waits in two ways, and dies before and
#: after.
POINTS = 16 * len(TRIED) * 2 * 2


@pytest.fixture(scope="module")
def results(warm: Warm, folder: Path) -> list[Result]:
    """What came of every kill point, and of every run that ended untouched."""
    results = harness.run_lanes(warm.controls, warm.dags, warm.template, folder, warm.planted, TRIED, SHARE)
    figures = {"kill points": SHARE, **harness.figures(results)}
    print("", *(f"{label}: {figure}" for label, figure in figures.items()), sep="\n")  # noqa: T201
    return results


def test_a_note_of_the_first_try_is_read_by_the_second(warm: Warm, folder: Path) -> None:
    if not features().task_state_store:
        pytest.skip("this Airflow has no task_state_store")
    lane = Lane(warm.controls[0], warm.dags, warm.template, folder / "guard", warm.planted)
    scenario, mode = SCENARIOS[0], Mode(store=True, deferrable=True)
    create = next(
        result
        for result in lane.sweep(scenario, mode, Moment.AFTER, Share())
        if result.exchange is not None and result.exchange.startswith("POST /data/foundation/flowservice")
    )
    task, number, note = create.notes_read[0].split(" ", 2)
    assert (task, number) == ("connect_kinesis", "2")
    assert note == '{"known": []}'

    again = KillPoint(_number_of(create), Moment.AFTER)
    hidden = lane.attempt(scenario, Mode(store=False, deferrable=True), again)
    assert hidden.exchange == create.exchange
    assert hidden.notes_read == []


def _number_of(result: Result) -> int:
    return int(result.point.rpartition(" ")[2])


def test_every_exchange_was_a_kill_point(results: list[Result]) -> None:
    tried = [result for result in results if result.exchange is not None]
    assert len(tried) >= POINTS // SHARE.step
    assert {result.scenario for result in tried} == {scenario.name for scenario in TRIED}
    untouched = [result for result in results if result.exchange is None]
    assert len(untouched) == harness.LANES * len(TRIED) * len(harness.ways())


def test_no_exchange_of_the_share_was_left_out(results: list[Result]) -> None:
    sweeps = defaultdict(list)
    for result in sorted(results, key=_number_of):
        sweeps[result.scenario, result.mode, result.point.rpartition(" ")[0]].append(result)
    for sweep in sweeps.values():
        numbers = [_number_of(result) for result in sweep]
        assert numbers == list(itertools.islice(SHARE.numbers(), len(sweep)))
        ended = [result.exchange is None for result in sweep]
        assert ended == [False] * (len(sweep) - harness.LANES) + [True] * harness.LANES


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
    kept = [result.findings for result in posting if result.store]
    assert all(found.records_duplicated <= found.maybe_duplicated <= 2 for found in kept)
    for store in {result.store for result in results}:
        assert any(result.findings.records_duplicated for result in posting if result.store is store)
    others = [result.findings for result in results if result not in posting]
    assert sum(found.records_duplicated + found.maybe_duplicated for found in others) == 0


def test_connections_of_a_deleted_flow_are_left_only_where_nothing_is_remembered(
    results: list[Result],
) -> None:
    for store in {result.store for result in results}:
        left = [result for result in results if result.store is store and result.findings.connections_left]
        assert bool(left) is not store


def test_no_secret_was_written(results: list[Result], warm: Warm, folder: Path) -> None:
    leaks = [f"{result}: {', '.join(result.leaks)}" for result in results if result.leaks]
    assert not leaks, "\n".join(leaks)
    assert list(secrets.leaks(folder, warm.planted)) == []
    assert list(secrets.tokens(folder)) == []
