from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.conftest import PROFILE_CLASS, REGISTRY, Api, identity
from tests.emulator.test_schemas import DESCRIPTORS, get

LIST = "application/vnd.adobe.xdm+json"
PAGED_IDS = "application/vnd.adobe.xdm-v2-id+json"
TITLE = {"@type": "xdm:alternateDisplayInfo", "xdm:title": {"en_us": "Mail"}}


@pytest.fixture
def schema_id(api: Api) -> str:
    return api.schema()


def test_descriptors_are_listed_by_type_in_three_forms(api: Api, schema_id: str) -> None:
    assert get(api, "/tenant/descriptors", LIST).json() == {}
    made = api.create(DESCRIPTORS, identity(schema_id))
    title = api.create(DESCRIPTORS, {**identity(schema_id), **TITLE})
    assert {name: made[name] for name in identity(schema_id)} == identity(schema_id)
    kinds = ("xdm:descriptorIdentity", "xdm:alternateDisplayInfo")
    shown = {
        LIST: [made, title],
        "application/vnd.adobe.xdm-id+json": [made["@id"], title["@id"]],
        "application/vnd.adobe.xdm-link+json": [
            f"/tenant/descriptors/{each['@id']}" for each in (made, title)
        ],
    }
    for accept, (first, second) in shown.items():
        assert get(api, "/tenant/descriptors", accept).json() == dict(
            zip(kinds, ([first], [second]), strict=True)
        )
    assert api.call("GET", f"{DESCRIPTORS}/{made['@id']}").json() == made


@pytest.mark.parametrize(
    ("path", "accept", "code"),
    [
        ("", "application/vnd.adobe.xed+json", "XDM-1008-400"),
        ("", "*/*", "XDM-1008-400"),
        ("/any", "application/vnd.adobe.xed+json;version=1", "XDM-1009-400"),
        ("/any", LIST, "XDM-1012-404"),
        ("/any", "*/*", "XDM-1012-404"),
    ],
)
def test_another_accept_header_is_refused(api: Api, path: str, accept: str, code: str) -> None:
    refused = get(api, f"/tenant/descriptors{path}", accept)
    assert refused.json()["type"].endswith(code)
    assert refused.status_code == int(code[-3:])


def test_the_second_version_of_the_list_has_pages_and_can_be_filtered(api: Api) -> None:
    schemas = [api.schema(f"Customers {number}") for number in range(3)]
    made = []
    for schema_id in schemas:
        made.append(api.create(DESCRIPTORS, identity(schema_id))["@id"])
        api.control.advance(1)
    title = api.create(DESCRIPTORS, {**identity(schemas[0]), **TITLE})["@id"]
    found, start = [], {}
    while True:
        page = get(api, "/tenant/descriptors", PAGED_IDS, limit=2, **start).json()
        found += page["results"]
        if page["_page"]["next"] is None:
            break
        start = {"start": page["_page"]["next"]}
    assert found == [*made, title]
    # Adobe's own client joins conditions with a comma.
    both = f"@type==xdm:descriptorIdentity,xdm:sourceSchema=={schemas[0]}"
    assert get(api, "/tenant/descriptors", PAGED_IDS, property=both).json()["results"] == made[:1]
    assert get(api, "/global/descriptors", PAGED_IDS).json()["results"] == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("xdm:descriptorPrimaryKey", {"xdm:sourceProperty": ["/_id", "/workEmail/address"]}),
        ("xdm:descriptorVersion", {}),
        ("xdm:descriptorTimestamp", {}),
        ("xdm:descriptorLabel", {"xdm:sourceVersion": 1, "xdm:label": ["C1"]}),
        ("xdm:descriptorTimeSeriesGranularity", {"xdm:sourceVersion": 1, "xdm:sourceProperty": None}),
    ],
)
def test_each_type_has_members_of_its_own(
    api: Api, schema_id: str, kind: str, change: dict[str, Any]
) -> None:
    body = {"@type": kind, "xdm:sourceSchema": schema_id, "xdm:sourceProperty": "/_id", **change}
    kept = {name: value for name, value in body.items() if value is not None}
    assert api.create(DESCRIPTORS, kept)["@type"] == kind
    assert api.call("POST", DESCRIPTORS, json={**kept, "xdm:sourceVersion": 2}).status_code == 400


def test_a_relationship_leads_to_another_schema(api: Api, schema_id: str) -> None:
    body = {**identity(schema_id), "@type": "xdm:descriptorOneToOne"}
    assert api.call("POST", DESCRIPTORS, json=body).status_code == 400
    other = api.schema("Others")
    assert api.create(DESCRIPTORS, {**body, "xdm:destinationSchema": other})["@id"]


@pytest.mark.parametrize(
    "change",
    [
        {"@type": "xdm:other"},
        {"xdm:sourceSchema": "none"},
        {"xdm:sourceSchema": PROFILE_CLASS},
        {"xdm:sourceVersion": 2},
        {"xdm:sourceVersion": None},
        {"xdm:sourceProperty": "workEmail/address"},
        {"xdm:sourceProperty": "/workEmail/address/"},
        {"xdm:sourceProperty": "/workEmail/none"},
        {"xdm:namespace": None},
        {"xdm:namespace": "6"},
        {"xdm:property": "xdm:id"},
        {"xdm:property": None},
        {"xdm:isPrimary": "true"},
    ],
)
def test_a_bad_identity_is_refused(api: Api, schema_id: str, change: dict[str, Any]) -> None:
    body = {**identity(schema_id), **change}
    assert api.call("POST", DESCRIPTORS, json=body).status_code == 400
    assert get(api, "/tenant/descriptors", LIST).json() == {}


def test_a_schema_has_one_primary_identity_and_a_field_is_one_identity(api: Api, schema_id: str) -> None:
    made = api.create(DESCRIPTORS, identity(schema_id))
    name = {"xdm:sourceProperty": "/person/name/fullName"}
    for change in ({}, {"xdm:isPrimary": False}, name):
        assert api.call("POST", DESCRIPTORS, json=identity(schema_id, **change)).status_code == 400
    second = api.create(DESCRIPTORS, identity(schema_id, **name, **{"xdm:isPrimary": False}))
    promoted = identity(schema_id, **name)
    assert api.call("PUT", f"{DESCRIPTORS}/{second['@id']}", json=promoted).status_code == 400
    demoted = identity(schema_id, **{"xdm:isPrimary": False})
    changed = api.call("PUT", f"{DESCRIPTORS}/{made['@id']}", json=demoted)
    assert (changed.status_code, changed.json()) == (201, {"@id": made["@id"]})
    assert api.call("PUT", f"{DESCRIPTORS}/{second['@id']}", json=promoted).status_code == 201
    assert api.call("GET", f"{DESCRIPTORS}/{second['@id']}").json()["xdm:isPrimary"]
    other = api.create(DESCRIPTORS, identity(api.schema("Other")))
    assert other["@id"] not in (made["@id"], second["@id"])


def test_a_deleted_descriptor_is_gone_and_so_are_those_of_a_deleted_schema(api: Api, schema_id: str) -> None:
    path = f"{DESCRIPTORS}/{api.create(DESCRIPTORS, identity(schema_id))['@id']}"
    assert api.call("DELETE", path).status_code == 204
    for method in ("GET", "PUT", "DELETE"):
        gone = api.call(method, path, json=identity(schema_id))
        assert gone.json()["type"].endswith("XDM-1012-404")
    kept = api.create(DESCRIPTORS, identity(api.schema("Other")))
    api.create(DESCRIPTORS, identity(schema_id))
    api.call("DELETE", f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}")
    assert get(api, "/tenant/descriptors", LIST).json() == {"xdm:descriptorIdentity": [kept]}
