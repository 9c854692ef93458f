from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import (
    ATTRIBUTE_PATH,
    KEYS,
    KINESIS,
    SEGMENT_PATH,
    Api,
    add_attribute,
    add_segment,
    code_of,
)


def segment_ids(flow: dict[str, Any]) -> list[str]:
    selectors = flow["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    return [selector["value"]["id"] for selector in selectors]


def test_a_patch_is_applied_in_order(api: Api) -> None:
    made = api.flow()
    path = f"/flows/{made['id']}"
    response = api.patch(
        path, made["etag"], *(add_segment(name) for name in "abcd"), add_attribute("person.gender")
    )
    assert response.json()["id"] == made["id"]
    ascending = [{"op": "remove", "path": f"{SEGMENT_PATH}/{n}", "value": {}} for n in (0, 1)]
    api.patch(path, response.json()["etag"], *ascending)
    flow = api.item(path)
    # After the first removal the old third selector stands at index 1.
    assert segment_ids(flow) == ["b", "d"]
    selectors = flow["transformations"][0]["params"]["profileSelectors"]["selectors"]
    assert selectors == [add_attribute("person.gender")["value"]]


def test_a_patch_is_applied_whole_or_not_at_all(api: Api) -> None:
    made = api.flow()
    path = f"/flows/{made['id']}"
    before = api.item(path)
    refused = api.patch(
        path, made["etag"], add_segment("a"), {"op": "replace", "path": f"{SEGMENT_PATH}/5", "value": {}}
    )
    assert (refused.status_code, code_of(refused)) == (400, "FLOW-1455-400")
    assert api.item(path) == before


def test_without_its_parent_a_selector_has_no_place(api: Api) -> None:
    body = api.flow_body()
    del body["transformations"]
    made = api.create("/flows", body)
    refused = api.patch(f"/flows/{made['id']}", made["etag"], add_segment("a"))
    assert (refused.status_code, code_of(refused)) == (400, "FLOW-1455-400")
    assert f'Missing field "{SEGMENT_PATH}/-"' in refused.json()["errorMessage"]


def test_the_case_of_an_operation_does_not_matter(api: Api) -> None:
    made = api.flow()
    assert (
        api.patch(f"/flows/{made['id']}", made["etag"], {**add_segment("a"), "op": "ADD"}).status_code == 200
    )
    assert segment_ids(api.item(f"/flows/{made['id']}")) == ["a"]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "move", "from": "/name", "path": "/description"}, "FLOW-1434-400"),
        ({"op": "copy", "from": "/name", "path": "/description"}, "FLOW-1434-400"),
        ({"op": "test", "path": "/name", "value": "flow"}, "FLOW-1434-400"),
        ({"path": "/name", "value": "x"}, "FLOW-1434-400"),
        ({"op": "add", "path": "/name"}, "FLOW-1434-400"),
        ({"op": "add", "path": "name", "value": "x"}, "FLOW-1434-400"),
        ({"op": "replace", "path": "", "value": {}}, "FLOW-1434-400"),
        ("add", "FLOW-1434-400"),
        ({"op": "replace", "path": "/state", "value": "disabled"}, "FLOW-1454-400"),
        ({"op": "replace", "path": "/etag", "value": "x"}, "FLOW-1454-400"),
        ({"op": "replace", "path": "/flowSpec/id", "value": "x"}, "FLOW-1414-400"),
        ({"op": "remove", "path": f"{SEGMENT_PATH}/0"}, "FLOW-1455-400"),
        ({"op": "add", "path": f"{SEGMENT_PATH}/1", "value": {}}, "FLOW-1455-400"),
        ({"op": "add", "path": "/name/x", "value": 1}, "FLOW-1455-400"),
        ({"op": "add", "path": f"{ATTRIBUTE_PATH}/-", "value": "person"}, "FLOW-1452-400"),
        ({"op": "replace", "path": "/sourceConnectionIds", "value": ["none"]}, "FLOW-1439-404"),
    ],
)
def test_a_patch_that_aep_would_not_take_is_refused(api: Api, operation: Any, code: str) -> None:
    made = api.flow()
    refused = api.patch(f"/flows/{made['id']}", made["etag"], operation)
    assert code_of(refused) == code
    assert api.item(f"/flows/{made['id']}")["etag"] == made["etag"]


def test_an_empty_patch_is_refused(api: Api) -> None:
    made = api.flow()
    assert code_of(api.patch(f"/flows/{made['id']}", made["etag"])) == "FLOW-1405-400"


def test_the_connection_spec_cannot_be_changed(api: Api) -> None:
    made = api.profile_base()
    operation = {"op": "replace", "path": "/connectionSpec/id", "value": KINESIS["id"]}
    assert code_of(api.patch(f"/connections/{made['id']}", made["etag"], operation)) == "FLOW-1414-400"


def test_credentials_can_be_rotated(api: Api) -> None:
    made = api.kinesis_base()
    keys = {**KEYS, "secretKey": "rotated-key"}
    operation = {"op": "replace", "path": "/auth/params", "value": keys}
    assert api.patch(f"/connections/{made['id']}", made["etag"], operation).status_code == 200
    api.control.set_switches(mask_secrets=False)
    shown = api.item(f"/connections/{made['id']}")["auth"]["params"]
    assert shown.pop("authorizedDate").endswith("Z")
    assert shown == keys
    assert "rotated-key" not in str(api.control.requests())


def test_a_patch_may_return_202_without_a_body(api: Api) -> None:
    api.control.set_switches(patch_response="202")
    made = api.flow()
    response = api.patch(f"/flows/{made['id']}", made["etag"], add_segment("a"))
    assert (response.status_code, response.content) == (202, b"")
    assert segment_ids(api.item(f"/flows/{made['id']}")) == ["a"]


def test_a_patch_may_silently_change_nothing(api: Api) -> None:
    made = api.flow()
    before = api.item(f"/flows/{made['id']}")
    api.control.set_switches(silent_patch=True)
    assert api.patch(f"/flows/{made['id']}", made["etag"], add_segment("a")).status_code == 200
    after = api.item(f"/flows/{made['id']}")
    assert after["lastOperation"]["status"]["value"] == "completed"
    written = {"etag", "version", "updatedAt", "lastOperation"}
    assert {name: after[name] for name in after.keys() - written} == {
        name: before[name] for name in before.keys() - written
    }
    assert after["etag"] != before["etag"]


def test_a_flow_shows_its_last_operation(api: Api) -> None:
    made = api.flow()
    assert "lastOperation" not in api.item(f"/flows/{made['id']}")
    api.control.set_switches(finalization_seconds=8)
    api.patch(f"/flows/{made['id']}", made["etag"], add_segment("a"))
    begun = api.item(f"/flows/{made['id']}")["lastOperation"]
    assert (begun["operation"], begun["status"]["value"], begun["percentCompleted"]) == (
        "update",
        "inProgress",
        0,
    )
    assert begun["ops"] == [add_segment("a")]
    api.control.advance(10)
    flow = api.item(f"/flows/{made['id']}")
    ended = flow["lastOperation"]
    assert (ended["status"]["value"], ended["percentCompleted"]) == ("completed", 100)
    assert ended["started"] == begun["started"]
    assert ended["updated"] == flow["updatedAt"] > begun["updated"]


@pytest.mark.parametrize("value", [None, 5, "text", [], [1], {}, {"selectors": 5}, {"selectors": [{}]}])
def test_no_value_in_a_patch_is_a_server_error(api: Api, value: Any) -> None:
    paths = [
        "/name",
        "/transformations",
        "/transformations/0",
        "/transformations/0/params",
        "/scheduleParams",
    ]
    paths += [f"/transformations/0/params/{name}" for name in ("segmentSelectors", "profileSelectors")]
    for path in [*paths, "/sourceConnectionIds", "/flowSpec"]:
        made = api.flow()
        operation = {"op": "add", "path": path, "value": value}
        assert api.patch(f"/flows/{made['id']}", made["etag"], operation).status_code < 500, path
        assert api.get("/flows").status_code == 200
        assert api.get("/runs").status_code == 200
        api.control.exports(made["id"])
