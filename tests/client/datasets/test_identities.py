from __future__ import annotations

from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.datasets import schemas
from airflow_provider_flowservice.client.datasets.identities import (
    DESCRIPTORS,
    PrimaryIdentity,
    identities_of,
    primary_identity_of,
    read_primary_identity,
)
from airflow_provider_flowservice.client.ensure import plan_create
from airflow_provider_flowservice.client.ensure.create import IfExists, ensure
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, InvalidResponseError
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client, KeptState
from tests.support.faults import fault
from tests.support.streaming import PERSON, SCHEMA_REGISTRY, customers

SCHEMAS = f"{SCHEMA_REGISTRY}/tenant/schemas"
MAIL = PrimaryIdentity("/workEmail/address", "Email")
IDENTITY = {
    "@id": "i",
    "@type": "xdm:descriptorIdentity",
    "xdm:sourceSchema": "s",
    "xdm:sourceProperty": MAIL.property,
    "xdm:namespace": "Email",
    "xdm:isPrimary": True,
}


def profile(**changes: Any) -> schemas.DesiredSchema:
    return customers(**{"primary_identity": MAIL, "enable_for_profile": True, **changes})


def writes(control: EmulatorControl) -> list[tuple[str, str]]:
    """Methods and collections of what was changed."""
    found = control.requests(path=SCHEMA_REGISTRY)
    return [(each["method"], each["path"].split("/")[5]) for each in found if each["method"] != "GET"]


def held(client: Client, schema_id: str) -> tuple[list[tuple[str, str | int, bool]], bool]:
    """The identities of a schema, and whether it is enabled for Profile."""
    found = client.send(identities_of(schema_id)).items
    enabled = client.send(schemas.read(schema_id)).profile_enabled
    return [(each.property, each.namespace, each.is_primary) for each in found], enabled


WANTED = ([(MAIL.property, MAIL.namespace, True)], True)
ALL = [("POST", "schemas"), ("POST", "descriptors"), ("PATCH", "schemas")]


@pytest.mark.parametrize("switch", ["accept", "refuse"])
def test_the_identity_comes_before_the_tag(client: Client, control: EmulatorControl, switch: str) -> None:
    control.set_switches(union_without_identity=switch)
    ensured = ensure(client, profile())
    assert ensured.created
    assert ensured.resource is None
    assert held(client, ensured.id) == WANTED
    assert writes(control) == ALL
    (sent,) = control.requests("POST", DESCRIPTORS)
    assert sent["body"] == {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": ensured.id,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/workEmail/address",
        "xdm:namespace": "Email",
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
    }


def test_without_an_identity_the_tag_is_part_of_the_schema(client: Client, control: EmulatorControl) -> None:
    ensured = ensure(client, profile(primary_identity=None))
    assert held(client, ensured.id) == ([], True)
    assert writes(control) == [("POST", "schemas")]


@pytest.mark.parametrize("if_exists", [IfExists.REUSE, IfExists.UPDATE])
def test_the_second_time_nothing_is_sent(
    client: Client, control: EmulatorControl, if_exists: IfExists
) -> None:
    made = ensure(client, profile()).id
    control.clear_requests()
    again = ensure(client, profile(), if_exists)
    assert (again.id, again.created) == (made, False)
    assert writes(control) == []
    assert again.resource
    assert again.resource.profile_enabled


@pytest.mark.parametrize("lost", ["reset", "reset_after"])
@pytest.mark.parametrize(("method", "path"), [("POST", DESCRIPTORS), ("PATCH", f"{SCHEMAS}/*")])
def test_a_lost_answer_makes_nothing_twice(
    client: Client, control: EmulatorControl, method: str, path: str, lost: str
) -> None:
    control.inject(fault(lost, method, path))
    ensured = ensure(client, profile())
    assert held(client, ensured.id) == WANTED
    assert len(writes(control)) == (4 if lost == "reset" else 3)


@pytest.mark.parametrize("if_exists", list(IfExists))
@pytest.mark.parametrize(("method", "path"), [("POST", DESCRIPTORS), ("PATCH", f"{SCHEMAS}/*")])
def test_what_an_interrupted_attempt_has_begun_is_completed(
    plain_client: Client, control: EmulatorControl, method: str, path: str, if_exists: IfExists
) -> None:
    class KilledError(Exception):
        pass

    class Mortal:
        def send(self, request: Any) -> Any:
            if (request.method, request.path.startswith(path.rstrip("*"))) == (method, True):
                raise KilledError
            return plain_client.send(request)

    state = KeptState()
    with pytest.raises(KilledError):
        ensure(Mortal(), profile(), if_exists, state)
    ensured = ensure(plain_client, profile(), if_exists, state)
    assert ensured.created
    assert held(plain_client, ensured.id) == WANTED
    assert writes(control) == ALL


def test_reuse_waits_for_another_worker_that_has_not_completed_it(
    client: Client, control: EmulatorControl
) -> None:
    made = client.send(customers().create()).id
    part = primary_identity_of(made, MAIL)

    class Racing:
        """Lets the other worker go on after the first look at the identities."""

        looks = 0

        def send(self, request: Any) -> Any:
            answer = client.send(request)
            self.looks += request.path == DESCRIPTORS
            if self.looks == 1 and request.path == DESCRIPTORS:
                change = part.update(answer)
                assert change
                client.send(change)
            return answer

    racing = Racing()
    assert ensure(racing, profile(enable_for_profile=False)).id == made
    assert racing.looks == 2
    assert held(client, made) == (WANTED[0], False)


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (profile(), r"primary identity is None, expected '/workEmail/address \(Email\)'.*if_exists='update'"),
        (
            profile(primary_identity=None),
            r"meta:immutableTags is \[\], expected \['union'\].*if_exists='update'",
        ),
    ],
)
def test_reuse_changes_nothing_and_says_what_would(
    client: Client, control: EmulatorControl, desired: schemas.DesiredSchema, message: str
) -> None:
    made = client.send(customers().create()).id
    control.clear_requests()
    with pytest.raises(DriftError, match=f"{made}.*{message}"):
        ensure(client, desired)
    assert writes(control) == []


def test_an_update_adds_field_groups_identity_and_tag_in_this_order(
    client: Client, control: EmulatorControl
) -> None:
    control.set_switches(union_without_identity="refuse")
    made = client.send(customers(field_groups=(PERSON,)).create()).id
    control.clear_requests()
    assert ensure(client, profile(), IfExists.UPDATE).id == made
    assert held(client, made) == WANTED
    assert writes(control) == [("PATCH", "schemas"), ("POST", "descriptors"), ("PATCH", "schemas")]


@pytest.mark.parametrize("change", [{"xdm:isPrimary": False}, {"xdm:namespace": "Phone"}])
def test_an_update_changes_the_descriptor_of_the_same_field(
    client: Client, control: EmulatorControl, change: dict[str, Any]
) -> None:
    made = client.send(customers().create()).id
    request = primary_identity_of(made, MAIL).update(client.send(identities_of(made)))
    assert request
    client.send(msgspec.structs.replace(request, json={**request.json, **change}))
    with pytest.raises(DriftError, match="primary identity"):
        ensure(client, profile())
    control.clear_requests()
    ensure(client, profile(), IfExists.UPDATE)
    assert held(client, made) == WANTED
    assert writes(control) == [("PUT", "descriptors"), ("PATCH", "schemas")]


def test_a_second_primary_identity_is_refused_with_what_to_do(
    client: Client, control: EmulatorControl
) -> None:
    made = ensure(client, profile()).id
    control.clear_requests()
    other = profile(primary_identity=PrimaryIdentity("/person/name/fullName", "CRMID"))
    with pytest.raises(DriftError, match=rf"{made} has the primary identity /workEmail/address \(Email\)"):
        ensure(client, other, IfExists.UPDATE)
    assert writes(control) == []


def test_codes_of_namespaces_are_compared_without_case(client: Client) -> None:
    made = ensure(client, profile()).id
    assert ensure(client, profile(primary_identity=PrimaryIdentity(MAIL.property, "email"))).id == made


def test_a_number_is_the_id_of_a_namespace(client: Client, control: EmulatorControl) -> None:
    identity = read_primary_identity({"property": MAIL.property, "namespace": 6})
    made = ensure(client, profile(primary_identity=identity)).id
    (sent,) = control.requests("POST", DESCRIPTORS)
    assert (sent["body"]["xdm:namespace"], sent["body"]["xdm:property"]) == ("6", "xdm:id")
    assert ensure(client, profile(primary_identity=identity)).id == made


def test_a_worker_that_loses_the_race_for_the_identity_uses_the_one_that_is_there(
    client: Client, control: EmulatorControl
) -> None:
    made = client.send(customers().create()).id

    class Racing:
        """Lets another worker create the identity right before we do."""

        def send(self, request: Any) -> Any:
            if (request.method, request.path) == ("POST", DESCRIPTORS):
                client.send(request)
            return client.send(request)

    assert ensure(Racing(), profile(), IfExists.UPDATE).id == made
    assert held(client, made) == WANTED


def test_a_dry_run_shows_every_request(client: Client, control: EmulatorControl) -> None:
    planned = plan_create(client, profile(), IfExists.REUSE)
    assert planned.id == "plan:schema:customers"
    assert planned.change
    first, second, third = (
        planned.change.index(text) for text in ("POST /data", "descriptorIdentity", "PATCH")
    )
    assert first < second < third
    made = client.send(customers(field_groups=(PERSON,)).create()).id
    control.clear_requests()
    planned = plan_create(client, profile(), IfExists.UPDATE)
    assert planned.id == made
    assert planned.change
    assert [planned.change.count(f"{method} /data") for method in ("PATCH", "POST")] == [2, 1]
    with pytest.raises(DriftError, match="allOf"):
        plan_create(client, profile(), IfExists.REUSE)
    with pytest.raises(DriftError, match=r"primary identity.*meta:immutableTags"):
        plan_create(client, profile(field_groups=(PERSON,)), IfExists.REUSE)
    assert writes(control) == []
    ensure(client, profile(), IfExists.UPDATE)
    assert plan_create(client, profile(), IfExists.UPDATE).change is None
    assert plan_create(client, profile(), IfExists.REUSE).change is None


def test_an_unreadable_descriptor_of_this_schema_is_an_error_and_of_another_it_is_not(
    plain_client: Client, control: EmulatorControl
) -> None:
    broken = {**IDENTITY, "xdm:sourceProperty": ["a", "b"]}
    body = {"xdm:descriptorIdentity": [broken, {**IDENTITY, "xdm:sourceSchema": "other"}], "xdm:new": [1]}
    control.inject(fault("status", "GET", DESCRIPTORS, times=20, status=200, body=body))
    assert len(plain_client.send(identities_of("other")).items) == 1
    with pytest.raises(InvalidResponseError, match="could be an identity of the schema"):
        plain_client.send(identities_of("s"))


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ({}, r"has the keys \[\]"),
        ({"property": "/a"}, r"has the keys \['property'\]"),
        ({"property": "/a", "namespace": "x", "primary": True}, "has the keys"),
        ({"property": "workEmail.address", "namespace": "Email"}, "'workEmail.address' is not a path"),
        ({"property": "/workEmail/", "namespace": "Email"}, "is not a path"),
        ({"property": "/", "namespace": "Email"}, "is not a path"),
        ({"property": None, "namespace": "Email"}, "None is not a path"),
        ({"property": "/a", "namespace": " "}, "' ' is not the code or id"),
        ({"property": "/a", "namespace": True}, "True is not the code or id"),
        ({"property": "/a", "namespace": None}, "None is not the code or id"),
    ],
)
def test_a_primary_identity_that_is_not_one_is_explained(identity: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"primary_identity.*{message}.*/workEmail/address"):
        read_primary_identity(identity)
