"""What a task remembers, over attempts, kills and clears."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_flowservice.operators.task_state import TaskMemory


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
    return TaskMemory({"ti": ti, "task_state_store": store}, asked)  # type: ignore[typeddict-item]


def test_another_attempt_recalls_the_note(store: Store) -> None:
    attempt(store).note({"id": "x"})
    assert attempt(store).recall() == {"id": "x"}


def test_a_note_for_other_parameters_is_not_used(store: Store) -> None:
    attempt(store).note({"id": "x"})
    assert attempt(store, asked="that").recall() is None


def test_an_attempt_after_a_kill_at_the_very_end_finds_the_work_done(store: Store) -> None:
    first = attempt(store)
    first.note({"id": "x"})
    first.forget()
    second = attempt(store)
    assert second.recall() == {"id": "x"}
    second.forget()
    assert attempt(store).recall() == {"id": "x"}


def test_a_cleared_task_begins_anew_after_success(store: Store) -> None:
    first = attempt(store)
    first.note({"id": "x"})
    first.forget()
    cleared = attempt(store, max_tries=3)
    assert cleared.recall() is None
    cleared.note({"id": "y"})
    assert attempt(store, max_tries=3).recall() == {"id": "y"}


def test_a_task_cleared_half_way_goes_on(store: Store) -> None:
    attempt(store).note({"id": "x"})
    assert attempt(store, max_tries=3).recall() == {"id": "x"}


@pytest.mark.parametrize("asked", ["this", "that"])
def test_a_stale_note_is_deleted_at_the_end(store: Store, asked: str) -> None:
    first = attempt(store)
    first.note({"id": "x"})
    first.forget()
    attempt(store, asked=asked, max_tries=3).forget()
    assert store == {}


def test_where_a_clear_cannot_be_told_from_another_attempt_nothing_stays(store: Store) -> None:
    memory = attempt(store, max_tries=None)
    memory.note({"id": "x"})
    memory.forget()
    assert store == {}


def test_without_a_store_nothing_is_remembered() -> None:
    memory = attempt(None)
    memory.note({"id": "x"})
    memory.forget()
    assert memory.recall() is None
