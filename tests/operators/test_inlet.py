from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServiceTransientException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.aep import make_flow
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.inlets import letters, lines, post, posts
from tests.support.streaming import SETTLED, Source, numbers, open_inlet, open_source, people
from tests.support.tasks import refused, run

# What is sent


def test_messages_arrive_as_they_are_and_are_mapped(control: EmulatorControl, source: Source) -> None:
    result, pushed = run(post(source, messages=people(5, deep={"ü": [1.5, None]}), batch_size=2))
    kept = control.messages(source.inlet.id)
    assert [each["message"] for each in kept] == people(5, deep={"ü": [1.5, None]})
    assert kept[3]["mapped"] == {
        "person": {"name": {"firstName": "Ada 3"}},
        "workEmail": {"address": "ada3@example.com"},
    }
    assert result == {
        "inlet_id": source.inlet.id,
        "accepted": 5,
        "rejected": 0,
        "unknown": 0,
        "maybe_duplicated": 0,
        "first_xaction_id": kept[0]["xactionId"],
        "last_xaction_id": kept[-1]["xactionId"],
    }
    assert json.loads(json.dumps(result)) == result
    assert pushed == {}


def test_an_inlet_given_by_its_url_is_not_looked_up(control: EmulatorControl, source: Source) -> None:
    operator = post(inlet_url=source.inlet.url, flow_id=source.flow_id, messages=people(1))
    assert run(operator)[0]["accepted"] == 1
    assert {entry["path"].split("/")[1] for entry in control.requests()} <= {"ims", "collection"}


def test_plain_records_are_wrapped_with_schema_and_dataset(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    xdm = open_source(hook, "xdm", authenticated=True)
    control.advance(SETTLED)
    entities = [{"_id": "1"}, {"_id": "2", "person": {"name": {"firstName": "Ada"}}}]
    operator = post(xdm, messages=entities, schema_id=xdm.schema_id, dataset_id=xdm.dataset_id)
    assert run(operator)[0]["accepted"] == 2
    kept = [each["message"] for each in control.messages(xdm.inlet.id)]
    assert [message["body"]["xdmEntity"] for message in kept] == entities
    for message in kept:
        header = message["header"]
        assert (header["flowId"], header["datasetId"]) == (xdm.flow_id, xdm.dataset_id)
        assert header["schemaRef"]["id"] == message["body"]["xdmMeta"]["schemaRef"]["id"] == xdm.schema_id
        assert header["imsOrgId"] == control.credential.org_id


def test_raw_records_for_an_xdm_inlet_are_refused_unsent(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    xdm = open_source(hook, "xdm")
    control.clear_requests()
    message = refused(post(xdm, flow_id=None, messages=people(2)))
    assert (
        "record 0: is not an XDM message, which this inlet requires; pass schema_id and dataset_id" in message
    )
    assert posts(control) == []


def test_records_for_a_flow_of_another_inlet_are_refused_with_the_inlets_words(
    control: EmulatorControl, hook: FlowServiceHook, source: Source
) -> None:
    other = make_flow(hook)
    message = refused(post(source, flow_id=other, messages=people(2)))
    assert "0 records were accepted, 2 rejected" in message
    assert f"record 1: inletId: [{source.inlet.id}]" in message
    assert f"The flow {other} is unknown" in message


def test_synchronous_validation_names_the_record(control: EmulatorControl, hook: FlowServiceHook) -> None:
    xdm = open_source(hook, "xdm")
    control.advance(SETTLED)
    operator = post(
        xdm,
        messages=[{"_id": "1"}, {"_id": 2}],
        schema_id=xdm.schema_id,
        dataset_id=xdm.dataset_id,
        sync_validation=True,
    )
    message = refused(operator)
    assert "1 records were accepted, 1 rejected" in message
    assert "record 1: " in message
    assert "HTTP 400 data-collection-service/inlet: " in message
    assert "#/_id: expected type: String, found: Long" in message
    assert [each["query"] for each in posts(control)] == [{"syncValidation": "true"}] * 2


# Refused records


def test_all_refused_records_are_dead_letters_with_aeps_words(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    elements = [
        {"xactionId": "9-0"},
        {"xactionId": "9-1", "status": 400, "message": "Message has unknown xdm format"},
        {"statusCode": 422, "message": "too odd"},
    ]
    body = {"inletId": "x", "batchId": "b", "responses": elements}
    control.inject(fault("status", "POST", source.paths[1], status=207, body=body))
    dead = tmp_path / "dead.jsonl"
    message = refused(post(source, messages=people(4), dead_letter_path=str(dead)))
    assert "1 records were accepted, 2 rejected, 1 got no result; max_failures is 0." in message
    assert "record 1: Message has unknown xdm format; record 2: too odd; record 3: " in message
    assert letters(dead) == [
        {
            "flowservice.dead_letter": 1,
            "position": n,
            "line": None,
            "status": status,
            "message": text,
            "record": people(4)[n],
        }
        for n, status, text in [
            (1, 400, "Message has unknown xdm format"),
            (2, 422, "too odd"),
            (3, None, "the response contains no result for it"),
        ]
    ]


@pytest.mark.parametrize(("allowed", "fails"), [(0, True), (1, True), (2, False), (5, False)])
def test_max_failures_decides_whether_the_task_fails(
    control: EmulatorControl, source: Source, tmp_path: Path, allowed: int, fails: bool
) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text(lines(4, line_2="oops", line_3="[]"))
    operator = post(source, path=str(file), max_failures=allowed)
    if fails:
        assert f"max_failures is {allowed}" in refused(operator)
    else:
        assert (run(operator)[0]["accepted"], run(operator)[0]["rejected"]) == (2, 2)


def test_an_error_names_the_first_refusals_and_counts_the_others(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file, dead = tmp_path / "people.jsonl", tmp_path / "dead.jsonl"
    file.write_text("oops\n" * 25)
    message = refused(post(source, path=str(file), dead_letter_path=str(dead)))
    assert "line 10: " in message
    assert "line 11: " not in message
    assert "... and 15 more." in message
    assert len(letters(dead)) == 25


def test_what_no_file_could_hold_is_a_dead_letter_all_the_same(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file, dead = tmp_path / "people.jsonl", tmp_path / "dead.jsonl"
    file.write_bytes(b'{"half": "\\ud800"}\n' + b"[" * 5_000 + b"\n" + b'"\xff"\n' + b'{"n": 3}\n')
    refused(post(source, path=str(file), dead_letter_path=str(dead)))
    assert numbers(control.messages(source.inlet.id)) == [3]
    assert [letter["line"] for letter in letters(dead)] == [1, 2, 3]
    assert letters(dead)[0]["record"] == '{"half": "\\ud800"}'
    assert letters(dead)[1]["record"] == "[" * 5_000


def test_without_a_refusal_the_dead_letters_are_empty(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    dead = tmp_path / "new" / "folder" / "dead.jsonl"
    run(post(source, messages=people(1), dead_letter_path=str(dead)))
    assert dead.read_text() == ""


def test_skipped_records_are_not_sent_and_positions_stay(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file, dead = tmp_path / "people.jsonl", tmp_path / "dead.jsonl"
    file.write_text(lines(6, line_2="oops", line_5="oops"))
    message = refused(post(source, path=str(file), skip_records=3, dead_letter_path=str(dead)))
    assert "2 records were accepted, 1 rejected" in message
    assert "line 5: " in message
    assert numbers(control.messages(source.inlet.id)) == [3, 5]
    assert [letter["position"] for letter in letters(dead)] == [4]


def test_an_inlet_that_fails_for_good_is_worth_a_retry(control: EmulatorControl, source: Source) -> None:
    control.inject(fault("status", "POST", source.paths[1], status=503, times=100))
    with pytest.raises(FlowServiceTransientException):
        run(post(source, messages=people(2)))


# Where it goes


def in_url(source: Source, query: str = "", flow_id: str | None = None) -> str:
    """The inlet's URL with the flow, as it stands in a variable."""
    return f"{source.inlet.url}?{query}x-adobe-flow-id={flow_id or source.flow_id}\n"


@pytest.mark.parametrize("batch_size", [1, 500])
@pytest.mark.parametrize("given", [True, False])
def test_the_flow_in_the_url_is_used(
    control: EmulatorControl, source: Source, batch_size: int, given: bool
) -> None:
    flow = {"flow_id": source.flow_id} if given else {}
    operator = post(inlet_url=in_url(source), messages=people(2), batch_size=batch_size, **flow)
    assert run(operator)[0]["accepted"] == 2
    assert {each["headers"]["x-adobe-flow-id"] for each in posts(control)} == {source.flow_id}
    assert numbers(control.messages(source.inlet.id)) == [0, 1]


@pytest.mark.parametrize("settle_seconds", [0, SETTLED])
def test_two_different_flows_are_refused_before_anything_is_sent(
    control: EmulatorControl, source: Source, settle_seconds: float
) -> None:
    operator = post(
        inlet_url=in_url(source, flow_id="other"),
        flow_id=source.flow_id,
        messages=people(1),
        settle_seconds=settle_seconds,
    )
    assert f"flow_id: '{source.flow_id}' is not 'other', the flow in inlet_url" in refused(operator)
    assert control.requests() == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_flow_in_the_url_is_waited_for(
    in_step: VirtualClock, control: EmulatorControl, hook: FlowServiceHook, deferrable: bool
) -> None:
    opened = open_source(hook)
    operator = post(
        inlet_url=in_url(opened), messages=people(2), settle_seconds=SETTLED, deferrable=deferrable
    )
    result, pauses = run_to_end(operator)
    assert (result["accepted"], len(pauses)) == (2, 1 if deferrable else 0)
    assert [each["dropped"] for each in control.messages(opened.inlet.id)] == [False, False]


def test_the_flow_in_the_url_is_in_the_envelope(control: EmulatorControl, hook: FlowServiceHook) -> None:
    xdm = open_source(hook, "xdm")
    control.advance(SETTLED)
    operator = post(
        inlet_url=in_url(xdm), messages=[{"_id": "1"}], schema_id=xdm.schema_id, dataset_id=xdm.dataset_id
    )
    assert run(operator)[0]["accepted"] == 1
    assert control.messages(xdm.inlet.id)[0]["message"]["header"]["flowId"] == xdm.flow_id


@pytest.mark.parametrize("name", ["syncValidation", "synchronousValidation"])
def test_a_url_that_asks_for_validation_gets_it(
    control: EmulatorControl, hook: FlowServiceHook, name: str
) -> None:
    xdm = open_source(hook, "xdm")
    control.advance(SETTLED)
    operator = post(
        inlet_url=in_url(xdm, f"{name}=true&"),
        messages=[{"_id": 1}],
        schema_id=xdm.schema_id,
        dataset_id=xdm.dataset_id,
    )
    assert "#/_id: expected type: String, found: Long" in refused(operator)
    assert posts(control)[0]["query"] == {"syncValidation": "true"}


@pytest.mark.parametrize("host", ["http://127.0.0.1:9", "https://evil.example", "https://dcs.adobedc.net"])
@pytest.mark.parametrize("settle_seconds", [0, SETTLED])
def test_an_inlet_on_a_foreign_host_is_refused_before_anything_is_sent(
    control: EmulatorControl, source: Source, host: str, settle_seconds: float
) -> None:
    operator = post(
        inlet_url=f"{host}/collection/{source.inlet.id}",
        flow_id=source.flow_id,
        messages=people(1),
        settle_seconds=settle_seconds,
    )
    assert "the only host that receives the token" in refused(operator)
    assert control.requests() == []


def test_a_connection_whose_inlet_is_on_a_foreign_host_is_refused(
    control: EmulatorControl, source: Source
) -> None:
    params = {"inletUrl": f"https://evil.example/collection/{source.inlet.id}", "dataType": "raw"}
    item = {
        "id": source.connection_id,
        "connectionSpec": {"id": "x"},
        "auth": {"specName": "Streaming Connection", "params": params},
    }
    control.inject(fault("status", "GET", "connections/*", status=200, body={"items": [item]}))
    assert "the only host that receives the token" in refused(post(source, messages=people(1)))
    assert posts(control) == []


def test_a_connection_that_has_no_inlet_is_named(control: EmulatorControl, hook: FlowServiceHook) -> None:
    make_flow(hook)
    base_id = control.state()["connections"][0]["id"]
    assert "has no inlet" in refused(post(connection_id=base_id, messages=people(1)))


def test_an_open_inlet_gets_no_token_and_an_authenticated_one_does(
    control: EmulatorControl, hook: FlowServiceHook, source: Source
) -> None:
    run(post(source, messages=people(1)))
    assert "authorization" not in posts(control)[0]["headers"]
    guarded = open_inlet(hook, authenticated=True)
    refused(post(connection_id=guarded, flow_id=source.flow_id, messages=people(1)))
    assert posts(control)[1]["headers"]["authorization"].startswith("Bearer ")
