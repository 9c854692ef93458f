from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    FlowServiceError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    RateLimitError,
    ServerError,
)
from airflow_provider_flowservice.client.http import request, response
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.testing.clock import START, VirtualClock
from tests.support.properties import examples

TOKEN = "eyJhbGciOi.access.token"
FLOW = {"id": "f", "flowSpec": {"id": "s", "version": "1.0"}}
READERS = {
    "error": response.error,
    "get": request.get(request.FLOWS, "f").parse,
    "page": request.page(request.CONNECTIONS).parse,
    "specs": request.page(request.CONNECTION_SPECS).parse,
    "runs": request.page(request.RUNS).parse,
    "count": request.count(request.FLOWS).parse,
    "create": request.create(request.FLOWS, {}).parse,
    "patch": request.patch(request.FLOWS, "f", "e", ()).parse,
    "delete": request.delete(request.FLOWS, "f").parse,
    "token": request.ims_token("me", "secret", "openid").parse,
}


def answer(status: int = 200, body: Any = b"", headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response("GET", "/flows/f", status, headers or {}, content)


def test_the_current_error_body_of_flow_service_is_read() -> None:
    error = response.error(
        answer(
            404,
            {
                "type": "https://ns.adobe.com/aep/errors/FLOW-1439-404",
                "title": "Resource not found",
                "status": 404,
                "report": {"detailed-message": "The flow f is not found.", "request-id": "r-1"},
                "errorMessage": "shorter",
            },
        )
    )
    assert isinstance(error, NotFoundError)
    assert (error.status, error.code, error.request_id) == (404, "FLOW-1439-404", "r-1")
    assert (
        error.message == "GET /flows/f: HTTP 404 FLOW-1439-404: Resource not found. The flow f is not found."
    )
    assert (error.method, error.path) == ("GET", "/flows/f")


def test_the_old_error_body_of_flow_service_is_read() -> None:
    error = response.error(
        answer(400, {"errorMessage": "Invalid name", "errorDetails": "x"}, {"x-request-id": "r-2"})
    )
    assert isinstance(error, BadRequestError)
    assert (error.code, error.request_id) == (None, "r-2")
    assert "Invalid name" in error.message


def test_the_bare_message_of_old_flow_service_is_read() -> None:
    error = response.error(answer(400, {"message": "Please provide a valid spec id"}))
    assert "Please provide a valid spec id" in error.message


@pytest.mark.parametrize("code", ["403010", 403010])
def test_the_gateways_code_is_read_as_text_or_number(code: object) -> None:
    error = response.error(answer(403, {"error_code": code, "message": "Oauth token is missing."}))
    assert isinstance(error, AuthenticationError)
    assert (error.status, error.code) == (403, "403010")
    assert "Oauth token is missing." in error.message


def test_a_problem_whose_status_is_a_text_is_read() -> None:
    error = response.error(
        answer(
            401,
            {
                "type": "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization",
                "status": "401",
                "title": "Authorization",
                "report": {"message": "[id] Ims service token is empty"},
            },
        )
    )
    assert isinstance(error, AuthenticationError)
    assert (error.status, error.code) == (401, "data-collection-service-authorization")
    assert "Ims service token is empty" in error.message


def test_a_refusal_of_ims_is_read() -> None:
    error = response.error(
        answer(401, {"error": "invalid_client", "error_description": "invalid client_secret parameter"})
    )
    assert (error.code, error.status) == ("invalid_client", 401)
    assert "invalid client_secret parameter" in error.message


def test_a_page_of_html_becomes_one_short_line() -> None:
    error = response.error(answer(502, b"<html>\n  <b>Bad   Gateway</b>\n" + b"x" * 10_000))
    assert isinstance(error, ServerError)
    assert "<html> <b>Bad Gateway</b> xxx" in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("body", [b"", b"   ", b"null", b"[]", b'"text"', b"{}", b"\xff\xfe"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BadRequestError),
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, BadRequestError),
        (412, PreconditionError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_without_a_readable_body_the_status_tells(status: int, kind: type[ApiError], body: bytes) -> None:
    error = response.error(answer(status, body))
    assert type(error) is kind
    assert error.status == status
    assert f"HTTP {status}" in error.message


@pytest.mark.parametrize("body", [{"error_code": None, "message": "m"}, {"type": 5, "title": "m"}])
def test_a_body_without_a_usable_code_has_none(body: dict[str, Any]) -> None:
    error = response.error(answer(400, body))
    assert error.code is None
    assert error.message.endswith(": m")


def test_a_resource_is_taken_out_of_its_wrapper_with_the_etag_as_it_came() -> None:
    etag = '"6802064a-0000-0200-0000-6387c6b90000"'
    flow = response.first_item(answer(body={"items": [{**FLOW, "etag": etag, "unknown": 1}]}), model.Flow)
    assert (flow.id, flow.etag, flow.flow_spec.id) == ("f", etag, "s")


def test_an_empty_wrapper_is_a_missing_resource() -> None:
    with pytest.raises(NotFoundError) as caught:
        response.first_item(answer(body={"items": []}), model.Flow)
    assert caught.value.status == 404


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"items": {}}', b'{"items": [{"id": 5}]}'])
def test_a_read_that_is_no_resource_is_unreadable(body: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="GET /flows/f"):
        response.first_item(answer(body=body), model.Flow)


@pytest.mark.parametrize(
    ("links", "token"),
    [
        ({"_links": {"next": {"href": "/flows?continuationToken=abc"}}}, "abc"),
        ({"_links": {"next": {"href": "/flows?continuationToken=eyJvIjoxMH0="}}}, "eyJvIjoxMH0="),
        ({"_links": {"next": {"href": "/flows?continuationToken=a%3D%3D&limit=3"}}}, "a=="),
        ({"_links": {"next": {"href": "https://h/flows?limit=3&continuationToken=a"}}}, "a"),
        ({"_links": {"next": "/flows?continuationToken=a"}}, "a"),
        ({"_links": {"next": {}}}, None),
        ({"_links": {"next": None}}, None),
        ({"_links": {"next": {"href": "/flows"}}}, None),
        ({"_links": {"next": {"href": "//[broken?continuationToken=a"}}}, None),
        ({"_links": {}}, None),
        ({"_links": None}, None),
        ({}, None),
    ],
)
def test_the_next_page_is_named_by_the_token_in_the_link(links: dict[str, Any], token: str | None) -> None:
    page = response.page(answer(body={"items": [FLOW], **links}), model.Flow)
    assert [flow.id for flow in page.items] == ["f"]
    assert page.next_cursor == token


@pytest.mark.parametrize("etag", ["1\r\nX: y", "1\n", "\N{SNOWMAN}", 5])
def test_a_version_that_no_header_can_carry_is_unreadable(etag: object) -> None:
    with pytest.raises(InvalidResponseError):
        response.first_item(answer(body={"items": [{**FLOW, "etag": etag}]}), model.Flow)
    with pytest.raises(InvalidResponseError):
        response.created(answer(body={"id": "f", "etag": etag}))


@pytest.mark.parametrize("created", [-1, 2**53 + 1, 10**400, 1.5, "2023-01-01", None])
def test_a_number_that_is_no_time_is_unreadable(created: object) -> None:
    with pytest.raises(InvalidResponseError):
        response.first_item(answer(body={"items": [{**FLOW, "createdAt": created}]}), model.Flow)


@pytest.mark.parametrize(("depth", "fits"), [(response.MAX_DEPTH - 10, True), (response.MAX_DEPTH, False)])
def test_what_is_nested_too_deeply_is_unreadable(depth: int, fits: bool) -> None:
    params = json.loads('{"a": ' * depth + "[]" + "}" * depth)
    reply = answer(body={"items": [{**FLOW, "scheduleParams": params}]})
    if fits:
        assert response.first_item(reply, model.Flow).schedule_params == params
    else:
        with pytest.raises(InvalidResponseError, match="nested"):
            response.first_item(reply, model.Flow)


def test_no_part_of_an_error_is_endless() -> None:
    endless = "x" * 10**6
    for body in (
        {"title": endless},
        {"error": endless},
        {"error_code": endless, "requestId": endless},
        {"type": f"/errors/{endless}"},
    ):
        error = response.error(answer(400, body))
        assert len(f"{error} {error.code} {error.request_id}") < 10_000


def test_a_count_is_a_number() -> None:
    assert response.count(answer(body={"count": 95})) == 95
    with pytest.raises(InvalidResponseError):
        response.count(answer(body={"items": []}))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    ("body", "read"),
    [(b"", None), (b" \n", None), (b'{"id": "f", "etag": "\\"1\\""}', model.Created(id="f", etag='"1"'))],
)
def test_a_change_answers_with_or_without_a_body(
    status: int, body: bytes, read: model.Created | None
) -> None:
    reply = answer(status, body)
    assert reply.is_success
    assert response.changed(reply) == read
    assert request.delete(request.FLOWS, "f").parse(reply) is None


@pytest.mark.parametrize("status", [301, 302, 307, 400, 500])
def test_neither_an_error_nor_a_redirect_is_a_success(status: int) -> None:
    assert not answer(status).is_success


def test_a_create_answers_id_and_maybe_etag() -> None:
    assert response.created(answer(201, {"id": "f"})) == model.Created(id="f")
    with pytest.raises(InvalidResponseError):
        response.created(answer(201))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0.5", None),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120.0),
        ("Tue, 14 Nov 2023 22:15:20", 120.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Tue, 99 Nov 2023 99:99:99 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(
    virtual_clock: VirtualClock, text: str | None, seconds: float | None
) -> None:
    assert virtual_clock.wall() == START
    read = response.retry_after(text)
    assert read == seconds


def test_the_token_of_ims_is_read() -> None:
    token = response.token(answer(body={"access_token": TOKEN, "expires_in": 86399, "token_type": "bearer"}))
    assert (token.value, token.lifetime) == (TOKEN, 86399.0)
    assert TOKEN not in repr(token)


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": TOKEN},
        {"access_token": TOKEN, "expires_in": "x"},
        {"access_token": "", "expires_in": 1},
        [TOKEN],
        TOKEN,
    ],
)
def test_an_unreadable_token_answer_is_not_quoted(body: object) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        response.token(answer(body=body))
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "_links",
                    "access_token",
                    "count",
                    "error",
                    "error_code",
                    "errorMessage",
                    "etag",
                    "expires_in",
                    "flowSpec",
                    "href",
                    "id",
                    "items",
                    "next",
                    "report",
                    "request-id",
                    "transformations",
                    "type",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "x-request-id"]), st.text(max_size=40))


@pytest.mark.parametrize("reader", sorted(READERS))
@given(
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    status=st.integers(100, 599),
    headers=HEADERS,
)
@examples(150)
def test_whatever_comes_nothing_but_the_clients_own_errors_is_raised(
    reader: str, body: bytes, status: int, headers: dict[str, str]
) -> None:
    reply = Response("GET", "/x", status, headers, body)
    with suppress(FlowServiceError):
        READERS[reader](reply)


@pytest.mark.parametrize("reader", sorted(READERS))
def test_deep_nesting_is_survived(reader: str) -> None:
    body = b'{"items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    reply = Response("GET", "/x", 200, {}, body)
    if reader in ("error", "delete"):
        READERS[reader](reply)
    else:
        with pytest.raises(FlowServiceError):
            READERS[reader](reply)
