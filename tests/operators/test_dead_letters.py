"""The file of dead letters: on the worker and in a store that cannot append, and posted again."""

from __future__ import annotations

import json
import logging
import os
import traceback
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.operators.task_state import TaskState
from tests.support.faults import fault
from tests.support.kills import Killed, die_at
from tests.support.letters import InStore, Local, Task, lines, positions
from tests.support.streaming import Source, numbers, people
from tests.support.tasks import TaskStateStore

# Posted again


def test_posted_back_unchanged_each_record_arrives_once(
    control: EmulatorControl, source: Source, place: Local | InStore
) -> None:
    place.write("people.jsonl", lines(9))
    body = {"responses": [{"status": 400, "message": "bad"}] * 2}
    control.inject(fault("status", "POST", source.paths[1], status=207, body=body))
    assert Task(source, place, path=place.url("people.jsonl")).attempt()["rejected"] == 4
    again = Task(source, place, path=place.url("dead.jsonl"), dead_letter_path=place.url("second.jsonl"))
    result = again.attempt()
    assert (result["accepted"], result["rejected"]) == (1, 3)
    assert sorted(numbers(control.messages(source.inlet.id))) == [0, 2, 3, 5, 6, 8]
    # What is refused again is the same letter, in its place of the first input.
    letters = place.read("dead.jsonl").splitlines()
    assert place.read("second.jsonl").splitlines() == [line for line in letters if b"oops" in line]
    assert positions(place.read("second.jsonl")) == [1, 4, 7]


@pytest.mark.parametrize("name", ["dead.csv", "dead.json", "dead", "dead.jsonl.gz"])
def test_dead_letters_are_known_whatever_their_file_is_called(
    control: EmulatorControl, source: Source, place: Local | InStore, name: str
) -> None:
    place.write("people.csv", b"n,first\n1\n2,Ada\n3,Grace,x\n")
    Task(source, place, path=place.url("people.csv"), dead_letter_path=place.url(name)).attempt()
    place.write(name, place.read(name).replace(b'"1"', b'"1,\\"Zo\xc3\xab, A.\\""'))
    result = Task(source, place, path=place.url(name)).attempt()
    assert (result["accepted"], result["rejected"]) == (1, 1)
    kept = [each["message"] for each in control.messages(source.inlet.id)]
    assert kept == [{"n": "2", "first": "Ada"}, {"n": "1", "first": "Zoë, A."}]
    assert json.loads(place.read("dead.jsonl"))["line"] == 4


@pytest.mark.parametrize("name", ["dead.jsonl", "dead"])
def test_a_row_is_read_like_its_file_with_the_same_arguments(
    control: EmulatorControl, source: Source, place: Local | InStore, name: str
) -> None:
    place.write("people.csv", b"n;first;mail\n1;;\n2;-;x\n3\n")
    options = {"delimiter": ";", "empty_cells": "null", "null_values": ["-"]}
    Task(source, place, path=place.url("people.csv"), dead_letter_path=place.url(name), **options).attempt()
    place.write(name, place.read(name).replace(b'"3"', b'"3;-;"'))
    again = Task(source, place, path=place.url(name), dead_letter_path=place.url("again"), **options)
    assert again.attempt()["accepted"] == 1
    assert [each["message"] for each in control.messages(source.inlet.id)] == [
        {"n": "1", "first": None, "mail": None},
        {"n": "2", "first": None, "mail": "x"},
        {"n": "3", "first": None, "mail": None},
    ]


@pytest.mark.parametrize("mixed", ["letter first", "record first"])
def test_a_mixed_file_fails_the_task(
    control: EmulatorControl, source: Source, place: Local | InStore, mixed: str
) -> None:
    place.write("people.jsonl", b"oops\n")
    Task(source, place, path=place.url("people.jsonl")).attempt()
    both = [place.read("dead.jsonl"), lines(1)]
    place.write("both.jsonl", b"".join(both if mixed == "letter first" else both[::-1]))
    with pytest.raises(FlowServicePermanentException, match=r"line 2 is .*, but the first record is"):
        Task(source, place, path=place.url("both.jsonl"), dead_letter_path=place.url("x")).attempt()
    assert len(control.messages(source.inlet.id)) == (mixed == "record first")


# One file for both


@pytest.mark.parametrize(
    ("path", "dead_letter_path"),
    [
        ("{0}/a.jsonl", "{0}/a.jsonl"),
        ("{0}/a.jsonl", "file://{0}/a.jsonl"),
        ("file://{0}/a.jsonl", "{0}/x/../a.jsonl"),
        ("{0}/a.jsonl", "{0}//a.jsonl/"),
        ("{0}/a.jsonl", "a.jsonl"),
        ("./a.jsonl", "local://{0}/a.jsonl"),
        ("{0}/a.jsonl", "{0}/symbolic.jsonl"),
        ("{0}/symbolic.jsonl", "{0}/a.jsonl"),
        ("{0}/a.jsonl", "{0}/hard.jsonl"),
        ("{0}/a.jsonl", "{0}/folder/a.jsonl"),
    ],
)
def test_one_local_file_is_not_read_and_overwritten(
    control: EmulatorControl,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    dead_letter_path: str,
) -> None:
    is_relative = not all("{0}" in given for given in (path, dead_letter_path))
    if is_relative and ObjectStoragePath("a").path == "/a":
        pytest.skip("in this Airflow, relative paths are in the root directory")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(5))
    (tmp_path / "symbolic.jsonl").symlink_to(file)
    os.link(file, tmp_path / "hard.jsonl")
    (tmp_path / "folder").symlink_to(tmp_path)
    task = Task(
        source,
        Local(tmp_path),
        path=path.format(tmp_path),
        dead_letter_path=dead_letter_path.format(tmp_path),
    )
    with pytest.raises(FlowServicePermanentException, match="refers to the same file as path"):
        task.attempt(settle_seconds=300)
    assert file.read_bytes() == lines(5)
    assert control.requests() == []


@pytest.mark.parametrize("place", ["store"], indirect=True)
@pytest.mark.parametrize("other", ["a.jsonl", "x/../a.jsonl", "/a.jsonl", "./a.jsonl", "a.jsonl/"])
def test_one_object_is_not_read_and_overwritten(
    control: EmulatorControl, source: Source, place: InStore, other: str
) -> None:
    place.write("a.jsonl", lines(5))
    task = Task(source, place, path=place.url("a.jsonl"), dead_letter_path=place.url(other))
    with pytest.raises(FlowServicePermanentException, match="refers to the same file as path"):
        task.attempt()
    assert (place.names(), place.read("a.jsonl"), control.requests()) == (["a.jsonl"], lines(5), [])


def test_two_files_of_one_name_are_two(source: Source, place: Local | InStore, tmp_path: Path) -> None:
    place.write("a.jsonl", lines(5))
    other = tmp_path / "other" / "a.jsonl"
    assert (
        Task(source, place, path=place.url("a.jsonl"), dead_letter_path=str(other)).attempt()["rejected"] == 2
    )
    assert positions(other.read_bytes()) == [1, 4]


@pytest.mark.parametrize("kind", ["folder", "device"])
def test_what_is_no_file_is_not_replaced(
    control: EmulatorControl, source: Source, tmp_path: Path, kind: str
) -> None:
    where = tmp_path / "folder" if kind == "folder" else Path(os.devnull)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FlowServicePermanentException, match="is not a regular file"):
        Task(source, Local(tmp_path), messages=people(1), dead_letter_path=str(where)).attempt()
    assert not where.is_file()
    assert control.requests("POST", "/collection/") == []


# The file


def test_only_its_owner_may_read_it_and_a_link_to_it_stays(source: Source, tmp_path: Path) -> None:
    (tmp_path / "real.jsonl").write_bytes(b"old")
    (tmp_path / "dead.jsonl").symlink_to(tmp_path / "real.jsonl")
    modes: set[int] = set()

    class Watched(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            super().set(key, value)
            modes.update(each.stat().st_mode & 0o777 for each in tmp_path.glob("*.parts-*/*"))
            modes.update(each.stat().st_mode & 0o077 for each in tmp_path.glob("*.parts-*"))

    task = Task(source, Local(tmp_path), messages=[*people(3), "no record"])
    task.store = Watched()
    task.attempt()
    assert modes == {0o600, 0}
    assert (tmp_path / "dead.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").stat().st_mode & 0o777 == 0o600
    assert positions((tmp_path / "real.jsonl").read_bytes()) == [3]


def test_letters_are_on_disk_before_the_note_that_counts_them(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def watched(file: int) -> None:
        sync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", watched)

    class Watched(TaskStateStore):
        def set(self, key: str, value: Any) -> None:
            super().set(key, value)
            rejected = value["state"]["note"]["settled"]["rejected"]
            if rejected and "done_in" not in value:
                (part,) = tmp_path.glob("*.parts-*/*")
                assert len(part.read_bytes().splitlines()) == rejected
                assert part.stat().st_size in synced

    task = Task(source, Local(tmp_path), messages=["no record", *people(3), "no record", "no record"])
    task.store = Watched()
    assert task.attempt()["rejected"] == 3


def test_a_run_that_fails_at_once_leaves_the_letters_of_the_run_before(
    control: EmulatorControl, source: Source, place: Local | InStore
) -> None:
    place.write("people.jsonl", lines(5))
    Task(source, place, path=place.url("people.jsonl")).attempt()
    before = place.read("dead.jsonl")
    assert positions(before) == [1, 4]
    with pytest.raises(FlowServicePermanentException, match="does not exist"):
        Task(source, place, path=place.url("none.jsonl")).attempt()
    control.inject(fault("status", "POST", source.paths[1], status=403, times=9))
    with pytest.raises(FlowServicePermanentException):
        Task(source, place, path=place.url("people.jsonl"), batch_size=1000).attempt()
    assert place.read("dead.jsonl") == before
    assert place.names() == ["dead.jsonl", "people.jsonl"]


def test_a_run_without_failures_has_an_empty_file(source: Source, place: Local | InStore) -> None:
    place.write("dead.jsonl", b"of another run")
    Task(source, place, messages=people(3)).attempt()
    assert (place.names(), place.read("dead.jsonl")) == (["dead.jsonl"], b"")


def test_the_end_of_one_run_leaves_what_another_one_needs(
    source: Source, place: Local | InStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("people.jsonl", lines(8))
    one, other = (Task(source, place, path=place.url("people.jsonl"), run_id=run_id) for run_id in "ab")
    with monkeypatch.context() as patched:
        die_at(patched, TaskState, "save", "after", 3)
        with pytest.raises(Killed):
            one.attempt()
    other.attempt(path=None, messages=["no record"])
    assert positions(place.read("dead.jsonl")) == [0]
    one.attempt()
    assert positions(place.read("dead.jsonl")) == [1, 4, 7]
    assert place.names() == ["dead.jsonl", "people.jsonl"]


# Personal data

SECRET = "Zebediah"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"name": "Zebediah"}\n'),
        ("a.jsonl", b'{"name": "Zebediah\n'),
        ("a.jsonl", b'{"name": "Zebediah", Zebediah: 1}\n'),
        ("a.jsonl", b'{"name": "Zebediah\xff"}\n'),
        ("a.jsonl", b'{"name": "Zebediah\\ud800"}\n'),
        ("a.jsonl", b'["Zebediah"]\n"Zebediah"\nZebediah\n'),
        ("a.jsonl", b'{"name": "Zebediah", "deep": ' + b"[" * 2_000 + b"]" * 2_000 + b"}\n"),
        ("a.jsonl", b'{"name": "Zebediah", "n": ' + b"9" * 5_000 + b"}\n"),
        ("a.jsonl", b'{"name": "' + b"Zebediah" * 200_000 + b'"}\n'),
        ("a.jsonl", b'{"flowservice.dead_letter": 1, "position": "Zebediah", "record": "Zebediah"}\n'),
        ("a.jsonl", b'{"n": 1}\n{"flowservice.dead_letter": 1, "position": 1, "record": "Zebediah"}\n'),
        ("a.json", b'[{"name": "Zebediah"}, "Zebediah", {"name": Zebediah}]'),
        ("a.json", b'[{"name": "Zebediah\xff"}]'),
        ("a.json", b'{"name": "Zebediah"}'),
        ("a.csv", b"n,name\n1,Zebediah,x\nZebediah\n"),
        ("a.csv", b'n,name\n1,"Zebediah"x\n2,"Zebediah'),
        ("a.csv", b"n,name\n1,Zebediah\xff\n"),
        ("a.csv", b"n,name\n1," + b"Zebediah" * 200_000 + b"\n"),
    ],
)
def test_a_records_content_reaches_no_log_xcom_error_or_note(
    control: EmulatorControl,
    source: Source,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
) -> None:
    (tmp_path / name).write_bytes(content)
    echo = {"status": 400, "message": f"#/name: [{SECRET}] is too short, {SECRET}"}
    control.inject(fault("status", "POST", source.paths[1], status=207, body={"responses": [echo]}, times=9))
    task = Task(source, Local(tmp_path), path=str(tmp_path / name), max_failures=0, batch_size=1000)
    control.inject(fault("status", "POST", source.paths[0], status=400, body=echo, times=9))
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(FlowServicePermanentException) as caught:
            task.attempt()
        with pytest.raises(FlowServicePermanentException):
            task.attempt(batch_size=1)
    shown = "".join(traceback.format_exception(caught.value))
    told: BaseException | None = caught.value
    while told is not None:
        shown += f"{told!r} {told.args!r}"
        told = told.__cause__ or told.__context__
    logged = "".join(f"{each.getMessage()} {each.args!r} {each.exc_text}" for each in caplog.records)
    output = capfd.readouterr()
    for text in (shown, logged, output.out, output.err, json.dumps(task.pushed), json.dumps(task.store)):
        assert SECRET not in text
    assert caplog.records
