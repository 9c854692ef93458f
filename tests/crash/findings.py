"""What exists in the emulator after a run, held against what a scenario shall give."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.client.datasets import datasets, mapping_sets, schemas
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash.killing import Moment
from tests.crash.scenarios import BATCH_SIZE, FLOWS, SEGMENTS, Scenario, record_id
from tests.support.aep import selected
from tests.support.clients import client_of

_FLOW_SERVICE = ("connections", "sourceConnections", "targetConnections", "flows")


@dataclass
class Findings:
    """How far the emulator is from what shall be.

    :param resources_duplicated: how many exist beside the one that shall, runs of flows included.
    :param segments_lost: segments and attributes that are not mapped.
    :param records_duplicated: how many records arrived beside the first of each.
    :param maybe_duplicated: what the posting task said about that.
    :param connections_left: how many connections are left of flows that are gone.
    :param problems: everything that is wrong, in words.
    """

    resources_duplicated: int = 0
    segments_lost: int = 0
    records_lost: int = 0
    records_duplicated: int = 0
    maybe_duplicated: int = 0
    connections_left: int = 0
    problems: list[str] = field(default_factory=list)

    def fail(self, problem: str) -> None:
        """Note what is wrong."""
        self.problems.append(problem)


@dataclass(frozen=True)
class Story:
    """What happened to a run.

    :param exchanges: of the process that was killed, ``METHOD path`` each; the last one was its end.
    :param killed: when the process died; None if it did not.
    :param store: whether there was a note to go on from.
    :param posted: what the posting task returned.
    """

    exchanges: Sequence[str]
    killed: Moment | None
    store: bool
    posted: dict[str, Any] | None

    @property
    def batches_begun(self) -> int:
        """How many batches the killed process had begun to send."""
        return sum("/collection/" in exchange for exchange in self.exchanges)

    @property
    def may_be_sent_again(self) -> range:
        """Positions of the batches that nobody can know to have arrived; without a note, of all that were sent."""
        if self.killed is None or "/collection/" not in self.exchanges[-1]:
            return range(0)
        if not self.store:
            return range(self.batches_begun)
        return range(0) if self.killed is Moment.DONE else range(self.batches_begun - 1, self.batches_begun)

    @property
    def connections_are_forgotten(self) -> bool:
        """Whether a flow was deleted of which nobody knows any more which connections it had."""
        had_effect = self.exchanges[:-1] if self.killed is Moment.BEFORE else self.exchanges
        was_deleted = any(exchange.startswith(f"DELETE {FLOWS}/") for exchange in had_effect)
        return self.killed is not None and not self.store and was_deleted


def look(control: EmulatorControl, scenario: Scenario, story: Story) -> Findings:
    """Compare all that exists with what shall."""
    findings = Findings()
    state = _own(control.state(), scenario.prefix)
    held = {kind: [resource["name"] for resource in state[kind]] for kind in _FLOW_SERVICE}
    held |= _beyond_flow_service(control, scenario)
    if story.connections_are_forgotten:
        held = _without_connections_left(findings, held, scenario)
    for kind, wanted in scenario.names.items():
        _compare_names(findings, kind, held[kind], wanted)
    if scenario.runs:
        _compare_runs(findings, control.state(), scenario.runs)
    if scenario.posting:
        _compare_records(findings, state, story)
    if scenario.attributes is not None:
        _compare_selectors(findings, state, control.segments[:SEGMENTS], scenario.attributes)
    if scenario.mandatory:
        _compare_mapping(findings, control, state, scenario.mandatory)
    return findings


def _own(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    """What of the emulator's state has names that begin with a prefix."""
    own = {kind: [each for each in state[kind] if each["name"].startswith(prefix)] for kind in _FLOW_SERVICE}
    inlets = {
        connection["auth"]["params"].get("inletId")
        for connection in own["connections"]
        if "auth" in connection
    }
    messages = {inlet: kept for inlet, kept in state["messages"].items() if inlet in inlets}
    return {**own, "messages": messages}


def _beyond_flow_service(control: EmulatorControl, scenario: Scenario) -> dict[str, list[str]]:
    """Names of what a scenario makes and the emulator's state does not show."""
    lists: dict[str, Callable[[Sender], Iterator[Any]]] = {
        "schemas": schemas.iterate,
        "dataSets": datasets.iterate,
        "mappingSets": mapping_sets.iterate,
    }
    with client_of(control) as client:
        names = {
            kind: [str(found.title if kind == "schemas" else found.name) for found in iterate(client)]
            for kind, iterate in lists.items()
            if kind in scenario.names
        }
    return {kind: [name for name in held if name.startswith(scenario.prefix)] for kind, held in names.items()}


def _without_connections_left(
    findings: Findings, held: dict[str, list[str]], scenario: Scenario
) -> dict[str, list[str]]:
    """Leave out what may be left of one flow, the one that was deleted last."""
    for connections in scenario.pruned:
        left = {kind: [name for name in held[kind] if name in names] for kind, names in connections.items()}
        if any(left.values()):
            findings.connections_left = sum(map(len, left.values()))
            return held | {kind: [name for name in held[kind] if name not in left[kind]] for kind in left}
    return held


def _compare_names(findings: Findings, kind: str, held: Sequence[str], wanted: Sequence[str]) -> None:
    findings.resources_duplicated += (Counter(held) - Counter(wanted)).total()
    if sorted(held) != sorted(wanted):
        findings.fail(f"{kind} are {sorted(held)}, wanted {sorted(wanted)}")


def _compare_runs(findings: Findings, state: dict[str, Any], wanted: Mapping[str, int]) -> None:
    names = {flow["id"]: flow["name"] for flow in state["flows"]}
    started = Counter(names[run["flowId"]] for run in state["runs"])
    findings.resources_duplicated += (started - Counter(wanted)).total()
    if started != Counter(wanted):
        findings.fail(f"runs started are {dict(started)}, wanted {dict(wanted)}")


def _compare_selectors(
    findings: Findings, state: dict[str, Any], wanted: Sequence[str], wanted_attributes: Sequence[str]
) -> None:
    for flow in state["flows"]:
        segments, attributes = selected(flow)
        findings.segments_lost += len({*wanted, *wanted_attributes} - {*segments, *attributes})
        if sorted(segments) != sorted(wanted) or sorted(attributes) != sorted(wanted_attributes):
            findings.fail(f"mapped are {segments} and {attributes}")


def _compare_mapping(
    findings: Findings, control: EmulatorControl, state: dict[str, Any], mandatory: Sequence[str]
) -> None:
    with client_of(control) as client:
        known = [{"mappingId": found.id, "mappingVersion": 0} for found in mapping_sets.iterate(client)]
    for flow in state["flows"]:
        params = flow["transformations"][0]["params"]
        if params["profileMapping"] not in known or params["mandatoryFields"] != mandatory:
            findings.fail(f"a flow has {params}, and there are {known}")


def _compare_records(findings: Findings, state: dict[str, Any], story: Story) -> None:
    from tests.crash.scenarios import RECORDS

    kept = [message for messages in state["messages"].values() for message in messages]
    if dropped := [message["reason"] for message in kept if message["dropped"]]:
        findings.fail(f"{len(dropped)} records were dropped: {dropped[0]}")
    arrived = Counter(record_id(message["message"]) for message in kept if not message["dropped"])
    wanted = [f"r{n}" for n in range(RECORDS)]
    lost = [each for each in wanted if each not in arrived]
    findings.records_lost = len(lost)
    if lost or set(arrived) - set(wanted):
        findings.fail(f"records {lost} did not arrive; {dict(arrived)} did")
    _compare_duplicates(findings, arrived, wanted, story)


def _compare_duplicates(
    findings: Findings, arrived: Counter[str], wanted: Sequence[str], story: Story
) -> None:
    """Twice may be there what was on its way; without a note, all that the killed process had sent."""
    batches = [wanted[start : start + BATCH_SIZE] for start in range(0, len(wanted), BATCH_SIZE)]
    unavoidable = {each for batch in story.may_be_sent_again for each in batches[batch]}
    twice = {each for each, times in arrived.items() if times > 1}
    findings.records_duplicated = sum(times - 1 for times in arrived.values())
    if not twice <= unavoidable or max(arrived.values(), default=0) > 2:
        findings.fail(f"more than once are there {dict(arrived)}; only {sorted(unavoidable)} may be")
    if story.posted is None:
        findings.fail("the posting task returned nothing")
        return
    findings.maybe_duplicated = story.posted["maybe_duplicated"]
    accounted = [story.posted[each] for each in ("accepted", "rejected", "unknown")]
    if accounted != [len(wanted), 0, 0]:
        findings.fail(f"the task accounts for {accounted}")
    if story.store and findings.records_duplicated > findings.maybe_duplicated:
        findings.fail(f"the task says that {findings.maybe_duplicated} records may be there twice")
    if findings.maybe_duplicated > BATCH_SIZE:
        findings.fail(f"the task says so of {findings.maybe_duplicated}, more than one batch")


def read_lines(path: Path) -> list[str]:
    """The lines of a file that may not be there."""
    return path.read_text().splitlines() if path.exists() else []


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None if there is none."""
    return json.loads(path.read_text()) if path.exists() else None
