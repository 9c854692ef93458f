from __future__ import annotations

import json
import random
from typing import Any

import pytest

from airflow_provider_flowservice.client.flows import EndedRuns
from airflow_provider_flowservice.client.flows.ended import LATE, MAX_KNOWN
from airflow_provider_flowservice.client.model import FlowRun

NOW = 1_700_000_000_000


def make_run(name: str, created: int, ended: int | None = None, **fields: Any) -> FlowRun:
    duration = {} if ended is None else {"completedAtUTC": ended}
    status = "running" if ended is None else "success"
    metrics = {"durationSummary": duration, "statusSummary": {"status": status}}
    return FlowRun(id=name, created_at=created, metrics=metrics, **fields)


def ids(runs: list[FlowRun]) -> list[str]:
    return [run.id for run in runs]


def test_at_the_start_only_what_ends_later_is_new() -> None:
    before, after = make_run("a", NOW - 90, NOW - 1), make_run("b", NOW - 80, NOW)
    going = make_run("c", NOW - 70)
    position = EndedRuns.at(NOW, [going, after, before], NOW - 1000)
    assert ids(position.new_in([going, after, before])) == ["b"]
    position = position.after([going, after, before])
    assert ids(position.new_in([make_run("c", NOW - 70, NOW + 5), after, before])) == ["c"]


def test_a_run_that_does_not_say_when_it_ended_counts_as_ended_before_the_start() -> None:
    silent = FlowRun(id="a", created_at=NOW, metrics={"statusSummary": {"status": "success"}})
    assert EndedRuns.at(NOW, [silent], NOW - 1000).new_in([silent]) == []
    assert ids(EndedRuns(settled=NOW - 1000).new_in([silent])) == ["a"]


def test_a_run_without_its_creation_is_new_once() -> None:
    odd = make_run("a", 0, NOW + 5)
    position = EndedRuns(settled=NOW)
    assert ids(position.new_in([odd])) == ["a"]
    assert position.after([odd]).new_in([odd]) == []


def test_a_run_that_goes_on_is_awaited_however_many_newer_ones_end() -> None:
    position = EndedRuns(settled=NOW)
    for hour in range(1, 50):
        runs = [make_run("slow", NOW), make_run(f"fast {hour}", NOW + hour * LATE, NOW + hour * LATE + 1)]
        position = position.after(runs)
    assert position.settled == NOW
    assert ids(position.new_in([make_run("slow", NOW, NOW + 50 * LATE)])) == ["slow"]
    position = position.after([make_run("slow", NOW, NOW + 50 * LATE)])
    assert position.settled == NOW
    assert position.still_open == {}
    position = position.after(runs)
    assert position.settled == NOW + 48 * LATE
    assert set(position.known) == {"fast 48", "fast 49"}


def test_what_a_list_misses_once_is_neither_forgotten_nor_reported_again() -> None:
    slow, fast = make_run("slow", NOW), make_run("fast", NOW + 10, NOW + 20)
    position = EndedRuns(settled=NOW).after([fast, slow]).after([make_run("late", NOW + 3 * LATE)])
    assert position.settled == NOW
    assert ids(position.new_in([fast, make_run("slow", NOW, NOW + 30)])) == ["slow"]


def test_what_is_remembered_is_bounded_and_what_is_given_up_is_said(caplog: pytest.LogCaptureFixture) -> None:
    position, stuck = EndedRuns(settled=NOW), make_run("stuck", NOW)
    for number in range(MAX_KNOWN):
        ended = make_run(f"00000000-0000-4000-8000-{number:012}", NOW + number + 1, NOW + number + 2)
        position = position.after([ended, stuck])
    assert "stuck" not in position.still_open
    assert caplog.messages == ["Run stuck has not ended, but many newer ones have; its end is not awaited"]
    assert len(position.known) <= MAX_KNOWN
    assert len(json.dumps(position.to_json())) < 65_536


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_of_the_ends_each_is_new_once(seed: int) -> None:
    chance = random.Random(seed)
    spans = {f"run {n}": (NOW + n * LATE // 3, chance.choice((1, LATE, 9 * LATE))) for n in range(60)}
    position, reported = EndedRuns(settled=NOW), []
    for moment in range(NOW, NOW + 40 * LATE, LATE // 5):
        runs = [
            make_run(name, created, created + length if created + length <= moment else None)
            for name, (created, length) in spans.items()
            if position.settled <= created <= moment
        ]
        if chance.random() < 0.5:
            position = EndedRuns.from_json(position.to_json())
        reported += ids(position.new_in(runs))
        position = position.after(runs)
    assert sorted(reported) == sorted(spans)
