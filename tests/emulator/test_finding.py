"""Lists find by index what they found by looking at each resource, whatever happened before.

The reference renders every resource anew, and filters, sorts and counts what it has rendered.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.emulator.clock import EmulatorClock, Timers
from airflow_provider_flowservice.emulator.flow import finding, runs
from airflow_provider_flowservice.emulator.flow.listing import Selection, list_response
from airflow_provider_flowservice.emulator.flow.queries import ListQuery
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World

FLOWS = 60
RUNS_OF_EACH = 1
CALLERS = ("http://127.0.0.1:1", "http://localhost:1")


def as_received(page: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(page))


class StandingClock(EmulatorClock):
    """A clock that only advances."""

    def __init__(self) -> None:
        super().__init__()
        self._start = super().now()

    def now(self) -> float:
        return self._start + self.ahead


class Busy:
    """A busy sandbox in which things happen."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(Settings())
        # Time passes only when it is told to: a run must not end between the two lists that are compared.
        self.world.clock = StandingClock()
        self.world.timers = Timers(self.world.clock)
        self.sandbox = self.world.sandboxes["dev"]
        self.store = FlowStore.of(self.sandbox)
        seed_streaming_flows(self.sandbox, FLOWS, RUNS_OF_EACH)
        if seed % 2:
            self.world.switches = self.world.switches.changed({"change_delay_seconds": 20})

    def any(self, kind: Kind) -> Resource:
        return self.random.choice(self.store.all(kind))

    def most_sources(self) -> list[str]:
        return max((each.body["sourceConnectionIds"] for each in self.store.all(Kind.FLOWS)), key=len)

    def base(self) -> Resource:
        """A base connection to Kinesis."""
        return self.random.choice(self.store.all(Kind.CONNECTIONS)[1:])

    def rename(self) -> None:
        flow = self.any(Kind.FLOWS)
        name = self.any(Kind.FLOWS).body["name"]
        self.store.patch(
            flow, {**flow.body, "name": name}, [{"op": "replace", "path": "/name", "value": name}]
        )

    def switch(self) -> None:
        flow = self.any(Kind.FLOWS)
        self.store.change(flow, state=State.DISABLED if flow.state is State.ENABLED else State.ENABLED)

    def rebase(self) -> None:
        target = self.any(Kind.TARGET_CONNECTIONS)
        self.store.change(target, body={**target.body, "baseConnectionId": self.base().id})

    def add_source(self) -> None:
        flow = self.any(Kind.FLOWS)
        sources = [*flow.body["sourceConnectionIds"], self.any(Kind.SOURCE_CONNECTIONS).id]
        self.store.change(flow, body={**flow.body, "sourceConnectionIds": sources})

    def open_inlet(self) -> None:
        self.store.open_inlet(self.base())

    def disown(self) -> None:
        resource = self.any(self.random.choice((Kind.FLOWS, Kind.TARGET_CONNECTIONS)))
        self.store.rewrite(resource, {**resource.body, "createdClient": "somebody-else"})

    def delete(self) -> None:
        flow = self.any(Kind.FLOWS)
        self.store.delete(flow)

    def delete_before_its_patch_is_finalized(self) -> None:
        flow = self.any(Kind.FLOWS)
        self.store.delete(flow)
        self.store.finalize(flow)

    def copy(self) -> None:
        flow = self.any(Kind.FLOWS)
        self.store.create(Kind.FLOWS, dict(flow.body), created_at=flow.created_at)

    def run(self) -> None:
        runs.start_run(self.sandbox, self.any(Kind.FLOWS), outcome=self.random.choice(("success", "failed")))

    def finalize(self) -> None:
        self.store.finalize(self.any(Kind.FLOWS))

    def hide(self) -> None:
        kind = self.random.choice((Kind.FLOWS, Kind.RUNS))
        self.world.hide_from_lists(self.any(kind).id, self.world.clock.now() + 100)

    def wait(self) -> None:
        self.world.clock.advance(self.random.choice((3, 15, 300)))
        self.world.timers.run_due()

    def set_switch(self) -> None:
        changed: dict[str, object] = self.random.choice(
            (
                {"run_status_names": self.random.choice(("openapi", "payload"))},
                {"run_status_names": self.random.choice(("openapi", "payload"))},
                {"mask_secrets": False},
                {"mask_secrets": True},
                {"change_delay_seconds": 20},
                {"change_delay_seconds": 0},
                {"finalization_seconds": 10},
                {"inherited_attributes": self.random.choice(("omitted", "shown"))},
                {"count_response": self.random.choice(("items", "count"))},
                {"list_order": self.random.choice(("ignored", "honored"))},
                {"lists_comma": self.random.choice(("literal", "or"))},
                {"etag_quotes": self.random.choice(("none", "inside"))},
            )
        )
        self.world.switches = self.world.switches.changed(changed)

    def happen(self) -> None:
        events: tuple[Callable[[], None], ...] = (
            self.rename,
            self.switch,
            self.rebase,
            self.add_source,
            self.open_inlet,
            self.disown,
            self.delete,
            self.delete_before_its_patch_is_finalized,
            self.copy,
            self.run,
            self.finalize,
            self.hide,
            self.wait,
            self.set_switch,
        )
        self.random.choice(events)()

    def filters(self) -> Iterator[tuple[Kind, tuple[str, ...]]]:
        """What can be asked about a flow, its run, and what belongs to it."""
        flow, run, target = self.any(Kind.FLOWS), self.any(Kind.RUNS), self.any(Kind.TARGET_CONNECTIONS)
        name, ends = flow.body["name"], "inheritedAttributes.targetConnections[]"
        for texts in (
            (),
            (f"id=={flow.id}",),
            (f"id=={','.join(each.id for each in self.store.all(Kind.FLOWS)[::2])}",),
            (f"name=={name}",),
            (f"name=={name},{self.any(Kind.FLOWS).body['name']}", "state==enabled"),
            ("state==disabled",),
            ("state==enabled,disabled", "createdClient==somebody-else"),
            (f"createdAt>{flow.created_at}", "state==enabled"),
            (f"sourceConnectionIds[]=={','.join(self.most_sources())}",),
            (f"{ends}.id=={flow.body['targetConnectionIds'][0]}",),
            (f"{ends}.baseConnection.id=={self.base().id}",),
            ("inheritedAttributes.properties.isDestinationFlow==true",),
            ("lastOperation.status.value==completed",),
            ("nothing.of.the.kind==x",),
        ):
            yield Kind.FLOWS, texts
        yield Kind.TARGET_CONNECTIONS, (f"baseConnectionId=={target.body['baseConnectionId']}",)
        yield Kind.TARGET_CONNECTIONS, (f"inheritedAttributes.baseConnection.id=={self.base().id}",)
        yield Kind.CONNECTIONS, ("auth.params.region==us-east-1",)
        yield (
            Kind.CONNECTIONS,
            (f"auth.params.inletUrl=={CALLERS[0]}/collection/{next(iter(self.store.inlets), '')}",),
        )
        for texts in (
            (f"flowId=={run.body['flowId']}",),
            (f"flowId=={run.body['flowId']}", "metrics.statusSummary.status==success"),
            ("metrics.statusSummary.status==failed",),
            ("metrics.statusSummary.status==Failed,Success",),
            ("state==inProgress,scheduled",),
            (f"metrics.durationSummary.startedAtUTC>{run.created_at}",),
        ):
            yield Kind.RUNS, texts

    def check(self) -> None:
        for kind, texts in self.filters():
            orderby = self.random.choice(("", "", "-createdAt", "createdAt", "name,-id", "state,createdAt"))
            query = ListQuery(
                texts, orderby, self.random.choice((1, 3, 100)), False, self.random.choice((0, 0, 2))
            )
            for asked in (query, ListQuery(texts, "", 1, True, 0)):
                renderer = Renderer(
                    self.sandbox, self.random.choice(CALLERS), self.world.switches.mask_secrets
                )
                found = msgspec.json.decode(
                    msgspec.json.encode(finding.list_resources(renderer, kind, f"/{kind}", asked))
                )
                assert found == self.expected(renderer, kind, asked), asked

    def expected(self, renderer: Renderer, kind: Kind, query: ListQuery) -> Any:
        newest_first = sorted(
            (each for each in self.store.all(kind) if self.world.is_listed(each.id)),
            key=lambda each: (each.created_at, each.order),
            reverse=True,
        )
        items = [renderer.item(each) for each in newest_first]
        selection = Selection.parse(query, self.world.switches, of_runs=kind is Kind.RUNS)
        return msgspec.json.decode(
            msgspec.json.encode(list_response(f"/{kind}", items, query, selection, self.world.switches))
        )


@pytest.mark.parametrize("seed", range(8))
def test_lists_find_what_is_there(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_FEW", 1)
    busy = Busy(seed)
    busy.check()
    for _ in range(10):
        for _ in range(4):
            busy.happen()
        busy.check()
