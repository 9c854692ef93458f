from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, InvalidResponseError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http.request import Host
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.client.streaming.inlet import (
    Endpoints,
    Envelope,
    Inlet,
    MessageStatus,
    PostResult,
    Refusal,
)

URL = "https://dcs.adobedc.net/collection/" + "ab" * 32
TARGET = Inlet(URL, "raw", authenticated=False)


def answer(body: object, status: int = 207) -> Response:
    return Response("POST", "/collection", status, {}, json.dumps(body).encode())


def results(count: int, *elements: Any) -> PostResult:
    sent = Endpoints(TARGET, None).batch([b"{}"] * count)
    return sent.parse(answer({"inletId": "x", "batchId": "y", "responses": elements}))


def connection(**params: Any) -> model.BaseConnection:
    auth = model.Auth(spec_name="Streaming Connection", params=params)
    return model.BaseConnection(
        id="base", name="shop", connection_spec=model.SpecRef(id=specs.HTTP_API), auth=auth
    )


def test_the_id_is_the_end_of_the_url() -> None:
    assert TARGET.id == "ab" * 32


@pytest.mark.parametrize(
    "url",
    [
        "https://dcs.adobedc.net/",
        "https://dcs.adobedc.net/collection/",
        "https://dcs.adobedc.net/collection/batch/abc",
        "https://dcs.adobedc.net/other/abc",
        "http://[",
        "https://dcs.adobedc.net:port/collection/abc",
        "abc",
    ],
)
def test_a_url_that_is_no_inlet_has_no_id(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"inlet_url: .* is not an inlet's URL"):
        _ = Inlet(url).id


@pytest.mark.parametrize(
    ("query", "flow_id", "validates"),
    [
        ("", None, False),
        (" \n", None, False),
        ("?x-adobe-flow-id=f1", "f1", False),
        (
            "?x-adobe-flow-id=8256cfb4-17e6-432c-a469-6aedafb16cd5",
            "8256cfb4-17e6-432c-a469-6aedafb16cd5",
            False,
        ),
        ("?X-Adobe-Flow-Id=f%2D1", "f-1", False),
        ("?x-adobe-flow-id=f1&syncValidation=true", "f1", True),
        ("?synchronousValidation=TRUE&x-adobe-flow-id=f1", "f1", True),
        ("?syncValidation=false&x-adobe-flow-id=f1#x-adobe-flow-id=f2", "f1", False),
        ("?x-adobe-flow-id=f1&x-adobe-flow-id=f1", "f1", False),
        ("?x-adobe-flow-id=%20f1%0A", "f1", False),
        ("?x-adobe-flow-id=f1 \r\n", "f1", False),
        ("?syncvalidation=true", None, True),
        ("?syncValidation", None, False),
        ("#x-adobe-flow-id=f1", None, False),
    ],
)
def test_a_url_may_name_the_flow(query: str, flow_id: str | None, validates: bool) -> None:
    target = Inlet(URL + query, "raw").checked("https://dcs.adobedc.net")
    assert (target.id, target.flow_for(None), target.validates) == ("ab" * 32, flow_id, validates)
    if flow_id:
        assert target.flow_for(f" {flow_id}\n").strip() == flow_id


def test_a_flow_that_is_given_is_taken_for_a_url_without_one() -> None:
    assert TARGET.flow_for("f1") == "f1"


@pytest.mark.parametrize(
    ("query", "flow_id", "problem"),
    [
        ("?x-adobe-flow-id=f1", "f2", "^flow_id: 'f2' is not 'f1', the flow in inlet_url"),
        ("?x-adobe-flow-id=f1", "F1", "^flow_id: 'F1' is not 'f1', the flow in inlet_url"),
        ("?x-adobe-flow-id=", None, "^inlet_url: .* has no flow id. Give one flow id"),
        ("?x-adobe-flow-id", "f1", "^inlet_url: .* has no flow id"),
        ("?x-adobe-flow-id=None", None, "^inlet_url: .* has no flow id"),
        ("?x-adobe-flow-id={DATAFLOW_ID}", None, "^inlet_url: .* has no flow id"),
        ("?x-adobe-flow-id=f1&x-adobe-flow-id=f2", "f1", "^inlet_url: .* has several flow ids"),
        ("?x-adobe-flow-id=f%0D%0AX-Y%3A1", None, "^inlet_url: .*has a control character"),
        ("?x-adobe-flow-id=%E2%98%83", None, "^inlet_url: .*has a character outside Latin-1"),
    ],
)
def test_a_flow_in_the_url_that_is_invalid_or_another_one_is_refused(
    query: str, flow_id: str | None, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        Inlet(URL + query).flow_for(flow_id)


def test_an_inlet_on_the_collection_host_is_taken() -> None:
    assert TARGET.checked("https://dcs.adobedc.net") is TARGET
    assert Inlet("https://DCS.adobedc.net/collection/a").checked("https://dcs.adobedc.net")
    assert Inlet("https://dcs.adobedc.net:443/collection/a").checked("https://dcs.adobedc.net")


def test_one_odd_element_of_an_answer_says_nothing_about_the_others() -> None:
    result = results(3, {"status": {"code": 400}}, 1, {"xactionId": "1"})
    assert (result.accepted, result.first_xaction_id) == (1, "1")
    assert [refusal.reason for refusal in result.refused.values()] == [MessageStatus.UNKNOWN] * 2
    assert list(result.refused) == [0, 1]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/collection/a",
        "https://dcs.adobedc.net.evil.example/collection/a",
        "https://evil.example/https://dcs.adobedc.net/collection/a",
        "https://dcs.adobedc.net@evil.example/collection/a",
        "https://evil.example@dcs.adobedc.net/collection/a",
        "http://dcs.adobedc.net/collection/a",
        "https://dcs.adobedc.net:8443/collection/a",
        "//dcs.adobedc.net/collection/a",
        "",
    ],
)
def test_an_inlet_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="the only host that receives the token"):
        Inlet(url).checked("https://dcs.adobedc.net")


def test_what_is_no_url_at_all_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="is not an inlet's URL"):
        Inlet("http://[").checked("https://dcs.adobedc.net")


def test_what_is_on_the_host_but_no_inlet_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="is not an inlet's URL"):
        Inlet("https://dcs.adobedc.net/data").checked("https://dcs.adobedc.net")


@pytest.mark.parametrize(
    ("required", "authenticated"),
    [(True, True), ("true", True), (False, False), ("false", False), (None, False)],
)
def test_a_connection_says_whether_its_inlet_asks_for_a_token(required: object, authenticated: bool) -> None:
    found = inlet.inlet_of(connection(inletUrl=URL, dataType="xdm", authenticationRequired=required))
    assert found == Inlet(URL, "xdm", authenticated)


def test_a_connection_without_an_inlet_is_refused() -> None:
    with pytest.raises(DriftError, match=r"base connection base \('shop'\) has no inlet"):
        inlet.inlet_of(connection(region="us-east-1"))
    without_auth = model.BaseConnection(id="base", connection_spec=model.SpecRef(id="spec"))
    with pytest.raises(DriftError, match="has no inlet"):
        inlet.inlet_of(without_auth)


@pytest.mark.parametrize("flow_id", ["flow", None])
def test_an_envelope_has_header_and_body(flow_id: str | None) -> None:
    envelope = Envelope(
        schema_id="https://ns.adobe.com/x/schemas/1", dataset_id="d1", org_id="o@AdobeOrg", flow_id=flow_id
    )
    raw = b'{"n":  1.50}'
    message = envelope.wrap(raw)
    reference = {
        "id": "https://ns.adobe.com/x/schemas/1",
        "contentType": "application/vnd.adobe.xed-full-notext+json; version=1.0",
    }
    header = {"schemaRef": reference, "imsOrgId": "o@AdobeOrg", "datasetId": "d1"}
    assert json.loads(message) == {
        "header": header | ({"flowId": "flow"} if flow_id else {}),
        "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": {"n": 1.5}},
    }
    assert raw in message
    assert inlet.is_xdm_message(message)


@pytest.mark.parametrize(
    "raw", [b'{"n": 1}', b'{"header": {}}', b'{"header": 1, "body": {}}', b"[]", b"no JSON"]
)
def test_what_lacks_header_or_body_is_no_xdm_message(raw: bytes) -> None:
    assert not inlet.is_xdm_message(raw)


def test_a_batch_holds_the_messages_as_they_are() -> None:
    messages = [b'{"n":  1}', b'{"n":2.50}', b"{}"]
    sent = Endpoints(TARGET, "flow").batch(messages)
    assert sent.content == b'{"messages":[{"n":  1},{"n":2.50},{}]}'
    assert len(sent.content) == sum(map(len, messages)) + inlet.batch_overhead(3)
    assert (sent.method, sent.path) == ("POST", f"/collection/batch/{TARGET.id}")
    assert (sent.host, sent.idempotent, sent.authorized) == (Host.COLLECTION, False, False)
    assert sent.headers == (("x-adobe-flow-id", "flow"),)


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_the_overhead_of_a_batch_is_known(count: int) -> None:
    sent = Endpoints(TARGET, None).batch([b"{}"] * count)
    assert len(sent.content or b"") == 2 * count + inlet.batch_overhead(count)


@pytest.mark.parametrize(("sync", "query"), [(True, "syncValidation=true"), (False, "")])
def test_a_single_message_goes_to_its_own_endpoint(sync: bool, query: str) -> None:
    sent = Endpoints(Inlet(URL), None, sync_validation=sync).single(b'{"n":1}')
    assert (sent.path, sent.query, sent.content) == (f"/collection/{TARGET.id}", query, b'{"n":1}')
    assert (sent.headers, sent.authorized) == ((), True)


def test_a_receipt_is_an_acceptance() -> None:
    sent = Endpoints(TARGET, None, sync_validation=True).single(b"{}")
    receipt = {"inletId": "x", "xactionId": "1:2:3", "synchronousValidation": {"status": "pass"}}
    assert sent.parse(answer(receipt, 200)) == PostResult(1, {}, "1:2:3", "1:2:3")


@pytest.mark.parametrize(
    ("element", "refusal"),
    [
        ({"xactionId": "1"}, None),
        ({"xactionId": "1", "status": 200}, None),
        ({"statusCode": 400, "message": "no"}, Refusal(MessageStatus.REJECTED, 400, "no")),
        ({"xactionId": "1-0", "status": 400, "message": "no"}, Refusal(MessageStatus.REJECTED, 400, "no")),
        ({"xactionId": "1-0", "status": "400"}, Refusal(MessageStatus.REJECTED, 400)),
        ({"xactionId": "1-0", "statusCode": "413"}, Refusal(MessageStatus.REJECTED, 413)),
        ({"xactionId": "1-0", "status": 503}, Refusal(MessageStatus.BUSY, 503)),
        ({"status": "9" * 5000}, Refusal(MessageStatus.BUSY, 999_999_999)),
        ({"statusCode": 500}, Refusal(MessageStatus.BUSY, 500)),
        ({"statusCode": 429, "message": "slow"}, Refusal(MessageStatus.BUSY, 429, "slow")),
        ({}, Refusal(MessageStatus.UNKNOWN)),
        ({"status": 200}, Refusal(MessageStatus.UNKNOWN, 200)),
        ({"message": "?"}, Refusal(MessageStatus.UNKNOWN, message="?")),
    ],
)
def test_an_element_of_either_style_is_read(element: dict[str, Any], refusal: Refusal | None) -> None:
    result = results(1, element)
    assert result.refused == ({0: refusal} if refusal else {})
    assert result.accepted == (refusal is None)


def test_an_element_is_read_in_every_format_of_errors_and_does_not_quote_its_message() -> None:
    """None is documented for elements, but then nothing of what AEP says is lost."""
    report = {
        "message": "Message is invalid",
        "cause": {"_streamingValidation": [{"pointerToViolation": "#/a", "message": "[Ada] is not a date"}]},
    }
    element = {
        "status": 400,
        "type": "http://ns.adobe.com/problem/dcs/inlet",
        "title": "Bad",
        "report": report,
    }
    sent = Endpoints(TARGET, None).batch([b'{"a":"Bo"}', b'{"a":"Ada"}'])
    answers = sent.parse(answer({"responses": [element, element]}))
    assert [each.message for each in answers.refused.values()] == [
        "dcs/inlet: Bad. Message is invalid. #/a: [Ada] is not a date",
        "dcs/inlet: Bad. Message is invalid. #/a: [***] is not a date",
    ]


def test_elements_are_matched_by_their_place() -> None:
    accepted, refused = {"xactionId": "1"}, {"statusCode": 400}
    result = results(3, refused, accepted, refused)
    assert (result.accepted, list(result.refused)) == (1, [0, 2])


def test_a_message_without_an_element_has_an_unknown_fate() -> None:
    result = results(3, {"xactionId": "1"})
    missing = Refusal(MessageStatus.UNKNOWN, message="the response contains no result for it")
    assert result == PostResult(1, {1: missing, 2: missing}, "1", "1")


def test_more_elements_than_messages_are_not_counted() -> None:
    assert results(1, {"xactionId": "1"}, {"xactionId": "2"}) == PostResult(1, {}, "1", "1")


@pytest.mark.parametrize("body", [[], {"responses": {}}, {"responses": 1}])
def test_an_answer_of_another_shape_is_unreadable(body: object) -> None:
    sent = Endpoints(TARGET, None).batch([b"{}"])
    with pytest.raises(InvalidResponseError):
        sent.parse(answer(body))
