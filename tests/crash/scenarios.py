"""What is run: the onboarding DAGs, one that starts a run and one that prunes, what each of them makes, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.client import FlowState
from airflow_provider_flowservice.client.flows import lifecycle
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from tests.support.aep import FLOW_SERVICE, kinesis, make, profile_flow, profile_store, profiles, stream
from tests.support.batch import make_batch_flow
from tests.support.clients import client_of
from tests.support.thirds import Share

RECORDS = 7
BATCH_SIZE = 2
SEGMENTS = 3
FLOWS = f"{FLOW_SERVICE}/flows"
ATTRIBUTES = ("person.name.firstName", "person.name.lastName", "personalEmail.address")
_DESTINATIONS = Path(__file__).parent / "dags" / "destinations.yaml"


@dataclass(frozen=True)
class Scenario:
    """One DAG with its configuration.

    :param name: also the id of its DAG run.
    :param names: by collection, the name of everything that shall exist afterwards, once.
    :param conf: of the DAG run.
    :param posting: id of the task that posts records.
    :param prefix: what begins with it is this scenario's; empty where there is no other one.
    :param prepare: makes what the DAG finds.
    :param runs: how many runs of flows shall have been started, by the name of the flow.
    :param attributes: of each of its flows, which also have the segments; None where nothing is activated.
    :param mandatory: columns without which its flows, which have its mapping set, export nothing.
    :param is_long: whether it is left out where a third of the points is asked for.
    :param pruned: the names, by collection, of the connections of each flow that shall be gone.
    """

    name: str
    dag_id: str
    names: Mapping[str, Sequence[str]]
    conf: Mapping[str, Any] = field(default_factory=dict)
    posting: str | None = None
    prefix: str = ""
    prepare: Callable[[EmulatorControl], None] | None = None
    runs: Mapping[str, int] = field(default_factory=dict)
    attributes: Sequence[str] | None = None
    mandatory: Sequence[str] = ()
    is_long: bool = False
    pruned: Sequence[Mapping[str, Sequence[str]]] = ()

    def among_others(self, name: str, param: str, prefix: str) -> Scenario:
        """The same with other names, beside others in one sandbox.

        :param param: the DAG's param that is the prefix of all names.
        """

        def renamed(old: str) -> str:
            return old.replace(self.conf[param], prefix, 1)

        names = {kind: [renamed(old) for old in held] for kind, held in self.names.items()}
        return replace(self, name=name, names=names, conf={**self.conf, param: prefix}, prefix=prefix)


@dataclass(frozen=True)
class Mode:
    """How the tasks run.

    :param store: whether Airflow offers ``task_state_store``.
    :param deferrable: whether tasks wait in the triggerer.
    """

    store: bool
    deferrable: bool

    def __str__(self) -> str:
        store = "with" if self.store else "without"
        return f"{store} task_state_store, {'deferred' if self.deferrable else 'waiting in the worker'}"


def raw_records() -> list[dict[str, Any]]:
    """Plain records, each with an id."""
    return [
        {"id": f"r{n}", "firstName": f"Ada {n}", "lastName": "Byron", "email": f"ada{n}@example.com"}
        for n in range(RECORDS)
    ]


def xdm_records() -> list[dict[str, Any]]:
    """The same, as entities of the schema."""
    return [
        {
            "_id": record["id"],
            "person": {"name": {"firstName": record["firstName"], "lastName": record["lastName"]}},
            "workEmail": {"address": record["email"]},
        }
        for record in raw_records()
    ]


def record_id(message: Mapping[str, Any]) -> str:
    """The id of a record as an inlet kept it."""
    entity = message.get("body", {}).get("xdmEntity", message)
    return str(entity.get("id") or entity["_id"])


def destination(dag_id: str, name: str) -> Scenario:
    """Onboarding of a destination by a task group, which gives everything the same name."""
    return Scenario(
        name=dag_id,
        dag_id=dag_id,
        names={
            "connections": [name, name],
            "sourceConnections": [name],
            "targetConnections": [name],
            "flows": [name],
        },
        conf={"destination": name},
        attributes=ATTRIBUTES,
    )


def kinesis_destination() -> Scenario:
    """Onboarding of a destination by one operator after the other."""
    prefix = "Summer campaign"
    return replace(
        destination("onboard_kinesis_destination", prefix),
        names={
            "connections": [f"{prefix}: profile store", f"{prefix}: Amazon Kinesis"],
            "sourceConnections": [f"{prefix}: profiles"],
            "targetConnections": [f"{prefix}: stream summer-campaign"],
            "flows": [f"{prefix}: to Amazon Kinesis"],
        },
    )


def file_destination() -> Scenario:
    """Onboarding of a destination that takes files, and an export at once of each segment."""
    name = "Partner files"
    base = destination("onboard_s3_destination", name)
    return replace(
        base,
        names={**base.names, "mappingSets": [name]},
        conf={
            **base.conf,
            "segments": [{"id": segment} for segment in SEEDED_SEGMENT_IDS[:SEGMENTS]],
            "export_now": True,
        },
        prepare=_let_runs_last,
        runs={name: SEGMENTS},
        attributes=(),
        mandatory=["email"],
    )


def destinations_in_a_file() -> Scenario:
    """One destination that the file has, and one that was removed from it."""
    prefix = "Destinations as code: "
    return Scenario(
        name="onboard_many_destinations",
        dag_id="onboard_many_destinations",
        names={
            "connections": [f"{prefix}profile store", f"{prefix}kept"],
            "sourceConnections": [f"{prefix}profiles"],
            "targetConnections": [f"{prefix}kept"],
            "flows": [f"{prefix}kept"],
        },
        conf={"file": _DESTINATIONS.as_uri(), "prefix": prefix, "prune": "delete"},
        prepare=lambda control: _prepare_removed(control, prefix),
        attributes=ATTRIBUTES,
        is_long=True,
        pruned=[_connections_of(f"{prefix}removed")],
    )


def pruning() -> Scenario:
    """Flows that nothing asks for: they are disabled, then deleted; all read from the same source connection."""
    prefix = "Pruned: "
    kept = [f"{prefix}kept {number}" for number in range(2)]
    others = [*kept, f"{prefix}of somebody else"]
    ends = [_connections_of(name) for name in others]
    return Scenario(
        name="prune_flows",
        dag_id="prune_flows",
        names={
            "connections": [
                f"{prefix}profile store",
                *(name for each in ends for name in each["connections"]),
            ],
            "sourceConnections": [f"{prefix}profiles"],
            "targetConnections": [name for each in ends for name in each["targetConnections"]],
            "flows": others,
        },
        conf={"prefix": prefix, "keep": kept},
        prepare=lambda control: _prepare_pruning(control, prefix, kept),
        pruned=[_connections_of(f"{prefix}gone {number}") for number in range(2)],
    )


def _connections_of(flow: str) -> dict[str, list[str]]:
    """The names of what only this flow uses."""
    return {"connections": [f"{flow}: connection"], "targetConnections": [f"{flow}: target"]}


def source(data_type: str, records: list[dict[str, Any]], *, mapped: bool) -> Scenario:
    """Onboarding of an HTTP API source, with several batches of records."""
    kinds = ("connections", "sourceConnections", "targetConnections", "flows", "schemas", "dataSets")
    name = f"Web shop ({data_type})"
    return Scenario(
        name=f"onboard_http_api_source.{data_type}",
        dag_id="onboard_http_api_source",
        names={**{kind: [name] for kind in kinds}, "mappingSets": [name] if mapped else []},
        conf={"source": "Web shop", "data_type": data_type, "records": records},
        posting=f"post_{data_type}_records",
    )


def starting_runs() -> Scenario:
    """A run of a source flow."""
    return Scenario(
        name="start_runs",
        dag_id="start_runs",
        names={},
        conf={"reading": "files"},
        prepare=_prepare_runs,
        runs={"files": 1},
    )


def _let_runs_last(control: EmulatorControl) -> None:
    # A run ends in the middle between two polls, so that there are always as many.
    control.set_switches(run_seconds=90, scheduled_runs=False)


def _prepare_runs(control: EmulatorControl) -> None:
    _let_runs_last(control)
    with client_of(control) as client:
        make_batch_flow(client)


def _make_source(sender: Sender, prefix: str) -> str:
    return make(sender, profiles(make(sender, profile_store(f"{prefix}profile store")), f"{prefix}profiles"))


def _make_flow(sender: Sender, source_id: str, name: str) -> str:
    """A flow with connections as :func:`_connections_of` names them."""
    base_id = make(sender, kinesis(f"{name}: connection"))
    return make(sender, profile_flow(source_id, make(sender, stream(base_id, f"{name}: target")), name))


def _prepare_removed(control: EmulatorControl, prefix: str) -> None:
    with client_of(control) as client:
        flow_id = _make_flow(client, _make_source(client, prefix), f"{prefix}removed")
        lifecycle.set_state(client, flow_id, FlowState.DISABLED)


def _prepare_pruning(control: EmulatorControl, prefix: str, kept: Sequence[str]) -> None:
    with client_of(control) as client:
        source_id = _make_source(client, prefix)
        for name in (*kept, *(f"{prefix}gone {number}" for number in range(2))):
            _make_flow(client, source_id, name)
        control.inject({"match": {"method": "POST", "path": FLOWS}, "fault": {"kind": "foreign"}})
        _make_flow(client, source_id, f"{prefix}of somebody else")


SCENARIOS = (
    kinesis_destination(),
    destination("onboard_event_hubs_destination", "Loyalty programme"),
    source("raw", raw_records(), mapped=True),
    source("xdm", xdm_records(), mapped=False),
    starting_runs(),
    file_destination(),
    pruning(),
    destinations_in_a_file(),
)


def scenarios_in(share: Share) -> tuple[Scenario, ...]:
    """The scenarios of which a share of the kill points is tried."""
    return tuple(scenario for scenario in SCENARIOS if share == Share() or not scenario.is_long)
