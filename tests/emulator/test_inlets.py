from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest
import requests

from tests.emulator.conftest import Api, Streaming

RAW = {"first": "Ada", "mail": "ada@example.com", "extra": {"deep": [1, "ü"]}}


def test_an_inlet_comes_with_the_base_connection(api: Api) -> None:
    streaming = Streaming(api)
    params = api.item(f"/connections/{streaming.base_id}")["auth"]["params"]
    assert re.fullmatch("[0-9a-f]{64}", params["inletId"])
    assert params["inletUrl"] == f"{api.url}/collection/{params['inletId']}"
    assert params["authenticationRequired"] is False
    assert params["dataType"] == "xdm"
    assert params["name"] == params["sourceId"] == "inlet"
    listed = api.get("/connections").json()["items"][0]["auth"]["params"]
    assert listed == params


@pytest.mark.parametrize("data_type", ["xdm", "raw"])
@pytest.mark.parametrize("authenticated", [True, False])
def test_a_record_is_kept_exactly_as_sent(api: Api, data_type: str, authenticated: bool) -> None:
    streaming = Streaming(api, data_type, authenticated, mapped=data_type == "raw")
    streaming.settle()
    sent = RAW if data_type == "raw" else streaming.envelope(_id="1", person={"name": {"firstName": "Ada"}})
    headers = {"x-adobe-flow-id": streaming.flow_id} if data_type == "raw" else {}
    if authenticated:
        headers["Authorization"] = str(api.session.headers["Authorization"])
    receipt = streaming.send(sent, **headers)
    assert receipt.status_code == 200
    assert set(receipt.json()) == {"inletId", "xactionId", "receivedTimeMs"}
    (kept,) = streaming.messages()
    assert kept["message"] == sent
    assert kept["flowId"] == streaming.flow_id
    assert kept["xactionId"] == receipt.json()["xactionId"]
    assert kept["dropped"] is False
    expected = {"person": {"name": {"firstName": "Ada"}}, "workEmail": {"address": "ada@example.com"}}
    assert kept["mapped"] == (expected if data_type == "raw" else None)
    assert api.control.state()["messages"] == {streaming.inlet_id: [kept]}


def test_early_messages_are_taken_and_dropped(api: Api) -> None:
    streaming = Streaming(api, "raw")
    headers = {"x-adobe-flow-id": streaming.flow_id}
    assert streaming.send({"n": 1}, **headers).status_code == 200
    api.control.advance(290)
    assert streaming.send({"n": 2}, **headers).status_code == 200
    api.control.advance(20)
    assert streaming.send({"n": 3}, **headers).status_code == 200
    etag = api.item(f"/flows/{streaming.flow_id}")["etag"]
    api.patch(f"/flows/{streaming.flow_id}", etag, {"op": "replace", "path": "/name", "value": "new"})
    assert streaming.send({"n": 4}, **headers).status_code == 200
    assert [(each["message"]["n"], each["dropped"]) for each in streaming.messages()] == [
        (1, True),
        (2, True),
        (3, False),
        (4, True),
    ]
    api.control.set_switches(settling_seconds=0)
    streaming.send({"n": 5}, **headers)
    assert streaming.messages()[-1]["dropped"] is False


def test_a_disabled_flow_drops_what_comes(api: Api) -> None:
    streaming = Streaming(api, "raw")
    streaming.settle()
    api.call("POST", f"/flows/{streaming.flow_id}/action?op=disable")
    assert streaming.send({"n": 1}, **{"x-adobe-flow-id": streaming.flow_id}).status_code == 200
    assert streaming.messages()[0]["reason"] == "the flow is disabled"


def test_the_flow_may_stand_in_the_query(api: Api) -> None:
    streaming = Streaming(api, "raw")
    assert streaming.send({"n": 1}, query=f"?x-adobe-flow-id={streaming.flow_id}").status_code == 200


def _without(envelope: dict[str, Any], part: str, field: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(envelope))
    del copy[part][field]
    return copy


def test_a_message_that_is_no_xdm_is_refused(api: Api) -> None:
    streaming = Streaming(api)
    good = streaming.envelope(_id="1")
    other_org = json.loads(json.dumps(good))
    other_org["header"]["imsOrgId"] = "other@AdobeOrg"
    other_schema = json.loads(json.dumps(good))
    other_schema["body"]["xdmMeta"]["schemaRef"]["id"] = "other"
    cases = [
        (RAW, "unknown xdm format"),
        ([good], "unknown xdm format"),
        ({"body": good["body"]}, "The 'header' field is mandatory."),
        ({"header": good["header"]}, "'body.xdmEntity' field is mandatory."),
        (_without(good, "body", "xdmEntity"), "'body.xdmEntity' field is mandatory."),
        (_without(good, "body", "xdmMeta"), "unknown xdm format"),
        (_without(good, "header", "schemaRef"), "unknown xdm format"),
        (other_schema, "unknown xdm format"),
        (other_org, "absent or wrong ims org"),
        (_without(good, "header", "flowId"), "flow id is missing"),
    ]
    for message, reason in cases:
        refused = streaming.send(message)
        assert refused.status_code == 400, message
        assert reason in refused.json()["report"]["message"]
    assert streaming.messages() == []
    assert streaming.send(_without(good, "header", "imsOrgId")).status_code == 200
    without_flow = _without(good, "header", "flowId")
    assert streaming.send(without_flow, **{"x-adobe-flow-id": streaming.flow_id}).status_code == 200


def test_plain_xdm_with_a_flow_is_refused_or_taken(api: Api) -> None:
    streaming = Streaming(api)
    flow = {"x-adobe-flow-id": streaming.flow_id}
    record = {"_id": "1", "person": {"name": {"firstName": "Ada"}}}
    assert "unknown xdm format" in streaming.send(record, **flow).json()["report"]["message"]
    api.control.set_switches(plain_xdm="accept")
    assert streaming.send(record, **flow).status_code == 200
    assert streaming.send(record, query=f"?x-adobe-flow-id={streaming.flow_id}").status_code == 200
    assert "unknown xdm format" in streaming.send(record).json()["report"]["message"]
    assert streaming.send({"header": {}}, **flow).status_code == 400
    assert streaming.send([record], **flow).status_code == 400
    assert streaming.send(streaming.envelope(_id="2"), **flow).status_code == 200
    assert [each["message"].get("_id") for each in streaming.messages()] == ["1", "1", None]


def test_plain_xdm_is_validated_against_the_schema_of_its_flow(api: Api) -> None:
    api.control.set_switches(plain_xdm="accept")
    streaming = Streaming(api)
    flow = {"x-adobe-flow-id": streaming.flow_id}
    assert streaming.send({"_id": "1"}, query="?syncValidation=true", **flow).status_code == 200
    refused = streaming.send({"_id": 1}, query="?syncValidation=true", **flow)
    assert (refused.status_code, refused.json()["title"]) == (400, "Invalid XDM Message Format")


def test_an_inlet_may_require_its_sandbox(api: Api) -> None:
    streaming = Streaming(api, "raw")
    flow = {"x-adobe-flow-id": streaming.flow_id}
    assert streaming.send({}, **flow).status_code == 200
    api.control.set_switches(inlet_sandbox_header="required")
    assert streaming.send({}, **flow).status_code == 400
    assert streaming.send({}, **flow, **{"x-sandbox-name": "prod"}).status_code == 400
    assert streaming.send({}, **flow, **{"x-sandbox-name": api.credential.sandbox}).status_code == 200


def test_a_flow_of_another_inlet_is_unknown(api: Api) -> None:
    streaming, other = Streaming(api, "raw"), Streaming(api, "raw")
    for flow_id in (other.flow_id, "none"):
        refused = streaming.send({}, **{"x-adobe-flow-id": flow_id})
        assert refused.status_code == 400
        assert flow_id in refused.json()["report"]["message"]
    assert streaming.send({}).status_code == 400


def test_an_unknown_inlet_is_not_found(api: Api) -> None:
    streaming = Streaming(api, "raw")
    streaming.inlet_url = f"{api.url}/collection/{'0' * 64}"
    assert streaming.send({}).status_code == 404
    with pytest.raises(requests.HTTPError, match="unknown inlet"):
        api.control.messages("0" * 64)


def test_an_inlet_goes_with_its_connection(api: Api) -> None:
    streaming = Streaming(api, "raw")
    flow = api.item(f"/flows/{streaming.flow_id}")
    api.call("DELETE", f"/flows/{streaming.flow_id}")
    assert api.call("DELETE", f"/sourceConnections/{flow['sourceConnectionIds'][0]}").status_code == 204
    assert api.call("DELETE", f"/connections/{streaming.base_id}").status_code == 204
    assert streaming.send({}).status_code == 404


def test_an_authenticated_inlet_wants_a_good_token(api: Api) -> None:
    streaming = Streaming(api, "raw", authenticated=True)
    flow = {"x-adobe-flow-id": streaming.flow_id}
    missing = streaming.send({}, **flow)
    assert missing.status_code == 401
    assert missing.json() == {
        "type": "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization",
        "status": "401",
        "title": "Authorization",
        "report": {"message": f"[{streaming.inlet_id}] Ims service token is empty"},
    }
    wrong = {**flow, "Authorization": "Bearer wrong"}
    assert streaming.send({}, **wrong).status_code == 401
    api.control.set_switches(inlet_bad_token="403")
    assert streaming.send({}, **wrong).status_code == 403
    good = {**flow, "Authorization": str(api.session.headers["Authorization"])}
    assert streaming.send({}, **good).status_code == 200
    assert streaming.send({}, **good, **{"x-gw-ims-org-id": "other@AdobeOrg"}).status_code == 403
    api.control.set_switches(inlet_org_header="required")
    assert streaming.send({}, **good).status_code == 403
    assert streaming.send({}, **good, **{"x-gw-ims-org-id": api.credential.org_id}).status_code == 200
    api.control.advance(100_000)
    assert streaming.send({}, **good).status_code == 403


def test_an_open_inlet_does_not_look_at_tokens(api: Api) -> None:
    streaming = Streaming(api, "raw")
    headers = {"x-adobe-flow-id": streaming.flow_id, "Authorization": "Bearer wrong"}
    assert streaming.send({}, **headers).status_code == 200


@pytest.mark.parametrize("batch", [True, False])
def test_more_than_a_megabyte_is_refused(api: Api, batch: bool) -> None:
    streaming = Streaming(api, "raw")
    flow = {"x-adobe-flow-id": streaming.flow_id}
    text = "x" * 1_000_000
    assert (
        streaming.send({"messages": [{"a": text}]} if batch else {"a": text}, batch, **flow).status_code
        == 413
    )
    overhead = len(json.dumps({"messages": [{"a": ""}]} if batch else {"a": ""}))
    fits = {"a": text[overhead:]}
    assert streaming.send({"messages": [fits]} if batch else fits, batch, **flow).status_code in (200, 207)


def test_what_is_not_json_is_refused(api: Api) -> None:
    streaming = Streaming(api, "raw")
    url, flow = streaming.inlet_url, {"x-adobe-flow-id": streaming.flow_id}
    json_type = {**flow, "Content-Type": "application/json"}
    assert requests.post(url, data=b"{", headers=json_type, timeout=10).status_code == 400
    assert requests.post(url, data=b"a=b", headers=flow, timeout=10).status_code == 415
    assert requests.post(url, json=[1], headers=flow, timeout=10).status_code == 400


def test_gzip_is_refused_or_read(api: Api) -> None:
    streaming = Streaming(api, "raw")
    headers = {
        "x-adobe-flow-id": streaming.flow_id,
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    data = gzip.compress(b'{"n": 1}')
    assert requests.post(streaming.inlet_url, data=data, headers=headers, timeout=10).status_code == 415
    api.control.set_switches(gzip="accept")
    assert requests.post(streaming.inlet_url, data=data, headers=headers, timeout=10).status_code == 200
    assert requests.post(streaming.inlet_url, data=b"x", headers=headers, timeout=10).status_code == 400
    assert streaming.messages()[0]["message"] == {"n": 1}


@pytest.mark.parametrize("style", ["statusCode", "status"])
def test_a_batch_is_207_and_tells_of_each_message(api: Api, style: str) -> None:
    api.control.set_switches(batch_style=style)
    streaming = Streaming(api)
    messages = [streaming.envelope(_id="0"), RAW, streaming.envelope(_id="2")]
    response = streaming.send({"messages": messages}, batch=True)
    assert response.status_code == 207
    first, failed, last = response.json()["responses"]
    assert set(first) == set(last) == {"xactionId"}
    assert failed[style] == 400
    assert "unknown xdm format" in failed["message"]
    if style == "status":
        assert [each["xactionId"][-2:] for each in (first, failed, last)] == ["-0", "-1", "-2"]
    else:
        assert set(failed) == {"statusCode", "message"}
    assert [each["message"]["body"]["xdmEntity"]["_id"] for each in streaming.messages()] == ["0", "2"]
    assert response.json()["inletId"] == streaming.inlet_id


def test_a_batch_that_fails_altogether_is_207_too(api: Api) -> None:
    streaming = Streaming(api)
    response = streaming.send({"messages": [RAW, RAW]}, batch=True)
    assert (response.status_code, len(response.json()["responses"])) == (207, 2)
    assert streaming.messages() == []


def test_a_batch_without_messages_is_refused(api: Api) -> None:
    assert Streaming(api).send([RAW], batch=True).status_code == 400


@pytest.mark.parametrize("parameter", ["syncValidation", "synchronousValidation"])
def test_a_record_can_be_validated_on_arrival(api: Api, parameter: str) -> None:
    streaming = Streaming(api)
    query = f"?{parameter}=true"
    good = streaming.send(streaming.envelope(_id="1"), query=query)
    assert good.json()["synchronousValidation"] == {"status": "pass"}
    bad = streaming.send(streaming.envelope(_id=5, person={"name": "Ada"}), query=query)
    assert bad.status_code == 400
    body = bad.json()
    assert body["title"] == "Invalid XDM Message Format"
    (violations,) = body["report"]["cause"]["_streamingValidation"]
    pointers = {each["pointerToViolation"]: each["keyword"] for each in violations["causingExceptions"]}
    assert pointers == {"#/_id": "type", "#/person/name": "type"}
    assert {each["message"] for each in violations["causingExceptions"]} == {
        "expected type: String, found: Long",
        "expected type: JSONObject, found: String",
    }
    assert violations["message"] == "2 schema violations found"
    assert len(streaming.messages()) == 1
    assert streaming.send(streaming.envelope(_id=5), query=f"?{parameter}=false").status_code == 200


def test_validation_on_arrival_has_its_limit_a_minute(api: Api) -> None:
    streaming = Streaming(api)
    message, query = streaming.envelope(_id="1"), "?syncValidation=true"
    assert [streaming.send(message, query=query).status_code for _ in range(61)] == [200] * 60 + [429]
    assert streaming.send(message).status_code == 200
    api.control.advance(61)
    assert streaming.send(message, query=query).status_code == 200


def test_validation_on_arrival_may_be_unsupported(api: Api) -> None:
    api.control.set_switches(sync_validation="unsupported")
    streaming = Streaming(api)
    assert streaming.send(streaming.envelope(_id="1"), query="?syncValidation=true").status_code == 501
    assert streaming.send(streaming.envelope(_id="1")).status_code == 200


def test_faults_meet_inlets(api: Api) -> None:
    streaming = Streaming(api, "raw")
    api.control.inject(
        {"match": {"method": "POST", "path": "/collection/*"}, "fault": {"kind": "status", "status": 503}}
    )
    headers = {"x-adobe-flow-id": streaming.flow_id}
    assert streaming.send({}, **headers).status_code == 503
    assert streaming.messages() == []
