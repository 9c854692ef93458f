from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Host
from tests.support.properties import examples

ROOT = "/data/foundation/flowservice"
SECRET = "client/secret+of=tests"


def test_a_resource_is_read_by_its_id() -> None:
    asked = request.get(request.FLOWS, "f-1")
    assert (asked.method, asked.path, asked.query, asked.host) == (
        "GET",
        f"{ROOT}/flows/f-1",
        "",
        Host.GATEWAY,
    )


@given(resource_id=st.text(min_size=1).filter(lambda text: text.isprintable()))
@examples(50)
def test_an_id_cannot_leave_its_place_in_the_path(resource_id: str) -> None:
    path = request.get(request.FLOWS, resource_id).path
    assert path.startswith(f"{ROOT}/flows/")
    last = path[len(f"{ROOT}/flows/") :]
    assert not set(last) & set("/?#& ")
    assert unquote(last) == resource_id


def test_a_page_carries_filters_order_limit_and_token() -> None:
    asked = request.page(
        request.FLOWS,
        filters=(request.equals("name", "a"), "createdAt>5"),
        order_by="-createdAt",
        continuation_token="abc=+/=",
    )
    assert parse_qsl(asked.query) == [
        ("property", "name==a"),
        ("property", "createdAt>5"),
        ("orderby", "-createdAt"),
        ("limit", "100"),
        ("continuationToken", "abc=+/="),
    ]
    assert asked.idempotent is True


def test_a_query_writes_no_space_as_plus() -> None:
    asked = request.page(request.FLOWS, filters=(request.equals("name", "a b"),), order_by="+name")
    assert "property=name%3D%3Da%20b" in asked.query
    assert "orderby=%2Bname" in asked.query


def test_a_count_carries_no_limit() -> None:
    assert parse_qsl(request.count(request.RUNS, filters=("flowId==f",)).query) == [
        ("property", "flowId==f"),
        ("count", "true"),
    ]


def test_a_create_is_not_repeated_blindly() -> None:
    asked = request.create(request.CONNECTIONS, {"name": "x"}, secrets=(SECRET,))
    assert (asked.method, asked.path, asked.json) == ("POST", f"{ROOT}/connections", {"name": "x"})
    assert asked.idempotent is False


def test_a_delete_may_be_repeated() -> None:
    asked = request.delete(request.FLOWS, "f")
    assert (asked.method, asked.path, asked.idempotent) == ("DELETE", f"{ROOT}/flows/f", True)


def test_an_action_names_its_operation() -> None:
    asked = request.action(request.FLOWS, "f", "enable")
    assert (asked.method, asked.path, asked.query) == ("POST", f"{ROOT}/flows/f/action", "op=enable")
    assert (asked.json, asked.idempotent) == (None, False)


@pytest.mark.parametrize(
    ("etag", "sent"),
    [
        ('"6802064a-0000-0200-0000-6387c6b90000"', '"6802064a-0000-0200-0000-6387c6b90000"'),
        ("8256cfb4", '"8256cfb4"'),
        ('"', '"""'),
        ("", '""'),
    ],
)
def test_if_match_is_quoted_once(etag: str, sent: str) -> None:
    asked = request.patch(request.FLOWS, "f", etag, ())
    assert asked.headers == (("If-Match", sent),)


def test_a_patch_carries_its_operations() -> None:
    operations = (
        model.Operation(op="add", path="/a/-", value={"x": 1}),
        model.Operation(op="remove", path="/a/0", value={"x": 2}),
    )
    asked = request.patch(request.FLOWS, "f", "e", operations)
    assert (asked.method, asked.path, asked.idempotent) == ("PATCH", f"{ROOT}/flows/f", False)
    assert asked.json == [
        {"op": "add", "path": "/a/-", "value": {"x": 1}},
        {"op": "remove", "path": "/a/0", "value": {"x": 2}},
    ]


def test_the_secret_of_a_token_request_stands_in_the_form_only() -> None:
    asked = request.ims_token("me", SECRET, "openid")
    assert asked.host is Host.IMS
    assert asked.query == ""
    assert dict(asked.form or ()) == {
        "grant_type": "client_credentials",
        "client_id": "me",
        "client_secret": SECRET,
        "scope": "openid",
    }


@pytest.mark.parametrize(
    "asked",
    [
        request.ims_token("me", SECRET, "openid"),
        request.create(request.CONNECTIONS, {"auth": SECRET}, secrets=(SECRET,)),
        request.patch(
            request.CONNECTIONS,
            "c",
            "e",
            [model.Operation(op="replace", path="/a", value=SECRET)],
            secrets=(SECRET,),
        ),
    ],
)
def test_a_request_does_not_show_what_it_carries(asked: request.Request[object]) -> None:
    assert SECRET not in repr(asked)


@pytest.mark.parametrize("name", ["summer", "Summer 2024 (EU)", "a-b_c.d/e"])
def test_a_plain_name_goes_into_a_filter(name: str) -> None:
    assert request.equals("name", name) == f"name=={name}"


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", "a,b", 'a"b', "a'b", "a=b", "a&b", "a+b", "a~b", "a>b", "a\nb", "été", "a%b", "a;b"],
)
def test_a_name_that_the_grammar_might_misread_stays_out_of_filters(name: str) -> None:
    assert not request.is_plain(name)
    with pytest.raises(ValueError, match="cannot be used in a filter"):
        request.equals("name", name)
