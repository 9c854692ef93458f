"""Posting while a signal interrupts the task, and in a thread that runs an event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.task_state import TaskState
from tests.support.faults import fault
from tests.support.inlets import post
from tests.support.streaming import SETTLED, Source, numbers, open_source, people
from tests.support.tasks import TaskInstance, TaskStateStore, shown

COUNT = 40


class Terminated(BaseException):
    """What a handler of SIGTERM raises."""


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread goes on, no coroutine was forgotten, and nothing was raised where nobody sees it."""
    unseen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unseen.append)
    monkeypatch.setattr(threading, "excepthook", unseen.append)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert "flowservice-delivery" not in {thread.name for thread in threading.enumerate()}
    assert unseen == []
    assert [each for each in warned if issubclass(each.category, (RuntimeWarning, ResourceWarning))] == []


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signals do what they do in a task."""

    def time_out(*_: Any) -> None:
        raise AirflowTaskTimeout

    def terminate(*_: Any) -> None:
        raise Terminated

    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGALRM, time_out), (signal.SIGTERM, terminate))
    }
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


class Task:
    """A task that posts, and the store that its attempts share."""

    def __init__(self, source: Source, concurrency: int) -> None:
        self._source = source
        self._concurrency = concurrency
        self.store = TaskStateStore()

    def attempt(self) -> Any:
        operator = post(
            self._source,
            messages=people(COUNT),
            batch_size=2,
            concurrency=self._concurrency,
            resend_window=20,
        )
        return operator.execute({"ti": TaskInstance(), "task_state_store": self.store})


AT_ONCE = pytest.mark.parametrize("concurrency", [1, 8])


def never_answered(monkeypatch: pytest.MonkeyPatch, after: int, then: Any) -> None:
    """Let no request be answered after some that were, and call a function once all workers wait."""
    attempt, seen = AiohttpTransport._attempt, list[None]()

    async def stuck(transport: AiohttpTransport, step: Any) -> Any:
        seen.append(None)
        if len(seen) <= after:
            return await attempt(transport, step)
        if len(seen) == after + 1:
            asyncio.get_running_loop().call_soon(then)
        return await asyncio.Event().wait()

    monkeypatch.setattr(AiohttpTransport, "_attempt", stuck)


@AT_ONCE
@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGALRM, AirflowTaskTimeout), (signal.SIGTERM, Terminated)]
)
@pytest.mark.usefixtures("handlers")
def test_a_signal_ends_a_posting_that_waits_for_answers(
    control: EmulatorControl,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[BaseException],
    concurrency: int,
) -> None:
    task = Task(source, concurrency)
    with monkeypatch.context() as patched:
        never_answered(patched, 5, lambda: os.kill(os.getpid(), number))
        with pytest.raises(error):
            task.attempt()
    result = task.attempt()
    arrived = numbers(control.messages(source.inlet.id))
    assert set(arrived) == set(range(COUNT))
    assert len(arrived) - COUNT <= min(20, result["maybe_duplicated"])
    assert result["accepted"] == COUNT


@AT_ONCE
@pytest.mark.usefixtures("handlers")
def test_a_timer_ends_a_posting_that_is_never_answered(
    source: Source, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    never_answered(monkeypatch, 0, lambda: signal.setitimer(signal.ITIMER_REAL, 0.01))
    with pytest.raises(AirflowTaskTimeout):
        Task(source, concurrency).attempt()


@AT_ONCE
@pytest.mark.usefixtures("handlers")
def test_a_signal_ends_a_posting_that_writes_a_note(
    control: EmulatorControl, source: Source, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    save, saved = TaskState.save, list[None]()

    def interrupted(state: TaskState, value: dict[str, Any]) -> None:
        saved.append(None)
        if len(saved) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        save(state, value)

    task = Task(source, concurrency)
    with monkeypatch.context() as patched:
        patched.setattr(TaskState, "save", interrupted)
        with pytest.raises(Terminated):
            task.attempt()
    assert task.attempt()["accepted"] == COUNT
    assert set(numbers(control.messages(source.inlet.id))) == set(range(COUNT))


@AT_ONCE
def test_a_task_that_runs_an_event_loop_can_post(
    control: EmulatorControl, source: Source, concurrency: int
) -> None:
    async def task() -> Any:
        return Task(source, concurrency).attempt()

    assert asyncio.run(task())["accepted"] == COUNT
    assert sorted(numbers(control.messages(source.inlet.id))) == list(range(COUNT))


@AT_ONCE
def test_in_a_running_loop_an_error_is_raised_as_elsewhere(
    control: EmulatorControl, source: Source, concurrency: int
) -> None:
    async def task() -> Any:
        return Task(source, concurrency).attempt()

    control.inject(fault("status", "POST", source.paths[1], after=3, status=404))
    with pytest.raises(FlowServicePermanentException, match="404"):
        asyncio.run(task())


def test_a_token_that_the_thread_fetches_is_masked_by_the_thread_of_the_task(
    control: EmulatorControl, hook: FlowServiceHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that one may talk to Airflow's supervisor, which is how a secret is masked."""
    from airflow_provider_flowservice.client.http import auth
    from airflow_provider_flowservice.hooks import base

    guarded = open_source(hook, authenticated=True)
    control.advance(SETTLED)
    masked: list[tuple[str, str]] = []
    mask = base.mask_secret

    def watched(secret: Any, name: Any = None) -> None:
        masked.append((threading.current_thread().name, secret))
        mask(secret, name)

    monkeypatch.setattr(base, "mask_secret", watched)
    auth.forget_all()
    control.clear_requests()
    summary = FlowServiceHook().post(guarded.inlet, people(COUNT), flow_id=guarded.flow_id, batch_size=2)
    assert summary.accepted == COUNT
    assert len(control.requests("POST", "/ims/")) == 1
    ((thread, token),) = masked
    assert (thread, shown(token)) == ("MainThread", "***")
