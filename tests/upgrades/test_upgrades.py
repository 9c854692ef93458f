"""What a released version has stored is understood by this one: CONTRIBUTING.md has the promise."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
from airflow.triggers.base import BaseTrigger

import airflow_provider_flowservice
from airflow_provider_flowservice.client import waits
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.triggers import base, events
from tests.upgrades import recording
from tests.upgrades.attempts import Kept, Task, trigger_of
from tests.upgrades.cases import NOTES, WAITS, Case, Place

VERSIONS = sorted(path.name for path in recording.FOLDER.glob("[0-9]*"))
CASES = {case.name: case for case in (*WAITS, *NOTES)}
#: What AEP gives anew each time, and the wording of messages: nothing depends on them.
INCIDENTAL = {"request_id", "created_at", "ended_at", "message"}


def recorded(version: str, name: str) -> dict[str, Any]:
    return dict(json.loads((recording.FOLDER / version / f"{name}.json").read_text()))


def recordings(cases: tuple[Case, ...]) -> Iterator[tuple[str, str]]:
    for version in VERSIONS:
        for case in cases:
            if (recording.FOLDER / version / f"{case.name}.json").exists():
                yield version, case.name


def ends() -> Iterator[tuple[str, str, str]]:
    for version, name in recordings(WAITS):
        for end in recorded(version, name)["ends"]:
            yield version, name, end


def has(value: Any, earlier: Any) -> bool:
    """Whether a JSON value has all of an earlier one; a later version may have added something."""
    if isinstance(value, dict) and isinstance(earlier, dict):
        return all(key in value and (key in INCIDENTAL or has(value[key], earlier[key])) for key in earlier)
    if isinstance(value, list) and isinstance(earlier, list):
        return len(value) == len(earlier) and all(map(has, value, earlier))
    return bool(value == earlier)


@pytest.fixture
def places(control: EmulatorControl, tmp_path: Path) -> recording.Places:
    numbers = count()

    def place() -> AbstractContextManager[Place]:
        return recording.place_for(control, tmp_path / str(next(numbers)))

    return place


@pytest.mark.parametrize(("version", "name", "end"), ends())
def test_a_deferred_task_goes_on(
    places: recording.Places, monkeypatch: pytest.MonkeyPatch, version: str, name: str, end: str
) -> None:
    document = recorded(version, name)
    earlier = document["ends"][end]
    with places() as place, recording.waiting(CASES[name], end, place, monkeypatch) as (task, _):
        trigger = trigger_of(task.names.valued(document["trigger"]))
        event = task.fire(trigger, to_end=end == recording.DONE)
        assert has(task.names.named(event), earlier["event"])

        kept = Kept.from_json(task.names.valued(document["kept"]))
        kwargs, event = task.names.valued(document["kwargs"]), task.names.valued(earlier["event"])
        outcome = task.resume(kept, document["method"], kwargs, event)
        assert has(task.names.named(outcome), earlier["outcome"])


@pytest.mark.parametrize(("version", "name"), recordings(NOTES))
def test_an_attempt_goes_on_where_one_of_an_earlier_version_has_stopped(
    places: recording.Places, monkeypatch: pytest.MonkeyPatch, version: str, name: str
) -> None:
    document = recorded(version, name)
    with places() as place:
        task = Task(CASES[name], place, monkeypatch)
        task.begin()
        outcome = task.go_on(Kept.from_json(task.names.valued(document["kept"])))
        assert has(task.names.named(outcome), document["outcome"])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_watcher_goes_on_where_one_of_an_earlier_version_has_stopped(
    places: recording.Places, version: str
) -> None:
    document = recorded(version, recording.WATCHER)
    with places() as place:
        watching = recording.Watching(place)
        watching.run_flow()
        fired = watching.watch(trigger_of(watching.names.valued(document["trigger"])))
        assert has(watching.names.named(fired), document["fired"])

        watching.kept = watching.names.valued(document["kept"])
        watching.run_flow()
        place.clock.advance(200)
        fired = watching.watch(trigger_of(watching.names.valued(document["trigger"])))
        assert has(watching.names.named(fired), document["fired_next"])


def all_recorded(key: str) -> list[Any]:
    """The values of a key in all recordings that have it."""
    documents = [json.loads(path.read_text()) for path in recording.FOLDER.glob("[0-9]*/*.json")]
    return [document[key] for document in documents if key in document]


def test_each_recording_has_a_case() -> None:
    names = {path.stem for path in recording.FOLDER.glob("[0-9]*/*.json")}
    assert names == {*CASES, recording.WATCHER}


def test_each_trigger_is_recorded() -> None:
    ours = {
        f"{member.__module__}.{member.__qualname__}"
        for module in (base, events)
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, BaseTrigger)
        and member.__module__ == module.__name__
    }
    assert {trigger["classpath"] for trigger in all_recorded("trigger")} >= ours


def test_each_wait_is_recorded_with_all_of_its_ends() -> None:
    found: dict[str, set[str]] = {}
    for version, name in recordings(WAITS):
        document = recorded(version, name)
        wait = document["trigger"]["kwargs"]["wait"]["wait"]
        found.setdefault(wait, set()).update(document["ends"])
    every = {recording.DONE, recording.TIMEOUT, *recording.FAILURES}
    assert found == {kind.__name__: every for kind in get_args(waits.Wait)} | {
        # It asks for nothing, so it cannot fail.
        waits.FlowSettled.__name__: {recording.DONE}
    }


def keepers() -> set[str]:
    """The classes that keep something for the next attempt."""
    folder = Path(airflow_provider_flowservice.__file__).parent / "operators"
    return {
        node.name
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and "self.task_state(" in ast.unparse(node)
    }


def test_each_note_is_recorded(places: recording.Places, monkeypatch: pytest.MonkeyPatch) -> None:
    written: set[str] = set()
    for _, name in recordings(NOTES):
        with places() as place, monkeypatch.context() as patched:
            written |= set(Task(CASES[name], place, patched).bases)
    assert keepers()
    assert keepers() <= written
