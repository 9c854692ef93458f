"""The credentials of each kind of destination: which Airflow connection a printed file asks for."""

from __future__ import annotations

import re

import msgspec
import pytest
import yaml

from airflow_provider_flowservice.client.datasets import DesiredDataset
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import CONNECTIONS, SOURCE_CONNECTIONS, TARGET_CONNECTIONS
from airflow_provider_flowservice.client.model import AuthSpec, BaseConnection, ConnectionSpec
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.print_dag.accounts import account_of
from airflow_provider_flowservice.print_dag.model import Account
from tests.print_dag.printed import Printed
from tests.support.aep import make, profile_flow, profile_store, profiles
from tests.support.files import FILE_DESTINATIONS, PRIVATE_KEY, SECRET, FileDestination
from tests.support.streaming import customers

EVENT_HUBS = FileDestination(
    "Azure Event Hubs",
    specs.AZURE_EVENT_HUBS,
    specs.PROFILE_DESTINATION_FLOW,
    {"eventHubName": "loyalty"},
    {},
    "Azure EventHub authentication credentials",
    {"sasKeyName": "send", "namespace": "acme", "sasKey": SECRET},
)
DESTINATIONS = (*FILE_DESTINATIONS, EVENT_HUBS)


def make_base(hook: FlowServiceHook, destination: FileDestination, name: str) -> str:
    body = {"name": name, "connectionSpec": {"id": destination.spec_id, "version": "1.0"}}
    if destination.auth_spec:
        body["auth"] = {"specName": destination.auth_spec, "params": destination.auth_params}
    return hook.create(CONNECTIONS, body).id


def make_flows(hook: FlowServiceHook, control: EmulatorControl) -> None:
    """A flow of segments to each destination, and one of datasets."""
    source = make(hook, profiles(make(hook, profile_store())))
    for number, destination in enumerate(DESTINATIONS):
        name = f"{destination.name} {number}"
        target = {
            "name": name,
            "connectionSpec": {"id": destination.spec_id, "version": "1.0"},
            "baseConnectionId": make_base(hook, destination, name),
            "params": destination.target_params,
        }
        target_id = hook.create(TARGET_CONNECTIONS, target).id
        flow = profile_flow(source, target_id, name)
        make(hook, msgspec.structs.replace(flow, spec_id=destination.flow_spec_id))
    _make_dataset_flow(hook, target_id=hook.create(TARGET_CONNECTIONS, _for_datasets(hook)).id)


def _for_datasets(hook: FlowServiceHook) -> dict[str, object]:
    destination = FILE_DESTINATIONS[0]
    return {
        "name": "datasets",
        "connectionSpec": {"id": destination.spec_id, "version": "1.0"},
        "baseConnectionId": make_base(hook, destination, "datasets"),
        "params": {**destination.target_params, "datasetFileType": "JSON"},
    }


def _make_dataset_flow(hook: FlowServiceHook, target_id: str) -> None:
    schema_id = hook.send(customers().create()).id
    dataset_id = hook.send(DesiredDataset(name="customers", schema_id=schema_id).create()).id
    source = {
        "name": "datasets",
        "connectionSpec": {"id": specs.DATA_LAKE_EXPORT, "version": "1.0"},
        "params": {"datasets": [{"dataSetId": dataset_id, "name": "customers"}]},
    }
    flow = profile_flow(hook.create(SOURCE_CONNECTIONS, source).id, target_id, "datasets")
    schedule = {"interval": 3, "timeUnit": "hour", "startTime": 4_000_000_000}
    changes = {"spec_id": specs.AMAZON_S3_DATASET_FLOW, "schedule_params": schedule}
    make(hook, msgspec.structs.replace(flow, **changes))


def test_the_named_fields_suffice_and_nothing_is_sent(
    printed: Printed, control: EmulatorControl, hook: FlowServiceHook
) -> None:
    make_flows(hook, control)
    state = control.state()
    # The DAG has another name than that for flows of one kind, and other tasks: Airflow 3.1 keeps them by the name.
    printed.print("--all", "--mapped")
    dag, file = (printed.folder / f"take_over_flows.{each}" for each in ("py", "yaml"))
    text = dag.read_text() + file.read_text()
    assert SECRET not in text
    assert PRIVATE_KEY not in text
    document = yaml.safe_load(file.read_text())
    assert len(document["flows"]) == len(DESTINATIONS) + 1
    # All but the landing zone and the profile store have credentials.
    with_credentials = [each for each in document["connections"] if "auth_conn_id" in each]
    assert len(with_credentials) == len(DESTINATIONS)
    assert len(set(re.findall(r"\* ``(\w+)`` of type", text))) == len(DESTINATIONS) + 1
    ran = printed.run(dag)
    assert ran.succeeded, ran.errors
    assert ran.sent == []
    assert control.state() == state


AUTH = AuthSpec(
    name="Keys",
    spec={
        "properties": {
            "host": {"type": "string"},
            "url": {"type": "string"},
            "password": {"type": "string", "format": "password"},
            "passPhrase": {"type": "string"},
        },
        "required": ["host", "password"],
    },
)
SPEC = ConnectionSpec(id=specs.SFTP, name="Files", auth_spec=(AUTH,))


def held(auth_params: dict[str, object], auth_spec: str = "Keys") -> BaseConnection:
    document = {
        "id": "b-1",
        "name": "Files",
        "connectionSpec": {"id": SPEC.id},
        "auth": {"specName": auth_spec, "params": auth_params},
    }
    return msgspec.convert(document, BaseConnection)


@pytest.mark.parametrize(
    ("shown", "auth", "fields"),
    [
        ({"host": "h"}, {"host": "h"}, ["password"]),
        ({"host": "h", "password": "********"}, {"host": "h"}, ["password"]),
        ({}, {}, ["host", "password"]),
        ({"host": "***"}, {}, ["host", "password"]),
        ({"host": "h", "passPhrase": "********"}, {"host": "h"}, ["password", "passPhrase"]),
        ({"host": "h", "url": "https://u.x/?sig=abc"}, {"host": "h"}, ["url", "password"]),
        ({"host": "h", "url": "https://me:secret@u.x/"}, {"host": "h"}, ["url", "password"]),
        ({"host": "h", "addedByAep": 1}, {"host": "h"}, ["password"]),
    ],
)
def test_only_what_is_shown_and_no_credential_is_printed(
    shown: dict[str, object], auth: dict[str, str], fields: list[str]
) -> None:
    account = account_of(held(shown), SPEC, "title")
    assert isinstance(account, Account)
    assert account.auth == auth
    assert [name for _, name in account.fields] == fields
    assert account.conn_id == "files_b1"
    assert [each for each in account.notes if "addedByAep" in each] == [
        each for each in account.notes if "also" in each
    ]
    assert len(account.notes) == 1 + ("addedByAep" in shown)


def test_an_authentication_that_the_catalog_does_not_have_is_named() -> None:
    problem = account_of(held({}, "Certificates"), SPEC, "title")
    assert problem == "Its authentication 'Certificates' is not among those of its connection spec."
