"""What is run: the onboarding DAGs, what each of them makes, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
    """

    name: str
    dag_id: str
    names: Mapping[str, Sequence[str]]
    conf: Mapping[str, Any] = field(default_factory=dict)
    posting: str | None = None
    prefix: str = ""

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


SCENARIOS = (
    destination("onboard_kinesis_destination", "Summer campaign", "Amazon Kinesis", "stream summer-campaign"),
    destination(
        "onboard_event_hubs_destination", "Loyalty programme", "Azure Event Hubs", "hub loyalty-profiles"
    ),
    source("raw", raw_records(), mapped=True),
    source("xdm", xdm_records(), mapped=False),
)
