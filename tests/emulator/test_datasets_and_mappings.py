from __future__ import annotations

import re
from typing import Any

import pytest

from tests.emulator.conftest import CATALOG, DATA_PREP, PROFILE_CLASS, REGISTRY, Api, Streaming, code_of


@pytest.fixture
def streaming(api: Api) -> Streaming:
    return Streaming(api, "raw")


def test_a_created_dataset_is_a_list_of_one_text(api: Api, streaming: Streaming) -> None:
    body = {"name": "d", "schemaRef": {"id": streaming.schema_id, "contentType": "x"}, "tags": {"a": ["b"]}}
    made = api.call("POST", f"{CATALOG}/dataSets", json=body)
    assert made.status_code == 201
    (reference,) = made.json()
    assert re.fullmatch(r"@/dataSets/[0-9a-f]{24}", reference)
    dataset_id = reference.rpartition("/")[2]
    keyed = api.get(f"{CATALOG}/dataSets/{dataset_id}").json()
    assert set(keyed) == {dataset_id}
    assert {name: keyed[dataset_id][name] for name in body} == {
        **body,
        "tags": {"a": ["b"], "adobe/pqs/table": ["d"]},
    }


def test_a_dataset_is_classified_by_the_behavior_of_its_schema(api: Api) -> None:
    event = "https://ns.adobe.com/xdm/context/experienceevent"
    visits = api.create(f"{REGISTRY}/tenant/schemas", {"title": "Visits", "allOf": [{"$ref": event}]})["$id"]
    for schema_id, behavior in ((api.schema(), "record"), (visits, "time-series")):
        body = {"name": "Who came?", "schemaRef": {"id": schema_id}}
        (reference,) = api.call("POST", f"{CATALOG}/dataSets", json=body).json()
        (item,) = api.get(f"{CATALOG}/{reference.removeprefix('@/')}").json().values()
        assert item["classification"] == {"dataBehavior": behavior, "managedBy": "CUSTOMER"}
        assert item["tags"] == {"adobe/pqs/table": ["who_came"]}


def test_a_dataset_can_be_made_for_a_union(api: Api) -> None:
    union = {"name": "export", "schemaRef": {"id": f"{PROFILE_CLASS}__union"}}
    assert api.call("POST", f"{CATALOG}/dataSets", json=union).status_code == 400
    api.enable(api.schema())
    assert api.call("POST", f"{CATALOG}/dataSets", json=union).status_code == 201


def test_the_second_version_of_a_patch_merges_at_every_depth(api: Api, streaming: Streaming) -> None:
    path = f"{CATALOG}/v2/dataSets/{streaming.dataset_id}"
    for lake in ({"rowExpiration": {"ttlValue": "P3M"}}, {"metrics": {}}):
        changed = api.call("PATCH", path, json={"extensions": {"adobe_lakeHouse": lake}})
        assert changed.json() == [f"@/dataSets/{streaming.dataset_id}"]
    (item,) = api.get(f"{CATALOG}/dataSets/{streaming.dataset_id}").json().values()
    assert item["extensions"]["adobe_lakeHouse"] == {"rowExpiration": {"ttlValue": "P3M"}, "metrics": {}}
    assert item["name"] == "customers"
    assert api.call("PATCH", path, json=[{"op": "remove", "path": "/name"}]).status_code == 400
    assert api.call("PATCH", f"{CATALOG}/v2/dataSets/none", json={}).status_code == 404


def test_a_missing_dataset_has_a_problem_body(api: Api) -> None:
    missing = api.get(f"{CATALOG}/dataSets/none")
    expected = {
        "type": "/placeholder/type/uri",
        "status": 404,
        "title": "NotFoundError",
        "detail": "DataSet not found.",
    }
    assert (missing.status_code, missing.json()) == (404, expected)


def test_datasets_are_listed_as_a_keyed_object_in_pages(api: Api, streaming: Streaming) -> None:
    ids = []
    for _ in range(4):
        api.control.advance(1)
        ids.append(streaming.make_dataset())
    latest_first = [*reversed(ids), streaming.dataset_id]
    assert list(api.get(f"{CATALOG}/dataSets").json()) == latest_first
    assert list(api.get(f"{CATALOG}/dataSets", orderBy="asc:created").json()) == latest_first[::-1]
    assert list(api.get(f"{CATALOG}/dataSets", limit=2, start=3).json()) == latest_first[3:]
    assert api.get(f"{CATALOG}/dataSets", name="none").json() == {}
    assert len(api.get(f"{CATALOG}/dataSets", property="name==customers").json()) == 5
    for item in api.get(f"{CATALOG}/dataSets", properties="name,state").json().values():
        assert set(item) == {"name", "state"}


def test_a_dataset_can_be_changed_in_three_ways_and_deleted(api: Api, streaming: Streaming) -> None:
    path, reference = f"{CATALOG}/dataSets/{streaming.dataset_id}", [f"@/dataSets/{streaming.dataset_id}"]

    def item() -> dict[str, Any]:
        return dict(api.get(path).json()[streaming.dataset_id])

    api.enable(streaming.schema_id)
    tag = [{"op": "add", "path": "/tags", "value": {"unifiedProfile": ["enabled:true"]}}]
    assert api.call("PATCH", path, json=tag).json() == reference
    assert item()["tags"]["unifiedProfile"] == ["enabled:true"]
    assert api.call("PATCH", path, json={"description": "text"}).json() == reference
    assert (item()["description"], item()["name"]) == ("text", "customers")
    assert (
        api.call("PUT", path, json={"name": "new", "schemaRef": {"id": streaming.schema_id}}).json()
        == reference
    )
    assert "description" not in item()
    assert api.call("PATCH", path, json=[{"op": "remove", "path": "/none"}]).status_code == 400
    for nonsense in (5, "text", None, {"tags": []}):
        assert api.call("PATCH", path, json=nonsense).status_code == 400
        assert api.call("PUT", path, json=nonsense).status_code == 400
    assert api.call("DELETE", path).json() == reference
    assert api.get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"name": "x"}, {"name": "x", "schemaRef": {"id": "none"}}])
def test_a_bad_dataset_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.call("POST", f"{CATALOG}/dataSets", json=body).status_code == 400


@pytest.mark.parametrize("way", ["POST", "PATCH", "PUT"])
def test_a_dataset_is_enabled_for_profile_only_with_its_schema(
    api: Api, streaming: Streaming, way: str
) -> None:
    path = f"{CATALOG}/dataSets" + ("" if way == "POST" else f"/{streaming.dataset_id}")
    tags = {"unifiedProfile": ["enabled:true"]}
    body = {"name": "d", "schemaRef": {"id": streaming.schema_id}, "tags": tags}
    refused = api.call(way, path, json=body)
    assert refused.status_code == 400
    assert "enable_for_profile=True of the schema operator" in refused.json()["detail"]
    assert "unifiedProfile" not in api.call("GET", path).json()[streaming.dataset_id]["tags"]
    api.control.set_switches(profile_without_union="accept")
    assert api.call(way, path, json=body).status_code in (200, 201)
    api.control.set_switches(profile_without_union="refuse")
    api.enable(streaming.schema_id)
    assert api.call(way, path, json=body).status_code in (200, 201)


def test_a_mapping_set_is_made_from_either_form(api: Api, streaming: Streaming) -> None:
    old_id = streaming.make_mapping(first="person.name.firstName")
    new = {
        "outputSchema": {"schemaRef": {"id": streaming.schema_id, "contentType": "x"}},
        "mappings": [{"sourceType": "ATTRIBUTE", "source": "first", "destination": "person.name.firstName"}],
    }
    made = api.call("POST", f"{DATA_PREP}/mappingSets", json=new)
    assert made.status_code == 200
    assert set(made.json()) == {"id", "version", "createdDate", "modifiedDate", "createdBy", "modifiedBy"}
    assert re.fullmatch("[0-9a-f]{32}", made.json()["id"])
    for mapping_id in (old_id, made.json()["id"]):
        path = f"{DATA_PREP}/mappingSets/{mapping_id}"
        assert api.get(path).json()["mappings"] == new["mappings"]
        assert api.get(f"{path}/mappings").json()["data"] == new["mappings"]
    assert len(api.get(f"{DATA_PREP}/mappingSets", start=0, limit=10).json()["data"]) == 2
    assert len(api.get(f"{DATA_PREP}/mappingSets", start=1, limit=10).json()["data"]) == 1
    # Adobe's own client sends no start.
    assert len(api.get(f"{DATA_PREP}/mappingSets", limit=1).json()["data"]) == 1
    assert api.get(f"{DATA_PREP}/mappingSets", limit="x").status_code == 400
    api.control.set_switches(mapping_set_paging="required")
    assert api.get(f"{DATA_PREP}/mappingSets", limit=1).status_code == 400


def test_mapping_sets_are_found_by_name(api: Api, streaming: Streaming) -> None:
    streaming.make_mapping(first="person.name.firstName")
    body = {
        "name": "names",
        "xdmSchema": streaming.schema_id,
        "mappings": [{"source": "first", "destination": "person.name.firstName"}],
    }
    made = api.call("POST", f"{DATA_PREP}/mappingSets", json=body).json()["id"]
    (found,) = api.get(f"{DATA_PREP}/mappingSets", limit=10, name="names").json()["data"]
    assert found["id"] == made


def test_a_changed_mapping_set_keeps_its_versions(api: Api, streaming: Streaming) -> None:
    path = f"{DATA_PREP}/mappingSets/{streaming.make_mapping(first='person.name.firstName')}"
    changed = {
        "xdmSchema": streaming.schema_id,
        "mappings": [{"source": "last", "destination": "person.name.lastName"}],
    }
    assert api.call("PUT", path, json=changed).json()["version"] == 1
    assert api.get(path).json()["mappings"][0]["source"] == "last"
    assert api.get(path, version=0).json()["mappings"][0]["source"] == "first"
    assert api.get(path, version=2).status_code == 404
    assert api.get(f"{DATA_PREP}/mappingSets/none").status_code == 404


def test_validation_names_the_field_that_the_schema_lacks(api: Api, streaming: Streaming) -> None:
    mappings = [
        {"sourceAttribute": "first", "destinationXdmPath": "person.name.firstName"},
        {"sourceAttribute": "shoe", "destinationXdmPath": "person.shoeSize"},
    ]
    body = {"version": 0, "xdmSchema": streaming.schema_id, "mappings": mappings}
    response = api.call("POST", f"{DATA_PREP}/mappingSets/validate", json=body)
    assert response.status_code == 200
    good, bad = response.json()["validationResponse"]
    assert good == {"status": "SUCCESS", "errors": None}
    assert bad["status"] == "FAILED"
    assert bad["errors"][0]["destination"] == "person.shoeSize"
    refused = api.call("POST", f"{DATA_PREP}/mappingSets", json=body)
    assert refused.status_code == 400
    assert "person.shoeSize" in refused.json()["detail"]


@pytest.mark.parametrize(
    "change", [{"xdmSchema": "none"}, {"mappings": []}, {"mappings": [{"source": "a"}]}, {"mappings": ["a"]}]
)
def test_a_bad_mapping_set_is_refused(api: Api, streaming: Streaming, change: dict[str, Any]) -> None:
    body = {"xdmSchema": streaming.schema_id, "mappings": [{"source": "a", "destination": "_id"}]}
    for path in ("mappingSets", "mappingSets/validate"):
        assert api.call("POST", f"{DATA_PREP}/{path}", json={**body, **change}).status_code == 400


def test_a_preview_maps_a_record(api: Api, streaming: Streaming) -> None:
    mappings = [
        {"source": "who.first", "destination": "person.name.firstName"},
        {"sourceType": "STATIC", "source": "active", "destination": "workEmail.status"},
        {"sourceType": "EXPRESSION", "source": "upper(x)", "destination": "_id"},
    ]
    body = {
        "data": [{"who": {"first": "Ada"}}],
        "mappingSet": {"xdmSchema": streaming.schema_id, "mappings": mappings},
    }
    response = api.call("POST", f"{DATA_PREP}/mappingSets/preview", json=body).json()
    assert response["data"] == {"person": {"name": {"firstName": "Ada"}}, "workEmail": {"status": "active"}}
    assert [error["destination"] for error in response["errors"]] == ["_id"]


def test_columns_of_a_destination_have_no_dots(api: Api) -> None:
    schema_id = api.call("POST", f"{DATA_PREP}/schemas", json={"jsonSchema": {}}).json()["id"]
    body = {"outputSchema": {"id": schema_id}, "mappings": [{"source": "a.b", "destination": "a_b"}]}
    assert api.call("POST", f"{DATA_PREP}/mappingSets", json=body).status_code == 200
    body["mappings"] = [{"source": "a.b", "destination": "a.b"}]
    assert api.call("POST", f"{DATA_PREP}/mappingSets", json=body).status_code == 400


def test_a_flow_needs_a_mapping_that_exists_and_fits(api: Api, streaming: Streaming) -> None:
    body = streaming.flow_body(mapped=True)
    params = body["transformations"][0]["params"]
    for change, code in (({"mappingId": "none"}, "FLOW-1419-400"), ({"mappingVersion": 3}, "FLOW-1412-400")):
        bad = {**body, "transformations": [{"name": "Mapping", "params": {**params, **change}}]}
        assert code_of(api.call("POST", "/flows", json=bad)) == code
    text = {**body, "transformations": [{"name": "Mapping", "params": {**params, "mappingVersion": "0"}}]}
    assert api.call("POST", "/flows", json=text).status_code == 201
    streaming.schema_id = api.schema("Other")
    params["mappingId"] = streaming.make_mapping(first="person.name.firstName")
    assert code_of(api.call("POST", "/flows", json=body)) == "FLOW-1425-400"


@pytest.mark.parametrize(("field", "value"), [("schema", "none"), ("dataset", "none")])
def test_a_target_in_the_lake_needs_schema_and_dataset(
    api: Api, streaming: Streaming, field: str, value: str
) -> None:
    setattr(streaming, f"{field}_id", value)
    with pytest.raises(AssertionError, match="of this sandbox"):
        streaming.flow_body(mapped=False)
