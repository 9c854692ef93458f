"""Mapping sets whose target is the columns of a destination."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import mapping_sets
from airflow_provider_flowservice.client.datasets.mapping_sets import (
    FieldMapping,
    check_destinations,
    read_columns,
)
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.files import columns
from tests.support.streaming import DATA_PREP, NAMES, customers, mapping_set

COLLECTION = f"{DATA_PREP}/mappingSets"
TEXT = {"type": "string"}
IDENTITY = {"type": "array", "items": {"type": "object", "properties": {"id": TEXT}}}


def writes(control: EmulatorControl) -> list[str]:
    return [entry["method"] for entry in control.requests(path=COLLECTION) if entry["method"] != "GET"]


# Columns as a user gives them


def test_names_types_and_schemas_are_read() -> None:
    assert read_columns(["email", "first_name"]) == {"email": TEXT, "first_name": TEXT}
    assert read_columns({"age": "integer", "Email": IDENTITY}) == {
        "age": {"type": "integer"},
        "Email": IDENTITY,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("email", "columns: must be a list, not str"),
        (None, "columns: must be a list, not NoneType"),
        ([], "columns: is empty"),
        ({}, "columns: is empty"),
        (["email", ""], r"columns\[1\]: '' is not a name"),
        ([1], r"columns\[0\]: 1 is not a name"),
        (["email", "email"], r"columns\[1\]: 'email' occurs twice"),
        (
            ["personalEmail.address"],
            r"columns\[0\]: 'personalEmail\.address' has a dot.*\. Call it personalEmail_address\.",
        ),
        ({"a.b": "string"}, r"columns: 'a\.b' has a dot.*\. Call it a_b\."),
        ({"email": "text"}, r"columns: 'text' is not a type for 'email'\. Give a JSON type \(string, "),
    ],
)
def test_columns_that_make_no_sense_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_columns(given)


def test_each_mapping_has_a_column_and_each_column_a_mapping() -> None:
    mappings = (FieldMapping("personalEmail.address", "email"), FieldMapping("person.name", "name"))
    check_destinations(mappings, read_columns(["name", "email"]))
    with pytest.raises(
        InvalidInputError, match=r"mappings\[1\]: the destination 'name' is not one of the col"
    ):
        check_destinations(mappings, read_columns(["email", "first_name"]))
    with pytest.raises(
        InvalidInputError, match=r"columns: nothing is mapped to first_name, age\. Add a mapping"
    ):
        check_destinations(mappings, read_columns(["email", "name", "first_name", "age"]))


# Mapping sets in AEP


def test_the_body_has_the_columns_inline() -> None:
    assert columns(columns=read_columns({"email": "string"})).body["outputSchema"] == {
        "jsonSchema": {"type": "object", "properties": {"email": TEXT}}
    }


@pytest.mark.parametrize("name", ["columns", ""])
@pytest.mark.parametrize("shown", ["all", "no schema", "no target"])
def test_it_is_made_once_whether_or_not_aep_shows_its_columns(
    client: Client, control: EmulatorControl, name: str, shown: str
) -> None:
    client.send(mapping_set(client.send(customers().create()).id, name=name).create())
    desired = columns(name=name)
    made = ensure(client, desired)
    if shown != "all":
        body = client.send(desired.read(made.id))
        listed = {
            "id": made.id,
            "name": body.name,
            "mappings": [{"source": m.source, "destination": m.destination} for m in body.mappings],
        }
        if shown == "no schema":
            listed["outputSchema"] = {"id": "2f4fd51934c1409fb1d8207dd9f43dc9", "version": 0}
        control.inject(fault("status", "GET", COLLECTION, status=200, body={"data": [listed]}))
    again = ensure(client, desired)
    assert (made.created, again.created, again.id) == (True, False, made.id)
    assert writes(control) == ["POST", "POST"]


def test_other_columns_are_drift_or_a_new_version(client: Client, control: EmulatorControl) -> None:
    made = ensure(client, columns())
    typed = columns(columns=read_columns({"email": "string", "first_name": "boolean"}))
    with pytest.raises(DriftError, match=r"columns\.first_name\.type is 'string', expected 'boolean'"):
        ensure(client, typed)
    fewer = columns(columns=read_columns(["email"]), mappings=columns().mappings[:1])
    with pytest.raises(DriftError, match=r"mappings is .*first_name.*, expected"):
        ensure(client, fewer)
    for wanted, version in ((typed, "1"), (fewer, "2")):
        ensured = ensure(client, wanted, IfExists.UPDATE)
        assert (ensured.id, ensured.etag, ensured.created) == (made.id, version, False)
        assert ensure(client, wanted).id == made.id
    assert writes(control) == ["POST", "PUT", "PUT"]


def test_a_schema_and_columns_are_different_targets(plain_client: Client) -> None:
    schema_id = plain_client.send(customers().create()).id
    to_schema = ensure(plain_client, mapping_set(schema_id, name="columns"))
    to_columns = ensure(plain_client, columns())
    assert to_columns.created
    assert ensure(plain_client, mapping_set(schema_id, name="columns")).id == to_schema.id
    assert ensure(plain_client, columns()).id == to_columns.id


def test_without_a_name_columns_of_another_type_are_another_mapping_set(plain_client: Client) -> None:
    typed = columns(name="", columns=read_columns({"email": "string", "first_name": "boolean"}))
    made = ensure(plain_client, typed)
    other = ensure(plain_client, columns(name=""))
    assert other.created
    assert ensure(plain_client, typed).id == made.id


@pytest.mark.parametrize("lost", ["reset", "reset_after"])
def test_a_create_whose_answer_is_lost_makes_one(client: Client, control: EmulatorControl, lost: str) -> None:
    control.inject(fault(lost, "POST", COLLECTION))
    ensured = ensure(client, columns())
    assert [found.id for found in mapping_sets.iterate(client)] == [ensured.id]


def test_validation_names_the_column_that_is_refused(client: Client) -> None:
    desired = columns(mappings=(FieldMapping("a", "email"), FieldMapping("b", "nickname")))
    with pytest.raises(
        InvalidInputError, match=r"rejects 1 of 2: nickname: .*Check them against the columns"
    ):
        client.send(desired.validate())


def test_a_schema_that_is_not_one_shows_no_columns(plain_client: Client, control: EmulatorControl) -> None:
    for schema in (None, "text", [], {"properties": []}, {"properties": "email"}):
        body = {"id": "m", "outputSchema": {"jsonSchema": schema}}
        control.inject(fault("status", "GET", f"{COLLECTION}/*", status=200, body=body))
        assert plain_client.send(columns().read("m")).columns is None


def test_names_of_an_xdm_schema_are_not_columns() -> None:
    assert mapping_set("s", *NAMES).columns is None
