"""Recordings of what a version stores, and what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.flows import Window
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger
from tests.support.batch import make_batch_flow
from tests.support.faults import fault
from tests.upgrades.attempts import Kept, Stored, Task, form_of, trigger_of
from tests.upgrades.cases import Case, Place
from tests.upgrades.names import Names

FOLDER = Path(__file__).parent
WATCHER = "watcher"
#: What stands for the end of a wait: the status of the event.
DONE, TIMEOUT = "done", "timeout"
#: The other ends: the status of AEP's responses that leads to each.
FAILURES = {"forbidden": 403, "unavailable": 503}
_ENDLESS, _OFTEN = 10_000_000, 100_000


def ends_of(case: Case) -> list[str]:
    """How a wait may end."""
    return [DONE] if case.asks_nothing else [DONE, TIMEOUT, *FAILURES]


#: Makes one place after the other.
Places = Callable[[], AbstractContextManager[Place]]


@contextmanager
def place_for(control: EmulatorControl, folder: Path) -> Iterator[Place]:
    """An emptied emulator, in which runs are only started by hand and take 100 s, and a clock that jumps."""
    auth.forget_all()
    control.reset()
    control.set_switches(scheduled_runs=False, run_seconds=100)
    folder.mkdir()
    hook = FlowServiceHook()
    virtual = VirtualClock.in_step_with(control)
    with clock.installed(virtual):
        yield Place(control, virtual, hook, folder)
    hook.close()


class Watching:
    """A watcher of a flow, over two triggerers.

    :param place: an emptied emulator.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.flow_id = make_batch_flow(place.hook)
        self.names = Names(place.control, place.clock.wall())
        self.kept: dict[str, Any] = {}

    def trigger(self) -> FlowRunCompletedTrigger:
        """Return a trigger as a DAG has it."""
        return FlowRunCompletedTrigger(flow_id=self.flow_id, states=["success", "failed"])

    def run_flow(self) -> None:
        """Start a run, which ends after some time."""
        self._place.hook.run_flow(self.flow_id, Window(1_700_000_000, 1_700_086_400))
        self.names.see()

    def watch(self, trigger: Any) -> list[dict[str, Any]]:
        """Run a trigger for ten minutes, and stop it as a triggerer does; what it has fired."""
        virtual = self._place.clock
        until = virtual.wall() + 600
        fired: list[dict[str, Any]] = []

        def moved(seconds: float) -> None:
            self._place.control.advance(seconds)
            if virtual.wall() >= until:
                raise asyncio.CancelledError

        async def run() -> None:
            async for event in trigger.run():
                fired.append(event.payload)  # noqa: PERF401 (it is needed after a cancellation, too)

        trigger.asset_state_store = self
        virtual.follow(moved)
        try:
            asyncio.run(run())
        except asyncio.CancelledError:
            pass
        finally:
            virtual.follow(self._place.control.advance)
        return fired

    async def aget(self, key: str, default: Any = None) -> Any:
        """Stand for Airflow's store."""
        return self.kept.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        """Stand for Airflow's store."""
        self.kept[key] = json.loads(json.dumps(value))


@contextmanager
def waiting(case: Case, end: str, place: Place, patched: pytest.MonkeyPatch) -> Iterator[tuple[Task, Stored]]:
    """A task that waits, whose wait has a certain end if a trigger is fired in the ``with`` block."""
    if end == TIMEOUT:
        place.control.set_switches(run_seconds=_ENDLESS)
    task = Task(case, place, patched)
    stored = task.begin()
    if end in FAILURES:
        place.control.inject(fault("status", "GET", status=FAILURES[end], times=_OFTEN))
    yield task, stored


def record_wait(case: Case, places: Places, patched: pytest.MonkeyPatch) -> dict[str, Any]:
    """Record what is stored of a deferred task, and what follows from each end of its wait."""
    document: dict[str, Any] = {"ends": {}}
    for end in ends_of(case):
        with places() as place, patched.context() as own, waiting(case, end, place, own) as (task, stored):
            deferral = stored.deferral
            assert deferral is not None, f"{case.name} does not wait"
            kwargs = dict(deferral.kwargs or {})
            event = task.fire(deferral.trigger, to_end=end == DONE)
            assert event["status"] == ("error" if end in FAILURES else end), f"{case.name}: {event}"
            outcome = task.resume(stored.kept, deferral.method_name, kwargs, event)
            form = {"trigger": form_of(deferral.trigger), "method": deferral.method_name, "kwargs": kwargs}
            document |= task.names.named({"operator": task.bases[0], "kept": stored.kept.to_json(), **form})
            document["ends"][end] = task.names.named({"event": event, "outcome": outcome})
    return document


def record_note(case: Case, places: Places, patched: pytest.MonkeyPatch) -> dict[str, Any]:
    """Record what an attempt leaves to the next one, and what that makes of it."""
    with places() as place, patched.context() as own:
        task = Task(case, place, own)
        kept = task.begin().kept
        outcome = task.go_on(kept)
        document: dict[str, Any] = task.names.named(
            {"operator": task.bases[0], "kept": kept.to_json(), "outcome": outcome}
        )
    with places() as place, patched.context() as own:
        task = Task(case, place, own)
        task.begin()
        anew = task.names.named(task.go_on(Kept()))
    assert anew != document["outcome"], f"{case.name}: without its note, the outcome is the same"
    return document


def record_watcher(places: Places) -> dict[str, Any]:
    """Record what is stored of a watcher that has fired once, and what the next triggerer fires then."""
    with places() as place:
        watching = Watching(place)
        trigger = watching.trigger()
        watching.run_flow()
        first = watching.watch(trigger)
        form = form_of(trigger)
        kept = dict(watching.kept)
        watching.run_flow()
        place.clock.advance(200)
        second = watching.watch(trigger_of(form))
        watching.names.see()
        document: dict[str, Any] = watching.names.named(
            {"trigger": form, "kept": kept, "fired": first, "fired_next": second}
        )
    return document
