"""The forms in which Schema Registry shows a resource, and which resources a path leads to."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.conftest import PROFILE_CLASS, REGISTRY, XDM_FULL, Api, identity
from tests.emulator.test_schemas import DESCRIPTORS, RECORD, WORK, get

FIELDS = {
    "title": {"type": "string", "title": "Title", "description": "A field with this name."},
    "tier": {"type": "string", "title": "Tier", "description": "What they reached."},
}


def accept(form: str) -> str:
    return f"application/vnd.adobe.{form}+json; version=1"


def look_up(api: Api, resource_id: str, form: str, collection: str = "schemas") -> Any:
    return get(api, f"/tenant/{collection}/{quote(resource_id, safe='')}", accept(form)).json()


@pytest.fixture
def group_id(api: Api) -> str:
    """A field group as Adobe's guide makes one: its fields stand in ``definitions``."""
    own = {"_emulator": {"type": "object", "properties": FIELDS}}
    body = {
        "type": "object",
        "title": "Loyalty",
        "description": "Who is loyal.",
        "meta:intendedToExtend": [PROFILE_CLASS],
        "definitions": {"loyalty": {"type": "object", "properties": own}},
        "allOf": [{"$ref": "#/definitions/loyalty"}],
    }
    return api.create(f"{REGISTRY}/tenant/fieldgroups", body)["$id"]


@pytest.fixture
def schema_id(api: Api, group_id: str) -> str:
    parts = [{"$ref": part} for part in (PROFILE_CLASS, WORK, group_id)]
    body = {"type": "object", "title": "Members", "description": "All of them.", "allOf": parts}
    return api.create(f"{REGISTRY}/tenant/schemas", body)["$id"]


def own_fields(schema: dict[str, Any]) -> Any:
    return schema["properties"]["_emulator"]["properties"]


def test_definitions_are_resolved_in_the_full_form_alone(api: Api, schema_id: str, group_id: str) -> None:
    group = look_up(api, group_id, "xed", "fieldgroups")
    assert group["allOf"] == [{"$ref": "#/definitions/loyalty"}]
    assert own_fields(group["definitions"]["loyalty"]) == FIELDS
    for resource in (look_up(api, group_id, "xed-full", "fieldgroups"), look_up(api, schema_id, "xed-full")):
        assert own_fields(resource) == FIELDS
        assert not {"allOf", "definitions"} & set(resource)


def test_without_texts_only_the_names_of_fields_are_left(api: Api, schema_id: str) -> None:
    bare = {"title": {"type": "string"}, "tier": {"type": "string"}}
    full = look_up(api, schema_id, "xed-full-notext")
    assert own_fields(full) == bare
    assert not {"title", "description"} & set(full)
    plain = look_up(api, schema_id, "xed-notext")
    assert "title" not in plain
    assert len(plain["allOf"]) == 3


def test_standard_xdm_has_other_names_for_global_fields(api: Api, schema_id: str) -> None:
    full = look_up(api, schema_id, "xdm-full")["properties"]
    assert {"@id", "repo:createDate", "xdm:workEmail", "_emulator"} <= set(full)
    assert not {"_id", "_repo", "workEmail"} & set(full)
    assert full["xdm:workEmail"]["properties"]["xdm:address"] == {"type": "string", "meta:xdmType": "string"}
    assert full["_emulator"]["properties"] == FIELDS
    assert look_up(api, schema_id, "xdm")["$id"] == schema_id
    event = get(api, "/global/classes/_xdm.context.experienceevent", accept("xdm")).json()
    assert event["required"] == ["@id", "xdm:timestamp"]


def test_descriptors_are_included_or_titles_are_left_out(api: Api, schema_id: str) -> None:
    made = api.create(DESCRIPTORS, identity(schema_id))
    full = look_up(api, schema_id, "xed-full-desc")
    assert full["meta:descriptors"] == [made]
    assert "meta:descriptors" not in look_up(api, schema_id, "xed-full")
    api.control.set_switches(schema_desc_form="descriptions")
    full = look_up(api, schema_id, "xed-full-desc")
    assert "meta:descriptors" not in full
    assert own_fields(full)["tier"] == {"type": "string", "description": "What they reached."}


def test_deprecated_fields_are_marked(api: Api, schema_id: str) -> None:
    path = {"xdm:sourceProperty": "/_emulator/tier", "@type": "xdm:descriptorDeprecated"}
    api.create(DESCRIPTORS, {**identity(schema_id), **path})
    for form in ("xed-deprecatefield", "xed-full-deprecated"):
        fields = own_fields(look_up(api, schema_id, form))
        assert fields["tier"]["meta:status"] == "deprecated"
        assert "meta:status" not in fields["title"]
    assert "meta:status" not in own_fields(look_up(api, schema_id, "xed-full"))["tier"]


def test_a_flat_schema_has_paths_for_fields(api: Api, schema_id: str) -> None:
    fields = look_up(api, schema_id, "xdm-full-flat")["properties"]
    assert {"@id", "xdm:workEmail/xdm:address", "_emulator/tier"} <= set(fields)
    assert "xdm:workEmail" not in fields


@pytest.mark.parametrize("form", ["xed-id", "xed-full-full", "xed-desc-full", "xdm-link", "xem"])
def test_other_forms_do_not_exist(api: Api, schema_id: str, form: str) -> None:
    assert look_up(api, schema_id, form)["type"].endswith("XDM-1007-400")


def test_a_path_leads_to_a_resource_of_its_kind_and_container_or_to_none(
    api: Api, schema_id: str, group_id: str
) -> None:
    found = quote(schema_id, safe="")
    lost = (
        f"/tenant/fieldgroups/{found}",
        f"/tenant/anything/{found}",
        f"/global/schemas/{found}",
        f"/other/schemas/{found}",
        f"/tenant/schemas/{found}/versions",
        f"/tenant/schemas/{quote(group_id, safe='')}",
        f"/tenant/unions/{found}",
    )
    for path in lost:
        refused = get(api, path, XDM_FULL)
        assert (refused.status_code, refused.json()["type"][-12:]) == (404, "XDM-1012-404"), path
    # Adobe's own client looks for global field groups here.
    for container in ("tenant", "global"):
        path = f"/{container}/fieldgroups/{quote(WORK, safe='')}"
        assert get(api, path, XDM_FULL).json()["$id"] == WORK


def test_behaviors_are_global(api: Api) -> None:
    listed = get(api, "/global/behaviors", "application/vnd.adobe.xed-id+json").json()["results"]
    assert [each["title"] for each in listed] == ["Record Schema", "Ad Hoc Schema", "Time-series Schema"]
    assert get(api, "/global/behaviors/_xdm.data.record", accept("xed")).json()["$id"] == RECORD
    assert get(api, "/tenant/behaviors", "application/vnd.adobe.xed+json").json()["results"] == []
    assert api.call("POST", f"{REGISTRY}/tenant/behaviors", json={"title": "x"}).status_code == 404


def test_a_class_has_a_behavior(api: Api) -> None:
    body = {"type": "object", "title": "Property", "allOf": [{"$ref": RECORD}]}
    made = api.create(f"{REGISTRY}/tenant/classes", body)
    assert made["meta:extends"] == [RECORD]
    without = {**body, "allOf": [{"$ref": WORK}]}
    assert api.call("POST", f"{REGISTRY}/tenant/classes", json=without).status_code == 400
    schema = {"type": "object", "title": "Properties", "allOf": [{"$ref": made["$id"]}]}
    assert api.create(f"{REGISTRY}/tenant/schemas", schema)["meta:class"] == made["$id"]


@pytest.mark.parametrize(
    ("reference", "accepted"),
    [
        ("#/definitions/there", True),
        ("#/definitions/none", False),
        ("https://ns.adobe.com/xdm/common/address", True),
        # The emulator knows few of Adobe's data types.
        ("https://ns.adobe.com/xdm/common/geo", True),
        ("https://ns.adobe.com/emulator/datatypes/none", False),
        ("https://example.com/x", False),
    ],
)
def test_a_field_refers_to_what_exists(api: Api, reference: str, accepted: bool) -> None:
    body = {
        "type": "object",
        "title": "Place",
        "definitions": {"there": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "properties": {"_emulator": {"type": "object", "properties": {"at": {"$ref": reference}}}},
    }
    made = api.call("POST", f"{REGISTRY}/tenant/datatypes", json=body)
    assert made.status_code == (201 if accepted else 400), made.text


def test_what_refers_to_itself_is_shown(api: Api) -> None:
    nested = {"$ref": "#/definitions/node"}
    node = {"type": "object", "properties": {"child": nested, "name": {"type": "string"}}}
    body = {"type": "object", "title": "Tree", "definitions": {"node": node}, "properties": {"root": nested}}
    made = api.create(f"{REGISTRY}/tenant/datatypes", body)
    root = look_up(api, made["$id"], "xed-full", "datatypes")["properties"]["root"]["properties"]
    assert root == {"child": {}, "name": {"type": "string"}}


def test_references_that_multiply_are_refused(api: Api) -> None:
    places = {
        f"d{n}": {"properties": {f: {"$ref": f"#/definitions/d{n - 1}"} for f in "ab"}} for n in range(1, 40)
    }
    body = {
        "title": "Bomb",
        "definitions": {"d0": {"type": "object"}, **places},
        "properties": {"x": {"$ref": "#/definitions/d39"}},
    }
    refused = api.call("POST", f"{REGISTRY}/tenant/datatypes", json=body)
    assert (refused.status_code, "parts" in refused.text) == (400, True)


def test_put_writes_a_resource_anew(api: Api, schema_id: str) -> None:
    path = f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}"
    before = look_up(api, schema_id, "xed")
    body = {
        "title": "Members again",
        "allOf": [{"$ref": PROFILE_CLASS}],
        "$id": "https://ns.adobe.com/emulator/schemas/other",
        "imsOrg": "other",
        "version": "7",
    }
    after = api.call("PUT", path, json=body).json()
    assert after == look_up(api, schema_id, "xed")
    assert (after["title"], after["version"]) == ("Members again", "1.1")
    assert "description" not in after
    assert [after[name] for name in ("$id", "imsOrg")] == [before[name] for name in ("$id", "imsOrg")]
    assert after["meta:extends"] == [PROFILE_CLASS, RECORD]
    assert api.call("PUT", path, json={"title": "No class"}).status_code == 400
    api.enable(schema_id)
    assert api.call("PUT", path, json=body).status_code == 400
    assert api.call("PUT", path, json={**body, "meta:immutableTags": ["union"]}).status_code == 200
    absent = f"{REGISTRY}/tenant/schemas/{quote(PROFILE_CLASS, safe='')}"
    assert api.call("PUT", absent, json=body).status_code == 404


def test_a_union_has_the_fields_of_every_enabled_schema(api: Api, schema_id: str) -> None:
    summaries = "application/vnd.adobe.xed-id+json"
    assert get(api, "/tenant/unions", summaries).json()["results"] == []
    other = api.schema("Customers")
    for each in (schema_id, other):
        api.enable(each)
    (union,) = get(api, "/tenant/unions", summaries).json()["results"]
    assert union["$id"] == f"{PROFILE_CLASS}__union"
    assert union["meta:altId"] == "_xdm.context.profile__union"
    assert get(api, "/stats", summaries).json()["counts"]["unions"] == 1
    for collection in ("unions", "schemas"):
        full = look_up(api, union["$id"], "xed-full", collection)
        assert {"person", "workEmail", "_emulator", "identityMap", "segmentMembership"} <= set(
            full["properties"]
        )
    assert api.call("DELETE", f"{REGISTRY}/tenant/schemas/{quote(union['$id'], safe='')}").status_code == 404
    api.call("DELETE", f"{REGISTRY}/tenant/schemas/{quote(schema_id, safe='')}")
    full = look_up(api, union["$id"], "xed-full", "unions")
    assert "_emulator" not in full["properties"]
