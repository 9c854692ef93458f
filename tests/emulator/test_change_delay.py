"""Changes that show in reads only after a while, while writes act on the current state."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import KINESIS, UNIFIED_PROFILE, Api, add_segment, code_of
from tests.emulator.test_faults import FLOWS, rule

# AEP is reported to need about 8 seconds. Ten times as many leave a slow machine time for the requests.
DELAY = 80
RENAME = {"op": "replace", "path": "/name", "value": "new"}


@pytest.fixture
def slow(api: Api) -> Api:
    """A caller of an AEP in which changes take :data:`DELAY` seconds to become visible."""
    api.control.set_switches(change_delay_seconds=DELAY)
    return api


def settled_flow(api: Api) -> dict[str, str]:
    """A flow that is old enough to be listed."""
    flow = api.flow()
    api.control.advance(DELAY)
    return flow


def listed(api: Api, path: str, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get(path, **params).json()["items"]
    assert api.get(path, count="true", **params).json() == {"count": len(items)}
    return items


def segments_of(item: dict[str, Any]) -> list[str]:
    selectors = item["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    return [selector["value"]["id"] for selector in selectors]


def test_a_patch_shows_after_the_delay(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    before = slow.item(path)
    response = slow.patch(path, flow["etag"], RENAME)
    assert response.status_code == 200
    new_etag = response.json()["etag"]
    assert new_etag != flow["etag"]
    slow.control.advance(DELAY - 20)
    assert slow.item(path) == before
    assert before["etag"] == before["version"] == flow["etag"]
    assert listed(slow, "/flows") == [before]
    slow.control.advance(20)
    after = slow.item(path)
    assert (after["name"], after["etag"], after["version"]) == ("new", new_etag, new_etag)
    assert after["updatedAt"] > before["updatedAt"]
    assert listed(slow, "/flows") == [after]


@pytest.mark.parametrize("response", ["200", "202"])
def test_the_response_does_not_matter(slow: Api, response: str) -> None:
    slow.control.set_switches(patch_response=response)
    flow = settled_flow(slow)
    assert slow.patch(f"/flows/{flow['id']}", flow["etag"], RENAME).status_code == int(response)
    assert slow.item(f"/flows/{flow['id']}")["name"] == "flow"
    slow.control.advance(DELAY)
    assert slow.item(f"/flows/{flow['id']}")["name"] == "new"


def test_filters_and_counts_see_what_reads_show(slow: Api) -> None:
    flow = settled_flow(slow)
    slow.patch(f"/flows/{flow['id']}", flow["etag"], RENAME)

    def counts() -> list[int]:
        return [len(listed(slow, "/flows", property=f"name=={name}")) for name in ("flow", "new")]

    assert counts() == [1, 0]
    slow.control.advance(DELAY)
    assert counts() == [0, 1]


@pytest.mark.parametrize("collection", ["connections", "sourceConnections", "targetConnections"])
def test_connections_change_late_too(slow: Api, collection: str) -> None:
    settled_flow(slow)
    item = listed(slow, f"/{collection}")[0]
    path = f"/{collection}/{item['id']}"
    assert slow.patch(path, item["etag"], RENAME).status_code == 200
    assert slow.item(path) == item
    assert item in listed(slow, f"/{collection}")
    slow.control.advance(DELAY)
    assert slow.item(path)["name"] == "new"
    assert slow.item(path) in listed(slow, f"/{collection}")


def test_an_action_shows_after_the_delay(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    response = slow.call("POST", f"{path}/action?op=disable")
    assert response.status_code == 200
    item = slow.item(path)
    assert (item["state"], item["etag"]) == ("enabled", flow["etag"])
    assert listed(slow, "/flows", property="state==disabled") == []
    slow.control.advance(DELAY)
    item = slow.item(path)
    assert (item["state"], item["etag"]) == ("disabled", response.json()["etag"])
    assert listed(slow, "/flows", property="state==disabled") == [item]


def test_a_draft_is_published_late(slow: Api) -> None:
    made = slow.create("/connections?mode=draft", {"name": "x", "connectionSpec": UNIFIED_PROFILE})
    path = f"/connections/{made['id']}"
    assert slow.call("POST", f"{path}/action?op=publish").status_code == 200
    assert slow.item(path)["state"] == "draft"
    assert slow.source(made["id"])["id"], "a source can refer to it: it is published"
    slow.control.advance(DELAY)
    assert slow.item(path)["state"] == "enabled"


def test_an_action_applies_to_the_current_state(slow: Api) -> None:
    path = f"/flows/{settled_flow(slow)['id']}"
    for op in ("disable", "enable"):
        assert slow.call("POST", f"{path}/action?op={op}").status_code == 200
    slow.control.advance(DELAY)
    slow.call("POST", f"{path}/action?op=disable")
    slow.control.advance(DELAY)
    slow.call("POST", f"{path}/action?op=enable")
    assert slow.item(path)["state"] == "disabled"
    refused = slow.call("POST", f"{path}/action?op=enable")
    assert (refused.status_code, code_of(refused)) == (400, "FLOW-1422-400")


def test_the_etag_that_reads_show_is_stale(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    fresh = slow.patch(path, flow["etag"], add_segment("a")).json()["etag"]
    stale = slow.item(path)["etag"]
    assert stale == flow["etag"]
    refused = slow.patch(path, stale, add_segment("b"))
    assert (refused.status_code, code_of(refused)) == (412, "FLOW-1404-412")
    assert slow.patch(path, fresh, add_segment("b")).status_code == 200
    slow.control.advance(DELAY)
    assert segments_of(slow.item(path)) == ["a", "b"]


def test_two_changes_in_a_row_show_one_after_the_other(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    first = slow.patch(path, flow["etag"], add_segment("a")).json()["etag"]
    slow.control.advance(DELAY / 2)
    second = slow.patch(path, first, add_segment("b")).json()["etag"]

    def seen() -> tuple[list[str], str]:
        item = slow.item(path)
        assert listed(slow, "/flows") == [item]
        return segments_of(item), item["etag"]

    assert seen() == ([], flow["etag"])
    slow.control.advance(DELAY / 2)
    assert seen() == (["a"], first)
    slow.control.advance(DELAY / 2)
    assert seen() == (["a", "b"], second)


def test_a_change_shows_when_it_would_have_although_the_switch_is_turned_off(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    first = slow.patch(path, flow["etag"], add_segment("a")).json()["etag"]
    slow.control.set_switches(change_delay_seconds=0)
    slow.patch(path, first, add_segment("b"))
    assert segments_of(slow.item(path)) == [], "a later change never shows before an earlier one"
    slow.control.advance(DELAY)
    assert segments_of(slow.item(path)) == ["a", "b"]


def test_a_created_resource_is_listed_after_the_delay(slow: Api) -> None:
    flow = slow.flow()
    path = f"/flows/{flow['id']}"
    assert slow.item(path)["etag"] == flow["etag"]
    slow.control.advance(DELAY - 20)
    collections = ("connections", "sourceConnections", "targetConnections", "flows")
    assert [len(listed(slow, f"/{each}")) for each in collections] == [0, 0, 0, 0]
    assert listed(slow, "/flows", property=f"id=={flow['id']}") == []
    slow.control.advance(20)
    assert [len(listed(slow, f"/{each}")) for each in collections] == [2, 1, 1, 1]
    assert listed(slow, "/flows") == [slow.item(path)]


def test_a_new_resource_that_is_patched_is_listed_as_it_was_created(slow: Api) -> None:
    flow = slow.flow()
    slow.control.advance(DELAY / 2)
    slow.patch(f"/flows/{flow['id']}", flow["etag"], RENAME)
    slow.control.advance(DELAY / 2)
    assert [item["name"] for item in listed(slow, "/flows")] == ["flow"]
    slow.control.advance(DELAY / 2)
    assert [item["name"] for item in listed(slow, "/flows")] == ["new"]


def test_a_run_is_listed_after_the_delay(slow: Api) -> None:
    slow.control.set_switches(run_seconds=0)
    start = int(slow.control.now()) - 60
    flow = slow.batch_flow(startTime=start, frequency="once").json()["id"]
    slow.control.set_switches(scheduled_runs=False)
    run = slow.create("/runs", {"flowId": flow})["id"]
    assert slow.item(f"/runs/{run}")["flowId"] == flow
    assert listed(slow, "/runs") == []
    slow.control.advance(DELAY)
    assert [item["id"] for item in listed(slow, "/runs")] == [run]


def test_a_deletion_shows_at_once(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    slow.patch(path, flow["etag"], RENAME)
    assert slow.call("DELETE", path).status_code == 202
    assert slow.get(path).status_code == 404
    assert listed(slow, "/flows") == []


def test_a_flow_shows_the_base_that_its_target_shows(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"

    def base() -> str:
        return str(slow.item(path)["inheritedAttributes"]["targetConnections"][0]["baseConnection"]["id"])

    old, other = base(), slow.kinesis_base("other")["id"]
    target = slow.item(f"/targetConnections/{slow.item(path)['targetConnectionIds'][0]}")
    move = {"op": "replace", "path": "/baseConnectionId", "value": other}
    assert slow.patch(f"/targetConnections/{target['id']}", target["etag"], move).status_code == 200
    assert target["connectionSpec"] == KINESIS
    assert base() == old
    slow.control.advance(DELAY)
    assert base() == other


def test_the_end_of_an_asynchronous_update_shows_with_its_change(slow: Api) -> None:
    slow.control.set_switches(finalization_seconds=DELAY // 2)
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    response = slow.patch(path, flow["etag"], RENAME).json()
    slow.control.advance(DELAY / 2 + 1)
    assert slow.item(path)["etag"] == flow["etag"]
    assert slow.patch(path, response["etag"], RENAME).status_code == 412
    slow.control.advance(DELAY / 2)
    item = slow.item(path)
    assert (item["name"], item["updatedBy"]) == ("new", "acp_foundation_connectors@AdobeID")
    assert item["etag"] != response["etag"]
    assert slow.patch(path, item["etag"], RENAME).status_code == 200


def test_a_change_by_someone_else_is_late_too(slow: Api) -> None:
    flow = settled_flow(slow)
    path = f"/flows/{flow['id']}"
    slow.control.inject(rule("conflict", "PATCH", segment_id="theirs"))
    assert slow.patch(path, flow["etag"], add_segment("mine")).status_code == 412
    assert slow.item(path)["etag"] == flow["etag"]
    slow.control.advance(DELAY)
    assert segments_of(slow.item(path)) == ["theirs"]
    assert slow.patch(path, slow.item(path)["etag"], add_segment("mine")).status_code == 200


def test_a_list_can_still_shift_between_its_pages(slow: Api) -> None:
    settled_flow(slow)
    slow.control.inject(rule("page_shift", "GET", FLOWS))
    assert [len(slow.get("/flows").json()["items"]) for _ in range(3)] == [1, 2, 2]


def test_the_state_of_the_emulator_is_current(slow: Api) -> None:
    flow = slow.flow()
    response = slow.patch(f"/flows/{flow['id']}", flow["etag"], RENAME).json()
    (item,) = slow.control.state()["flows"]
    assert (item["name"], item["etag"]) == ("new", response["etag"])


def test_a_reset_forgets_the_delay_and_what_was_delayed(slow: Api) -> None:
    flow = slow.flow()
    slow.patch(f"/flows/{flow['id']}", flow["etag"], RENAME)
    slow.control.reset()
    assert slow.control.switches()["change_delay_seconds"] == 0
    slow.log_in()
    assert slow.get(f"/flows/{flow['id']}").status_code == 404
    flow = slow.flow()
    assert slow.patch(f"/flows/{flow['id']}", flow["etag"], RENAME).status_code == 200
    assert [item["name"] for item in listed(slow, "/flows")] == ["new"]
