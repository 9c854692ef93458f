"""If-Match is what keeps two editors from losing each other's work, so its rules are tested hard."""

from __future__ import annotations

import re

import pytest

from tests.emulator.conftest import SEGMENT_PATH, Api, add_segment, code_of

RENAME = {"op": "replace", "path": "/name", "value": "new"}


def test_an_etag_is_a_text_with_quotes_inside(api: Api) -> None:
    made = api.flow()
    assert re.fullmatch(r'"[0-9a-f]{8}-0000-0200-0000-[0-9a-f]{12}"', made["etag"])
    item = api.item(f"/flows/{made['id']}")
    assert item["etag"] == item["version"] == made["etag"]


def test_every_write_moves_the_etag_and_no_etag_comes_twice(api: Api) -> None:
    made = api.flow()
    path, seen = f"/flows/{made['id']}", [made["etag"]]
    for number in range(5):
        seen.append(api.patch(path, seen[-1], {**RENAME, "value": str(number)}).json()["etag"])
    seen += [api.call("POST", f"{path}/action?op={op}").json()["etag"] for op in ("disable", "enable")]
    assert len(set(seen)) == len(seen)
    assert api.item(path)["etag"] == seen[-1]


def test_reading_does_not_move_the_etag(api: Api) -> None:
    made = api.flow()
    assert {api.item(f"/flows/{made['id']}")["etag"] for _ in range(3)} == {made["etag"]}
    api.get("/flows")
    assert api.item(f"/flows/{made['id']}")["etag"] == made["etag"]


def test_a_patch_that_changes_nothing_is_a_write_too(api: Api) -> None:
    made = api.flow("same")
    response = api.patch(f"/flows/{made['id']}", made["etag"], {**RENAME, "value": "same"})
    assert response.json()["etag"] != made["etag"]


@pytest.mark.parametrize("collection", ["connections", "sourceConnections", "targetConnections", "flows"])
def test_a_stale_etag_is_refused_and_nothing_changes(api: Api, collection: str) -> None:
    api.flow()
    item = api.control.state()[collection][0]
    path = f"/{collection}/{item['id']}"
    assert api.patch(path, item["etag"], RENAME).status_code == 200
    fresh = api.item(path)
    refused = api.patch(path, item["etag"], {**RENAME, "value": "newer"})
    assert (refused.status_code, code_of(refused)) == (412, "FLOW-1404-412")
    assert item["etag"] in refused.json()["errorMessage"]
    assert fresh["etag"] in refused.json()["errorMessage"]
    assert api.item(path) == fresh


def test_anything_but_the_quoted_etag_is_refused(api: Api) -> None:
    made = api.flow()
    bare = made["etag"].strip('"')
    for supplied in (
        bare,
        f'"{made["etag"]}"',
        f"W/{made['etag']}",
        "*",
        f"{made['etag']}, {made['etag']}",
        '""',
        "",
    ):
        refused = api.patch(f"/flows/{made['id']}", supplied, RENAME)
        assert refused.status_code == 412, supplied
    assert api.item(f"/flows/{made['id']}")["name"] == "flow"
    assert api.patch(f"/flows/{made['id']}", made["etag"], RENAME).status_code == 200


def test_another_resources_etag_does_not_do(api: Api) -> None:
    one, two = api.profile_base("one"), api.profile_base("two")
    assert api.patch(f"/connections/{one['id']}", two["etag"], RENAME).status_code == 412


def test_a_missing_header_is_400_and_not_412(api: Api) -> None:
    made = api.flow()
    refused = api.call("PATCH", f"/flows/{made['id']}", json=[RENAME])
    assert (refused.status_code, code_of(refused)) == (400, "FLOW-1403-400")


def test_what_is_not_there_is_404_whatever_the_header_says(api: Api) -> None:
    for headers in ({}, {"If-Match": "*"}, {"If-Match": '"x"'}):
        assert api.call("PATCH", "/flows/none", json=[RENAME], headers=headers).status_code == 404


def test_of_two_writers_with_one_etag_the_second_loses(api: Api) -> None:
    made = api.flow()
    path = f"/flows/{made['id']}"
    first = api.patch(path, made["etag"], add_segment("one"))
    second = api.patch(path, made["etag"], add_segment("two"))
    assert (first.status_code, second.status_code) == (200, 412)
    third = api.patch(path, first.json()["etag"], add_segment("two"))
    assert third.status_code == 200
    selectors = api.item(path)["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    assert [each["value"]["id"] for each in selectors] == ["one", "two"]


def test_a_failed_patch_leaves_the_etag_alone(api: Api) -> None:
    made = api.flow()
    path = f"/flows/{made['id']}"
    refused = api.patch(path, made["etag"], add_segment("one"), {"op": "remove", "path": f"{SEGMENT_PATH}/7"})
    assert refused.status_code == 400
    assert api.item(path)["etag"] == made["etag"]


def test_an_action_checks_if_match_only_when_it_is_sent(api: Api) -> None:
    made = api.flow()
    path = f"/flows/{made['id']}/action?op=disable"
    assert api.call("POST", path, headers={"If-Match": '"stale"'}).status_code == 412
    assert api.call("POST", path, headers={"If-Match": made["etag"]}).status_code == 200


def test_the_old_error_shape_says_the_same(api: Api) -> None:
    api.control.set_switches(error_shape="old")
    made = api.flow()
    refused = api.patch(f"/flows/{made['id']}", '"stale"', RENAME)
    message = f'Supplied version=["stale"] does not match the current version on entity=[{made["etag"]}]'
    assert refused.json() == {"errorMessage": message, "errorDetails": message}
