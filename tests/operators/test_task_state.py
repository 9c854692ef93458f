"""What a task remembers, over attempts, kills and clears."""

from __future__ import annotations

import re
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_flowservice.client.flows import NewestRuns
from airflow_provider_flowservice.operators.task_state import TaskState
from tests.support.tasks import Attempts


class Store(dict[str, Any]):
    """What Airflow's store offers."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture
def store() -> Store:
    return Store()


def attempt(store: Store | None, asked: str = "this", max_tries: int | None = 2) -> Any:
    ti = SimpleNamespace() if max_tries is None else SimpleNamespace(max_tries=max_tries)
    return TaskState({"ti": ti, "task_state_store": store}, asked)  # type: ignore[typeddict-item]


def test_another_attempt_recalls_the_note(store: Store) -> None:
    attempt(store).save({"id": "x"})
    assert attempt(store).load() == {"id": "x"}


def test_a_note_for_other_parameters_is_not_used(store: Store) -> None:
    attempt(store).save({"id": "x"})
    assert attempt(store, asked="that").load() is None


def test_an_attempt_after_a_kill_at_the_very_end_finds_the_work_done(store: Store) -> None:
    first = attempt(store)
    first.save({"id": "x"})
    first.clear()
    second = attempt(store)
    assert second.load() == {"id": "x"}
    second.clear()
    assert attempt(store).load() == {"id": "x"}


def test_a_cleared_task_begins_anew_after_success(store: Store) -> None:
    first = attempt(store)
    first.save({"id": "x"})
    first.clear()
    cleared = attempt(store, max_tries=3)
    assert cleared.load() is None
    cleared.save({"id": "y"})
    assert attempt(store, max_tries=3).load() == {"id": "y"}


def test_a_task_cleared_half_way_goes_on(store: Store) -> None:
    attempt(store).save({"id": "x"})
    assert attempt(store, max_tries=3).load() == {"id": "x"}


@pytest.mark.parametrize("asked", ["this", "that"])
def test_a_stale_note_is_deleted_at_the_end(store: Store, asked: str) -> None:
    first = attempt(store)
    first.save({"id": "x"})
    first.clear()
    attempt(store, asked=asked, max_tries=3).clear()
    assert store == {}


def test_where_a_clear_cannot_be_told_from_another_attempt_nothing_stays(store: Store) -> None:
    task_state = attempt(store, max_tries=None)
    task_state.save({"id": "x"})
    task_state.clear()
    assert store == {}


class OldAirflow(Attempts):
    """Attempts in an Airflow without a store."""

    def __init__(self) -> None:
        super().__init__(has_store=False)

    def attempt(self, asked: str = "this", max_tries: int = 2) -> TaskState:
        """The state of a new attempt."""
        self.max_tries = max_tries
        return TaskState(self.another(), asked)  # type: ignore[arg-type]


NEWEST = NewestRuns(1_700_000_000_123, ("0a-1", "0b-2")).to_state()


def test_without_a_store_only_the_newest_runs_are_kept_and_for_each_further_attempt() -> None:
    airflow = OldAirflow()
    airflow.attempt().save({"known": ["x"]})
    first = airflow.attempt()
    assert first.load() is None
    first.save({**NEWEST, "runs": {"s": "r"}})
    for _ in range(3):
        later = airflow.attempt()
        assert later.load() == NEWEST
        later.save({"run": "r"})
        assert len(airflow.pushed) == 1


def test_without_a_store_an_attempt_that_only_looks_pushes_nothing() -> None:
    airflow = OldAirflow()
    task_state = airflow.attempt()
    task_state.load()
    task_state.save({"id": "x"})
    task_state.clear()
    assert airflow.pushed == {}


@pytest.mark.parametrize(("asked", "max_tries"), [("that", 2), ("this", 3)])
def test_without_a_store_other_work_and_a_cleared_task_begin_anew(asked: str, max_tries: int) -> None:
    airflow = OldAirflow()
    first = airflow.attempt()
    first.save(NEWEST)
    first.clear()
    other = airflow.attempt(asked, max_tries)
    assert other.load() is None
    other.clear()
    assert airflow.pushed == {}


def test_without_a_store_a_kill_at_the_very_end_leaves_what_the_next_attempt_needs() -> None:
    airflow = OldAirflow()
    first = airflow.attempt()
    first.save(NEWEST)
    first.clear()
    assert airflow.attempt().load() == NEWEST


def test_the_key_of_an_xcom_has_room_for_the_state() -> None:
    airflow = OldAirflow()
    ids = tuple(str(uuid.UUID(int=number)) for number in range(3))
    airflow.attempt().save(NewestRuns(1_700_000_000_123, ids).to_state())
    (key,) = airflow.pushed
    assert len(key) <= 512
    assert re.fullmatch(r"[\w.-]+", key)
