from __future__ import annotations

import base64
import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import requests

from airflow_provider_flowservice.emulator import app, edge
from airflow_provider_flowservice.emulator.flow import runs
from tests.emulator.conftest import (
    CATALOG,
    DATA_PREP,
    PROFILE_CLASS,
    REGISTRY,
    Api,
    Streaming,
    add_audience,
    code_of,
    serving,
)
from tests.support.emulator_fuzz import Counts, Fuzzer, bytewise, chosen
from tests.support.valid_requests import ADHOC, GROUPS, JSON, SEGMENTATION, Valid
from tests.support.valid_requests import control as control_requests

#: Operations that have neither a body nor a query.
BARE = {("POST", "/_emulator/reset"), ("PUT", "/data/foundation/flowservice/runs/{run_id}")}


@pytest.mark.parametrize("group", GROUPS, ids=[each.__name__ for each in GROUPS])
def test_no_input_breaks_the_emulator(api: Api, group: Callable[[Api], list[Valid]]) -> None:
    fuzzer = Fuzzer(api, Counts())
    for number, valid in enumerate(group(api)):
        fuzzer.send(valid, [*chosen(valid), *bytewise(valid, 3)], f"{group.__name__} {number}")
    fuzzer.look()
    fuzzer.close()
    assert (fuzzer.counts.failed, fuzzer.counts.hanging) == ([], [])


def test_each_operation_gets_wrong_input(api: Api) -> None:
    sent = []
    for group in GROUPS:
        api.control.reset()
        api.log_in()
        sent += [(valid.method, unquote(valid.target.partition("?")[0])) for valid in group(api)]
    routes = [route for router in app._ROUTERS for route in router.routes]
    operations = {(method, route.path): route for route in routes for method in route.methods}  # type: ignore[attr-defined]
    left = {
        (method, path)
        for (method, path), route in operations.items()
        if method in ("POST", "PUT", "PATCH")
        and not any(method == verb and route.path_regex.match(each) for verb, each in sent)  # type: ignore[attr-defined]
    }
    assert left == BARE


def test_what_was_accepted_outlives_the_emulator(tmp_path: Path) -> None:
    state_file = tmp_path / "state.json"
    with serving(state_file=state_file) as api:
        fuzzer = Fuzzer(api, Counts())
        for group in GROUPS:
            # What the emulator is told could change what the others find.
            for valid in [] if group is control_requests else group(api):
                for variant in chosen(valid):
                    fuzzer.send_variant(valid, variant, "")
        fuzzer.close()
        before = api.control.state()
        token = str(api.session.headers["Authorization"])
    with serving(token, state_file=state_file) as api:
        after = api.control.state()
        assert {kind: len(each) for kind, each in after.items()} == {
            kind: len(each) for kind, each in before.items()
        }
        fuzzer = Fuzzer(api, Counts())
        fuzzer.look()
        fuzzer.close()
        assert fuzzer.counts.failed == []


def refused(answer: requests.Response) -> str:
    """What a service says of a body that it refuses with 400, in the shape of its errors."""
    assert answer.status_code == 400, answer.text
    body = answer.json()
    report = body.get("report", {})
    found = (
        report.get("detailed-message"),
        report.get("message"),
        body.get("title") if "errors" in body else body.get("detail"),
        body.get("message"),
    )
    return str(next(each for each in found if each))


def post(api: Api, path: str, content: str) -> requests.Response:
    return api.call("POST", path, data=content.encode(), headers=JSON)


SERVICES = {
    "flow": "/connections",
    "schemas": f"{REGISTRY}/tenant/schemas",
    "descriptors": f"{REGISTRY}/tenant/descriptors",
    "catalog": f"{CATALOG}/dataSets",
    "data prep": f"{DATA_PREP}/mappingSets",
    "segments": f"{SEGMENTATION}/segment/definitions",
    "segment jobs": f"{SEGMENTATION}/segment/jobs",
    "activation": ADHOC,
}


@pytest.mark.parametrize("path", SERVICES.values(), ids=SERVICES.keys())
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 101 + "]" * 101, "nested more than 100 deep"),
        ("[" * 5_000 + "]" * 5_000, "nested more than 100 deep"),
        ('{"a":' * 1_000 + "1" + "}" * 1_000, "nested more than 100 deep"),
        ('{"name":NaN}', "not valid JSON"),
        ('{"name":-Infinity}', "not valid JSON"),
        ('{"name":1e400}', "not valid JSON"),
        ('{"name":18446744073709551616}', "64 bits"),
        (r'{"name":"\ud800"}', "not valid JSON"),
        (r'{"\udc00":1}', "not valid JSON"),
        ("{", "not valid JSON"),
        ("\ufeff{}", "not valid JSON"),
        ("5", "must be a"),
    ],
)
def test_what_is_no_json_is_refused(api: Api, path: str, content: str, reason: str) -> None:
    assert reason in refused(post(api, path, content))


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/connections", {"name": "x", "description": 5}, "description must be a string"),
        ("/flows", {"name": "x", "sourceConnectionIds": {}}, "sourceConnectionIds must be a list"),
        ("/flows", {"name": "x", "sourceConnectionIds": [[]]}, "sourceConnectionIds[0] must be a string"),
        (
            "/flows",
            {"name": "x", "transformations": [{"params": {"segmentSelectors": {"selectors": [5]}}}]},
            "transformations[0].params.segmentSelectors.selectors[0] must be an object",
        ),
        (
            "/flows",
            {"name": "x", "scheduleParams": {"interval": 1.5}},
            "scheduleParams.interval must be a whole number or a string",
        ),
        ("/runs", {"flowId": {}}, "flowId must be a string"),
        ("/flows/search", {"limit": True}, "limit must be a whole number"),
        (f"{REGISTRY}/tenant/schemas", {"title": 5}, "title must be a string"),
        (f"{REGISTRY}/tenant/classes", {"title": "x", "allOf": [[]]}, "allOf[0] must be an object"),
        (f"{REGISTRY}/tenant/descriptors", {"@type": []}, "@type must be a string"),
        (f"{REGISTRY}/rpc/import", [{"$id": 5}], "[0].$id must be a string"),
        (f"{CATALOG}/dataSets", {"name": "x", "tags": {"a": 5}}, "tags.a must be a list"),
        (f"{CATALOG}/dataSets", {"name": 5}, "name must be a string"),
        (f"{DATA_PREP}/mappingSets", {"outputSchema": {"id": []}}, "outputSchema.id must be a string"),
        (f"{DATA_PREP}/mappingSets/preview", {"data": 5}, "data must be an object or a list"),
        (f"{SEGMENTATION}/segment/definitions", {"name": 5, "expression": {}}, "name must be a string"),
        (f"{SEGMENTATION}/segment/jobs", [{"segmentId": {}}], "[0].segmentId must be a string"),
        (f"{SEGMENTATION}/segment/jobs/bulk-get", {"ids": [5]}, "ids[0] must be an object"),
        (ADHOC, {"activationInfo": {"flow": [5]}}, "activationInfo.flow[0] must be a string"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(api: Api, path: str, body: Any, reason: str) -> None:
    assert reason in refused(api.call("POST", path, json=body))


def test_other_members_are_taken_as_they_are(api: Api) -> None:
    nested: Any = 5
    for _ in range(90):
        nested = [nested]
    made = api.create(
        "/connections",
        {
            "name": "x",
            "connectionSpec": {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"},
            "description": None,
            "other": nested,
            "number": 2**63,
        },
    )
    item = api.item(f"/connections/{made['id']}")
    assert (item["other"], item["number"]) == (nested, 2**63)


@pytest.fixture
def flow(api: Api) -> Callable[..., requests.Response]:
    """Patch a flow."""
    path = f"/flows/{api.flow()['id']}"
    return lambda *operations: api.patch(path, api.item(path)["etag"], *operations)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/transformations/-/x", "1455"),
        ("/transformations/-1", "1455"),
        (f"/transformations/{'9' * 5_000}", "1455"),
        ("/transformations/0/params/a/b/c", "1455"),
        ("/name/0", "1455"),
        ("/~2", "1455"),
        ("//", "1455"),
        ("/transformations/0/name", "1452"),
        ("/sourceConnectionIds", "1452"),
        ("/description", "1452"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(
    flow: Callable[..., requests.Response], path: str, code: str
) -> None:
    assert code_of(flow({"op": "add", "path": path, "value": 5})) == f"FLOW-{code}-400"


def test_patches_do_not_nest_without_end(flow: Callable[..., requests.Response]) -> None:
    lists = json.loads("[" * 90 + "]" * 90)
    assert flow({"op": "add", "path": "/x", "value": lists}).status_code == 200
    answer = flow({"op": "add", "path": f"/x{'/0' * 88}/-", "value": lists})
    assert "nested more than 100 deep" in refused(answer)


@pytest.mark.parametrize("operation", [5, {"op": 5}, {"op": "add", "path": []}, {"op": "add", "path": "/x"}])
def test_what_is_no_operation_is_refused(flow: Callable[..., requests.Response], operation: Any) -> None:
    assert code_of(flow(operation)) == "FLOW-1434-400"


def test_copies_of_copies_are_refused(api: Api) -> None:
    schema = f"{REGISTRY}/tenant/schemas/{quote(api.schema(), safe='')}"
    held = {"op": "add", "path": "/meta:held", "value": {"title": "Customers"}}
    copies = [{"op": "copy", "from": "/meta:held", "path": f"/meta:held/{number}"} for number in range(40)]
    assert "copies" in refused(api.call("PATCH", schema, json=[held, *copies]))
    few = api.call("PATCH", schema, json=[held, *copies[:1]])
    assert few.json()["meta:held"]["0"]["title"] == "Customers"


@pytest.mark.parametrize("part", [{"allOf": 5}, {"required": 5}, {"properties": {"a": {"$ref": 5}}}])
def test_a_reference_must_lead_to_a_schema(api: Api, part: dict[str, Any]) -> None:
    body = {"type": "object", "title": "x", "meta:other": part, "allOf": [{"$ref": "#/meta:other"}]}
    answer = api.call("POST", f"{REGISTRY}/tenant/fieldgroups", json=body)
    assert "The schema is not valid" in refused(answer)


def test_the_id_of_a_part_of_a_schema_need_not_be_a_uri(api: Api) -> None:
    streaming = Streaming(api)
    body = {
        "type": "object",
        "title": "x",
        "allOf": [{"$ref": PROFILE_CLASS}],
        "properties": {"a": {"$id": "http://[", "type": "string"}},
    }
    streaming.schema_id = api.create(f"{REGISTRY}/tenant/schemas", body)["$id"]
    streaming.dataset_id = streaming.make_dataset()
    streaming.flow_id = streaming.make_flow(mapped=False)
    answer = streaming.send(streaming.envelope(a=5), query="?syncValidation=true")
    assert "expected type: String" in answer.text


@pytest.mark.parametrize(
    "schedule", [{}, {"startDate": "soon"}, {"startDate": "2100-01-01", "startTime": "late"}]
)
def test_a_schedule_that_a_stream_does_not_need_must_make_sense_too(
    flow: Callable[..., requests.Response], api: Api, schedule: dict[str, Any]
) -> None:
    operation = add_audience(api.control.segments[0])
    operation["value"]["value"]["schedule"] = {"frequency": "DAILY", **schedule}
    assert code_of(flow(operation)) == "FLOW-1452-400"


@pytest.mark.parametrize(
    "fields",
    [
        {"f": [], "s": "", "l": 1, "o": 10**30},
        {"f": [], "s": "", "l": -1, "o": 0},
        {"f": [5], "s": "", "l": 1, "o": 0},
        {"f": [], "s": "", "l": 1},
        [],
    ],
)
def test_a_token_of_no_page_is_refused(api: Api, fields: Any) -> None:
    token = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()
    assert code_of(api.get("/flows", continuationToken=token)) == "FLOW-1450-400"


def test_datasets_are_ordered_by_any_member(api: Api) -> None:
    reference = {"id": api.schema(), "contentType": "application/vnd.adobe.xed+json;version=1"}
    for value in ({"a": 1}, 5, "x", None):
        body = {"name": "n", "schemaRef": reference, "other": value}
        assert api.call("POST", f"{CATALOG}/dataSets", json=body).status_code == 201
    listed = api.get(f"{CATALOG}/dataSets", orderBy="asc:other").json()
    assert [each["other"] for each in listed.values()] == [None, 5, "x", {"a": 1}]


def test_little_that_decompresses_to_much_is_refused(api: Api) -> None:
    streaming = Streaming(api, "raw")
    api.control.set_switches(gzip="accept")
    headers = {**JSON, "Content-Encoding": "gzip"}
    answer = requests.post(streaming.inlet_url, gzip.compress(b" " * 2_000_000), headers=headers, timeout=10)
    assert answer.status_code == 413


def test_a_body_that_fills_the_memory_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_MAX_BODY", 1_000_000)
    assert post(api, "/connections", " " * 5_000_000).status_code == 413
    assert post(api, "/connections", " " * 1_000_000).status_code == 400
    assert [entry["status"] for entry in api.control.requests("POST")] == [413, 400]


def test_a_form_without_parts_is_refused(api: Api) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = api.call("POST", "/ims/token/v3", data=b"x", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def control(api: Api, path: str, body: Any) -> requests.Response:
    return requests.post(f"{api.url}/_emulator/{path}", json=body, timeout=10)


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("sandboxes", {"name": 5}, "name must be a string"),
        ("clock", {"advance": "1"}, "advance must be a number"),
        ("clock", {}, "advance must be a number"),
        ("clock", 5, "the body must be an object"),
        ("switches", {"run_seconds": 10**18}, "run_seconds"),
        ("faults", {}, "the body must be a list"),
        ("faults", [{"fault": {"kind": []}}], "fault.kind must be one of"),
        ("faults", [{"fault": {"kind": "reset"}, "match": {"path": 5}}], "match.path must be a string"),
        ("faults", [{"fault": {"kind": "status", "status": "503"}}], "fault 'status'"),
        ("faults", [{"fault": {"kind": "status", "status": 503, "headers": {"a": "\n"}}}], "has no header"),
        ("faults", [{"fault": {"kind": "status", "status": 503, "headers": {"a b": ""}}}], "has no header"),
        ("faults", [{"fault": {"kind": "html", "status": 5}}], "200 to 599"),
        ("faults", [{"fault": {"kind": "rate_limit", "retry_after": 10**12}}], "seconds must be"),
    ],
)
def test_the_control_api_names_what_is_wrong(api: Api, path: str, body: Any, reason: str) -> None:
    assert reason in refused(control(api, path, body))


def test_the_clock_ends_before_dates_do(api: Api) -> None:
    answers = [control(api, "clock", {"advance": 1_000_000_000}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [400]
    api.log_in()
    api.create("/flows", api.flow_body())


def test_a_status_without_a_name_can_be_asked_for(api: Api) -> None:
    api.control.inject({"fault": {"kind": "status", "status": 299}})
    assert (answer := api.get("/flows")).status_code == 299
    assert answer.json() == {"message": "OK"}


def test_the_journal_has_what_is_no_json(api: Api) -> None:
    contents = ('{"a":1e400}', '{"a":NaN}', r'{"a":"\ud800"}', f'{{"a":{"9" * 5_000}}}')
    for content in contents:
        post(api, "/connections", content)
    bodies = [entry["body"] for entry in api.control.requests("POST", "/connections")]
    assert bodies == [{"a": "1e400"}, {"a": "NaN"}, {"a": "\ud800"}, contents[3]]


@pytest.fixture
def mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of the emulator's own."""
    monkeypatch.delattr(runs, "start_by_request")


@pytest.mark.usefixtures("mistake")
def test_a_mistake_of_the_emulators_own_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = api.call("POST", "/runs", json={})
        # On the same connection, which stays open.
        assert answer.headers.get("connection") != "close"
        assert api.get("/runs").status_code == 200
    assert (answer.status_code, list(answer.json())) == (500, ["message"])
    (record,) = caplog.records
    assert record.getMessage() == ("The emulator failed to respond to POST /data/foundation/flowservice/runs")
    assert record.exc_info
    assert [entry["status"] for entry in api.control.requests("POST", "/runs")] == [500]
