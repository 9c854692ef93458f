from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import ATTRIBUTE_PATH, DATA_PREP, Api, Streaming, code_of

COLLECTION = f"{DATA_PREP}/mappingSets"
PARAMS = "/transformations/0/params"
NAMES = {"first_name": "person.name.firstName", "Email": "identityMap.Email"}


def body(destination: str = "first_name", **output: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"first_name": {"type": "string"}}}
    return {
        "name": "columns",
        "outputSchema": output or {"jsonSchema": schema},
        "mappings": [
            {"sourceType": "ATTRIBUTE", "source": "person.name.firstName", "destination": destination}
        ],
    }


def reference(mapping_id: str, version: Any = 0) -> dict[str, Any]:
    return {"mappingId": mapping_id, "mappingVersion": version}


def set_field(name: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"{PARAMS}/{name}", "value": value}


# Mapping sets whose output schema is sent with them


def test_columns_are_sent_with_the_mappings(api: Api) -> None:
    assert api.call("POST", f"{COLLECTION}/validate", json=body()).json()["validationResponse"] == [
        {"status": "SUCCESS", "errors": None}
    ]
    made = api.call("POST", COLLECTION, json=body())
    assert made.status_code == 200
    shown = api.get(f"{COLLECTION}/{made.json()['id']}").json()
    assert (shown["name"], shown["version"]) == ("columns", 0)
    assert {name: shown[name] for name in ("outputSchema", "mappings")} == {
        name: body()[name] for name in ("outputSchema", "mappings")
    }


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        ("last_name", "last_name is not a property of the output schema"),
        ("first.name", "first.name must not have a dot"),
    ],
)
def test_what_is_no_column_is_refused(api: Api, destination: str, reason: str) -> None:
    (verdict,) = api.call("POST", f"{COLLECTION}/validate", json=body(destination)).json()[
        "validationResponse"
    ]
    assert (verdict["status"], verdict["errors"][0]["exception"]) == ("FAILED", reason)
    refused = api.call("POST", COLLECTION, json=body(destination))
    assert (refused.status_code, refused.json()["detail"]) == (400, reason)


@pytest.mark.parametrize(
    "schema",
    [None, "text", {}, {"type": "object"}, {"type": "object", "properties": {}}, {"properties": {"a": {}}}],
)
def test_a_schema_without_columns_is_refused(api: Api, schema: Any) -> None:
    refused = api.call("POST", COLLECTION, json=body(jsonSchema=schema))
    assert refused.status_code == 400
    assert "outputSchema.jsonSchema must" in refused.json()["detail"]


# What a flow refers to


def test_a_flow_takes_its_fields_at_once_or_in_a_patch(api: Api) -> None:
    fields = {
        "profileMapping": reference(api.columns(**NAMES)),
        "mandatoryFields": ["first_name", "person.name.firstName", "Email", "GAID"],
        "primaryFields": [
            {"fieldType": "ATTRIBUTE", "attributePath": "first_name"},
            {"fieldType": "IDENTITY", "identityNamespace": "ECID"},
        ],
    }
    made = api.create("/flows", api.file_flow_body(**fields))
    later = api.file_flow()
    operations = [set_field(name, value) for name, value in fields.items()]
    assert api.patch(f"/flows/{later['id']}", later["etag"], *operations).status_code == 200
    for flow in (made, later):
        params = api.item(f"/flows/{flow['id']}")["transformations"][0]["params"]
        assert {name: params[name] for name in fields} == fields


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"profileMapping": reference("no-such-mapping-set")}, "FLOW-1419-400"),
    ({"profileMapping": reference("SCHEMA")}, "FLOW-1419-400"),
    ({"profileMapping": reference("COLUMNS", 1)}, "FLOW-1412-400"),
    ({"profileMapping": reference("COLUMNS", None)}, "FLOW-1452-400"),
    ({"profileMapping": {"mappingId": "COLUMNS"}}, "FLOW-1452-400"),
    ({"profileMapping": "COLUMNS"}, "FLOW-1452-400"),
    ({"profileMapping": []}, "FLOW-1452-400"),
    ({"mandatoryFields": ["last_name"]}, "FLOW-1452-400"),
    ({"mandatoryFields": "first_name"}, "FLOW-1452-400"),
    ({"mandatoryFields": [""]}, "FLOW-1452-400"),
    ({"primaryFields": {"fieldType": "IDENTITY"}}, "FLOW-1452-400"),
    ({"primaryFields": ["first_name"]}, "FLOW-1452-400"),
    ({"primaryFields": [{"fieldType": "COLUMN", "attributePath": "first_name"}]}, "FLOW-1452-400"),
    ({"primaryFields": [{"fieldType": "IDENTITY", "attributePath": "first_name"}]}, "FLOW-1452-400"),
    ({"primaryFields": [{"fieldType": "ATTRIBUTE", "attributePath": "last_name"}]}, "FLOW-1452-400"),
    ({"primaryFields": [{"fieldType": "IDENTITY", "identityNamespace": "Loyalty"}]}, "FLOW-1452-400"),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
def test_a_flow_refers_only_to_what_is_there(api: Api, fields: dict[str, Any], code: str) -> None:
    made = {"COLUMNS": api.columns(**NAMES)}
    if fields == {"profileMapping": reference("SCHEMA")}:
        made["SCHEMA"] = Streaming(api, "raw").make_mapping(first="person.name.firstName")
    held = {"profileMapping": reference(made["COLUMNS"]), **fields}
    mapping = held["profileMapping"]
    if isinstance(mapping, dict):
        mapping = {**mapping, "mappingId": made.get(mapping["mappingId"], mapping["mappingId"])}
        held["profileMapping"] = mapping
    assert code_of(api.call("POST", "/flows", json=api.file_flow_body(**held))) == code
    flow = api.file_flow()
    operations = [set_field(name, value) for name, value in held.items()]
    refused = api.patch(f"/flows/{flow['id']}", flow["etag"], *operations)
    assert code_of(refused) == code
    assert api.item(f"/flows/{flow['id']}")["etag"] == flow["etag"]


def test_the_error_names_what_is_mapped(api: Api) -> None:
    fields = {"profileMapping": reference(api.columns(first_name="person.name.firstName"))}
    refused = api.call(
        "POST", "/flows", json=api.file_flow_body(**fields, mandatoryFields=["lastName"])
    ).json()
    expected = "The field lastName is not mapped: the mapping set has first_name, person.name.firstName."
    assert refused["report"]["detailed-message"] == expected


def test_fields_may_be_patched_before_their_mapping_set(api: Api) -> None:
    flow = api.file_flow()
    added = api.patch(f"/flows/{flow['id']}", flow["etag"], set_field("mandatoryFields", ["anything"]))
    assert added.status_code == 200
    mapped = set_field("profileMapping", reference(api.columns(**NAMES)))
    refused = api.patch(f"/flows/{flow['id']}", added.json()["etag"], mapped)
    assert code_of(refused) == "FLOW-1452-400"


def test_older_flows_have_their_fields_beside_the_attributes(api: Api) -> None:
    flow = api.flow()
    place = ATTRIBUTE_PATH.rpartition("/")[0]
    good = {"op": "add", "path": f"{place}/mandatoryFields", "value": ["person.name.firstName"]}
    changed = api.patch(f"/flows/{flow['id']}", flow["etag"], good)
    assert changed.status_code == 200
    bad = {**good, "value": "person.name.firstName"}
    assert code_of(api.patch(f"/flows/{flow['id']}", changed.json()["etag"], bad)) == "FLOW-1452-400"


def test_fields_in_a_create_can_be_ignored(api: Api) -> None:
    api.control.set_switches(fields_in_create="ignored")
    fields = {"profileMapping": reference(api.columns(**NAMES)), "mandatoryFields": ["first_name"]}
    flow = api.create("/flows", api.file_flow_body(**fields))
    assert api.item(f"/flows/{flow['id']}")["transformations"][0]["params"] == {
        "mandatoryFields": [],
        "primaryFields": [],
        "profileMapping": {},
        "segmentSelectors": {"selectors": []},
    }


def test_columns_are_no_mapping_for_a_source(api: Api) -> None:
    streaming = Streaming(api, "raw")
    flow = streaming.flow_body(mapped=True)
    flow["transformations"][0]["params"]["mappingId"] = api.columns(**NAMES)
    assert code_of(api.call("POST", "/flows", json=flow)) == "FLOW-1425-400"
