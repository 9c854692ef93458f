"""Fills a world with what a scenario contains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.faults.queue import FaultQueue
from airflow_provider_flowservice.emulator.flow.catalogue import (
    CONNECTION_SPECS,
    FLOW_SPECS,
    PROFILE_TRANSFORM,
)
from airflow_provider_flowservice.emulator.flow.changes import create, perform
from airflow_provider_flowservice.emulator.flow.checks import accepted_body
from airflow_provider_flowservice.emulator.flow.runs import start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, SEGMENTS
from airflow_provider_flowservice.emulator.flow.specs import SPEC_VERSION
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.scenarios.model import RunOutcome, Scenario
from airflow_provider_flowservice.emulator.segmentation.store import SegmentStore
from airflow_provider_flowservice.emulator.world import Sandbox, World

#: What a body may refer to by name: the key, the kind of what it names, and the field of AEP that has the ids.
_REFERENCES = {
    "baseConnection": (Kind.CONNECTIONS, "baseConnectionId"),
    "sourceConnections": (Kind.SOURCE_CONNECTIONS, "sourceConnectionIds"),
    "targetConnections": (Kind.TARGET_CONNECTIONS, "targetConnectionIds"),
}
_SPECS: dict[str, Mapping[str, Any]] = {"connectionSpec": CONNECTION_SPECS, "flowSpec": FLOW_SPECS}


def build(scenario: Scenario, world: World) -> None:
    """Add a scenario to a world, from its clock's time on.

    :raises ValueError: if a resource refers to something unknown, or AEP would refuse it; it names the key.
    """
    sandbox = world.open_sandbox(scenario.sandbox or world.settings.sandbox)
    world.take_over(scenario.switches)
    switches = world.switches
    # What the scenario begins with, has been there for long.
    world.switches = replace(switches, change_delay_seconds=0)
    for segment in scenario.segments:
        SegmentStore.of(sandbox).create(segment.name, segment.description, segment.expression)
    if scenario.streaming_flows:
        count, runs = scenario.streaming_flows.count, scenario.streaming_flows.runs
        seed_streaming_flows(sandbox, count, runs // count)
    for kind in (Kind.CONNECTIONS, Kind.SOURCE_CONNECTIONS, Kind.TARGET_CONNECTIONS, Kind.FLOWS):
        for number, body in enumerate(getattr(scenario, kind.value)):
            _add(sandbox, kind, body, f"{kind.value}[{number}]")
    world.switches = switches
    start = world.clock.now()
    for outcome in scenario.run_outcomes:
        _later(world, outcome.at, _change_of_outcome(world, outcome, start + outcome.at))
    for fault in scenario.faults:
        _later(world, fault.at, lambda rule=fault.rule: FaultQueue.of(world).add([rule]))  # type: ignore[misc]


def _later(world: World, seconds: float, action: Callable[[], None]) -> None:
    if seconds:
        world.timers.add(seconds, action)
    else:
        action()


def _change_of_outcome(world: World, change: RunOutcome, time: float) -> Callable[[], None]:
    values: dict[str, object] = {"run_outcome": change.outcome}
    if change.seconds is not None:
        values["run_seconds"] = change.seconds

    def apply() -> None:
        # The clock may have moved on by more than that: what was due before ends as it would have.
        for sandbox in world.sandboxes.values():
            start_scheduled_runs(sandbox, until=time)
        world.switches = world.switches.changed(values)

    return apply


def _add(sandbox: Sandbox, kind: Kind, body: dict[str, Any], where: str) -> None:
    body = dict(body)
    state = body.pop("state", "enabled")
    if state not in ("enabled", "disabled"):
        raise ValueError(f"{where}.state: {state!r} is not possible; use enabled or disabled")
    _name_specs(body, where)
    _resolve(sandbox, body, where)
    if "segments" in body:
        _activate(sandbox, body, where)
    try:
        resource = create(sandbox, kind, accepted_body(body, ignore_legacy=False))
        if state == "disabled":
            perform(sandbox, resource, "disable")
    except ApiError as error:
        raise ValueError(f"{where}: AEP would refuse it: {error.message}") from error


def _name_specs(body: dict[str, Any], where: str) -> None:
    """Replace the name or the id of a spec by a reference."""
    for field, catalogue in _SPECS.items():
        wanted = body.get(field)
        if not isinstance(wanted, str):
            continue
        found = [spec.id for spec in catalogue.values() if wanted in (spec.id, spec.name)]
        if len(found) != 1:
            names = ", ".join(sorted(spec.name for spec in catalogue.values()))
            raise ValueError(f"{where}.{field}: there is no {wanted!r}; use an id, or one of {names}")
        body[field] = {"id": found[0], "version": SPEC_VERSION}


def _resolve(sandbox: Sandbox, body: dict[str, Any], where: str) -> None:
    """Replace names of connections by their ids."""
    for key, (kind, field) in _REFERENCES.items():
        if key not in body:
            continue
        wanted = body.pop(key)
        names = [wanted] if kind is Kind.CONNECTIONS else wanted
        held = ((each.body["name"], each.id) for each in FlowStore.of(sandbox).all(kind))
        ids = _ids_of(names, held, f"{where}.{key}", f"the {kind.value} of this scenario")
        body[field] = ids[0] if kind is Kind.CONNECTIONS else ids


def _activate(sandbox: Sandbox, body: dict[str, Any], where: str) -> None:
    """Put the named segments into the transformation of a flow, which may not have any of its own."""
    if "transformations" in body:
        raise ValueError(f"{where}.segments: the flow has transformations too; leave out one of them")
    held = ((each.name, each.id) for each in SegmentStore.of(sandbox).all())
    ids = _ids_of(body.pop("segments"), held, f"{where}.segments", "the segments of the sandbox")
    selectors = [{"type": "PLATFORM_SEGMENT", "value": {"id": each}} for each in ids]
    params: dict[str, Any] = {SEGMENTS: {"selectors": selectors}, ATTRIBUTES: {"selectors": []}}
    body["transformations"] = [{"name": PROFILE_TRANSFORM, "params": params}]


def _ids_of(names: object, held: Iterable[tuple[str, str]], where: str, what: str) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise ValueError(f"{where}: {names!r} is not what it must be; use names of {what}")
    known = dict(held)
    for name in names:
        if name not in known:
            raise ValueError(
                f"{where}: there is no {name!r}; {what} are {', '.join(sorted(known)) or 'none'}"
            )
    return [known[name] for name in names]
