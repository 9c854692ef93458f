from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.emulator.conftest import CATALOG, DATA_PREP, REGISTRY, Api, add_audience, add_segment

FLOWS = "/data/foundation/flowservice/flows"
FORBIDDEN = "You do not have sufficient permissions to perform the operation."


def rule(
    kind: str, method: str = "*", path: str = "*", after: int = 0, times: int = 1, **fault: Any
) -> dict[str, Any]:
    return {
        "match": {"method": method, "path": path},
        "after": after,
        "times": times,
        "fault": {"kind": kind, **fault},
    }


def test_a_status_is_returned_and_nothing_is_applied(api: Api) -> None:
    api.control.inject(
        rule("status", "POST", "*/connections", status=503, headers={"Retry-After": "7"}, body={"a": 1})
    )
    body = {"name": "x", "connectionSpec": {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}}
    failed = api.call("POST", "/connections", json=body)
    assert (failed.status_code, failed.headers["Retry-After"], failed.json()) == (503, "7", {"a": 1})
    assert api.control.state()["connections"] == []
    assert api.control.faults_left() == []
    (entry,) = api.control.requests()
    assert (entry["status"], entry["fault"]) == (503, "status")
    assert api.call("POST", "/connections", json=body).status_code == 201


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (FLOWS, {"type": "https://ns.adobe.com/aep/errors/FLOW-2120-403", "title": "Forbidden"}),
        (f"{REGISTRY}/tenant/schemas", {"type": "http://ns.adobe.com/aep/errors/XDM-1403-403"}),
        (f"{CATALOG}/dataSets", {"title": "ForbiddenError"}),
        (f"{DATA_PREP}/mappingSets", {"title": "ForbiddenError"}),
        ("/data/core/ups/segment/definitions", {"type": "https://ns.adobe.com/aep/errors/UPAPI-113403-403"}),
        ("/data/core/activation/disflowprovider/adhocrun", {"message": FORBIDDEN}),
        ("/data/foundation/sandbox-management/sandboxes/dev", {"detail": FORBIDDEN}),
    ],
)
def test_a_service_can_be_forbidden_and_the_others_not(api: Api, path: str, shown: dict[str, str]) -> None:
    prefix = "/".join(path.split("/")[:4])
    api.control.inject(rule("forbidden", path=f"{prefix}*", times=10**9))
    for method in ("GET", "GET", "POST", "DELETE"):
        refused = api.call(method, path, json={})
        assert refused.status_code == 403
        assert refused.json().items() >= shown.items()
    assert api.get("/data/core/ups/audiences" if path == FLOWS else "/flows").status_code == 200


def test_a_rule_skips_and_repeats_and_says_what_is_left(api: Api) -> None:
    api.control.inject(rule("status", "GET", f"{FLOWS}*", after=1, times=2, status=500))
    assert api.control.faults_left()[0]["after"] == 1
    statuses = [api.get("/flows").status_code for _ in range(2)]
    assert api.control.faults_left()[0]["times"] == 1
    assert api.control.faults_left()[0]["fault"]["status"] == 500
    statuses += [api.get("/flows").status_code for _ in range(2)]
    assert statuses == [200, 500, 500, 200]
    assert api.control.faults_left() == []


def test_only_what_matches_is_met(api: Api) -> None:
    api.control.inject(rule("status", "PATCH", "*/flows/*", status=500))
    flow = api.flow()
    api.get(f"/flows/{flow['id']}")
    assert len(api.control.faults_left()) == 1
    assert api.patch(f"/flows/{flow['id']}", flow["etag"], add_segment("a")).status_code == 500
    api.control.inject(rule("status", status=500))
    api.control.clear_faults()
    assert api.get("/flows").status_code == 200


def test_rules_take_turns(api: Api) -> None:
    api.control.inject(
        rule("status", status=500), rule("status", status=502), rule("status", after=3, status=504)
    )
    assert [api.get("/flows").status_code for _ in range(5)] == [500, 502, 200, 504, 200]


@pytest.mark.parametrize("path", ["/ims/token/v3", "/data/core/ups/audiences"])
def test_faults_meet_every_service(api: Api, path: str) -> None:
    api.control.inject(rule("status", path=path, status=429))
    method = "POST" if "ims" in path else "GET"
    assert api.call(method, path).status_code == 429


def test_a_reset_comes_before_anything_is_applied(api: Api) -> None:
    body = api.flow_body()
    api.control.inject(rule("reset", "POST", FLOWS))
    with pytest.raises(requests.ConnectionError, match="Connection reset"):
        api.call("POST", "/flows", json=body)
    assert api.control.state()["flows"] == []
    entry = api.control.requests("POST", FLOWS)[0]
    assert (entry["status"], entry["fault"]) == (None, "reset")
    assert api.call("POST", "/flows", json=body).status_code == 201


def test_a_reset_can_come_after_it_is_applied(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    body = api.flow_body()
    api.control.inject(rule("reset_after", "POST", FLOWS, times=2))
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            api.call("POST", "/flows", json=body)
    assert len(api.control.state()["flows"]) == 2
    assert [entry["status"] for entry in api.control.requests("POST", FLOWS)] == [None, None]
    assert capfd.readouterr().err == ""


def test_a_delay_keeps_the_caller_waiting(api: Api) -> None:
    api.control.inject(rule("delay", seconds=0.5))
    with pytest.raises(requests.ReadTimeout):
        api.session.get(f"{api.url}{FLOWS}", timeout=0.05)
    api.control.inject(rule("delay", seconds=0.01))
    assert api.get("/flows").status_code == 200


def test_someone_else_changes_the_flow_first(api: Api) -> None:
    flow = api.flow()
    path = f"/flows/{flow['id']}"
    api.control.inject(rule("conflict", "PATCH", "*/flows/*", segment_id="theirs"))
    assert api.patch(path, flow["etag"], add_segment("mine")).status_code == 412
    fresh = api.item(path)
    assert api.patch(path, fresh["etag"], add_segment("mine")).status_code == 200
    selectors = api.item(path)["transformations"][0]["params"]["segmentSelectors"]["selectors"]
    assert [each["value"]["id"] for each in selectors] == ["theirs", "mine"]


def test_someone_else_changes_a_flow_to_files_as_aep_allows(api: Api) -> None:
    flow = api.file_flow()
    path = f"/flows/{flow['id']}"
    api.control.inject(rule("conflict", "PATCH", "*/flows/*", segment_id="theirs"))
    assert api.patch(path, flow["etag"], add_audience("mine")).status_code == 412
    assert api.patch(path, api.item(path)["etag"], add_audience("mine")).status_code == 200


def test_someone_else_changes_a_connection_first(api: Api) -> None:
    base = api.profile_base()
    api.control.inject(rule("conflict", "PATCH"))
    rename = {"op": "replace", "path": "/name", "value": "x"}
    assert api.patch(f"/connections/{base['id']}", base["etag"], rename).status_code == 412
    assert api.item(f"/connections/{base['id']}")["description"] == "edited by someone else"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"fault": {"kind": "meteor"}}, "fault.kind must be one of"),
        ({"fault": {"kind": "status"}}, "status"),
        ({"fault": {"kind": "status", "status": 700}}, "200 to 599"),
        ({"fault": {"kind": "reset"}, "when": 1}, "no field 'when'"),
        ({"fault": {"kind": "reset"}, "match": {"verb": "GET"}}, "no field 'verb'"),
        ({"fault": {"kind": "reset"}, "times": 0}, "times must be"),
        ({"fault": {"kind": "reset"}, "after": -1}, "after must be"),
        ({}, "fault.kind"),
    ],
)
def test_a_rule_that_makes_no_sense_is_explained(api: Api, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(requests.HTTPError, match=message):
        api.control.inject(rule("reset"), bad)
    assert api.control.faults_left() == []
