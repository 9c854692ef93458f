"""What is run: the onboarding DAGs and one that starts runs, what each of them makes, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.batch import make_batch_flow
from tests.support.clients import client_of
from tests.support.files import make_file_flow

RECORDS = 7
BATCH_SIZE = 2
SEGMENTS = 3
ATTRIBUTES = ("person.name.firstName", "person.name.lastName", "personalEmail.address")


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
    """

    name: str
    dag_id: str
    names: Mapping[str, Sequence[str]]
    conf: Mapping[str, Any] = field(default_factory=dict)
    posting: str | None = None
    prefix: str = ""
    prepare: Callable[[EmulatorControl], None] | None = None
    runs: Mapping[str, int] = field(default_factory=dict)

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


def destination(dag_id: str, prefix: str, platform: str, target: str) -> Scenario:
    """Onboarding of a destination."""
    return Scenario(
        name=dag_id,
        dag_id=dag_id,
        names={
            "connections": [f"{prefix}: profile store", f"{prefix}: {platform}"],
            "sourceConnections": [f"{prefix}: profiles"],
            "targetConnections": [f"{prefix}: {target}"],
            "flows": [f"{prefix}: to {platform}"],
        },
        conf={"destination": prefix},
    )


def source(data_type: str, records: list[dict[str, Any]], *, mapped: bool) -> Scenario:
    """Onboarding of an HTTP API source, with several batches of records."""
    return Scenario(
        name=f"onboard_http_api_source.{data_type}",
        dag_id="onboard_http_api_source",
        names={
            "connections": [f"Web shop: inlet ({data_type})"],
            "sourceConnections": [f"Web shop: records ({data_type})"],
            "targetConnections": [f"Web shop: data lake ({data_type})"],
            "flows": [f"Web shop: customers ({data_type})"],
            "schemas": ["Web shop customers"],
            "dataSets": ["Web shop customers"],
            "mappingSets": ["Web shop customers"] if mapped else [],
        },
        conf={"source": "Web shop", "data_type": data_type, "records": records},
        posting=f"post_{data_type}_records",
    )


def starting_runs() -> Scenario:
    """Runs of a source flow, and of a file destination for each segment."""
    return Scenario(
        name="start_runs",
        dag_id="start_runs",
        names={},
        conf={"reading": "files", "exporting": "exports"},
        prepare=_prepare_runs,
        runs={"files": 1, "exports": SEGMENTS},
    )


def _prepare_runs(control: EmulatorControl) -> None:
    # A run ends in the middle between two polls, so that there are always as many.
    control.set_switches(run_seconds=90)
    with client_of(control) as client:
        make_batch_flow(client)
        make_file_flow(client, "exports")


SCENARIOS = (
    destination("onboard_kinesis_destination", "Summer campaign", "Amazon Kinesis", "stream summer-campaign"),
    destination(
        "onboard_event_hubs_destination", "Loyalty programme", "Azure Event Hubs", "hub loyalty-profiles"
    ),
    source("raw", raw_records(), mapped=True),
    source("xdm", xdm_records(), mapped=False),
    starting_runs(),
)
