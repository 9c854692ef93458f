"""Dead letters of a task that takes several attempts: each is in the file once, wherever an attempt ends."""

from __future__ import annotations

import itertools
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.client.streaming import DeadLetters
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.operators.letter_files import LetterFile
from airflow_provider_flowservice.operators.task_state import TaskState
from tests.support.faults import fault
from tests.support.kills import Killed, die_at
from tests.support.letters import InStore, Local, Task, lines, positions
from tests.support.streaming import Source, numbers, people

AT_ONCE = pytest.mark.parametrize("concurrency", [1, 8])


@AT_ONCE
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name", "least"),
    [
        (AiohttpTransport, "_attempt", 5),
        (LetterFile, "write", 3),
        (LetterFile, "open", 1),
        (LetterFile, "finish", 1),
        (None, "_append", 3),
        (None, "_publish", 1),
        (None, "_remove_parts", 1),
        (TaskState, "save", 5),
        (TaskState, "clear", 1),
    ],
)
def test_wherever_an_attempt_dies_each_letter_is_there_once(
    source: Source,
    place: Local | InStore,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    least: int,
    when: str,
    concurrency: int,
) -> None:
    place.write("people.jsonl", lines(11))
    for nth in itertools.count(1):
        place.write("dead.jsonl", b"of another run\n")
        task = Task(
            source, place, path=place.url("people.jsonl"), concurrency=concurrency, run_id=f"run {nth}"
        )
        with monkeypatch.context() as patched:
            die_at(patched, owner or place.letter_file, name, when, nth)
            try:
                task.attempt()
            except Killed:
                pass
            else:
                break
        with monkeypatch.context() as patched:
            # The next one dies too, with what it took over.
            die_at(patched, TaskState, "save", "after", 2)
            with suppress(Killed):
                task.attempt()
        result = task.attempt()
        assert positions(place.read("dead.jsonl")) == [1, 4, 7, 10]
        assert (result["accepted"], result["rejected"]) == (7, 4)
        assert place.names() == ["dead.jsonl", "people.jsonl"]
    assert nth > least


@AT_ONCE
@pytest.mark.parametrize("status", [503, 403])
def test_a_task_that_failed_for_good_has_its_letters_and_goes_on_when_it_is_cleared(
    control: EmulatorControl, source: Source, place: Local | InStore, status: int, concurrency: int
) -> None:
    place.write("people.jsonl", lines(8))
    task = Task(source, place, path=place.url("people.jsonl"), concurrency=concurrency)
    control.inject(fault("status", "POST", source.paths[1], status=status, after=3, times=100))
    with pytest.raises((FlowServicePermanentException, FlowServiceTransientException)):
        task.attempt(max_tries=0)
    # The last of them is in the batch that failed.
    assert positions(place.read("dead.jsonl")) == [1, 4, 7]
    assert place.names() == ["dead.jsonl", "people.jsonl"]
    control.clear_faults()
    result = task.attempt()
    assert (result["accepted"], result["rejected"]) == (5, 3)
    assert positions(place.read("dead.jsonl")) == [1, 4, 7]
    assert place.names() == ["dead.jsonl", "people.jsonl"]


def test_a_task_that_ran_out_of_time_in_its_last_attempt_has_its_letters(
    source: Source, place: Local | InStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("people.jsonl", lines(8))
    die_at(monkeypatch, TaskState, "save", "after", 4, error=AirflowTaskTimeout)
    with pytest.raises(AirflowTaskTimeout):
        Task(source, place, path=place.url("people.jsonl")).attempt(max_tries=0)
    assert positions(place.read("dead.jsonl")) == [1, 4]
    assert place.names() == ["dead.jsonl", "people.jsonl"]


@AT_ONCE
def test_letters_that_no_note_was_written_for_are_there_after_a_timeout(
    source: Source, place: Local | InStore, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    place.write("people.jsonl", lines(8))
    die_at(monkeypatch, DeadLetters, "add", "after", 2, error=AirflowTaskTimeout)
    task = Task(source, place, path=place.url("people.jsonl"), resend_window=100, concurrency=concurrency)
    with pytest.raises(AirflowTaskTimeout):
        task.attempt(max_tries=0)
    assert positions(place.read("dead.jsonl")) == [1, 4]


def test_a_timeout_while_a_letter_is_written_leaves_it_once(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Local(tmp_path)
    place.write("people.jsonl", lines(8))

    def is_file(file: int) -> bool:
        return stat.S_ISREG(os.fstat(file).st_mode)

    die_at(monkeypatch, os, "fsync", "after", 2, error=AirflowTaskTimeout, counts=is_file)
    with pytest.raises(AirflowTaskTimeout):
        Task(source, place, path=place.url("people.jsonl")).attempt(max_tries=0)
    assert positions(place.read("dead.jsonl")) == [1, 4]


def test_an_attempt_that_is_followed_by_another_leaves_the_file_alone(
    control: EmulatorControl, source: Source, place: Local | InStore
) -> None:
    place.write("people.jsonl", lines(8))
    place.write("dead.jsonl", b"of another run")
    task = Task(source, place, path=place.url("people.jsonl"))
    control.inject(fault("status", "POST", source.paths[1], status=503, after=3, times=100))
    with pytest.raises(FlowServiceTransientException):
        task.attempt()
    assert place.read("dead.jsonl") == b"of another run"
    # The next one fails for good, before it reads anything.
    place.remove("people.jsonl")
    with pytest.raises(FlowServicePermanentException, match="does not exist"):
        task.attempt()
    assert positions(place.read("dead.jsonl")) == [1, 4]
    assert place.names() == ["dead.jsonl"]


# Before Airflow 3.3, which keeps nothing


class WithoutStore(Task):
    """A task whose attempts share what is beside the file of dead letters."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.store = None  # type: ignore[assignment]


@AT_ONCE
def test_without_a_store_an_attempt_goes_on_by_a_note_beside_the_letters(
    control: EmulatorControl,
    source: Source,
    place: Local | InStore,
    caplog: pytest.LogCaptureFixture,
    concurrency: int,
) -> None:
    place.write("people.jsonl", lines(8))
    task = WithoutStore(source, place, path=place.url("people.jsonl"), concurrency=concurrency)
    control.inject(fault("status", "POST", source.paths[1], status=503, after=2, times=100))
    with pytest.raises(FlowServiceTransientException):
        task.attempt()
    control.clear_faults()
    with caplog.at_level(logging.INFO):
        result = task.attempt()
    assert "it has settled the records up to 4, and may have sent those up to " in caplog.text
    assert (result["accepted"], result["rejected"]) == (5, 3)
    assert numbers(control.messages(source.inlet.id)) == [0, 2, 3, 5, 6]
    assert positions(place.read("dead.jsonl")) == [1, 4, 7]
    assert place.names() == ["dead.jsonl", "people.jsonl"]


def test_the_note_is_beside_the_file_that_a_link_leads_to(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "dead.jsonl").symlink_to(tmp_path / "real" / "dead.jsonl")
    task = WithoutStore(source, Local(tmp_path), messages=people(4))
    control.inject(fault("status", "POST", source.paths[1], status=503, after=1, times=100))
    with pytest.raises(FlowServiceTransientException):
        task.attempt()
    control.clear_faults()
    assert task.attempt()["accepted"] == 4
    assert Local(tmp_path).names() == ["dead.jsonl", "real", "real/dead.jsonl"]


def test_letters_of_records_that_have_changed_are_dropped(
    control: EmulatorControl, source: Source, place: Local | InStore
) -> None:
    place.write("people.jsonl", lines(8))
    task = Task(source, place, path=place.url("people.jsonl"))
    control.inject(fault("status", "POST", source.paths[1], status=503, after=3, times=100))
    with pytest.raises(FlowServiceTransientException):
        task.attempt()
    control.clear_faults()
    corrected = lines(8).splitlines()
    corrected[4] = b'{"n": 4}'
    place.write("people.jsonl", b"\n".join(corrected))
    result = task.attempt()
    assert positions(place.read("dead.jsonl")) == [1, 7]
    assert (result["accepted"], result["rejected"]) == (6, 2)
    assert sorted(set(numbers(control.messages(source.inlet.id)))) == [0, 2, 3, 4, 5, 6]
    assert numbers(control.messages(source.inlet.id))[:2] == [0, 2]
