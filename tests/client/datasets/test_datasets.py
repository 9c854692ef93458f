from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import datasets
from airflow_provider_flowservice.client.datasets.datasets import PROFILE_TAGS, Dataset, DesiredDataset
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import (
    ApiError,
    DriftError,
    InvalidResponseError,
    NotFoundError,
)
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.streaming import CATALOG, SCHEMA_REGISTRY, customers

COLLECTION = f"{CATALOG}/dataSets"


@pytest.fixture
def schema_id(plain_client: Client) -> str:
    return plain_client.send(customers(enable_for_profile=True).create()).id


def make(client: Client, desired: DesiredDataset) -> str:
    return client.send(desired.create()).id


def writes(control: EmulatorControl) -> list[str]:
    return [entry["method"] for entry in control.requests(path=COLLECTION) if entry["method"] != "GET"]


def test_a_dataset_is_made_once(client: Client, control: EmulatorControl, schema_id: str) -> None:
    desired = DesiredDataset(name="customers", schema_id=schema_id, description="ours")
    first, second = ensure(client, desired), ensure(client, desired)
    assert (first.created, second.created) == (True, False)
    assert first.id == second.id
    (found,) = datasets.iterate(client)
    assert found == Dataset(first.id, "customers", found.created_at, schema_id, profile_enabled=False)
    assert found.created_at > 0
    assert writes(control) == ["POST"]


@pytest.mark.parametrize("lost", ["reset_after", "reset", "truncate"])
def test_a_create_whose_answer_is_lost_makes_one_dataset(
    client: Client, control: EmulatorControl, schema_id: str, lost: str
) -> None:
    control.inject(fault(lost, "POST", COLLECTION))
    ensured = ensure(client, DesiredDataset(name="customers", schema_id=schema_id))
    assert [dataset.id for dataset in datasets.iterate(client)] == [ensured.id]


@pytest.mark.parametrize("reference", ["@/dataSets/5c8c3c55", "@/datasets/5c8c3c55"])
def test_the_id_is_read_from_a_list_of_references(
    plain_client: Client, control: EmulatorControl, reference: str
) -> None:
    control.inject(fault("status", "POST", COLLECTION, status=201, body=[reference]))
    assert make(plain_client, DesiredDataset(name="x", schema_id="s")) == "5c8c3c55"


@pytest.mark.parametrize("body", [[], ["5c8c3c55"], ["@/batches/5c8c3c55"], {"id": "5c8c3c55"}, [1], "text"])
def test_an_answer_that_names_no_dataset_is_unreadable(
    plain_client: Client, control: EmulatorControl, body: object
) -> None:
    control.inject(fault("status", "POST", COLLECTION, status=201, body=body))
    with pytest.raises(InvalidResponseError):
        make(plain_client, DesiredDataset(name="x", schema_id="s"))


def test_a_dataset_of_another_schema_is_not_ours(plain_client: Client, schema_id: str) -> None:
    other = plain_client.send(customers("others").create()).id
    made = make(plain_client, DesiredDataset(name="customers", schema_id=other))
    ensured = ensure(plain_client, DesiredDataset(name="customers", schema_id=schema_id))
    assert ensured.created
    assert ensured.id != made


@pytest.mark.parametrize("name", ["customers", "a, b", "naïve ~ name"])
def test_any_name_is_found_again(
    plain_client: Client, control: EmulatorControl, schema_id: str, name: str
) -> None:
    for other in ("a", "b", name + "x"):
        make(plain_client, DesiredDataset(name=other, schema_id=schema_id))
    made = make(plain_client, DesiredDataset(name=name, schema_id=schema_id))
    control.clear_requests()
    assert ensure(plain_client, DesiredDataset(name=name, schema_id=schema_id)).id == made
    (entry,) = control.requests()
    assert entry["query"].get("property") == ("name==customers" if name == "customers" else None)


def test_a_new_dataset_can_be_enabled_for_profile(plain_client: Client, schema_id: str) -> None:
    ensure(plain_client, DesiredDataset(name="customers", schema_id=schema_id, enable_for_profile=True))
    (found,) = datasets.iterate(plain_client)
    assert found.profile_enabled


@pytest.mark.parametrize("lost", [None, "reset", "reset_after"])
def test_an_update_enables_a_dataset_for_profile(
    client: Client, control: EmulatorControl, schema_id: str, lost: str | None
) -> None:
    made = make(client, DesiredDataset(name="customers", schema_id=schema_id))
    desired = DesiredDataset(name="customers", schema_id=schema_id, enable_for_profile=True)
    if lost:
        control.inject(fault(lost, "PATCH", f"{COLLECTION}/*"))
    ensured = ensure(client, desired, IfExists.UPDATE)
    assert (ensured.id, ensured.created) == (made, False)
    assert ensured.resource
    assert ensured.resource.profile_enabled
    sent = control.requests("PATCH", COLLECTION)[-1]
    assert sent["headers"]["content-type"] == "application/json-patch+json"
    assert {operation["path"]: operation["value"] for operation in sent["body"]} == {
        f"/tags/{tag}": value for tag, value in PROFILE_TAGS.items()
    }
    control.clear_requests()
    ensure(client, desired, IfExists.UPDATE)
    assert writes(control) == []


def test_an_update_that_changes_nothing_is_noticed(
    plain_client: Client, control: EmulatorControl, schema_id: str
) -> None:
    make(plain_client, DesiredDataset(name="customers", schema_id=schema_id))
    control.inject(fault("status", "PATCH", f"{COLLECTION}/*", status=200, body=["@/dataSets/x"]))
    desired = DesiredDataset(name="customers", schema_id=schema_id, enable_for_profile=True)
    with pytest.raises(
        DriftError, match=r"confirmed the change of .* does not show it .*: tags\.unifiedProfile"
    ):
        ensure(plain_client, desired, IfExists.UPDATE)


def test_reuse_does_not_enable_for_profile_silently(plain_client: Client, schema_id: str) -> None:
    make(plain_client, DesiredDataset(name="customers", schema_id=schema_id))
    desired = DesiredDataset(name="customers", schema_id=schema_id, enable_for_profile=True)
    with pytest.raises(DriftError, match=r"tags\.unifiedProfile.*if_exists='update'"):
        ensure(plain_client, desired)


def test_a_dataset_that_is_enabled_serves_where_that_is_not_asked(
    plain_client: Client, schema_id: str
) -> None:
    enabled = DesiredDataset(name="customers", schema_id=schema_id, enable_for_profile=True)
    made = make(plain_client, enabled)
    assert ensure(plain_client, DesiredDataset(name="customers", schema_id=schema_id)).id == made


@pytest.mark.parametrize("if_exists", [IfExists.REUSE, IfExists.UPDATE])
@pytest.mark.parametrize("exists", [True, False])
def test_it_is_not_enabled_for_profile_if_its_schema_is_not(
    plain_client: Client, control: EmulatorControl, exists: bool, if_exists: IfExists
) -> None:
    schema_id = plain_client.send(customers("plain").create()).id
    if exists:
        control.set_switches(profile_without_union="accept")
        make(plain_client, DesiredDataset(name="d", schema_id=schema_id, enable_for_profile=True))
    control.clear_requests()
    desired = DesiredDataset(name="d", schema_id=schema_id, enable_for_profile=True)
    message = r"schema .* \('plain'\) is not enabled for Profile.*Set enable_for_profile=True for the schema"
    with pytest.raises(DriftError, match=message):
        ensure(plain_client, desired, if_exists)
    (entry,) = control.requests()
    assert entry["method"] == "GET"


def test_a_schema_is_not_read_for_a_dataset_without_profile(
    plain_client: Client, control: EmulatorControl, schema_id: str
) -> None:
    control.clear_requests()
    ensure(plain_client, DesiredDataset(name="customers", schema_id=schema_id))
    assert control.requests(path=SCHEMA_REGISTRY) == []


def test_the_catalog_decides_about_a_schema_that_is_not_found(plain_client: Client) -> None:
    with pytest.raises(ApiError, match=r"schemaRef\.id none is not found"):
        ensure(plain_client, DesiredDataset(name="d", schema_id="none", enable_for_profile=True))


def test_of_several_the_oldest_is_used(
    plain_client: Client, control: EmulatorControl, schema_id: str
) -> None:
    desired = DesiredDataset(name="customers", schema_id=schema_id)
    oldest = make(plain_client, desired)
    control.advance(1)
    make(plain_client, desired)
    assert ensure(plain_client, desired).id == oldest


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_a_list_is_read_until_a_page_is_not_full(
    plain_client: Client,
    control: EmulatorControl,
    schema_id: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    made = []
    for number in range(4):
        made.append(make(plain_client, DesiredDataset(name=f"d{number}", schema_id=schema_id)))
        control.advance(1)
    monkeypatch.setattr(datasets, "PAGE_LIMIT", limit)
    control.clear_requests()
    assert [dataset.id for dataset in datasets.iterate(plain_client)] == made
    assert len(control.requests("GET", COLLECTION)) == 4 // limit + 1


def test_a_dataset_that_moves_between_pages_is_given_once(
    plain_client: Client, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "PAGE_LIMIT", 2)
    pages: list[dict[str, Any]] = [
        {"a": {"name": "a"}, "b": {"name": "b"}},
        {"b": {"name": "b"}, "c": {"name": "c"}},
        {},
    ]
    control.inject(*(fault("status", "GET", COLLECTION, status=200, body=page) for page in pages))
    assert [dataset.id for dataset in datasets.iterate(plain_client)] == ["a", "b", "c"]


def test_a_dataset_that_is_not_there_is_not_found(plain_client: Client, control: EmulatorControl) -> None:
    desired = DesiredDataset(name="x", schema_id="s")
    with pytest.raises(NotFoundError, match="DataSet not found"):
        plain_client.send(desired.read("none"))
    control.inject(fault("status", "GET", f"{COLLECTION}/*", status=200, body={}))
    with pytest.raises(NotFoundError, match="contains no dataset"):
        plain_client.send(desired.read("none"))
