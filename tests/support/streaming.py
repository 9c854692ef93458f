"""An HTTP API source in the emulator, made through the client's own requests, and records for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.datasets.mapping_sets import DesiredMappingSet, FieldMapping
from airflow_provider_flowservice.client.datasets.schemas import DesiredSchema
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.resources import (
    DesiredFlow,
    DesiredSourceConnection,
    DesiredTargetConnection,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.client.streaming.inlet import Envelope, Inlet, inlet_of
from airflow_provider_flowservice.client.streaming.records import InputRecord

SCHEMA_REGISTRY = "/data/foundation/schemaregistry"
CATALOG = "/data/foundation/catalog"
DATA_PREP = "/data/foundation/conversion"
PERSON = "https://ns.adobe.com/xdm/context/profile-person-details"
WORK = "https://ns.adobe.com/xdm/context/profile-work-details"
NAMES = (FieldMapping("first", "person.name.firstName"), FieldMapping("mail", "workEmail.address"))
SCHEMA_VERSION = "application/vnd.adobe.xed-full+json;version=1.0"
#: Seconds after which a new flow is old enough for records.
SETTLED = 300


def customers(name: str = "customers", **changes: Any) -> DesiredSchema:
    return DesiredSchema(name=name, **{"field_groups": (PERSON, WORK), **changes})


def mapping_set(schema_id: str, *mappings: FieldMapping, **changes: Any) -> DesiredMappingSet:
    return DesiredMappingSet(**{"name": "names", **changes}, schema_id=schema_id, mappings=mappings or NAMES)


@dataclass(frozen=True)
class Source:
    """An open source.

    :param inlet: where its records go.
    """

    schema_id: str
    dataset_id: str
    connection_id: str
    flow_id: str
    inlet: Inlet

    @property
    def paths(self) -> tuple[str, str]:
        """Paths of the single and of the batch endpoint."""
        return f"/collection/{self.inlet.id}", f"/collection/batch/{self.inlet.id}"

    def envelope(self, org_id: str) -> Envelope:
        return Envelope(
            schema_id=self.schema_id, dataset_id=self.dataset_id, org_id=org_id, flow_id=self.flow_id
        )


def open_source(sender: Sender, data_type: str = "raw", *, authenticated: bool = False) -> Source:
    """Schema, dataset, connections and flow; for raw records with a mapping of :data:`NAMES`."""
    schema_id = sender.send(customers().create()).id
    dataset_id = sender.send(DesiredDataset(name="customers", schema_id=schema_id).create()).id
    base_id = open_inlet(sender, data_type, authenticated=authenticated)
    source = DesiredSourceConnection(name="records", spec_id=specs.HTTP_API, base_connection_id=base_id)
    target = DesiredTargetConnection(
        name="data lake",
        spec_id=specs.DATA_LAKE,
        data={"schema": {"id": schema_id, "version": SCHEMA_VERSION}},
        params={"dataSetId": dataset_id},
    )
    flow = DesiredFlow(
        name="customers",
        spec_id=specs.HTTP_API_FLOW if data_type == "xdm" else specs.HTTP_API_FLOW_WITH_MAPPING,
        source_connection_ids=[sender.send(source.create()).id],
        target_connection_ids=[sender.send(target.create()).id],
        transformations=None if data_type == "xdm" else [_mapping(sender, schema_id)],
    )
    flow_id = sender.send(flow.create()).id
    inlet = inlet_of(sender.send(request.get(request.CONNECTIONS, base_id)))
    return Source(schema_id, dataset_id, base_id, flow_id, inlet)


def open_inlet(sender: Sender, data_type: str = "raw", *, authenticated: bool = False) -> str:
    """A base connection of spec ``HTTP API``."""
    params: dict[str, Any] = {"dataType": data_type}
    if authenticated:
        params |= {"sourceId": "shop", "name": "shop", "authenticationRequired": True}
    body = {
        "name": "inlet",
        "connectionSpec": {"id": specs.HTTP_API, "version": "1.0"},
        "auth": {"specName": "Streaming Connection", "params": params},
    }
    return sender.send(request.create(request.CONNECTIONS, body)).id


def _mapping(sender: Sender, schema_id: str) -> dict[str, Any]:
    made = sender.send(mapping_set(schema_id).create())
    return {"name": "Mapping", "params": {"mappingId": made.id, "mappingVersion": 0}}


def people(count: int, **more: Any) -> list[dict[str, Any]]:
    """Raw records, each with its number."""
    return [{"n": n, "first": f"Ada {n}", "mail": f"ada{n}@example.com", **more} for n in range(count)]


def as_records(messages: Sequence[dict[str, Any]]) -> list[InputRecord]:
    """Records as they are read from a file of JSON lines."""
    return [InputRecord(n, json.dumps(message).encode(), n + 1) for n, message in enumerate(messages)]


def numbers(kept: Sequence[dict[str, Any]]) -> list[int]:
    """The numbers of :func:`people` in what an inlet kept."""
    return [entry["message"]["n"] for entry in kept]
