from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import KEYS, KINESIS, SECRET, UNIFIED_PROFILE, Api, code_of

KINESIS_AUTH = "Aws Kinesis authentication credentials"


def test_specs_say_how_to_authenticate_and_what_is_secret(api: Api) -> None:
    spec = api.item(f"/connectionSpecs/{KINESIS['id']}")
    (auth,) = spec["authSpec"]
    assert auth["name"] == KINESIS_AUTH
    assert auth["spec"]["properties"]["secretKey"] == {"type": "string", "format": "password"}
    assert auth["spec"]["properties"]["region"] == {"type": "string"}
    assert spec["attributes"]["isDraftModeSupported"] is True
    assert api.get("/connectionSpecs/none").status_code == 404


def test_every_flow_spec_joins_known_connection_specs(api: Api) -> None:
    known = {spec["id"] for spec in api.get("/connectionSpecs").json()["items"]}
    for spec in api.get("/flowSpecs").json()["items"]:
        assert spec["sourceConnectionSpecIds"]
        assert set(spec["sourceConnectionSpecIds"] + spec["targetConnectionSpecIds"]) <= known


def test_a_created_resource_can_be_read_in_a_list_of_one(api: Api) -> None:
    body = {"name": "base", "description": "text", "connectionSpec": UNIFIED_PROFILE}
    response = api.call("POST", "/connections", json=body)
    made = response.json()
    assert set(made) == {"id", "etag"}
    assert response.headers["Location"] == f"{api.url}/data/foundation/flowservice/connections/{made['id']}"
    item = api.item(f"/connections/{made['id']}")
    assert {name: item[name] for name in body} == body
    assert item["state"] == "enabled"
    assert item["imsOrgId"] == api.credential.org_id
    assert item["createdAt"] == item["updatedAt"] == pytest.approx(api.control.now() * 1000, abs=10_000)


def test_a_slash_at_the_end_of_a_path_is_harmless(api: Api) -> None:
    made = api.profile_base()
    assert api.get(f"/connections/{made['id']}/").status_code == 200


def test_twins_are_legal(api: Api) -> None:
    assert api.profile_base("same")["id"] != api.profile_base("same")["id"]


def test_a_flow_inherits_from_its_ends(api: Api) -> None:
    flow = api.item(f"/flows/{api.flow()['id']}")
    inherited = flow["inheritedAttributes"]
    assert inherited["properties"] == {"isDestinationFlow": True}
    (source,), (target,) = inherited["sourceConnections"], inherited["targetConnections"]
    assert source["typeInfo"] == {"type": "ProfileFragments", "id": "ups"}
    assert target["connectionSpec"] == KINESIS
    assert target["baseConnection"]["connectionSpec"] == KINESIS
    assert flow["runs"] == f"/runs?property=flowId=={flow['id']}"


def test_credentials_are_masked_unless_switched_off(api: Api) -> None:
    made = api.kinesis_base()
    shown = api.item(f"/connections/{made['id']}")["auth"]["params"]
    assert shown["region"] == "us-east-1"
    assert shown["accessKeyId"] == "AKIA"
    assert SECRET not in str(shown)
    assert SECRET not in api.get("/connections").text
    api.control.set_switches(mask_secrets=False)
    assert api.item(f"/connections/{made['id']}")["auth"]["params"]["secretKey"] == SECRET
    assert SECRET not in str(api.control.state())


def test_a_mask_written_back_breaks_the_connection(api: Api) -> None:
    made = api.kinesis_base()
    path = f"/connections/{made['id']}"
    assert api.get(f"{path}/test").json() == {"result": True}
    params = api.item(path)["auth"]["params"]
    api.patch(path, made["etag"], {"op": "replace", "path": "/auth/params", "value": params})
    assert api.get(f"{path}/test").json() == {"result": False}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"connectionSpec": {"id": "none", "version": "1.0"}}, 400, "FLOW-1413-400"),
        ({"connectionSpec": None}, 400, "FLOW-1413-400"),
        ({"state": "enabled"}, 400, "FLOW-1410-400"),
        (
            {"auth": {"specName": "Amazon Kinesis authentication credentials", "params": KEYS}},
            400,
            "FLOW-1415-400",
        ),
        ({"auth": {"specName": KINESIS_AUTH, "params": {**KEYS, "secretKey": 5}}}, 400, "FLOW-1415-400"),
        (
            {"auth": {"specName": KINESIS_AUTH, "params": {"accessKeyId": "A", "region": "r"}}},
            400,
            "FLOW-1415-400",
        ),
        (
            {"auth": {"specName": KINESIS_AUTH, "params": {"accessKeyId": "A", "secretKey": "S"}}},
            400,
            "FLOW-1415-400",
        ),
        ({"auth": None}, 400, "FLOW-1415-400"),
    ],
)
def test_a_bad_base_connection_is_refused(api: Api, change: dict[str, Any], status: int, code: str) -> None:
    body = {"name": "k", "connectionSpec": KINESIS, "auth": {"specName": KINESIS_AUTH, "params": KEYS}}
    refused = api.call("POST", "/connections", json={**body, **change})
    assert (refused.status_code, code_of(refused)) == (status, code)
    assert SECRET not in refused.text
    assert api.control.state()["connections"] == []


def test_a_refused_auth_parameter_is_named(api: Api) -> None:
    auth = {"specName": KINESIS_AUTH, "params": {"accessKeyId": "A", "region": "r"}}
    refused = api.call("POST", "/connections", json={"name": "k", "connectionSpec": KINESIS, "auth": auth})
    assert refused.json()["errorMessage"] == "auth.params.secretKey is required."


def test_a_spec_without_version_is_unprocessable(api: Api) -> None:
    refused = api.call(
        "POST", "/connections", json={"name": "x", "connectionSpec": {"id": UNIFIED_PROFILE["id"]}}
    )
    assert refused.status_code == 422
    assert "version" in refused.json()["errorMessage"]


def test_a_bad_spec_id_has_a_bare_message_in_the_old_shape(api: Api) -> None:
    api.control.set_switches(error_shape="old")
    refused = api.call(
        "POST", "/connections", json={"name": "x", "connectionSpec": {"id": "?", "version": "1.0"}}
    )
    assert refused.json() == {"message": "Please provide a valid spec id"}


def test_an_unknown_spec_is_refused_or_taken_for_a_partners(api: Api) -> None:
    spec_id = "b0ab1a5e-0000-4000-8000-000000000001"
    body = {"name": "x", "connectionSpec": {"id": spec_id, "version": "1.0"}}
    assert code_of(api.call("POST", "/connections", json=body)) == "FLOW-1413-400"
    assert api.get(f"/connectionSpecs/{spec_id}").status_code == 404
    api.control.set_switches(unknown_specs="accept")
    base = api.create("/connections", body)["id"]
    assert api.item(f"/connections/{base}")["connectionSpec"]["id"] == spec_id
    assert api.get(f"/connectionSpecs/{spec_id}").json()["items"][0]["attributes"]["isDestination"] is True
    body["connectionSpec"]["id"] = "no id"  # type: ignore[index]
    assert code_of(api.call("POST", "/connections", json=body)) == "FLOW-1413-400"


def test_an_empty_create_is_refused(api: Api) -> None:
    assert code_of(api.call("POST", "/connections")) == "FLOW-1405-400"
    assert code_of(api.call("POST", "/connections", json={})) == "FLOW-1405-400"


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        ({"format": "delimited", "properties": {"columnDelimiter": "\t", "encoding": "UTF-8"}}, None),
        ({"format": "json", "properties": {"compressionType": "zipDeflate"}}, None),
        ({"format": "delimited", "columnDelimiter": "|"}, None),
        ({"format": "delimited", "properties": {"other": 5}}, None),
        ({"columnDelimiter": 5}, "data.columnDelimiter must be a string"),
        ({"properties": {"columnDelimiter": 5}}, "data.properties.columnDelimiter must be a string"),
        (
            {"properties": {"columnDelimiter": ";;"}},
            "data.properties.columnDelimiter must be a single character",
        ),
        ({"properties": {"encoding": "latin1"}}, "data.properties.encoding must be one of UTF-8"),
        ({"properties": {"compressionType": "gz"}}, "data.properties.compressionType must be one of bzip2"),
        ({"properties": []}, "data.properties must be an object"),
        ("delimited", "data must be an object"),
    ],
)
def test_how_a_source_reads_files_is_checked(api: Api, data: Any, refused: str | None) -> None:
    base = api.profile_base()["id"]
    body = {"name": "files", "baseConnectionId": base, "connectionSpec": UNIFIED_PROFILE, "data": data}
    answer = api.call("POST", "/sourceConnections", json=body)
    assert answer.status_code == (400 if refused else 201)
    assert refused is None or refused in answer.text


def test_a_target_needs_its_base_and_its_params(api: Api) -> None:
    kinesis, profile = api.kinesis_base()["id"], api.profile_base()["id"]
    good = {
        "name": "t",
        "connectionSpec": KINESIS,
        "baseConnectionId": kinesis,
        "params": {"stream": "s", "region": "r"},
    }
    for change, status in (
        ({"baseConnectionId": None}, 400),
        ({"baseConnectionId": "none"}, 404),
        ({"baseConnectionId": profile}, 400),
        ({"params": {"region": "r"}}, 400),
        ({"params": {"stream": 20260101, "region": "r"}}, 400),
        ({"description": 20260101}, 400),
        ({"baseConnection": kinesis}, 400),
    ):
        refused = api.call("POST", "/targetConnections", json={**good, **change})
        assert refused.status_code == status, change
    assert api.control.state()["targetConnections"] == []
    api.control.set_switches(legacy_base_connection="ignore")
    assert api.call("POST", "/targetConnections", json={**good, "baseConnection": kinesis}).status_code == 201


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"flowSpec": {"id": "none"}}, 400),
        ({"flowSpec": {"id": "9753525b-82c7-4dce-8a9b-5ccfce2b9876", "version": "1.0"}}, 400),
        ({"sourceConnectionIds": []}, 400),
        ({"sourceConnectionIds": ["none"]}, 404),
        ({"targetConnectionIds": None}, 400),
        ({"transformations": [{"name": "Mapping", "params": {}}]}, 400),
        ({"transformations": {}}, 400),
        ({"name": ""}, 422),
        ({"state": "enabled"}, 400),
    ],
)
def test_a_bad_flow_is_refused(api: Api, change: dict[str, Any], status: int) -> None:
    refused = api.call("POST", "/flows", json={**api.flow_body(), **change})
    assert refused.status_code == status, refused.text
    assert api.control.state()["flows"] == []


def test_flows_are_disabled_and_enabled_once(api: Api) -> None:
    made = api.flow()
    action = f"/flows/{made['id']}/action"
    again = api.call("POST", f"{action}?op=ENABLE")
    assert (again.status_code, code_of(again)) == (400, "FLOW-1422-400")
    done = api.call("POST", f"{action}?op=disable")
    assert set(done.json()) == {"id", "etag"}
    assert api.item(f"/flows/{made['id']}")["state"] == "disabled"
    assert code_of(api.call("POST", f"{action}?op=disable")) == "FLOW-1422-400"
    assert api.call("POST", f"{action}?op=enable").status_code == 200
    assert code_of(api.call("POST", f"{action}?op=explode")) == "FLOW-1402-400"


def test_what_is_in_use_stays_and_the_order_of_removal_works(api: Api) -> None:
    flow = api.item(f"/flows/{api.flow()['id']}")
    (target_id,), (source_id,) = flow["targetConnectionIds"], flow["sourceConnectionIds"]
    target = api.item(f"/targetConnections/{target_id}")
    base = f"/connections/{target['baseConnectionId']}"
    refused = api.call("DELETE", base)
    assert (refused.status_code, code_of(refused)) == (400, "FLOW-1418-400")
    assert api.call("DELETE", f"/targetConnections/{target_id}").status_code == 400
    for path in (
        f"/flows/{flow['id']}",
        f"/targetConnections/{target_id}",
        base,
        f"/sourceConnections/{source_id}",
    ):
        assert api.call("DELETE", path).status_code == 202
        assert api.get(path).status_code == 404
        assert api.call("DELETE", path).status_code == 404


def test_the_response_to_delete_is_a_switch(api: Api) -> None:
    api.control.set_switches(delete_response="204")
    response = api.call("DELETE", f"/connections/{api.profile_base()['id']}")
    assert (response.status_code, response.content) == (204, b"")


def test_what_is_not_there_says_so_in_both_shapes(api: Api) -> None:
    missing = api.get("/flows/none")
    assert missing.status_code == 404
    body = missing.json()
    assert body["type"] == "https://ns.adobe.com/aep/errors/FLOW-1439-404"
    assert body["status"] == 404
    assert body["report"]["id"] == "none"
    assert body["report"]["type"] == "flows"
    assert body["errorMessage"] == body["report"]["detailed-message"]
    api.control.set_switches(error_shape="old")
    assert set(api.get("/flows/none").json()) == {"errorMessage", "errorDetails"}


def test_runs_of_a_new_flow_are_an_empty_list(api: Api) -> None:
    assert api.get("/runs", property=f"flowId=={api.flow()['id']}").json()["items"] == []


@pytest.mark.parametrize("value", [None, 5, "text", [], [1], {}, {"id": 5}, True])
def test_no_value_in_a_create_is_a_server_error(api: Api, value: Any) -> None:
    flow, kinesis = api.flow_body(), api.kinesis_base()["id"]
    base = {"name": "k", "connectionSpec": KINESIS, "auth": {"specName": KINESIS_AUTH, "params": KEYS}}
    target = {"name": "t", "connectionSpec": KINESIS, "baseConnectionId": kinesis, "params": {"stream": "s"}}
    for path, body in (("/flows", flow), ("/connections", base), ("/targetConnections", target)):
        for field in body:
            assert api.call("POST", path, json={**body, field: value}).status_code < 500, (path, field)
        assert api.call("POST", path, json=value).status_code in (400, 422)
