"""Fills a sandbox with many flows at once, as a busy one has them, without a request for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_flowservice.emulator.flow.catalogue import (
    KINESIS,
    PROFILE_FLOW,
    PROFILE_TRANSFORM,
    UNIFIED_PROFILE,
)
from airflow_provider_flowservice.emulator.flow.runs import start_run
from airflow_provider_flowservice.emulator.flow.schedules import Agenda
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, SEGMENTS
from airflow_provider_flowservice.emulator.flow.specs import SPEC_VERSION
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.segmentation.store import SegmentStore
from airflow_provider_flowservice.emulator.world import Sandbox

_HOUR = 3600
_FLOWS_PER_ACCOUNT = 50
_DISABLED_EVERY = 10
_FAILED_EVERY = 20
_RUN_SECONDS = 60


def seed_streaming_flows(sandbox: Sandbox, count: int, runs: int) -> None:
    """Add flows that send profiles to Amazon Kinesis, and their latest hourly runs, which have ended.

    Each flow has a source and a target connection of its own; 50 of them share a base connection. They are named
    ``flow 1`` and so on and activate two of the sandbox's segments. One in ten is disabled, and one in twenty of the
    runs has failed. All were made within half an hour, as long ago as their runs require, the first one first.

    :param count: number of flows.
    :param runs: number of runs of each flow.
    """
    store = FlowStore.of(sandbox)
    # The latest runs started between half an hour and an hour ago.
    oldest = sandbox.world.clock.now_ms() - (runs + 1) * _HOUR * 1000
    segments = [each.id for each in SegmentStore.of(sandbox).all()]
    profiles = store.create(Kind.CONNECTIONS, _profile_store(), created_at=oldest)
    flows: list[Resource] = []
    for number in range(1, count + 1):
        created_at = oldest + number * _HOUR * 500 // count
        if number % _FLOWS_PER_ACCOUNT == 1:
            account = store.create(Kind.CONNECTIONS, _account(number), created_at=created_at)
        source = store.create(Kind.SOURCE_CONNECTIONS, _source(number, profiles), created_at=created_at)
        target = store.create(Kind.TARGET_CONNECTIONS, _target(number, account), created_at=created_at)
        activated = [segments[(number + step) % len(segments)] for step in range(2)] if segments else []
        state = State.ENABLED if number % _DISABLED_EVERY else State.DISABLED
        body = _flow(number, source, target, activated)
        flows.append(store.create(Kind.FLOWS, body, state, created_at))
    _seed_runs(sandbox, flows, runs)
    # What is due until now has been added.
    Agenda.of(sandbox).due(store)


def _seed_runs(sandbox: Sandbox, flows: Sequence[Resource], runs: int) -> None:
    now = sandbox.world.clock.now()
    for step in range(runs, 0, -1):
        for number, flow in enumerate(flows, start=step):
            created = flow.created_at / 1000
            due = created + _HOUR * ((now - created) // _HOUR - step + 1)
            outcome = "success" if number % _FAILED_EVERY else "failed"
            start_run(sandbox, flow, due, outcome=outcome, seconds=_RUN_SECONDS)


def _spec(spec_id: str) -> dict[str, str]:
    return {"id": spec_id, "version": SPEC_VERSION}


def _profile_store() -> dict[str, Any]:
    return {"name": "profiles", "connectionSpec": _spec(UNIFIED_PROFILE)}


def _account(number: int) -> dict[str, Any]:
    params = {"accessKeyId": f"AKIA{number:016}", "secretKey": f"secret-{number}", "region": "us-east-1"}
    auth = {"specName": "Aws Kinesis authentication credentials", "params": params}
    return {"name": f"account {number}", "connectionSpec": _spec(KINESIS), "auth": auth}


def _source(number: int, base: Resource) -> dict[str, Any]:
    return {
        "name": f"profiles {number}",
        "baseConnectionId": base.id,
        "connectionSpec": base.body["connectionSpec"],
        "data": {"format": "json"},
        "params": {},
    }


def _target(number: int, base: Resource) -> dict[str, Any]:
    return {
        "name": f"stream {number}",
        "baseConnectionId": base.id,
        "connectionSpec": base.body["connectionSpec"],
        "data": {"format": "json"},
        "params": {"stream": f"events-{number}", "region": "us-east-1"},
    }


def _flow(number: int, source: Resource, target: Resource, segments: Sequence[str]) -> dict[str, Any]:
    audiences = [{"type": "PLATFORM_SEGMENT", "value": {"id": each}} for each in segments]
    attribute = {"type": "JSON_PATH", "value": {"path": "person.name.firstName", "operator": "EXISTS"}}
    params = {SEGMENTS: {"selectors": audiences}, ATTRIBUTES: {"selectors": [attribute]}}
    return {
        "name": f"flow {number}",
        "flowSpec": _spec(PROFILE_FLOW),
        "sourceConnectionIds": [source.id],
        "targetConnectionIds": [target.id],
        "transformations": [{"name": PROFILE_TRANSFORM, "params": params}],
    }
