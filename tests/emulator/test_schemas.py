from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.conftest import PROFILE_CLASS, REGISTRY, XDM_FULL, Api, identity

LIST_ID = "application/vnd.adobe.xed-id+json"
LIST = "application/vnd.adobe.xed+json"
LOOKUP = "application/vnd.adobe.xed+json;version=1"


def get(api: Api, path: str, accept: str, **params: Any) -> Any:
    return api.call("GET", f"{REGISTRY}{path}", headers={"Accept": accept}, params=params)


DESCRIPTORS = f"{REGISTRY}/tenant/descriptors"
WORK = "https://ns.adobe.com/xdm/context/profile-work-details"
RECORD = "https://ns.adobe.com/xdm/data/record"


@pytest.fixture
def schema_id(api: Api) -> str:
    return api.schema()


def test_a_created_schema_is_returned_whole_and_can_be_found_by_both_ids(api: Api, schema_id: str) -> None:
    schema = get(api, f"/tenant/schemas/{quote(schema_id, safe='')}", LOOKUP).json()
    assert schema["$id"] == schema_id
    assert schema["meta:class"] == PROFILE_CLASS
    assert schema["version"] == "1.0"
    assert get(api, f"/tenant/schemas/{schema['meta:altId']}", LOOKUP).json() == schema


def test_the_full_form_has_the_fields_of_class_and_groups(api: Api, schema_id: str) -> None:
    full = get(api, f"/tenant/schemas/{quote(schema_id, safe='')}", XDM_FULL).json()
    assert "allOf" not in full
    assert {"_id", "person", "workEmail"} <= set(full["properties"])
    first_name = full["properties"]["person"]["properties"]["name"]["properties"]["firstName"]
    assert first_name == {"type": "string", "meta:xdmType": "string", "meta:xdmField": "xdm:firstName"}
    plain = get(api, f"/tenant/schemas/{quote(schema_id, safe='')}", LOOKUP).json()
    assert "properties" not in plain


@pytest.mark.parametrize(
    ("path", "accept", "code"),
    [
        ("/tenant/schemas", LOOKUP, "XDM-1006-400"),
        ("/tenant/schemas", "application/json", "XDM-1006-400"),
        ("/tenant/schemas/{id}", LIST, "XDM-1007-400"),
        ("/tenant/schemas/{id}", LIST_ID, "XDM-1007-400"),
        ("/tenant/schemas/{id}", "*/*", "XDM-1007-400"),
        ("/tenant/schemas/_emulator.schemas.none", LOOKUP, "XDM-1012-404"),
        ("/tenant/schemas/{id}", "application/vnd.adobe.xed+json;version=2", "XDM-1012-404"),
    ],
)
def test_a_wrong_accept_or_id_is_refused(api: Api, schema_id: str, path: str, accept: str, code: str) -> None:
    refused = get(api, path.format(id=quote(schema_id, safe="")), accept)
    assert refused.json()["type"] == f"http://ns.adobe.com/aep/errors/{code}"
    assert refused.status_code == refused.json()["status"] == int(code[-3:])
    assert refused.json()["report"]["detailed-message"]


def test_lists_are_summaries_or_whole_and_can_be_filtered(api: Api) -> None:
    for title in ("One", "Two, too", "Three"):
        api.schema(title)
    (found,) = get(api, "/tenant/schemas", LIST_ID, property="title==Two, too").json()["results"]
    assert set(found) == {"title", "$id", "meta:altId", "version"}
    whole = get(api, "/tenant/schemas", LIST, property="title~T").json()["results"]
    assert {each["title"] for each in whole} == {"Two, too", "Three"}
    assert all("allOf" in each for each in whole)


def test_pages_start_after_the_last_value(api: Api) -> None:
    titles = [f"Schema {letter}" for letter in "ABCDE"]
    for title in titles:
        api.schema(title)
    found, start = [], {}
    while True:
        page = get(api, "/tenant/schemas", LIST_ID, orderby="title", limit=2, **start).json()
        found += [each["title"] for each in page["results"]]
        if page["_page"]["next"] is None:
            break
        assert page["_page"]["next"] == found[-1]
        assert page["_links"]["next"]["href"].startswith(api.url)
        start = {"start": page["_page"]["next"]}
    assert found == titles
    assert page["_links"]["next"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"type": "animal"},
        {"allOf": [{"$ref": 5}]},
        {"allOf": []},
        {"allOf": [{"$ref": "https://ns.adobe.com/xdm/context/profile-person-details"}]},
        {"allOf": [{"$ref": PROFILE_CLASS}, {"$ref": "https://ns.adobe.com/none"}]},
        {"allOf": [{"$ref": PROFILE_CLASS}, {"$ref": "https://ns.adobe.com/xdm/context/experienceevent"}]},
    ],
)
def test_a_bad_schema_is_refused(api: Api, change: dict[str, Any]) -> None:
    body = {"type": "object", "title": "x", "description": "", "allOf": [{"$ref": PROFILE_CLASS}]}
    assert api.call("POST", f"{REGISTRY}/tenant/schemas", json={**body, **change}).status_code == 400
    assert get(api, "/tenant/schemas", LIST_ID).json()["results"] == []


def test_a_tenants_own_field_group_can_be_used(api: Api) -> None:
    loyalty = {
        "type": "object",
        "properties": {"_emulator": {"type": "object", "properties": {"tier": {"type": "string"}}}},
    }
    group = {"type": "object", "title": "Loyalty", "definitions": {}, "allOf": [loyalty]}
    made = api.create(f"{REGISTRY}/tenant/fieldgroups", group)
    parts = [{"$ref": PROFILE_CLASS}, {"$ref": made["$id"]}]
    schema = api.create(
        f"{REGISTRY}/tenant/schemas", {"type": "object", "title": "With loyalty", "allOf": parts}
    )
    full = get(api, f"/tenant/schemas/{quote(schema['$id'], safe='')}", XDM_FULL).json()
    assert full["properties"]["_emulator"]["properties"]["tier"] == {"type": "string"}


def test_a_schema_can_be_tagged_and_deleted(api: Api, schema_id: str) -> None:
    path = f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}"
    tag = [{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]
    assert api.call("PATCH", path, json=tag).json()["meta:immutableTags"] == ["union"]
    assert api.call("PATCH", path, json=[{"op": "remove", "path": "/none"}]).status_code == 400
    rename = [{"op": "replace", "path": "/meta:resourceType", "value": "classes"}]
    assert api.call("PATCH", path, json=rename).json()["meta:resourceType"] == "schemas"
    assert api.call("DELETE", path).status_code == 204
    assert api.call("GET", path, headers={"Accept": LOOKUP}).status_code == 404


def test_a_patch_adds_a_field_group_and_bumps_the_version(api: Api) -> None:
    body = {"type": "object", "title": "x", "allOf": [{"$ref": PROFILE_CLASS}]}
    made = api.create(f"{REGISTRY}/tenant/schemas", body)
    path = f"{REGISTRY}/tenant/schemas/{quote(made['$id'], safe='')}"
    api.control.advance(1)
    add = {"op": "add", "path": "/allOf/-", "value": {"$ref": WORK}}
    changed = api.call("PATCH", path, json=[add]).json()
    assert [part["$ref"] for part in changed["allOf"]] == [PROFILE_CLASS, WORK]
    assert changed["meta:extends"] == [PROFILE_CLASS, WORK, RECORD]
    assert (made["version"], changed["version"]) == ("1.0", "1.1")
    before, after = made["meta:registryMetadata"], changed["meta:registryMetadata"]
    assert before["eTag"] != after["eTag"]
    assert before["repo:createdDate"] == after["repo:createdDate"] < after["repo:lastModifiedDate"]
    assert get(api, f"/tenant/schemas/{quote(made['$id'], safe='')}", LOOKUP).json() == changed
    none = {**add, "value": {"$ref": "https://ns.adobe.com/none"}}
    assert api.call("PATCH", path, json=[none]).status_code == 400


def test_the_tag_union_is_never_removed(api: Api, schema_id: str) -> None:
    assert api.enable(schema_id).status_code == 200
    path = f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}"
    for operation in (
        {"op": "remove", "path": "/meta:immutableTags"},
        {"op": "replace", "path": "/meta:immutableTags", "value": ["other"]},
        {"op": "replace", "path": "/meta:immutableTags", "value": "union"},
    ):
        assert api.call("PATCH", path, json=[operation]).status_code == 400
    assert get(api, path.removeprefix(REGISTRY), LOOKUP).json()["meta:immutableTags"] == ["union"]


def test_whether_a_schema_without_an_identity_can_be_enabled_is_a_switch(api: Api, schema_id: str) -> None:
    body = {"title": "y", "allOf": [{"$ref": PROFILE_CLASS}], "meta:immutableTags": ["union"]}
    assert api.call("POST", f"{REGISTRY}/tenant/schemas", json=body).status_code == 201
    api.control.set_switches(union_without_identity="refuse")
    assert api.call("POST", f"{REGISTRY}/tenant/schemas", json=body).status_code == 400
    assert api.enable(schema_id).status_code == 400
    api.create(DESCRIPTORS, identity(schema_id))
    assert api.enable(schema_id).status_code == 200


def test_global_resources_can_be_read_and_stats_name_the_tenant(api: Api) -> None:
    classes = get(api, "/global/classes", LIST_ID).json()["results"]
    assert PROFILE_CLASS in {each["$id"] for each in classes}
    stats = get(api, "/stats", "application/json").json()
    assert stats["tenantId"] == "emulator"
    assert stats["counts"]["schemas"] == 0
