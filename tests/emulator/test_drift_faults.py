"""Faults that make the caller's picture of the world wrong, and responses that are broken on their way."""

from __future__ import annotations

import email.utils
from typing import Any

import pytest
import requests

from tests.emulator.conftest import CATALOG, DATA_PREP, REGISTRY, UNIFIED_PROFILE, Api, Streaming, add_segment
from tests.emulator.test_faults import FLOWS, rule

RENAME = {"op": "replace", "path": "/name", "value": "new"}


def segment_ids(api: Api, flow_id: str) -> list[str]:
    params = api.item(f"/flows/{flow_id}")["transformations"][0]["params"]
    return [selector["value"]["id"] for selector in params["segmentSelectors"]["selectors"]]


def test_a_truncated_response_comes_after_the_request_was_applied(api: Api) -> None:
    body = api.flow_body()
    api.control.inject(rule("truncate", "POST", FLOWS))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.call("POST", "/flows", json=body)
    assert len(api.control.state()["flows"]) == 1
    api.control.inject(rule("truncate", "GET"))
    response = api.session.get(f"{api.url}{FLOWS}", stream=True, timeout=10)
    assert response.status_code == 200
    received = response.raw.read(decode_content=False, amt=int(response.headers["content-length"]) // 2)
    assert received.startswith(b'{"items":')


def test_a_page_of_html_stands_for_a_broken_gateway(api: Api) -> None:
    body = api.flow_body()
    api.control.inject(rule("html", "POST", FLOWS), rule("html", "GET", status=503))
    response = api.call("POST", "/flows", json=body)
    assert response.status_code == 502
    assert response.headers["content-type"] == "text/html"
    assert response.text.startswith("<html>")
    assert api.get("/flows").status_code == 503
    assert api.control.state()["flows"] == []


def test_a_slow_body_arrives_whole_in_the_end(api: Api) -> None:
    api.flow()
    whole = api.get("/flows").content
    api.control.inject(rule("slow_body", seconds=0.05))
    assert api.get("/flows").content == whole
    api.control.inject(rule("slow_body", seconds=1))
    with pytest.raises(requests.ConnectionError, match="Read timed out"):
        api.session.get(f"{api.url}{FLOWS}", timeout=0.02)


def test_too_many_requests_with_and_without_advice(api: Api) -> None:
    api.control.inject(
        rule("rate_limit"), rule("rate_limit", retry_after=7), rule("rate_limit", retry_after=7, as_date=True)
    )
    bare, seconds, date = (api.get("/flows") for _ in range(3))
    for response in (bare, seconds, date):
        assert (response.status_code, response.json()["error_code"]) == (429, "429050")
    assert "Retry-After" not in bare.headers
    assert seconds.headers["Retry-After"] == "7"
    moment = email.utils.parsedate_to_datetime(date.headers["Retry-After"]).timestamp()
    assert moment - api.control.now() == pytest.approx(7, abs=3)
    assert api.get("/flows").status_code == 200


def test_a_token_can_expire_under_a_request(api: Api) -> None:
    api.control.inject(rule("expire_token", after=1))
    assert [api.get("/flows").status_code for _ in range(3)] == [200, 401, 401]
    api.log_in()
    assert api.get("/flows").status_code == 200
    assert api.control.faults_left() == []


def test_only_the_token_in_use_expires(api: Api) -> None:
    other = api.ask_for_token().json()["access_token"]
    api.control.inject(rule("expire_token"))
    assert api.get("/flows").status_code == 401
    api.session.headers["Authorization"] = f"Bearer {other}"
    assert api.get("/flows").status_code == 200


def test_an_inlets_token_can_expire_too(api: Api) -> None:
    streaming = Streaming(api, "raw", authenticated=True)
    api.control.inject(rule("expire_token", path="/collection/*"))
    headers = {
        "x-adobe-flow-id": streaming.flow_id,
        "Authorization": str(api.session.headers["Authorization"]),
    }
    assert streaming.send({}, **headers).status_code == 401


def test_a_patch_can_succeed_without_effect(api: Api) -> None:
    flow = api.flow()
    path = f"/flows/{flow['id']}"
    api.control.inject(rule("noop", "PATCH"))
    assert api.patch(path, flow["etag"], add_segment("a")).status_code == 200
    assert segment_ids(api, flow["id"]) == []
    assert api.patch(path, flow["etag"], add_segment("a")).status_code == 200
    assert segment_ids(api, flow["id"]) == ["a"]


def test_an_etag_moves_once_more_by_the_next_request(api: Api) -> None:
    flow = api.flow()
    path = f"/flows/{flow['id']}"
    api.control.inject(rule("stale_etag", "PATCH"))
    fresh = api.patch(path, flow["etag"], add_segment("a")).json()["etag"]
    assert api.patch(path, fresh, add_segment("b")).status_code == 412
    item = api.item(path)
    assert item["updatedBy"] == "acp_foundation_connectors@AdobeID"
    assert api.item(path)["etag"] == item["etag"]
    assert api.patch(path, item["etag"], add_segment("b")).status_code == 200
    assert segment_ids(api, flow["id"]) == ["a", "b"]
    assert api.item(path)["updatedBy"].endswith("@techacct.adobe.com")


@pytest.mark.parametrize("by_switch", [True, False])
def test_an_etag_moves_once_more_after_a_while(api: Api, by_switch: bool) -> None:
    flow = api.flow()
    path = f"/flows/{flow['id']}"
    if by_switch:
        api.control.set_switches(finalization_seconds=8)
    else:
        api.control.inject(rule("stale_etag", "PATCH", seconds=8))
    fresh = api.patch(path, flow["etag"], add_segment("a")).json()["etag"]
    assert api.item(path)["etag"] == fresh
    api.control.advance(9)
    assert api.item(path)["etag"] != fresh


def test_a_refused_patch_is_not_finalized(api: Api) -> None:
    flow = api.flow()
    api.control.inject(rule("stale_etag", "PATCH"))
    assert api.patch(f"/flows/{flow['id']}", '"stale"', add_segment("a")).status_code == 412
    assert api.item(f"/flows/{flow['id']}")["etag"] == flow["etag"]


def test_a_created_resource_can_be_missing_from_lists_for_a_while(api: Api) -> None:
    api.control.inject(rule("eventual", "POST", "*/connections", seconds=30))
    made = api.profile_base("late")
    api.profile_base("other")

    def listed() -> list[str]:
        items = api.get("/connections", property="name==late").json()["items"]
        assert api.get("/connections", count="true").json()["count"] == len(items) + 1
        return [item["id"] for item in items]

    assert listed() == []
    assert api.item(f"/connections/{made['id']}")["name"] == "late"
    api.control.advance(31)
    assert listed() == [made["id"]]


def test_a_resource_can_belong_to_another_credential(api: Api) -> None:
    api.control.inject(
        rule("foreign", "POST", "*/connections"), rule("foreign", "POST", "*/connections", client=None)
    )
    made = [api.profile_base(name) for name in ("theirs", "nobody's", "mine")]
    owners = [api.item(f"/connections/{each['id']}")["createdClient"] for each in made]
    assert owners == ["somebody-else", None, api.control.credential.client_id]


def test_neighbours_can_be_late_too(api: Api) -> None:
    api.control.inject(
        *(
            rule("eventual", "POST", f"*/{name}", seconds=30)
            for name in ("schemas", "dataSets", "mappingSets")
        )
    )
    streaming = Streaming(api, "raw", mapped=True)
    accept = {"Accept": "application/vnd.adobe.xed-id+json"}

    def counts() -> list[int]:
        schemas = api.call("GET", f"{REGISTRY}/tenant/schemas", headers=accept).json()["results"]
        datasets = api.get(f"{CATALOG}/dataSets").json()
        mappings = api.get(f"{DATA_PREP}/mappingSets", start=0, limit=10).json()["data"]
        return [len(schemas), len(datasets), len(mappings)]

    assert counts() == [0, 0, 0]
    assert api.get(f"{CATALOG}/dataSets/{streaming.dataset_id}").status_code == 200
    api.control.advance(31)
    assert counts() == [1, 1, 1]


def test_a_list_can_shift_between_its_pages(api: Api) -> None:
    for name in "abcd":
        api.profile_base(name)
    api.control.inject(rule("page_shift", "GET", "*/connections"))
    first = api.get("/connections", limit=2).json()
    assert [item["name"] for item in first["items"]] == ["d", "c"]
    second = api.call("GET", first["_links"]["next"]["href"]).json()
    assert second["items"][0]["id"] == first["items"][1]["id"]
    assert api.get("/connections", count="true").json() == {"count": 5}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "slow_body", "seconds": -1},
        {"kind": "delay", "seconds": "long"},
        {"kind": "noop", "color": "red"},
        {"kind": "eventual"},
    ],
)
def test_a_parameter_that_makes_no_sense_is_explained(api: Api, fault: dict[str, Any]) -> None:
    with pytest.raises(requests.HTTPError, match=f"fault '?{fault['kind']}|seconds must"):
        api.control.inject({"fault": fault})


def test_faults_without_a_resource_do_no_harm(api: Api) -> None:
    kinds = (
        {"kind": "conflict"},
        {"kind": "stale_etag"},
        {"kind": "eventual", "seconds": 1},
        {"kind": "foreign"},
        {"kind": "page_shift"},
    )
    for fault in kinds:
        api.control.inject({"fault": fault})
        assert api.get("/runs").status_code == 200
        api.control.inject({"fault": fault})
        assert api.call("GET", "/flows", headers={"x-sandbox-name": "none"}).status_code == 404
    assert UNIFIED_PROFILE["id"] in api.get("/connectionSpecs").text
