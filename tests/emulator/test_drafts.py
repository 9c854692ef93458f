from __future__ import annotations

from tests.emulator.conftest import HTTP_API, KINESIS, SECRET, UNIFIED_PROFILE, Api, code_of


def draft(api: Api, collection: str, body: dict[str, object]) -> str:
    response = api.call("POST", f"/{collection}?mode=draft", json=body)
    assert response.status_code == 201, response.text
    assert api.item(f"/{collection}/{response.json()['id']}")["state"] == "draft"
    return str(response.json()["id"])


def drafts(api: Api) -> dict[str, str]:
    """A whole destination as drafts."""
    keys = {"accessKeyId": "AKIA", "secretKey": SECRET, "region": "r"}
    auth = {"specName": "Aws Kinesis authentication credentials", "params": keys}
    base = draft(api, "connections", {"name": "b", "connectionSpec": KINESIS, "auth": auth})
    params = {"stream": "s", "region": "r"}
    body = {"name": "t", "connectionSpec": KINESIS, "baseConnectionId": base, "params": params}
    target = draft(api, "targetConnections", body)
    source = draft(api, "sourceConnections", {"name": "s", "connectionSpec": UNIFIED_PROFILE})
    flow = {
        "name": "f",
        "flowSpec": {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"},
        "sourceConnectionIds": [source],
        "targetConnectionIds": [target],
    }
    return {
        "connections": base,
        "targetConnections": target,
        "sourceConnections": source,
        "flows": draft(api, "flows", flow),
    }


def test_drafts_are_published_from_the_bottom_up(api: Api) -> None:
    made = drafts(api)

    def publish(collection: str) -> int:
        response = api.call("POST", f"/{collection}/{made[collection]}/action?op=publish")
        if response.status_code != 200:
            assert code_of(response) == "FLOW-1458-400"
        return response.status_code

    assert publish("flows") == publish("targetConnections") == 400
    for collection in ("connections", "targetConnections", "sourceConnections", "flows"):
        assert publish(collection) == 200
        assert api.item(f"/{collection}/{made[collection]}")["state"] == "enabled"


def test_a_draft_is_not_enabled_and_not_published_twice(api: Api) -> None:
    made = drafts(api)
    assert code_of(api.call("POST", f"/flows/{made['flows']}/action?op=enable")) == "FLOW-1421-400"
    action = f"/connections/{made['connections']}/action?op=PUBLISH"
    assert api.call("POST", action).status_code == 200
    assert code_of(api.call("POST", action)) == "FLOW-1422-400"


def test_nothing_published_may_stand_on_a_draft(api: Api) -> None:
    made = drafts(api)
    body = {
        "name": "t",
        "connectionSpec": KINESIS,
        "baseConnectionId": made["connections"],
        "params": {"stream": "s", "region": "r"},
    }
    assert code_of(api.call("POST", "/targetConnections", json=body)) == "FLOW-1458-400"


def test_drafts_need_a_spec_that_supports_them(api: Api) -> None:
    auth = {"specName": "Streaming Connection", "params": {"dataType": "raw"}}
    body = {"name": "x", "connectionSpec": HTTP_API, "auth": auth}
    assert api.item(f"/connectionSpecs/{HTTP_API['id']}")["attributes"]["isDraftModeSupported"] is False
    assert code_of(api.call("POST", "/connections?mode=draft", json=body)) == "FLOW-1457-400"
    assert code_of(api.call("POST", "/connections?mode=final", json=body)) == "FLOW-1451-400"
    assert code_of(api.call("POST", "/connections?modus=draft", json=body)) == "FLOW-1451-400"
