"""A source flow that reads files on a schedule, made through the client's own requests."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Sender
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.streaming import SCHEMA_VERSION, customers

LANDING_ZONE = {"id": "26f526f2-58f4-4712-961d-e41bf1ccc0e8", "version": "1.0"}
CLOUD_STORAGE_FLOW = {"id": "9753525b-82c7-4dce-8a9b-5ccfce2b9876", "version": "1.0"}
#: A start that no test reaches.
FAR = 4_000_000_000


def make_batch_flow(sender: Sender, frequency: str = "once", **schedule: Any) -> str:
    """A flow from AEP's own landing zone to the data lake."""
    schema_id = sender.send(customers().create()).id
    dataset_id = sender.send(DesiredDataset(name="customers", schema_id=schema_id).create()).id
    base = {"name": "zone", "connectionSpec": LANDING_ZONE}
    source = {
        "name": "zone",
        "connectionSpec": LANDING_ZONE,
        "baseConnectionId": sender.send(request.create(request.CONNECTIONS, base)).id,
        "params": {"path": "in"},
    }
    target = {
        "name": "data lake",
        "connectionSpec": {"id": specs.DATA_LAKE, "version": "1.0"},
        "data": {"schema": {"id": schema_id, "version": SCHEMA_VERSION}},
        "params": {"dataSetId": dataset_id},
    }
    flow = {
        "name": "files",
        "flowSpec": CLOUD_STORAGE_FLOW,
        "sourceConnectionIds": [sender.send(request.create(request.SOURCE_CONNECTIONS, source)).id],
        "targetConnectionIds": [sender.send(request.create(request.TARGET_CONNECTIONS, target)).id],
        "scheduleParams": {"startTime": FAR, "frequency": frequency, **schedule},
    }
    return sender.send(request.create(request.FLOWS, flow)).id


def runs(control: EmulatorControl) -> list[str]:
    """The ids of all flow runs."""
    return [each["id"] for each in control.state()["runs"]]
