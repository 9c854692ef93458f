"""Schedules start the runs that they started when every flow was looked at each time."""

from __future__ import annotations

import random
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.flow.runs import start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.schedules import due_times
from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World

BATCH = {"id": "9753525b-82c7-4dce-8a9b-5ccfce2b9876", "version": "1.0"}
HOUR = 3600


class Scheduled:
    """Flows on schedules, in a world of their own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(Settings())
        self.sandbox = self.world.sandboxes["dev"]
        self.store = FlowStore.of(self.sandbox)
        self.looked_at: dict[str, float] = {}

    def schedule(self) -> dict[str, Any]:
        start = int(self.world.clock.now()) + self.random.randint(-5 * HOUR, 5 * HOUR)
        frequency = self.random.choice(("once", "minute", "hour"))
        if frequency == "once":
            return {"startTime": start, "frequency": "once"}
        end = {"endTime": start + 8 * HOUR} if self.random.random() < 0.3 else {}
        interval = self.random.randint(15, 200) if frequency == "minute" else self.random.randint(1, 3)
        return {"startTime": start, "frequency": frequency, "interval": interval, **end}

    def add(self) -> None:
        body = {"name": "f", "flowSpec": BATCH, "scheduleParams": self.schedule()}
        # Now and then someone else's, which was made before it is seen.
        age = self.random.choice((0, 0, 8000))
        self.store.create(Kind.FLOWS, body, created_at=self.world.clock.now_ms() - age)

    def change(self) -> None:
        if flow := self.any():
            self.store.change(flow, body={**flow.body, "scheduleParams": self.schedule()})

    def switch(self) -> None:
        if flow := self.any():
            state = State.DISABLED if flow.state is State.ENABLED else State.ENABLED
            self.store.change(flow, state=state)

    def delete(self) -> None:
        if flow := self.any():
            self.store.delete(flow)
            # Its last patch may end later than it did.
            self.store.finalize(flow)

    def wait(self) -> None:
        self.world.clock.advance(self.random.choice((60, HOUR, 7 * HOUR)))

    def any(self) -> Resource | None:
        flows = self.store.all(Kind.FLOWS)
        return self.random.choice(flows) if flows else None

    def expected(self, now: float) -> list[tuple[str, int]]:
        """What is due by now, if every flow is looked at."""
        due = []
        for flow in self.store.all(Kind.FLOWS):
            since = self.looked_at.get(flow.id, flow.created_at / 1000)
            self.looked_at[flow.id] = now
            if flow.state is State.ENABLED:
                due += [(flow.id, int(time * 1000)) for time in due_times(flow, since, now)]
        return due


@pytest.mark.parametrize("seed", range(20))
def test_what_is_due_is_started(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled = Scheduled(seed)
    start = scheduled.world.clock.now()
    monkeypatch.setattr(scheduled.world.clock, "now", lambda: start + scheduled.world.clock.ahead)
    events = (
        scheduled.add,
        scheduled.add,
        scheduled.change,
        scheduled.switch,
        scheduled.delete,
        scheduled.wait,
    )
    for _ in range(60):
        scheduled.random.choice(events)()
        if scheduled.random.random() < 0.4:
            before = len(scheduled.store.all(Kind.RUNS))
            expected = scheduled.expected(scheduled.world.clock.now())
            start_scheduled_runs(scheduled.sandbox)
            started = scheduled.store.all(Kind.RUNS)[before:]
            assert [(run.body["flowId"], run.created_at) for run in started] == expected


def test_only_flows_that_are_due_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Settings())
    sandbox = world.sandboxes["dev"]
    looked_at: list[str] = []

    def noting(flow: Resource, since: float, until: float) -> list[float]:
        looked_at.append(flow.id)
        return due_times(flow, since, until)

    seed_streaming_flows(sandbox, 50, 2)
    monkeypatch.setattr("airflow_provider_flowservice.emulator.flow.schedules.due_times", noting)
    start_scheduled_runs(sandbox)
    assert looked_at == []
    flow = FlowStore.of(sandbox).all(Kind.FLOWS)[7]
    FlowStore.of(sandbox).change(flow, state=State.DISABLED)
    FlowStore.of(sandbox).change(flow, state=State.ENABLED)
    start_scheduled_runs(sandbox)
    assert looked_at == [flow.id]
    world.clock.advance(HOUR)
    start_scheduled_runs(sandbox)
    assert len(looked_at) > 40
