"""What a task remembers, over attempts, kills and clears."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_flowservice.operators.task_state import TaskState


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


def test_without_a_store_nothing_is_remembered() -> None:
    task_state = attempt(None)
    task_state.save({"id": "x"})
    task_state.clear()
    assert task_state.load() is None
