from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.emulator.conftest import KINESIS, UNIFIED_PROFILE, Api, add_segment, code_of


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


def token(**fields: Any) -> str:
    """A continuation token of one's own making."""
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def make(api: Api, *given: str) -> None:
    for name in given:
        api.profile_base(name)


def test_the_latest_comes_first(api: Api) -> None:
    make(api, "a", "b", "c")
    assert names(api.get("/connections")) == ["c", "b", "a"]


def test_a_comma_is_or_and_a_repetition_is_and(api: Api) -> None:
    make(api, "a", "b", "c")
    assert names(api.get("/connections", property="name==a,c")) == ["c", "a"]
    both = ["name==a,b", "name==b,c"]
    assert names(api.get("/connections", property=both)) == ["b"]


def test_a_name_with_a_comma_is_not_found_by_name(api: Api) -> None:
    make(api, "a,b")
    assert names(api.get("/connections", property="name==a,b")) == []


def test_quotes_around_a_value_do_not_count(api: Api) -> None:
    response = api.get("/flowSpecs", property='name=="CloudStorageToAEP"')
    assert names(response) == ["CloudStorageToAEP"]


@pytest.mark.parametrize("name", ["a=b", "a==b", "x > y", "50% & more + more", "ünïcode", "#1?", "a/b"])
def test_other_signs_in_a_name_are_harmless_when_encoded(api: Api, name: str) -> None:
    make(api, name, "other")
    assert names(api.get("/connections", property=f"name=={name}")) == [name]


def test_paths_go_into_objects_and_lists(api: Api) -> None:
    flow = api.flow("wanted")
    api.flow("other")
    api.patch(f"/flows/{flow['id']}", flow["etag"], add_segment("seg-1"), add_segment("seg-2"))
    item = api.item(f"/flows/{flow['id']}")
    for expression in (
        "transformations[].params.segmentSelectors.selectors[].value.id==seg-2",
        f"sourceConnectionIds[]=={item['sourceConnectionIds'][0]}",
        f"inheritedAttributes.targetConnections[].id=={item['targetConnectionIds'][0]}",
    ):
        assert names(api.get("/flows", property=expression)) == ["wanted"]
    assert names(api.get("/flows", property=f"sourceConnectionIds=={item['sourceConnectionIds'][0]}")) == []
    assert (
        len(names(api.get("/flows", property="inheritedAttributes.properties.isDestinationFlow==true"))) == 2
    )
    by_spec = f"inheritedAttributes.targetConnections[].connectionSpec.id=={KINESIS['id']}"
    assert len(names(api.get("/flows", property=by_spec))) == 2


def test_comparisons_count_numbers_as_numbers(api: Api) -> None:
    make(api, "old")
    api.control.advance(100)
    make(api, "new")
    created = api.get("/connections", property="name==new").json()["items"][0]["createdAt"]
    assert names(api.get("/connections", property=f"createdAt<{created}")) == ["old"]
    assert names(api.get("/connections", property=f"createdAt>={created}")) == ["new"]
    assert names(api.get("/connections", property="createdAt>9")) == ["new", "old"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"property": "name~x"}, "FLOW-1440-400"),
        ({"property": "name!=x"}, "FLOW-1440-400"),
        ({"property": "createdAt>1,2"}, "FLOW-1443-400"),
        ({"property": "createdAt=="}, "FLOW-1453-400"),
        ({"property": "name==a,"}, "FLOW-1453-400"),
        ({"property": "name=x"}, "FLOW-1448-400"),
        ({"property": "name"}, "FLOW-1448-400"),
        ({"orderby": "!name"}, "FLOW-1432-400"),
        ({"orderby": " name"}, "FLOW-1432-400"),
        ({"orderby": "shoeSize"}, "FLOW-1433-400"),
        ({"limit": "0"}, "FLOW-1449-400"),
        ({"limit": "101"}, "FLOW-1449-400"),
        ({"limit": "-1"}, "FLOW-1449-400"),
        ({"limit": "ten"}, "FLOW-1449-400"),
        ({"limit": "5", "count": "true"}, "FLOW-1401-400"),
        ({"continuationToken": "nonsense"}, "FLOW-1450-400"),
        ({"continuationToken": token(f=[], s="", l=float("inf"), o=0)}, "FLOW-1450-400"),
        ({"continuationToken": token(f=[], s="", l=1)}, "FLOW-1450-400"),
        ({"sort": "name"}, "FLOW-1451-400"),
    ],
)
def test_a_query_that_aep_does_not_know_is_refused(api: Api, params: dict[str, str], code: str) -> None:
    make(api, "a")
    refused = api.get("/connections", **params)
    assert (refused.status_code, code_of(refused)) == (400, code)


def test_order_by_several_fields(api: Api) -> None:
    for name, spec in (("b", UNIFIED_PROFILE), ("a", UNIFIED_PROFILE), ("b", UNIFIED_PROFILE)):
        api.create("/connections", {"name": name, "connectionSpec": spec})
        api.control.advance(1)
    assert names(api.get("/connections", orderby="name")) == ["a", "b", "b"]
    assert names(api.get("/connections", orderby="-name")) == ["b", "b", "a"]
    ordered = api.get("/connections", orderby="-name,+createdAt").json()["items"]
    assert [item["name"] for item in ordered] == ["b", "b", "a"]
    assert ordered[0]["createdAt"] < ordered[1]["createdAt"]


def test_order_by_time(api: Api) -> None:
    for name in "abc":
        make(api, name)
        api.control.advance(1)
    assert names(api.get("/connections", orderby="createdAt", limit=2)) == ["a", "b"]
    assert names(api.get("/connections", orderby="-createdAt", limit=2)) == ["c", "b"]


def test_an_unencoded_plus_is_a_space_and_refused(api: Api) -> None:
    assert api.call("GET", "/connections?orderby=+name").status_code == 400
    assert api.call("GET", "/connections?orderby=%2Bname").status_code == 200


def test_count_gives_the_number_and_no_items(api: Api) -> None:
    make(api, "a", "b", "c")
    assert api.get("/connections", count="true").json() == {"count": 3}
    assert api.get("/connections", count="true", property="name==a,b").json() == {"count": 2}
    assert len(api.get("/connections", count="false", limit=2).json()["items"]) == 2


@pytest.mark.parametrize("form", ["plain", "padded"])
@pytest.mark.parametrize("resend", [True, False])
def test_pages_follow_a_relative_link_with_an_opaque_token(api: Api, resend: bool, form: str) -> None:
    api.control.set_switches(continuation_token=form)
    make(api, *(f"n{number}" for number in range(7)), "other")
    query = {
        "property": "name==" + ",".join(f"n{number}" for number in range(7)),
        "orderby": "name",
        "limit": 3,
    }
    page = api.get("/connections", **query).json()
    found, tokens = [item["name"] for item in page["items"]], []
    while "next" in page["_links"]:
        href = page["_links"]["next"]["href"]
        assert href.startswith("/connections?continuationToken=")
        (token,) = parse_qs(urlsplit(href).query)["continuationToken"]
        assert token.endswith("=") is (form == "padded")
        assert form == "padded" or quote(token, safe="") == token
        tokens.append(token)
        page = api.get("/connections", continuationToken=token, **(query if resend else {})).json()
        found += [item["name"] for item in page["items"]]
    assert found == [f"n{number}" for number in range(7)]
    assert len(set(tokens)) == 2


def test_a_link_can_be_cut_at_its_first_equals_sign(api: Api) -> None:
    make(api, "a", "b")
    href = api.get("/connections", limit=1).json()["_links"]["next"]["href"]
    _, token = href.split("=")
    assert names(api.call("GET", f"/connections?continuationToken={token}")) == ["a"]


@pytest.mark.parametrize("form", ["plain", "padded"])
def test_the_href_can_be_followed_as_it_stands(api: Api, form: str) -> None:
    api.control.set_switches(continuation_token=form)
    make(api, "a", "b")
    href = api.get("/connections", limit=1).json()["_links"]["next"]["href"]
    assert names(api.call("GET", href)) == ["a"]


def test_the_last_page_has_an_empty_links_or_none(api: Api) -> None:
    make(api, "a", "b")
    assert api.get("/connections", limit=2).json()["_links"] == {}
    api.control.set_switches(last_page_links="absent")
    assert "_links" not in api.get("/connections").json()


def test_the_default_page_size_is_a_switch(api: Api) -> None:
    make(api, *"abc")
    api.control.set_switches(default_page_size=2)
    assert len(api.get("/connections").json()["items"]) == 2


def test_the_catalogue_comes_whole(api: Api) -> None:
    api.control.set_switches(default_page_size=2)
    assert {"Amazon Kinesis", "Azure Event Hubs"} <= set(names(api.get("/connectionSpecs")))
    only = api.get("/connectionSpecs", property="name==Amazon Kinesis")
    assert [item["id"] for item in only.json()["items"]] == [KINESIS["id"]]
