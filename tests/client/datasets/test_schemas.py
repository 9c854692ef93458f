from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client.datasets import schemas
from airflow_provider_flowservice.client.datasets.schemas import (
    PROFILE_CLASS,
    DesiredSchema,
    Reference,
    Schema,
)
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import (
    ApiError,
    DriftError,
    InvalidResponseError,
    NotFoundError,
)
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.response import nothing
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.streaming import PERSON, SCHEMA_REGISTRY, WORK, customers

EVENT_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"
COLLECTION = f"{SCHEMA_REGISTRY}/tenant/schemas"


def make(client: Client, desired: DesiredSchema) -> str:
    return client.send(desired.create()).id


def creates(control: EmulatorControl) -> list[dict[str, Any]]:
    return control.requests("POST", COLLECTION)


def titles(client: Client) -> list[str]:
    return [schema.title for schema in schemas.iterate(client)]


def test_a_schema_is_composed_of_its_class_and_field_groups(client: Client) -> None:
    ensured = ensure(client, customers(description="ours"))
    found = client.send(customers().read(ensured.id))
    assert ensured.created
    assert ensured.id.startswith("https://ns.adobe.com/")
    assert (found.id, found.title, found.schema_class) == (ensured.id, "customers", PROFILE_CLASS)
    assert [part.ref for part in found.references] == [PROFILE_CLASS, PERSON, WORK]
    assert found.created_at > 0
    assert found.etag is None


def test_a_schema_without_a_description_is_sent_an_empty_one(
    plain_client: Client, control: EmulatorControl
) -> None:
    make(plain_client, customers())
    assert creates(control)[-1]["body"]["description"] == ""


def test_the_second_time_the_first_one_is_found(client: Client, control: EmulatorControl) -> None:
    first = ensure(client, customers())
    second = ensure(client, customers(field_groups=(WORK, PERSON), description="another text"))
    assert (second.id, second.created) == (first.id, False)
    assert len(creates(control)) == 1


@pytest.mark.parametrize("lost", ["reset_after", "reset", "status"])
def test_a_create_whose_answer_is_lost_makes_one_schema(
    client: Client, control: EmulatorControl, lost: str
) -> None:
    control.inject(fault(lost, "POST", COLLECTION, **({"status": 503} if lost == "status" else {})))
    ensured = ensure(client, customers())
    assert [schema.id for schema in schemas.iterate(client)] == [ensured.id]
    assert len(creates(control)) == (1 if lost == "reset_after" else 2)


def test_a_missing_field_group_is_an_error_that_says_what_adds_it(
    plain_client: Client, control: EmulatorControl
) -> None:
    made = make(plain_client, customers(field_groups=(PERSON,)))
    with pytest.raises(DriftError, match=f"{made}.*allOf.*profile-work-details.*Set if_exists='update'"):
        ensure(plain_client, customers())
    assert titles(plain_client) == ["customers"]
    assert control.requests("PATCH") == []


@pytest.mark.parametrize("lost", [None, "reset", "reset_after"])
def test_an_update_adds_what_is_missing_with_one_patch(
    client: Client, control: EmulatorControl, lost: str | None
) -> None:
    made = make(client, customers(field_groups=()))
    if lost:
        control.inject(fault(lost, "PATCH", f"{COLLECTION}/*"))
    desired = customers(enable_for_profile=True)
    ensured = ensure(client, desired, IfExists.UPDATE)
    assert (ensured.id, ensured.created) == (made, False)
    assert ensured.resource
    assert [each.ref for each in ensured.resource.references] == [PROFILE_CLASS, PERSON, WORK]
    assert ensured.resource.profile_enabled
    sent = control.requests("PATCH", COLLECTION)
    assert len(sent) == (2 if lost == "reset" else 1)
    assert sent[-1]["body"] == [
        {"op": "add", "path": "/allOf/-", "value": {"$ref": PERSON}},
        {"op": "add", "path": "/allOf/-", "value": {"$ref": WORK}},
        {"op": "add", "path": "/meta:immutableTags", "value": ["union"]},
    ]
    control.clear_requests()
    ensure(client, desired, IfExists.UPDATE)
    assert {entry["method"] for entry in control.requests()} == {"GET"}


def test_an_update_that_changes_nothing_is_noticed(plain_client: Client, control: EmulatorControl) -> None:
    make(plain_client, customers(field_groups=()))
    control.inject(fault("status", "PATCH", f"{COLLECTION}/*", status=200, body={}))
    with pytest.raises(DriftError, match=r"confirmed the change of .* does not show it .*: allOf"):
        ensure(plain_client, customers(), IfExists.UPDATE)


@pytest.mark.parametrize("if_exists", [IfExists.REUSE, IfExists.UPDATE])
def test_what_a_colleague_has_added_does_not_matter(
    plain_client: Client, control: EmulatorControl, if_exists: IfExists
) -> None:
    made = make(plain_client, customers(enable_for_profile=True))
    control.clear_requests()
    assert ensure(plain_client, customers(field_groups=(WORK,)), if_exists).id == made
    assert {entry["method"] for entry in control.requests()} == {"GET"}


def test_another_class_cannot_be_changed(plain_client: Client, control: EmulatorControl) -> None:
    made = make(plain_client, customers(field_groups=(), schema_class=EVENT_CLASS))
    with pytest.raises(DriftError, match=f"{made}.*cannot change.*class is .*Choose another title"):
        ensure(plain_client, customers(), IfExists.UPDATE)
    assert control.requests("PATCH") == []


def test_a_tag_that_exists_is_kept(plain_client: Client, control: EmulatorControl) -> None:
    tagged = {**customers().create().json, "meta:immutableTags": ["other"]}
    plain_client.send(Request("POST", COLLECTION, nothing, json=tagged, idempotent=False))
    ensured = ensure(plain_client, customers(enable_for_profile=True), IfExists.UPDATE)
    assert ensured.resource
    assert ensured.resource.tags == ("other", "union")


def test_an_update_of_what_agrees_sends_nothing(plain_client: Client, control: EmulatorControl) -> None:
    made = make(plain_client, customers())
    control.clear_requests()
    assert ensure(plain_client, customers(), IfExists.UPDATE).id == made
    assert {entry["method"] for entry in control.requests()} == {"GET"}


def test_of_several_equal_ones_the_oldest_is_used(plain_client: Client, control: EmulatorControl) -> None:
    oldest = make(plain_client, customers())
    control.advance(1)
    make(plain_client, customers())
    assert ensure(plain_client, customers()).id == oldest


def test_several_that_differ_are_an_error_that_lists_them(
    plain_client: Client, control: EmulatorControl
) -> None:
    made = [make(plain_client, customers())]
    control.advance(1)
    made.append(make(plain_client, customers(field_groups=())))
    with pytest.raises(DriftError, match="2 schemas are named 'customers' and differ") as caught:
        ensure(plain_client, customers())
    assert all(schema_id in str(caught.value) for schema_id in made)
    assert len(creates(control)) == 2


def test_fail_and_create_do_as_they_say(plain_client: Client) -> None:
    made = make(plain_client, customers())
    with pytest.raises(DriftError, match="already exists"):
        ensure(plain_client, customers(), IfExists.FAIL)
    assert ensure(plain_client, customers(), IfExists.CREATE).id != made


def test_a_twin_made_at_the_same_moment_is_taken_back(plain_client: Client, control: EmulatorControl) -> None:
    desired = customers()
    others: list[str] = []

    class Racing:
        """Lets another worker create the schema right before we do."""

        def send(self, request: Any) -> Any:
            if request.method == "POST" and not others:
                others.append(make(plain_client, desired))
                # In the same millisecond, the ids would decide which of the two is older.
                control.advance(1)
            return plain_client.send(request)

    ensured = ensure(Racing(), desired)
    assert (ensured.id, ensured.created) == (others[0], False)
    assert [schema.id for schema in schemas.iterate(plain_client)] == others


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_list_is_read_page_by_page_to_its_end(
    plain_client: Client, monkeypatch: pytest.MonkeyPatch, control: EmulatorControl, limit: int
) -> None:
    for title in ("b & c", "a", "ü=", "d"):
        make(plain_client, customers(title, field_groups=()))
    monkeypatch.setattr(schemas, "PAGE_LIMIT", limit)
    control.clear_requests()
    assert titles(plain_client) == ["a", "b & c", "d", "ü="]
    assert len(control.requests("GET", COLLECTION)) == -(-4 // limit)
    assert {entry["query"]["orderby"] for entry in control.requests("GET", COLLECTION)} == {"title"}


def test_an_empty_list_has_no_schemas(plain_client: Client) -> None:
    assert titles(plain_client) == []


def test_a_page_that_leads_to_itself_is_an_error(plain_client: Client, control: EmulatorControl) -> None:
    page = {"results": [{"$id": "x", "title": "a"}], "_page": {"next": "a"}}
    control.inject(fault("status", "GET", COLLECTION, times=5, status=200, body=page))
    with pytest.raises(InvalidResponseError, match="list of schemas repeats a page"):
        titles(plain_client)
    assert len(control.requests("GET", COLLECTION)) == 2


def test_no_second_schema_is_made_when_the_list_has_no_end(
    plain_client: Client, control: EmulatorControl
) -> None:
    make(plain_client, customers())
    page = {"results": [{"$id": "x", "title": "another"}], "_page": {"next": "another"}}
    control.inject(fault("status", "GET", COLLECTION, times=2, status=200, body=page))
    with pytest.raises(InvalidResponseError):
        ensure(plain_client, customers())
    assert len(creates(control)) == 1


@pytest.mark.parametrize(
    ("body", "schema"),
    [
        ({"$id": "x"}, Schema(id="x")),
        (
            {
                "$id": "x",
                "title": "t",
                "meta:class": PROFILE_CLASS,
                "allOf": [{"$ref": "a"}, {"properties": {}}],
                "meta:registryMetadata": {"repo:createdDate": 5},
                "version": "1.0",
            },
            Schema(
                id="x", title="t", schema_class=PROFILE_CLASS, references=(Reference(ref="a"), Reference())
            ),
        ),
    ],
)
def test_a_schema_is_read_with_what_it_has(
    plain_client: Client, control: EmulatorControl, body: dict[str, Any], schema: Schema
) -> None:
    control.inject(fault("status", "GET", f"{COLLECTION}/*", status=200, body=body))
    found = plain_client.send(customers().read("x"))
    assert (found.id, found.title, found.references) == (schema.id, schema.title, schema.references)
    assert found.created_at == body.get("meta:registryMetadata", {}).get("repo:createdDate", 0)


def test_a_schema_that_is_not_there_is_not_found(plain_client: Client) -> None:
    with pytest.raises(NotFoundError, match="XDM-1012-404"):
        plain_client.send(customers().read("https://ns.adobe.com/emulator/schemas/none"))


def test_a_field_group_that_does_not_exist_is_refused(plain_client: Client) -> None:
    with pytest.raises(ApiError, match=r"https://ns\.adobe\.com/none, which does not exist"):
        ensure(plain_client, customers(field_groups=("https://ns.adobe.com/none",)))
