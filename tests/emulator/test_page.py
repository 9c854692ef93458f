"""The page in the browser: what is served, and the portions of data that it loads."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from airflow_provider_flowservice.emulator.control_api import shelves
from airflow_provider_flowservice.emulator.exchange import BufferedResponse, Exchange, Journal
from airflow_provider_flowservice.emulator.settings import Switches
from tests.emulator.conftest import DATA_PREP, SECRET, SETTLED, Api, Streaming, add_segment

HOSTILE = "<img src=x onerror=alert(1)>"
ENDS = ("sourceBases", "sources", "targets", "targetBases")
TASK = {"x-airflow-dag-id": "onboarding", "x-airflow-run-id": "manual__1", "x-airflow-task-id": "create_flow"}


def load(api: Api, path: str, **params: Any) -> Any:
    response = requests.get(f"{api.url}/_emulator/page/{path}", params=params, timeout=10)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("path", ["/", "/_emulator", "/_emulator/"])
def test_the_page_is_served_with_a_policy_that_allows_only_itself(api: Api, path: str) -> None:
    api.flow(HOSTILE)
    page = requests.get(f"{api.url}{path}", timeout=10)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert HOSTILE not in page.text
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import""", page.text)
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", 'style="'):
        assert sink not in page.text
    assert api.control.requests(path="/flows", method="GET") == []


def test_looking_at_the_page_does_not_use_up_faults_or_show_in_the_journal(api: Api) -> None:
    api.control.inject({"fault": {"kind": "reset"}})
    for path in ("/", "/_emulator/", "/_emulator/page/flows"):
        assert requests.get(f"{api.url}{path}", timeout=10).status_code == 200
    assert len(api.control.faults_left()) == 1
    assert api.control.requests() == []


def test_a_flow_is_shown_with_all_that_belongs_to_it(api: Api) -> None:
    flow = api.flow(HOSTILE)
    segment = api.control.segments_by_name["Men over 50"]
    api.patch(f"/flows/{flow['id']}", flow["etag"], add_segment(segment), add_segment("unknown"))
    (card,) = load(api, "flows")["items"]
    assert (card["id"], card["name"], card["state"]) == (flow["id"], HOSTILE, "enabled")
    ends = {name: [each["name"] for each in card[name]] for name in ENDS}
    assert ends == {
        "sourceBases": ["profile base"],
        "sources": ["profiles"],
        "targets": ["stream"],
        "targetBases": ["kinesis base"],
    }
    assert card["targetBases"][0]["spec"] == "Amazon Kinesis"
    assert [(each["id"], each["name"]) for each in card["segments"]] == [
        (segment, "Men over 50"),
        ("unknown", ""),
    ]
    detail = load(api, f"flows/{flow['id']}")
    assert detail["sandbox"] == "dev"
    assert detail["body"]["name"] == HOSTILE
    assert len(detail["exports"]) == len(api.control.exports(flow["id"]))


def test_an_inlet_is_shown_with_its_counts(api: Api) -> None:
    streaming = Streaming(api)
    streaming.send(streaming.envelope(person={"name": {"firstName": "early"}}))
    api.control.advance(SETTLED)
    for name in ("first", "second"):
        streaming.send(streaming.envelope(person={"name": {"firstName": name}}))
    (card,) = load(api, "flows")["items"]
    assert card["inlets"] == [{"id": streaming.inlet_id, "received": 3, "dropped": 1}]
    connection = load(api, f"connections/{streaming.base_id}")
    assert connection["inlets"] == card["inlets"]
    first = load(api, f"inlets/{streaming.inlet_id}", limit=2)
    rest = load(api, f"inlets/{streaming.inlet_id}", limit=2, offset=first["next"])
    assert (first["total"], rest["next"]) == (3, None)
    assert [each["dropped"] for each in first["items"] + rest["items"]] == [False, False, True]
    assert first["items"][0]["message"]["body"]["xdmEntity"]["person"]["name"]["firstName"] == "second"


def test_runs_are_counted_and_shown_with_their_records(api: Api) -> None:
    start = int(api.control.now())
    flow = api.batch_flow(startTime=str(start), frequency="hour", interval=1).json()
    api.control.set_switches(run_outcome="partialSuccess")
    api.control.advance(2 * 3600)
    card = load(api, "flows")["items"][0]
    assert card["id"] == flow["id"]
    assert card["runCount"] == len(api.get("/runs").json()["items"]) > 1
    run = load(api, "runs")["items"][-1]
    assert (run["flow"]["id"], run["state"]) == (flow["id"], "partialSuccess")
    assert run["input"] == run["output"] + run["failed"]
    assert run["failed"] > 0


def test_schemas_datasets_mapping_sets_and_segments_are_shown(api: Api) -> None:
    streaming = Streaming(api, "raw", mapped=True)
    (schema,), (dataset,), (mapping_set,) = (
        load(api, name)["items"] for name in ("schemas", "datasets", "mappingSets")
    )
    assert (schema["id"], schema["name"]) == (streaming.schema_id, "Customers")
    assert (dataset["id"], dataset["schema"]["name"]) == (streaming.dataset_id, "Customers")
    assert (mapping_set["mappings"], mapping_set["schema"]["id"]) == (2, streaming.schema_id)
    assert load(api, f"schemas/{requests.utils.quote(schema['id'], safe='')}")["body"]["title"] == "Customers"
    assert api.get(f"{DATA_PREP}/mappingSets/{mapping_set['id']}").ok
    assert {each["name"] for each in load(api, "segments")["items"]} == set(api.control.segments_by_name)
    counts = load(api, "overview")["counts"]
    assert [counts[name] for name in ("flows", "schemas", "datasets", "mappingSets")] == [1, 1, 1, 1]


def test_lists_come_in_pages_most_recent_first(api: Api) -> None:
    made = [api.profile_base(f"base {number}")["id"] for number in range(5)]
    first = load(api, "connections", limit=3)
    rest = load(api, "connections", limit=3, offset=first["next"])
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert (first["total"], first["next"], rest["next"]) == (5, 3, None)
    assert load(api, "connections", offset=99) == {"items": [], "total": 5, "next": None}


def test_a_search_goes_on_where_its_last_portion_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "SEARCHED", 2)
    wanted = api.profile_base("The Needle")["id"]
    for number in range(3):
        api.profile_base(f"hay {number}")
    first = load(api, "connections", search="needle")
    assert (first["items"], first["next"]) == ([], 2)
    rest = load(api, "connections", search="needle", offset=2)
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([wanted], None)


def test_a_flow_is_found_by_its_segments_and_a_run_by_its_flow(api: Api) -> None:
    flow = api.flow("first")
    api.flow("second")
    segment = api.control.segments_by_name["Abandoned carts"]
    api.patch(f"/flows/{flow['id']}", flow["etag"], add_segment(segment))
    for search in (segment, "abandoned", "FIRST", flow["id"]):
        assert [each["name"] for each in load(api, "flows", search=search)["items"]] == ["first"]


def test_an_object_is_found_in_whichever_sandbox_it_is(api: Api) -> None:
    api.session.headers["x-sandbox-name"] = "prod"
    made = api.profile_base()
    assert load(api, "connections")["items"] == []
    assert load(api, f"connections/{made['id']}")["sandbox"] == "prod"
    assert len(load(api, "connections", sandbox="prod")["items"]) == 1


def test_the_journal_has_responses_and_who_called(api: Api) -> None:
    api.call("GET", "/flows?limit=2", headers=TASK)
    made = api.profile_base()
    newest, oldest = load(api, "requests")["items"]
    assert (oldest["method"], oldest["query"], oldest["status"]) == ("GET", {"limit": "2"}, 200)
    assert oldest["caller"] == {"dag": "onboarding", "run": "manual__1", "task": "create_flow"}
    assert newest["caller"] == {}
    assert load(api, f"requests/{oldest['number']}")["response"]["items"] == []
    detail = load(api, f"requests/{newest['number']}")
    assert detail["response"]["id"] == made["id"]
    assert detail["body"]["name"] == "profile base"
    assert "response" not in newest


def test_the_journal_is_filtered_and_continued(api: Api) -> None:
    for number in range(4):
        api.get(f"/flows/{number}", filter="x")
        api.call("GET", "/runs", headers=TASK)
    last = load(api, "requests")["last"]
    for search, count in (
        ("/flows/", 4),
        ("404", 4),
        ("ONBOARDING", 4),
        ("get", 8),
        ("filter=x", 4),
        ("none", 0),
    ):
        assert len(load(api, "requests", search=search)["items"]) == count, search
    first = load(api, "requests", limit=5)
    rest = load(api, "requests", limit=5, before=first["next"])
    assert [each["number"] for each in first["items"] + rest["items"]] == list(range(last, last - 8, -1))
    assert rest["next"] is None
    api.get("/flows/new")
    newer = load(api, "requests", after=last)
    assert [each["path"].rpartition("/")[2] for each in newer["items"]] == ["new"]
    assert newer["last"] == last + 1


def test_no_secret_gets_to_the_page(api: Api) -> None:
    api.control.set_switches(mask_secrets=False)
    made = api.kinesis_base()
    assert api.item(f"/connections/{made['id']}")["auth"]["params"]["secretKey"] == SECRET
    api.ask_for_token()
    token = str(api.session.headers["Authorization"]).removeprefix("Bearer ")
    shown = [load(api, f"connections/{made['id']}"), load(api, "connections"), load(api, "requests")]
    shown += [load(api, f"requests/{each['number']}") for each in shown[-1]["items"]]
    assert "access_token" in str(shown)
    for secret in (SECRET, token, api.credential.client_secret):
        assert secret not in str(shown)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"[" * 5_000, "nested too deeply"),
        (b"[NaN]", "NaN"),
        (b'"\\ud800"', "\ud800"),
        (b"\xff\x00", "\ufffd"),
        (b"<b>", "<b>"),
    ],
)
def test_the_journal_shows_whatever_arrived(api: Api, body: bytes, shown: str) -> None:
    api.call("POST", "/collection/none", data=body, headers={"Content-Type": "application/json"})
    number = load(api, "requests")["items"][0]["number"]
    assert shown in str(load(api, f"requests/{number}")["body"])


def test_responses_count_towards_the_memory_of_the_journal() -> None:
    journal = Journal(capacity=3, body_budget=10)
    exchanges = [Exchange("POST", f"/{number}", "", [], b"1234", 0.0) for number in range(2)]
    for exchange in exchanges:
        journal.record(exchange)
        journal.complete(exchange, BufferedResponse.of(200, "abc"))
    assert [each.detail()["response"] for each in exchanges] == ["<3 bytes, no longer kept>", "abc"]
    assert exchanges[0].detail()["body"] == "<4 bytes, no longer kept>"
    late = Exchange("GET", "/late", "", [], b"", 0.0)
    journal.record(late)
    journal.clear()
    journal.complete(late, BufferedResponse.of(200, "0123456789"))
    journal.record(exchanges[1])
    assert exchanges[1].detail()["body"] == 1234


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("nothing", 404, "unknown collection 'nothing'"),
        ("flows/none", 404, "no sandbox has 'none' among its flows"),
        ("requests/none", 404, "does not have request 'none'"),
        ("requests/999999", 404, "any more"),
        ("inlets/none", 404, "unknown inlet 'none'"),
        ("flows?limit=51", 400, "limit must be from 1 to 50, not 51"),
        ("flows?limit=0", 400, "limit must be from 1 to 50, not 0"),
        ("flows?offset=-1", 400, "offset must be a whole number"),
        ("requests?before=x", 400, "before must be a whole number"),
    ],
)
def test_a_wrong_address_is_explained(api: Api, path: str, status: int, message: str) -> None:
    response = requests.get(f"{api.url}/_emulator/page/{path}", timeout=10)
    assert response.status_code == status
    assert message in response.json()["message"]


def test_the_forms_know_every_switch_and_fault(api: Api) -> None:
    switches = {each["name"]: each for each in load(api, "switches")}
    assert {name: each["value"] for name, each in switches.items()} == api.control.switches()
    assert switches["run_outcome"]["choices"][0] == switches["run_outcome"]["default"]
    assert all(each["doc"] for each in switches.values())
    assert {
        name for name, each in switches.items() if not each["decided_by_test"]
    } == Switches.habits().keys()
    kinds = {each["kind"]: each for each in load(api, "faults")["kinds"]}
    assert {"name": "seconds", "required": True} in kinds["delay"]["parameters"]
    assert {"name": "retry_after", "required": False} in kinds["rate_limit"]["parameters"]
