"""Filters, order and pages of the lists of Schema Registry."""

from __future__ import annotations

import pytest

from tests.emulator.conftest import PROFILE_CLASS, REGISTRY, Api
from tests.emulator.test_schemas import LIST, LIST_ID, RECORD, get

AD_HOC = "https://ns.adobe.com/xdm/data/adhoc"


@pytest.fixture
def titles(api: Api) -> list[str]:
    found = ["Alpha", "Beta", "Gamma"]
    for number, title in enumerate(found):
        schema_id = api.schema(title)
        if number == 2:
            api.enable(schema_id)
        api.control.advance(1)
    return found


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["title!=Beta"], "Alpha Gamma"),
        (["title==Beta"], "Beta"),
        (["title~a", "title!=Gamma"], "Alpha Beta"),
        (["title>=Beta"], "Beta Gamma"),
        (["title<Beta"], "Alpha"),
        # The enabled one was patched, and has a minor version.
        (["version>1"], "Gamma"),
        (["version<=1.0"], "Alpha Beta"),
        (["meta:immutableTags"], "Gamma"),
        (["meta:immutableTags==union", f"meta:class=={PROFILE_CLASS}"], "Gamma"),
        ([f"meta:extends!={AD_HOC}"], "Alpha Beta Gamma"),
        ([f"meta:extends=={RECORD}", "title!=Alpha"], "Beta Gamma"),
        ([f"meta:extends!={RECORD}"], ""),
        (["none==x"], ""),
        (["none!=x"], "Alpha Beta Gamma"),
    ],
)
def test_lists_are_filtered(api: Api, titles: list[str], conditions: list[str], expected: str) -> None:
    page = get(api, "/tenant/schemas", LIST_ID, property=conditions).json()
    assert [each["title"] for each in page["results"]] == expected.split()


@pytest.mark.parametrize("condition", ["", "==x", "a b==x"])
def test_a_filter_that_is_none_is_refused(api: Api, condition: str) -> None:
    assert get(api, "/tenant/schemas", LIST_ID, property=condition).status_code == 400


@pytest.mark.parametrize(
    ("orderby", "expected"),
    [
        ("title", "Alpha Beta Gamma"),
        ("-title", "Gamma Beta Alpha"),
        ("+title", "Alpha Beta Gamma"),
        ("created", "Alpha Beta Gamma"),
        ("-updated", "Gamma Beta Alpha"),
        ("-meta:resourceType,-title", "Gamma Beta Alpha"),
        ("version,-title", "Beta Alpha Gamma"),
    ],
)
def test_lists_are_ordered(api: Api, titles: list[str], orderby: str, expected: str) -> None:
    page = get(api, "/tenant/schemas", LIST_ID, orderby=orderby).json()
    assert [each["title"] for each in page["results"]] == expected.split()
    assert page["_page"]["orderby"] == orderby


def test_pages_come_without_orderby_as_adobes_client_asks_for_them(api: Api, titles: list[str]) -> None:
    found, start = [], {}
    while True:
        page = get(api, "/tenant/schemas", LIST, limit=2, **start).json()
        found += [each["title"] for each in page["results"]]
        if page["_page"]["next"] is None:
            break
        start = {"start": page["_page"]["next"]}
    assert found == titles
    api.control.set_switches(limit_without_orderby="refuse")
    assert get(api, "/tenant/schemas", LIST, limit=2).status_code == 400
    assert get(api, "/tenant/schemas", LIST, limit=2, orderby="title").status_code == 200


def test_the_link_to_the_next_page_keeps_filter_and_limit(api: Api, titles: list[str]) -> None:
    first = get(api, "/tenant/schemas", LIST_ID, orderby="-title", limit=1, property="title!=Beta").json()
    link = first["_links"]["next"]["href"].removeprefix(f"{api.url}{REGISTRY}")
    second = get(api, link, LIST_ID).json()
    assert [each["title"] for each in second["results"]] == ["Alpha"]
    assert second["_page"]["next"] is None
    assert second["_links"]["global_schemas"]["href"] == f"{api.url}{REGISTRY}/global/schemas"


def test_a_page_does_not_end_between_equal_values(api: Api) -> None:
    for title in ("Same", "Same", "Same", "Zeta"):
        api.schema(title)
    first = get(api, "/tenant/schemas", LIST_ID, orderby="title", limit=2).json()
    assert len(first["results"]) == 3
    second = get(api, "/tenant/schemas", LIST_ID, orderby="title", start=first["_page"]["next"]).json()
    assert [each["title"] for each in second["results"]] == ["Zeta"]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "9" * 5000])
def test_a_limit_is_a_number(api: Api, limit: str) -> None:
    assert get(api, "/tenant/schemas", LIST_ID, orderby="title", limit=limit).status_code == 400
