"""Operators over an interrupted attempt, with Airflow's store for what a task remembers and without."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.http import AiohttpTransport, request
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.flows import FlowServiceDeleteFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from tests.support.aep import ids, make, profile_store, writes
from tests.support.airflow import AWS_SECRET
from tests.support.faults import fault
from tests.support.kills import Killed, die_at
from tests.support.operators import create_kinesis, create_profile_store, onboard
from tests.support.streaming import Source, open_source, people
from tests.support.tasks import RecordingTaskInstance, TaskStateStore

NAME = "mine"
Dying = Callable[..., None]


@pytest.fixture
def store() -> TaskStateStore:
    return TaskStateStore()


@pytest.fixture
def die_after(monkeypatch: pytest.MonkeyPatch) -> Dying:
    """Ends the task right after the ``count``-th request with a method to a path was carried out, once."""

    def arrange(method: str, path: str, count: int = 1) -> None:
        def counts(_: Any, step: Any) -> bool:
            return step.method == method and path in step.path

        for transport in (RequestsTransport, AiohttpTransport):
            die_at(monkeypatch, transport, "_attempt", "after", count, counts=counts)

    return arrange


def execute(operator: Any, store: TaskStateStore | None = None) -> Any:
    context: dict[str, Any] = {"ti": RecordingTaskInstance()}
    if store is not None:
        context["task_state_store"] = store
    return operator.execute(context)


@pytest.mark.parametrize("if_exists", ["reuse", "update", "fail", "create"])
def test_what_an_interrupted_attempt_made_is_taken(
    control: EmulatorControl, store: TaskStateStore, die_after: Dying, if_exists: str
) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_kinesis(NAME, if_exists=if_exists), store)
    made = ids(control.state()["connections"])
    assert [execute(create_kinesis(NAME, if_exists=if_exists), store)] == made
    assert ids(control.state()["connections"]) == made
    assert writes(control) == [("POST", "connections")]


def test_what_was_there_before_is_not_taken_for_an_interrupted_attempts_work(
    control: EmulatorControl, hook: FlowServiceHook, store: TaskStateStore, die_after: Dying
) -> None:
    before = make(hook, profile_store(NAME))
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_profile_store(NAME, if_exists="create"), store)
    taken = execute(create_profile_store(NAME, if_exists="create"), store)
    assert sorted(ids(control.state()["connections"])) == sorted([before, taken])


def test_an_attempt_that_was_interrupted_before_it_made_anything_is_begun_again(
    control: EmulatorControl, store: TaskStateStore, die_after: Dying
) -> None:
    die_after("GET", "/connections")
    with pytest.raises(Killed):
        execute(create_profile_store(NAME, if_exists="create"), store)
    assert ids(control.state()["connections"]) == []
    made = execute(create_profile_store(NAME, if_exists="create"), store)
    assert ids(control.state()["connections"]) == [made]


def test_a_note_made_for_other_parameters_is_not_used(
    control: EmulatorControl, store: TaskStateStore, die_after: Dying, caplog: pytest.LogCaptureFixture
) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_profile_store("old", if_exists="fail"), store)
    with caplog.at_level(logging.INFO):
        execute(create_profile_store("new", if_exists="fail"), store)
    assert "arguments have changed" in caplog.text
    assert sorted(item["name"] for item in control.state()["connections"]) == ["new", "old"]


def test_an_object_that_was_deleted_since_is_made_again(
    control: EmulatorControl, hook: FlowServiceHook, store: TaskStateStore, die_after: Dying
) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_profile_store(NAME, if_exists="fail"), store)
    (made,) = ids(control.state()["connections"])
    hook.delete(request.CONNECTIONS, made)
    again = execute(create_profile_store(NAME, if_exists="fail"), store)
    assert ids(control.state()["connections"]) == [again]


def test_without_a_store_an_interrupted_attempts_work_is_found_by_its_name(
    control: EmulatorControl, die_after: Dying
) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_kinesis(NAME))
    assert [execute(create_kinesis(NAME))] == ids(control.state()["connections"])


# README's table of Airflow versions says this of those without a store.


def test_without_a_store_a_create_that_always_makes_one_makes_another(
    control: EmulatorControl, die_after: Dying
) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_profile_store(NAME, if_exists="create"))
    execute(create_profile_store(NAME, if_exists="create"))
    assert len(ids(control.state()["connections"])) == 2


def test_without_a_store_a_create_that_may_find_nothing_fails(
    control: EmulatorControl, die_after: Dying
) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_profile_store(NAME, if_exists="fail"))
    with pytest.raises(FlowServicePermanentException, match="exists"):
        execute(create_profile_store(NAME, if_exists="fail"))


@pytest.mark.parametrize("has_store", [True, False])
def test_an_interrupted_deletion_goes_on_with_the_connections_if_there_is_a_store(
    control: EmulatorControl, store: TaskStateStore, die_after: Dying, has_store: bool
) -> None:
    flow = onboard()["flows"]
    delete = FlowServiceDeleteFlowOperator(task_id="delete", flow_id=flow, with_connections=True)
    die_after("DELETE", "/flows/")
    with pytest.raises(Killed):
        execute(delete, store if has_store else None)
    execute(delete, store if has_store else None)
    left = [len(control.state()[kind]) for kind in ("flows", "targetConnections", "connections")]
    assert left == ([0, 0, 0] if has_store else [0, 1, 2])


def test_a_note_holds_no_secret(control: EmulatorControl, store: TaskStateStore, die_after: Dying) -> None:
    die_after("POST", "/connections")
    with pytest.raises(Killed):
        execute(create_kinesis(NAME), store)
    assert store
    assert AWS_SECRET not in json.dumps(store)


@pytest.fixture
def source(hook: FlowServiceHook, control: EmulatorControl) -> Source:
    opened = open_source(hook)
    control.advance(301)
    return opened


def post(source: Source, folder: Path, count: int = 6, **changes: Any) -> FlowServicePostToInletOperator:
    """Posts records in batches of two, each of which is noted before the next is sent."""
    arguments = {
        "task_id": "post",
        "connection_id": source.connection_id,
        "flow_id": source.flow_id,
        "messages": people(count),
        "batch_size": 2,
        "resend_window": 2,
        "max_failures": count,
        "dead_letter_path": f"file://{folder / 'dead.jsonl'}",
        "settle_seconds": 0,
    }
    return FlowServicePostToInletOperator(**{**arguments, **changes})


def positions(file: Path) -> list[int]:
    """The positions of the records in a file of dead letters."""
    return [json.loads(line)["position"] for line in file.read_text().splitlines()]


def letters(folder: Path) -> list[int]:
    """The positions of the records among the dead letters of an ended task, which has left nothing else."""
    assert [each.name for each in folder.iterdir()] == ["dead.jsonl"]
    return positions(folder / "dead.jsonl")


def kept(folder: Path, store: TaskStateStore) -> list[int]:
    """The positions of the records among the dead letters of an interrupted task."""
    name = store["flowservice"]["state"]["letters"]["name"]
    (part,) = folder.glob(f"dead.jsonl.parts-*/{name}")
    return positions(part)


def refusing(source: Source, after: int) -> dict[str, Any]:
    """An answer that refuses the first of two records and is too busy for the second."""
    body = {"responses": [{"status": 400, "message": "bad"}, {"statusCode": 503, "message": "busy"}]}
    return fault("status", "POST", source.paths[1], after=after, status=207, body=body)


AT_ONCE = pytest.mark.parametrize("concurrency", [1, 8])


@AT_ONCE
def test_dead_letters_are_written_before_their_records_are_noted_as_settled(
    control: EmulatorControl, source: Source, tmp_path: Path, concurrency: int
) -> None:
    seen: list[tuple[int, int, list[int]]] = []

    class Watched(TaskStateStore):
        """Looks, at the moment of each note, what another process would find in the file."""

        def set(self, key: str, value: Any) -> None:
            super().set(key, value)
            noted = value["state"]["note"]["settled"]
            seen.append((noted["settled"], noted["rejected"], kept(tmp_path, self)))

    control.inject(refusing(source, after=1))
    execute(post(source, tmp_path, concurrency=concurrency), Watched())
    # Before each of three batches, and at the end.
    assert seen == [(0, 0, []), (2, 0, []), (4, 1, [2]), (6, 1, [2])]


@AT_ONCE
def test_what_a_batch_refused_before_it_failed_is_one_dead_letter(
    control: EmulatorControl, source: Source, store: TaskStateStore, tmp_path: Path, concurrency: int
) -> None:
    down = fault("status", "POST", source.paths[1], after=2, times=4, status=503)
    control.inject(refusing(source, after=1), down)
    with pytest.raises(FlowServiceTransientException):
        execute(post(source, tmp_path, concurrency=concurrency), store)
    noted = store["flowservice"]["state"]["note"]["settled"]
    # The letter is there in case that no other attempt follows, but does not count for one.
    assert (kept(tmp_path, store), noted["settled"], noted["rejected"]) == ([2], 2, 0)
    control.inject(refusing(source, after=0))
    result = execute(post(source, tmp_path, concurrency=concurrency), store)
    assert letters(tmp_path) == [2]
    assert (result["accepted"], result["rejected"]) == (5, 1)
    assert control.faults_left() == []


def test_a_posting_that_failed_for_good_keeps_its_dead_letters(
    control: EmulatorControl, source: Source, store: TaskStateStore, tmp_path: Path
) -> None:
    control.inject(refusing(source, after=1))
    with pytest.raises(FlowServicePermanentException):
        execute(post(source, tmp_path, max_failures=0), store)
    assert letters(tmp_path) == [2]


class Mapped(Sequence[Any]):
    """The output of a mapped task as Airflow gives it: fetched when it is read, and shown without its elements."""

    def __init__(self, elements: list[Any]) -> None:
        self._elements = elements

    def __getitem__(self, index: Any) -> Any:
        return self._elements[index]

    def __len__(self) -> int:
        return len(self._elements)

    def __repr__(self) -> str:
        return "Mapped()"


@AT_ONCE
@pytest.mark.parametrize("kind", [list, Mapped])
def test_a_posting_of_other_records_begins_anew(
    control: EmulatorControl,
    source: Source,
    store: TaskStateStore,
    die_after: Dying,
    tmp_path: Path,
    kind: Any,
    concurrency: int,
) -> None:
    first, second = kind(people(6)), kind(people(6)[::-1])
    die_after("POST", "/collection/", 2)
    with pytest.raises(Killed):
        execute(post(source, tmp_path, messages=first, concurrency=concurrency), store)
    control.clear_requests()
    result = execute(post(source, tmp_path, messages=second, concurrency=concurrency), store)
    assert (result["accepted"], len(control.requests("POST", "/collection/"))) == (6, 3)


@AT_ONCE
def test_a_posting_of_the_same_records_of_a_mapped_task_goes_on(
    control: EmulatorControl,
    source: Source,
    store: TaskStateStore,
    die_after: Dying,
    tmp_path: Path,
    concurrency: int,
) -> None:
    die_after("POST", "/collection/", 2)
    with pytest.raises(Killed):
        execute(post(source, tmp_path, messages=Mapped(people(6)), concurrency=concurrency), store)
    posted = len(control.requests("POST", "/collection/"))
    result = execute(post(source, tmp_path, messages=Mapped(people(6)), concurrency=concurrency), store)
    assert (result["accepted"], result["maybe_duplicated"]) == (6, 2)
    assert len(control.requests("POST", "/collection/")) == posted + 2
