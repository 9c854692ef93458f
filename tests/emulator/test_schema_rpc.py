"""Export and import, sample data and the log of changes of Schema Registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.conftest import PROFILE_CLASS, REGISTRY, XDM_FULL, Api
from tests.emulator.test_schemas import LOOKUP, WORK, get

RPC = f"{REGISTRY}/rpc"
WRITTEN = "%m-%d-%Y %H:%M:%S %z"
PLACEHOLDER = "<XDM_TENANTID_PLACEHOLDER>"


@pytest.fixture
def schema_id(api: Api) -> str:
    """A schema that needs a field group, which needs a data type."""
    kind = {"type": "object", "title": "Tier", "properties": {"name": {"type": "string", "enum": ["gold"]}}}
    tier = api.create(f"{REGISTRY}/tenant/datatypes", kind)["$id"]
    own = {"_emulator": {"type": "object", "properties": {"tier": {"$ref": tier}}}}
    group = {
        "type": "object",
        "title": "Loyalty",
        "definitions": {"loyalty": {"type": "object", "properties": own}},
        "allOf": [{"$ref": "#/definitions/loyalty"}],
    }
    loyalty = api.create(f"{REGISTRY}/tenant/fieldgroups", group)["$id"]
    parts = [{"$ref": part} for part in (PROFILE_CLASS, WORK, loyalty)]
    return api.create(f"{REGISTRY}/tenant/schemas", {"type": "object", "title": "Members", "allOf": parts})[
        "$id"
    ]


def call(api: Api, name: str, resource_id: str) -> Any:
    return api.call("GET", f"{RPC}/{name}/{quote(resource_id, safe='')}")


@pytest.mark.parametrize("path", ["import", "export"])
def test_an_export_can_be_imported_into_another_sandbox(api: Api, schema_id: str, path: str) -> None:
    exported = call(api, "export", schema_id).json()
    assert [each["title"] for each in exported] == ["Tier", "Loyalty", "Members"]
    assert exported[-1]["$id"] == schema_id.replace("/emulator/", f"/{PLACEHOLDER}/")
    assert exported[-1]["meta:altId"].startswith(f"_{PLACEHOLDER}.schemas.")
    assert f"_{PLACEHOLDER}" in exported[1]["definitions"]["loyalty"]["properties"]
    assert not {"imsOrg", "meta:registryMetadata"} & set(exported[-1])
    before = get(api, f"/tenant/schemas/{quote(schema_id, safe='')}", XDM_FULL).json()
    api.session.headers["x-sandbox-name"] = "prod"
    made = api.call("POST", f"{RPC}/{path}", json=exported)
    assert (made.status_code, made.json()[-1]["$id"]) == (200, schema_id)
    after = get(api, f"/tenant/schemas/{quote(schema_id, safe='')}", XDM_FULL).json()
    assert after["properties"] == before["properties"]
    assert (before["meta:sandboxType"], after["meta:sandboxType"]) == ("development", "production")


def test_an_import_is_all_or_nothing(api: Api, schema_id: str) -> None:
    exported = call(api, "export", schema_id).json()
    refused = api.call("POST", f"{RPC}/import", json=exported)
    assert refused.json()["type"].endswith("XDM-3005-400")
    renamed = [{**each, "$id": f"{each['$id']}0"} for each in exported]
    refused = api.call("POST", f"{RPC}/import", json=renamed)
    assert "Title must be unique" in refused.json()["detail"]
    renamed = [{**each, "title": f"{each['title']} again"} for each in renamed]
    for broken in (
        {},
        {"$id": 5},
        {**renamed[-1], "meta:resourceType": "mixins"},
        {**renamed[-1], "allOf": 5},
    ):
        assert api.call("POST", f"{RPC}/import", json=[*renamed[:-1], broken]).status_code == 400
    assert api.call("POST", f"{RPC}/import", json={"not": "a list"}).status_code == 400
    listed = get(api, "/tenant/datatypes", "application/vnd.adobe.xed-id+json").json()["results"]
    assert [each["title"] for each in listed] == ["Tier"]
    assert api.call("POST", f"{RPC}/import", json=renamed).status_code == 200


def test_sample_data_has_every_field_under_its_standard_name(api: Api, schema_id: str) -> None:
    sample = call(api, "sampledata", schema_id).json()
    assert sample["_emulator"] == {"tier": {"name": "gold"}}
    assert sample["xdm:workEmail"]["xdm:primary"] is False
    assert sample["repo:createDate"] == "2004-10-23T12:00:00-06:00"
    assert call(api, "sampledata", WORK).status_code == 404


def test_the_log_has_the_changes_of_a_resource(api: Api, schema_id: str) -> None:
    assert call(api, "auditlog", schema_id).json() == []
    path = f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}"
    api.enable(schema_id)
    api.call("PATCH", path, json=[{"op": "replace", "path": "/title", "value": "All members"}])
    last, first = call(api, "auditlog", schema_id).json()
    change = {"id": schema_id, "xdmType": "schemas"}
    now = datetime.fromtimestamp(api.control.now(), UTC)
    assert now - timedelta(minutes=1) < datetime.strptime(f"{last['updatedTime']} Z", WRITTEN) <= now
    assert last["updates"] == [{**change, "action": "replace", "path": "/title", "value": "All members"}]
    assert first["updates"] == [
        {**change, "action": "add", "path": "/meta:immutableTags", "value": ["union"]}
    ]
    api.call("DELETE", path)
    assert call(api, "auditlog", schema_id).status_code == 404


@pytest.mark.parametrize("name", ["export", "sampledata", "auditlog"])
def test_what_does_not_exist_is_not_found(api: Api, name: str) -> None:
    assert (
        call(api, name, "https://ns.adobe.com/emulator/schemas/none").json()["type"].endswith("XDM-1012-404")
    )
    assert get(api, "/rpc/csv2schema/x", LOOKUP).status_code == 404
