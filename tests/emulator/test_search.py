from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.emulator.conftest import KINESIS, Api, code_of
from tests.emulator.test_runs import once, run


def search(api: Api, collection: str, token: str | None = None, **body: Any) -> requests.Response:
    params = {"continuationToken": token} if token else {}
    return api.call("POST", f"/{collection}/search", json=body, params=params)


def names(response: requests.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


def test_a_search_finds_what_a_list_finds(api: Api) -> None:
    for name in ("a", "b & c", "d"):
        api.kinesis_base(name)
    api.profile_base("e")
    assert names(search(api, "connections")) == ["e", "d", "b & c", "a"]
    for text in (
        "property=name==b %26 c",
        "name==b %26 c",
        f"property=connectionSpec.id=={KINESIS['id']}&property=name==b+%26+c",
    ):
        assert names(search(api, "connections", queryString=text)) == ["b & c"]
    assert names(search(api, "connections", orderby="name", limit=2)) == ["a", "b & c"]
    listed = api.get("/connections", property="name==d").json()
    assert search(api, "connections", queryString="name==d").json() == listed
    assert search(api, "connections", count=True, queryString="name==a,d").json() == {"count": 2}


@pytest.mark.parametrize("collection", ["flows", "sourceConnections", "targetConnections", "connections"])
def test_each_kind_can_be_searched(api: Api, collection: str) -> None:
    api.flow()
    listed = api.get(f"/{collection}").json()["items"]
    assert listed
    assert search(api, collection).json()["items"] == listed


def test_a_search_has_pages_of_up_to_a_thousand(api: Api) -> None:
    for number in range(3):
        api.profile_base(f"n{number}")
    page = search(api, "connections", limit=2, orderby="name", queryString="name==n0,n1,n2").json()
    href = page["_links"]["next"]["href"]
    assert href.startswith("/connections/search?continuationToken=")
    following = search(api, "connections", href.partition("=")[2])
    assert names(following) == ["n2"]
    assert len(search(api, "connections", limit=1000).json()["items"]) == 3
    assert code_of(search(api, "connections", limit=1001)) == "FLOW-1449-400"


def test_a_search_may_ask_for_some_fields(api: Api) -> None:
    made = api.profile_base("a")
    found = search(api, "connections", projectionFields="id,name").json()
    assert found["items"] == [{"id": made["id"], "name": "a"}]
    specs = search(api, "flowSpecs", projectionFields="name", queryString="name==CloudStorageToAEP")
    assert specs.json()["items"] == [{"name": "CloudStorageToAEP"}]


def test_flow_specs_can_be_searched(api: Api) -> None:
    listed = api.get("/flowSpecs", property="name==upsToS3").json()["items"]
    assert search(api, "flowSpecs", queryString='property=name=="upsToS3"').json()["items"] == listed
    assert search(api, "flowSpecs", count=True).json()["count"] == len(api.get("/flowSpecs").json()["items"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"queryString": "name~x"}, "FLOW-1440-400"),
        ({"queryString": 7}, "FLOW-1452-400"),
        ({"limit": "5"}, "FLOW-1452-400"),
        ({"limit": True}, "FLOW-1452-400"),
        ({"limit": 0}, "FLOW-1449-400"),
        ({"limit": 5, "count": True}, "FLOW-1401-400"),
        ({"orderby": "shoeSize"}, "FLOW-1433-400"),
        ({"sort": "name"}, "FLOW-1452-400"),
        ([], "FLOW-1405-400"),
        (None, "FLOW-1405-400"),
    ],
)
def test_a_search_that_says_nothing_clear_is_refused(api: Api, body: Any, code: str) -> None:
    refused = api.call("POST", "/flows/search", json=body)
    assert (refused.status_code, code_of(refused)) == (400, code)


def test_what_a_search_cannot_do_says_so(api: Api) -> None:
    assert search(api, "flowSpecs", groupByProperty="name").status_code == 501
    assert search(api, "nothing").status_code == 404
    assert code_of(api.call("POST", "/flows/search?limit=3", json={})) == "FLOW-1451-400"


def test_the_runs_of_a_flow_are_listed_below_it(api: Api) -> None:
    flow_id, other = once(api), once(api)
    first = run(api, flow_id)
    api.control.advance(100)
    second = run(api, flow_id)
    run(api, other)

    def listed(**params: Any) -> list[str]:
        return [item["id"] for item in api.get(f"/flows/{flow_id}/runs", **params).json()["items"]]

    assert listed() == [second, first]
    assert listed(property="metrics.statusSummary.status==success") == [first]
    assert listed(orderby="createdAt") == [first, second]
    assert api.get(f"/flows/{flow_id}/runs", count="true").json() == {"count": 2}
    page = api.get(f"/flows/{flow_id}/runs", limit=1).json()
    assert [item["id"] for item in page["items"]] == [second]
    following = api.call("GET", page["_links"]["next"]["href"]).json()
    assert [item["id"] for item in following["items"]] == [first]
    assert code_of(api.get("/flows/none/runs")) == "FLOW-1439-404"
    assert code_of(api.get(f"/flows/{flow_id}/runs", property="name~x")) == "FLOW-1440-400"


def test_scheduled_runs_are_below_their_flow_too(api: Api) -> None:
    start = int(api.control.now()) + 60
    hourly = api.batch_flow(startTime=start, frequency="hour", interval=1).json()["id"]
    api.control.advance(3700)
    assert len(api.get(f"/flows/{hourly}/runs").json()["items"]) == 2
