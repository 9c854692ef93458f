"""What AEP does in one of several ways: the ways that are not the default."""

from __future__ import annotations

import pytest

from tests.emulator.conftest import UNIFIED_PROFILE, Api, add_attribute, add_segment, code_of
from tests.emulator.test_drafts import drafts
from tests.emulator.test_flow_listing import make, names

RENAME = {"op": "replace", "path": "/name", "value": "new"}
COLLECTIONS = ("connections", "sourceConnections", "targetConnections", "flows")


def test_a_missing_token_can_be_401(api: Api) -> None:
    api.control.set_switches(missing_token="401")
    del api.session.headers["Authorization"]
    for path in ("/flows", "/connections/none/test"):
        refused = api.get(path)
        assert (refused.status_code, refused.json()["message"]) == (401, "Oauth token is missing.")


def test_etags_can_be_without_quotes(api: Api) -> None:
    api.control.set_switches(etag_quotes="none")
    made = api.batch_flow(frequency="once", startTime=str(int(api.control.now()) + 60)).json()
    path, etags = f"/flows/{made['id']}", [made["etag"]]
    assert code_of(api.patch(path, etags[-1], RENAME)) == "FLOW-1404-412"
    etags.append(api.patch(path, f'"{etags[-1]}"', RENAME).json()["etag"])
    etags += [api.call("POST", f"{path}/action?op={op}").json()["etag"] for op in ("disable", "enable")]
    item, (listed,) = api.item(path), api.get("/flows", property="name==new").json()["items"]
    assert {item["etag"], item["version"], listed["etag"], listed["version"]} == {etags[-1]}
    run = api.create("/runs", {"flowId": made["id"]})
    assert api.item(f"/runs/{run['id']}")["etag"] == run["etag"]
    assert not any('"' in etag for etag in (*etags, run["etag"]))
    assert names(api.get("/flows", property=f"etag=={etags[-1]}")) == ["new"]


def test_lists_can_be_without_selectors(api: Api) -> None:
    api.control.set_switches(list_selectors="omitted")
    made = api.flow()
    patched = api.patch(
        f"/flows/{made['id']}", made["etag"], add_segment("seg"), add_attribute("person.name")
    )
    assert patched.status_code == 200
    by_segment = "transformations[].params.segmentSelectors.selectors[].value.id==seg"
    (listed,) = api.get("/flows", property=by_segment).json()["items"]
    (searched,) = api.call("POST", "/flows/search", json={"queryString": by_segment}).json()["items"]
    fields = {"queryString": "name==flow", "projectionFields": "name,transformations"}
    assert api.call("POST", "/flows/search", json=fields).json()["items"] == [{"name": "flow"}]
    read = api.item(f"/flows/{made['id']}")
    (transformation,) = read.pop("transformations")
    assert listed == searched == read
    assert [len(each["selectors"]) for each in transformation["params"].values()] == [1, 1]


@pytest.mark.parametrize("quotes", ["removed", "literal"])
def test_quotes_can_be_a_part_of_a_value(api: Api, quotes: str) -> None:
    api.control.set_switches(filter_quotes=quotes)
    make(api, "a", '"a"', "b", "a,b")
    assert names(api.get("/connections", property='name=="a"')) == (["a"] if quotes == "removed" else ['"a"'])
    specs = api.get("/flowSpecs", property='name=="CloudStorageToAEP"')
    assert names(specs) == (["CloudStorageToAEP"] if quotes == "removed" else [])
    api.control.set_switches(lists_comma="literal")
    assert names(api.get("/connections", property='name=="a,b"')) == (["a,b"] if quotes == "removed" else [])


def test_the_order_that_is_asked_for_can_be_ignored(api: Api) -> None:
    api.control.set_switches(list_order="ignored")
    make(api, "b", "c", "a")
    for order in ("name", "-name", "createdAt"):
        assert names(api.get("/connections", orderby=order)) == ["a", "c", "b"]
    in_order = names(api.get("/connectionSpecs"))
    assert names(api.get("/connectionSpecs", orderby="name")) == in_order != sorted(in_order)
    assert code_of(api.get("/connections", orderby="shoeSize")) == "FLOW-1433-400"


def test_a_count_can_come_with_items(api: Api) -> None:
    api.control.set_switches(count_response="items", default_page_size=2)
    make(api, "a", "b", "c", "d")
    counted = api.get("/connections", count="true", property="name==a,b,c")
    assert names(counted) == ["c", "b"]
    assert counted.json()["count"] == 3
    following = api.call("GET", counted.json()["_links"]["next"]["href"])
    assert names(following) == ["a"]
    assert api.get("/connections", count="true", orderby="name").json()["count"] == 4
    specs = api.get("/connectionSpecs", count="true").json()
    assert specs["count"] == len(specs["items"]) > 2
    assert api.get("/connections").json().keys() == {"items", "_links"}


def test_the_state_of_a_draft_can_have_another_name(api: Api) -> None:
    made = drafts(api)
    assert names(api.get("/flows", property="state==draft")) == ["f"]
    api.control.set_switches(draft_state="initializing")
    for collection in COLLECTIONS:
        assert api.item(f"/{collection}/{made[collection]}")["state"] == "initializing"
    assert names(api.get("/flows", property="state==initializing")) == ["f"]
    assert names(api.get("/flows", property="state==draft")) == []
    for collection in COLLECTIONS:
        assert api.call("POST", f"/{collection}/{made[collection]}/action?op=publish").status_code == 200
        assert api.item(f"/{collection}/{made[collection]}")["state"] == "enabled"


def test_a_name_can_be_refused_that_another_one_of_the_kind_has(api: Api) -> None:
    body = api.flow_body("same")
    api.create("/flows", body)
    api.control.set_switches(duplicate_names="refuse")
    refused = api.call("POST", "/flows", json=body)
    assert (refused.status_code, code_of(refused)) == (409, "FLOW-1459-409")
    assert "already has the name 'same'" in refused.json()["errorMessage"]
    held = api.create("/connections", {"name": "same", "connectionSpec": UNIFIED_PROFILE})
    assert api.call("DELETE", f"/connections/{held['id']}").status_code in (202, 204)
    api.create("/connections", {"name": "same", "connectionSpec": UNIFIED_PROFILE})


def test_the_request_id_can_be_aeps_own(api: Api) -> None:
    api.control.set_switches(request_id="own")
    seen = set()
    for _ in range(2):
        refused = api.call("GET", "/flows/none", headers={"x-request-id": "mine"})
        assert refused.json()["report"]["request-id"] == refused.headers["x-request-id"]
        seen.add(refused.headers["x-request-id"])
    assert len(seen) == 2
    assert "mine" not in seen


def test_flows_can_be_without_what_they_inherit(api: Api) -> None:
    made = api.flow()
    is_destination = "inheritedAttributes.properties.isDestinationFlow==true"
    assert names(api.get("/flows", property=is_destination)) == ["flow"]
    api.control.set_switches(inherited_attributes="omitted")
    (listed,) = api.get("/flows").json()["items"]
    assert "inheritedAttributes" not in listed
    assert listed == api.item(f"/flows/{made['id']}")
    assert names(api.get("/flows", property=is_destination)) == []


@pytest.mark.parametrize(("comma", "found"), [("or", ["b", "a"]), ("literal", ["a,b"]), ("refuse", None)])
def test_a_comma_has_a_meaning_of_its_own_in_each_list(api: Api, comma: str, found: list[str] | None) -> None:
    api.control.set_switches(lists_comma=comma)
    make(api, "a", "b", "a,b")
    flow = api.batch_flow(frequency="once", startTime=str(int(api.control.now()) + 60)).json()["id"]
    api.create("/runs", {"flowId": flow})
    lists = (
        api.get("/connections", property="name==a,b"),
        api.call("POST", "/connections/search", json={"queryString": "name==a,b"}),
    )
    specs = api.get("/flowSpecs", property=f"id=={flow},d8a6f005-7eaf-4153-983e-e8574508b877")
    if found is None:
        assert {code_of(each) for each in (*lists, specs)} == {"FLOW-1448-400"}
    else:
        assert [names(each) for each in lists] == [found, found]
        assert len(names(specs)) == (comma == "or")
    runs = f"flowId=={flow},none"
    assert len(api.get("/runs", property=runs).json()["items"]) == 1
    api.control.set_switches(lists_comma="or", runs_comma=comma)
    assert names(api.get("/connections", property="name==a,b")) == ["b", "a"]
    answered = api.get("/runs", property=runs)
    assert answered.status_code == (400 if comma == "refuse" else 200)
    assert len(answered.json().get("items", ())) == (comma == "or")
