from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import mapping_sets
from airflow_provider_flowservice.client.datasets.mapping_sets import BodyForm, FieldMapping, read_mappings
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.streaming import DATA_PREP, NAMES, customers, mapping_set

COLLECTION = f"{DATA_PREP}/mappingSets"
OTHER = FieldMapping("last", "person.name.lastName")


@pytest.fixture
def schema_id(plain_client: Client) -> str:
    return plain_client.send(customers().create()).id


def make(client: Client, desired: Any) -> str:
    made: str = client.send(desired.create()).id
    return made


def writes(control: EmulatorControl) -> list[str]:
    return [entry["method"] for entry in control.requests(path=COLLECTION) if entry["method"] != "GET"]


# Mappings as a user gives them


def test_both_wordings_are_read() -> None:
    assert read_mappings(
        [
            {"source": "first", "destination": "person.name.firstName"},
            {"sourceAttribute": "mail", "destinationXdmPath": "workEmail.address", "identity": False},
            {"source": "'x'", "destination": "_id", "sourceType": "EXPRESSION"},
        ]
    ) == (*NAMES, FieldMapping("'x'", "_id", "EXPRESSION"))


@pytest.mark.parametrize(
    ("mappings", "message"),
    [
        ([], "mappings: is empty"),
        ([{"source": ["a"], "destination": ["b"]}], r"mappings\[0\]: .* or one is not a string"),
        ([{"source": 1, "destination": "b"}], r"mappings\[0\]: .* or one is not a string"),
        ([{"source": "a"}], r"mappings\[0\]: .* lacks source or destination"),
        (
            [{"source": "a", "destination": "b"}, {"destination": "c"}],
            r"mappings\[1\]: .* lacks source or destination",
        ),
        (
            [{"source": "a", "destination": "b"}, {"sourceAttribute": "c", "destinationXdmPath": "b"}],
            r"mappings\[1\]: 'b' is mapped twice",
        ),
        (["a"], r"mappings\[0\]: 'a' is not a mapping"),
        ("[{'source': 'a'}]", "mappings: must be a list, not str"),
        ({"source": "a", "destination": "b"}, "mappings: must be a list, not dict"),
        (None, "mappings: must be a list, not NoneType"),
    ],
)
def test_mappings_that_make_no_sense_are_refused(mappings: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_mappings(mappings)


def test_the_two_bodies() -> None:
    new = mapping_set("s", name="names").body
    assert new == {
        "name": "names",
        "outputSchema": {
            "schemaRef": {"id": "s", "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        },
        "mappings": [
            {"sourceType": "ATTRIBUTE", "source": "first", "destination": "person.name.firstName"},
            {"sourceType": "ATTRIBUTE", "source": "mail", "destination": "workEmail.address"},
        ],
    }
    assert "name" not in mapping_set("s", name="").body
    assert mapping_set("s", NAMES[0], name="", form=BodyForm.OLD).body == {
        "version": 0,
        "xdmSchema": "s",
        "xdmVersion": "1.0",
        "mappings": [
            {
                "destinationXdmPath": "person.name.firstName",
                "sourceAttribute": "first",
                "identity": False,
                "version": 0,
            }
        ],
    }


# Mapping sets in AEP


@pytest.mark.parametrize("form", list(BodyForm))
def test_a_mapping_set_is_made_once(
    client: Client, control: EmulatorControl, schema_id: str, form: BodyForm
) -> None:
    desired = mapping_set(schema_id, name="" if form is BodyForm.OLD else "names", form=form)
    first, second = ensure(client, desired), ensure(client, desired)
    assert (first.created, second.created) == (True, False)
    assert (first.id, first.etag) == (second.id, second.etag)
    found = client.send(desired.read(first.id))
    assert found.schema_id == schema_id
    assert found.pairs == {(mapping.source, mapping.destination) for mapping in NAMES}
    assert (found.version, found.etag, first.etag) == (0, "0", "0")
    assert writes(control) == ["POST"]


def test_without_a_name_the_fields_decide(plain_client: Client, schema_id: str) -> None:
    made = make(plain_client, mapping_set(schema_id, *reversed(NAMES), name="whatever"))
    other = ensure(plain_client, mapping_set(schema_id, OTHER, name=""))
    assert other.created
    assert ensure(plain_client, mapping_set(schema_id, name="")).id == made


def test_with_a_name_other_fields_are_drift_or_a_new_version(
    client: Client, control: EmulatorControl, schema_id: str
) -> None:
    made = make(client, mapping_set(schema_id))
    wanted = mapping_set(schema_id, OTHER)
    with pytest.raises(DriftError, match=r"mappings.*person\.name\.lastName"):
        ensure(client, wanted)
    ensured = ensure(client, wanted, IfExists.UPDATE)
    assert (ensured.id, ensured.etag, ensured.created) == (made, "1", False)
    assert client.send(wanted.read(made)).pairs == {("last", "person.name.lastName")}
    assert writes(control) == ["POST", "PUT"]


@pytest.mark.parametrize("lost", ["reset", "reset_after"])
def test_an_update_whose_answer_is_lost_makes_one_version(
    plain_client: Client, control: EmulatorControl, schema_id: str, lost: str
) -> None:
    make(plain_client, mapping_set(schema_id))
    control.inject(fault(lost, "PUT", f"{COLLECTION}/*"))
    assert ensure(plain_client, mapping_set(schema_id, OTHER), IfExists.UPDATE).etag == "1"


def test_another_schema_is_another_mapping_set(plain_client: Client, schema_id: str) -> None:
    make(plain_client, mapping_set(schema_id))
    other = plain_client.send(customers("others").create()).id
    assert ensure(plain_client, mapping_set(other)).created


def test_of_several_equal_ones_the_oldest_is_used(
    plain_client: Client, control: EmulatorControl, schema_id: str
) -> None:
    oldest = make(plain_client, mapping_set(schema_id))
    control.advance(1)
    make(plain_client, mapping_set(schema_id))
    assert ensure(plain_client, mapping_set(schema_id)).id == oldest


@pytest.mark.parametrize("lost", ["reset", "reset_after"])
def test_a_create_whose_answer_is_lost_makes_one_mapping_set(
    client: Client, control: EmulatorControl, schema_id: str, lost: str
) -> None:
    control.inject(fault(lost, "POST", COLLECTION))
    ensured = ensure(client, mapping_set(schema_id))
    assert [found.id for found in mapping_sets.iterate(client)] == [ensured.id]


@pytest.mark.parametrize("form", list(BodyForm))
def test_validation_names_each_field_that_is_refused(
    client: Client, control: EmulatorControl, schema_id: str, form: BodyForm
) -> None:
    desired = mapping_set(
        schema_id,
        FieldMapping("a", "person.nickname"),
        NAMES[0],
        FieldMapping("b", "loyalty.tier"),
        name="",
        form=form,
    )
    with pytest.raises(InvalidInputError) as caught:
        client.send(desired.validate())
    message = str(caught.value)
    assert "AEP rejects 2 of 3" in message
    assert "person.nickname: person.nickname is not a field of the schema" in message
    assert "loyalty.tier: " in message
    assert "firstName" not in message
    assert list(mapping_sets.iterate(client)) == []


def test_validation_of_good_mappings_says_nothing(client: Client, schema_id: str) -> None:
    client.send(mapping_set(schema_id).validate())
    assert list(mapping_sets.iterate(client)) == []


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ({"status": "FAILED"}, "person.name.firstName: rejected"),
        ({"status": "FAILED", "errors": [{}]}, "person.name.firstName: rejected"),
        (
            {"status": "FAILED", "errors": [{"exception": "bad"}, {"exception": "worse"}]},
            "person.name.firstName: bad; worse",
        ),
    ],
)
def test_a_refusal_without_a_reason_still_names_the_field(
    plain_client: Client, control: EmulatorControl, verdict: dict[str, Any], message: str
) -> None:
    body = {"validationResponse": [verdict, {"status": "SUCCESS", "errors": None}]}
    control.inject(fault("status", "POST", f"{COLLECTION}/validate", status=200, body=body))
    with pytest.raises(InvalidInputError, match=message):
        plain_client.send(mapping_set("s").validate())


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_list_is_read_until_a_page_is_not_full(
    plain_client: Client,
    control: EmulatorControl,
    schema_id: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    made = [make(plain_client, mapping_set(schema_id, name=f"m{n}")) for n in range(3)]
    monkeypatch.setattr(mapping_sets, "PAGE_LIMIT", limit)
    control.clear_requests()
    assert [found.id for found in mapping_sets.iterate(plain_client)] == made
    assert len(control.requests("GET", COLLECTION)) == 3 // limit + 1


def test_dates_that_are_written_out_are_read(plain_client: Client, control: EmulatorControl) -> None:
    body = {"id": "m", "version": 2, "createdDate": "2026-01-01T00:00:00Z", "xdmSchema": "s"}
    control.inject(fault("status", "GET", f"{COLLECTION}/*", status=200, body=body))
    found = plain_client.send(mapping_set("s").read("m"))
    assert (found.created_at, found.etag, found.schema_id) == (0, "2", "s")


def test_a_mapping_set_that_is_not_there_is_not_found(plain_client: Client) -> None:
    with pytest.raises(NotFoundError):
        plain_client.send(mapping_set("s").read("none"))
