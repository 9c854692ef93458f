from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.aep import make_flow
from tests.support.deferral import run_to_end
from tests.support.faults import fault
from tests.support.streaming import Source, numbers, open_inlet, open_source, people
from tests.support.tasks import rendered, run
from tests.support.triggers import fire

SETTLED = 300


@pytest.fixture
def in_step(control: EmulatorControl) -> Iterator[VirtualClock]:
    """A clock that jumps together with the emulator's."""
    with clock.installed(VirtualClock.in_step_with(control)) as virtual:
        assert isinstance(virtual, VirtualClock)
        yield virtual


@pytest.fixture
def source(control: EmulatorControl, hook: FlowServiceHook) -> Source:
    """A source for raw records whose flow is old enough."""
    opened = open_source(hook)
    control.advance(SETTLED)
    control.clear_requests()
    return opened


def post(source: Source | None = None, **changes: Any) -> FlowServicePostToInletOperator:
    """The operator for a source whose flow needs no wait, unless ``settle_seconds`` is given."""
    arguments: dict[str, Any] = {"task_id": "post", "settle_seconds": 0}
    if source:
        arguments |= {"connection_id": source.connection_id, "flow_id": source.flow_id}
    return FlowServicePostToInletOperator(**{**arguments, **changes})


def settled_at(trigger: FlowServiceTrigger) -> float:
    """When the flow that a trigger waits for is old enough."""
    moment: float = trigger.wait["changed_at"] + trigger.wait["settle_seconds"]
    return moment


def refused(operator: FlowServicePostToInletOperator) -> str:
    with pytest.raises(FlowServicePermanentException) as caught:
        run(operator)
    return str(caught.value)


def posts(control: EmulatorControl) -> list[dict[str, Any]]:
    return control.requests("POST", "/collection/")


def letters(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


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


# Files


def as_csv(records: list[dict[str, Any]]) -> str:
    return "n,first,mail\n" + "".join(f"{r['n']},{r['first']},{r['mail']}\n" for r in records)


WRITERS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    ".jsonl": lambda records: "".join(json.dumps(record) + "\n" for record in records),
    ".json": json.dumps,
    ".csv": as_csv,
}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("ending", sorted(WRITERS))
def test_each_kind_of_file_is_posted(
    control: EmulatorControl, source: Source, tmp_path: Path, ending: str, gzipped: bool
) -> None:
    file = tmp_path / f"people{ending}{'.gz' * gzipped}"
    content = WRITERS[ending](people(7)).encode()
    file.write_bytes(gzip.compress(content) if gzipped else content)
    result, _ = run(post(source, path=f"file://{file}", batch_size=3))
    assert result["accepted"] == 7
    expected = [{**person, "n": str(person["n"])} for person in people(7)] if ending == ".csv" else people(7)
    assert [each["message"] for each in control.messages(source.inlet.id)] == expected


def lines(count: int, **others: str) -> str:
    """Lines of JSON with some replaced: ``line_37="oops"``."""
    found = [json.dumps(record) for record in people(count)]
    for name, text in others.items():
        found[int(name.removeprefix("line_")) - 1] = text
    return "\n".join(found) + "\n"


def test_a_line_that_is_no_json_is_named_and_the_rest_arrives(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file, dead = tmp_path / "people.jsonl", tmp_path / "refused" / "people.jsonl"
    file.write_text(lines(50, line_37='{"n": 36, "first": "Zoë'), encoding="utf-8")
    message = refused(post(source, path=str(file), dead_letter_path=f"file://{dead}", batch_size=10))
    assert "49 records were accepted, 1 rejected" in message
    assert "line 37: is not JSON" in message
    assert str(dead) in message
    assert numbers(control.messages(source.inlet.id)) == [n for n in range(50) if n != 36]
    (letter,) = letters(dead)
    assert (letter["position"], letter["line"], letter["status"]) == (36, 37, None)
    assert letter["record"] == '{"n": 36, "first": "Zoë'
    assert "is not JSON" in letter["message"]

    # Put right, the dead letters alone complete what is missing.
    again = tmp_path / "again.jsonl"
    again.write_text("".join(letter["record"] + '"}\n' for letter in letters(dead)), encoding="utf-8")
    assert run(post(source, path=str(again)))[0]["accepted"] == 1
    assert sorted(numbers(control.messages(source.inlet.id))) == list(range(50))


def test_a_record_over_the_limit_is_named_and_the_rest_arrives(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    records = people(4)
    records[2]["note"] = "x" * inlet.MAX_REQUEST_BYTES
    file, dead = tmp_path / "people.json", tmp_path / "dead.jsonl"
    file.write_text(json.dumps(records))
    message = refused(post(source, path=str(file), dead_letter_path=str(dead)))
    assert "record 2: has " in message
    assert len(message) < 1_000
    assert numbers(control.messages(source.inlet.id)) == [0, 1, 3]
    (letter,) = letters(dead)
    assert letter["is_beginning"]
    assert json.dumps(records[2]).startswith(letter["record"])


def test_a_ragged_row_is_named_and_the_rest_arrives(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file, dead = tmp_path / "people.csv", tmp_path / "dead.jsonl"
    file.write_text('n,first\n0,Ada\n1\n2,"Grace, M.",x\n3,Alan\n')
    message = refused(post(source, path=str(file), dead_letter_path=str(dead)))
    assert "line 3: has 1 fields, but the header has 2; line 4: has 3 fields" in message
    assert numbers(control.messages(source.inlet.id)) == ["0", "3"]
    assert [letter["record"] for letter in letters(dead)] == ["1", '2,"Grace, M.",x']
    assert [letter["csv"]["columns"] for letter in letters(dead)] == [["n", "first"]] * 2


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.csv", "empty.jsonl.gz", "empty.csv.gz"])
def test_an_empty_file_is_an_error_unless_it_may_be(
    control: EmulatorControl, source: Source, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    assert f"path: {str(file)!r} contains no records. If that is intended, set allow_empty=True" in refused(
        post(source, path=str(file))
    )
    result, _ = run(post(source, path=str(file), allow_empty=True))
    assert (result["accepted"], result["first_xaction_id"]) == (0, None)
    assert posts(control) == []


def test_a_list_without_messages_is_an_error_unless_it_may_be(
    control: EmulatorControl, source: Source
) -> None:
    assert "messages: contains no records" in refused(post(source, messages=[]))
    assert run(post(source, messages=[], allow_empty=True))[0]["accepted"] == 0


def test_a_file_that_breaks_off_loses_nothing_and_goes_on_once_it_is_right(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    whole = json.dumps(people(10))
    file.write_text(whole[: whole.index('{"n": 7')])
    message = refused(post(source, path=str(file), batch_size=5))
    assert "ends prematurely after 7 records" in message
    assert "skip_records=7" in message
    assert numbers(control.messages(source.inlet.id)) == list(range(7))
    file.write_text(whole)
    assert run(post(source, path=str(file), skip_records=7))[0]["accepted"] == 3
    assert numbers(control.messages(source.inlet.id)) == list(range(10))


def test_a_file_that_is_not_there_is_named(control: EmulatorControl, source: Source, tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    assert f"{str(missing)!r} does not exist" in refused(post(source, path=str(missing)))
    assert posts(control) == []


def test_a_file_of_an_unknown_kind_is_refused(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    (tmp_path / "people.txt").write_text("{}")
    assert "has an unknown file extension" in refused(post(source, path=str(tmp_path / "people.txt")))
    assert posts(control) == []


def test_what_the_user_says_about_a_csv_file_is_heeded(
    control: EmulatorControl, source: Source, tmp_path: Path
) -> None:
    file = tmp_path / "people.export"
    file.write_bytes("n~name~note\n1~Zoë~-\n2~~x;y\n".encode("cp1252"))
    operator = post(
        source,
        path=str(file),
        input_format="csv",
        delimiter="~",
        encoding="cp1252",
        empty_cells="null",
        null_values=["-", "None"],
    )
    run(operator)
    assert [each["message"] for each in control.messages(source.inlet.id)] == [
        {"n": "1", "name": "Zoë", "note": None},
        {"n": "2", "name": None, "note": "x;y"},
    ]


def test_a_tab_may_come_from_a_template(control: EmulatorControl, source: Source, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("n\tnote\n1\tx,y\n")
    run(rendered(partial(post, source, path=str(file)), delimiter="\t"))
    assert control.messages(source.inlet.id)[0]["message"] == {"n": "1", "note": "x,y"}


@pytest.mark.parametrize(
    "argument",
    [{"delimiter": ";"}, {"encoding": "cp1252"}, {"empty_cells": "null"}, {"null_values": ["NULL"]}],
    ids=lambda argument: next(iter(argument)),
)
@pytest.mark.parametrize(
    "given",
    [{"messages": [{"n": 1}]}, {"path": "a.jsonl"}, {"path": "a.csv", "input_format": "json"}],
    ids=["messages", "path", "input_format"],
)
def test_what_applies_to_csv_alone_is_refused_for_other_input(
    control: EmulatorControl, source: Source, argument: dict[str, Any], given: dict[str, Any]
) -> None:
    message = refused(post(source, **given, **argument))
    assert f"{next(iter(argument))}: applies only to CSV, but the input is " in message
    assert posts(control) == []


def test_a_format_is_refused_for_messages(control: EmulatorControl, source: Source) -> None:
    assert "input_format: applies only to path" in refused(
        post(source, messages=people(1), input_format="csv")
    )


@pytest.mark.parametrize(
    ("argument", "value", "problem"),
    [
        ("delimiter", ";;", "is not a single character"),
        ("delimiter", "", "is not a single character"),
        ("delimiter", '"', "is not a single character"),
        ("delimiter", "\n", "is not a single character"),
        ("encoding", "latin-99", "is not a text encoding"),
        ("encoding", "base64", "is not a text encoding"),
        ("encoding", "utf\0", "is not a text encoding"),
        ("empty_cells", "drop", "Choose one of: omit, null, text"),
        ("null_values", "NULL", "must be a list, not str"),
        ("input_format", "xml", "Choose one of: csv, json, jsonl"),
    ],
)
def test_how_a_file_is_read_is_checked_when_the_dag_is_parsed(
    argument: str, value: str, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"{argument}: .*{problem}"):
        post(connection_id="c", path="a.csv", **{argument: value})


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


# New flows


@pytest.mark.parametrize("deferrable", [True, False])
# The last age is well beyond: on a busy machine the emulator's clock moves by seconds while the source is opened.
@pytest.mark.parametrize(("age", "waits"), [(0, True), (120, True), (SETTLED + 60, False)])
def test_nothing_is_lost_with_the_default(
    control: EmulatorControl,
    hook: FlowServiceHook,
    in_step: VirtualClock,
    age: float,
    waits: bool,
    deferrable: bool,
) -> None:
    source = open_source(hook)
    in_step.advance(age)
    operator = post(source, messages=people(3), settle_seconds=SETTLED, deferrable=deferrable)
    result, deferrals = run_to_end(operator)
    assert result["accepted"] == 3
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [False] * 3
    assert len(deferrals) == (waits and deferrable)
    waited = sum(in_step.sleeps)
    # The emulator's clock also moves by itself, so the flow is a little younger than the virtual clock knows.
    assert SETTLED - age <= waited < SETTLED - age + 60 if waits else waited == 0


@pytest.mark.parametrize("deferrable", [True, False])
def test_everything_is_lost_with_zero(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    source = open_source(hook)
    result, deferrals = run_to_end(post(source, messages=people(3), settle_seconds=0, deferrable=deferrable))
    assert (result["accepted"], deferrals) == (3, [])
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [True] * 3


def test_the_default_waits_five_minutes() -> None:
    operator = FlowServicePostToInletOperator(task_id="post", connection_id="c", messages=[], deferrable=True)
    assert (operator.settle_seconds, operator.deferrable, operator.max_failures) == (300, True, 0)


def test_while_it_is_deferred_nothing_was_sent(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    source = open_source(hook)
    control.clear_requests()
    operator = post(source, messages=people(3), settle_seconds=SETTLED, deferrable=True)
    started = in_step.wall()
    with pytest.raises(TaskDeferred) as deferral:
        run(operator)
    assert posts(control) == []
    trigger = deferral.value.trigger
    assert isinstance(trigger, FlowServiceTrigger)
    assert started + SETTLED <= settled_at(trigger) < started + SETTLED + 60
    assert in_step.sleeps == []


def test_a_flow_that_was_changed_is_new_again(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow_provider_flowservice.client import model
    from airflow_provider_flowservice.client.http import request

    source = open_source(hook)
    in_step.advance(SETTLED)
    flow = hook.get(request.FLOWS, source.flow_id)
    rename = model.Operation(op="replace", path="/name", value="new")
    hook.patch(request.FLOWS, source.flow_id, flow.etag or "", [rename])
    run_to_end(post(source, messages=people(1), settle_seconds=SETTLED))
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [False]


def test_a_flow_that_was_changed_during_the_wait_is_waited_for_again(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_provider_flowservice.client import model
    from airflow_provider_flowservice.client.http import request

    source = open_source(hook)
    operator = post(source, messages=people(1), settle_seconds=SETTLED, deferrable=True)
    with pytest.raises(TaskDeferred) as first:
        run(operator)
    event = fire(first.value.trigger)
    flow = hook.get(request.FLOWS, source.flow_id)
    rename = model.Operation(op="replace", path="/name", value="new")
    hook.patch(request.FLOWS, source.flow_id, flow.etag or "", [rename])
    with pytest.raises(TaskDeferred) as again:
        operator.resume_execution("execute_settled", {"event": event}, {})
    assert posts(control) == []
    assert settled_at(again.value.trigger) > settled_at(first.value.trigger)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_flow_is_read_once_before_the_wait_and_once_after_it(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    source = open_source(hook)
    control.clear_requests()
    run_to_end(post(source, messages=people(1), settle_seconds=SETTLED, deferrable=deferrable))
    reads = [entry for entry in control.requests("GET") if entry["path"].endswith(source.flow_id)]
    assert len(reads) == 2
    assert [each["dropped"] for each in control.messages(source.inlet.id)] == [False]


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_flow_that_is_changed_all_the_time_is_an_error_and_nothing_is_posted(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    from airflow_provider_flowservice.client.http import request

    source = open_source(hook)

    def somebody_changes(seconds: float) -> None:
        control.advance(seconds)
        operation = "disable" if hook.get(request.FLOWS, source.flow_id).state == "enabled" else "enable"
        hook.action(request.FLOWS, source.flow_id, operation)

    in_step.follow(somebody_changes)
    began = in_step.wall()
    operator = post(source, messages=people(1), settle_seconds=SETTLED, deferrable=deferrable)
    with pytest.raises(
        FlowServicePermanentException, match=f"flow {source.flow_id} was changed .* repeatedly"
    ):
        run_to_end(operator)
    assert posts(control) == []
    assert 2 * SETTLED < in_step.wall() - began <= 3 * SETTLED


def test_a_wait_that_the_triggerer_gave_up_is_no_reason_to_post(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock
) -> None:
    from airflow.providers.common.compat.sdk import TaskDeferred

    operator = post(open_source(hook), messages=people(1), settle_seconds=SETTLED, deferrable=True)
    with pytest.raises(TaskDeferred):
        operator.resume_execution("execute_settled", {"event": {"status": "timeout", "detail": None}}, {})
    problem = {"message": "no connection", "permanent": True, "status": None}
    with pytest.raises(FlowServicePermanentException, match="no connection"):
        operator.resume_execution("execute_settled", {"event": {"status": "error", "error": problem}}, {})
    assert posts(control) == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_flow_that_cannot_be_read_until_the_end_of_the_wait_is_left_to_airflows_retries(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, deferrable: bool
) -> None:
    source = open_source(hook)
    operator = post(source, messages=people(1), settle_seconds=5, deferrable=deferrable)
    control.inject(fault("status", "GET", "flows/*", times=50, status=503))
    with pytest.raises(FlowServiceTransientException):
        run_to_end(operator)
    assert posts(control) == []


def test_without_a_flow_nothing_is_waited_for(control: EmulatorControl, source: Source) -> None:
    message = refused(post(connection_id=source.connection_id, messages=people(1), settle_seconds=SETTLED))
    assert "The flow id is missing" in message
    assert control.requests("GET", "/flows/") == []


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"messages": []}, "connection_id or inlet_url: is missing"),
        (
            {"connection_id": "c", "inlet_url": "u", "messages": []},
            "connection_id or inlet_url: are both given",
        ),
        ({"connection_id": "c"}, "messages or path: is missing"),
        ({"connection_id": "c", "messages": [], "path": "p.jsonl"}, "messages or path: are both given"),
        ({"connection_id": "c", "messages": [], "schema_id": "s"}, "dataset_id: is missing"),
        ({"connection_id": "c", "messages": [], "dataset_id": "d"}, "schema_id: is missing"),
        (
            {"connection_id": "c", "messages": [], "batch_size": 0},
            "batch_size: 0 is not a whole number of 1 or more",
        ),
    ],
)
def test_arguments_that_exclude_each_other_are_refused_when_the_dag_is_parsed(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        post(**arguments)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("[{}]", "must be a list, not str"),
        (b"[{}]", "must be a list, not bytes"),
        ({"n": 1}, "must be a list, not dict"),
    ],
)
def test_messages_that_are_no_list_are_refused(
    control: EmulatorControl, source: Source, messages: Any, problem: str
) -> None:
    assert f"messages: {problem}" in refused(rendered(partial(post, source), messages=messages))


def test_an_upstream_task_that_returned_nothing_is_named(control: EmulatorControl, source: Source) -> None:
    operator = post(source, messages=people(1))
    operator.connection_id = None
    assert "connection_id: is None, although it was given" in refused(operator)
    operator = post(source, messages=people(1))
    operator.messages = None
    assert "messages: is None, although it was given" in refused(operator)
    operator = post(source, path="x.jsonl")
    operator.path = None
    operator.messages = None
    assert "path: is None, although it was given" in refused(operator)


def test_messages_that_are_no_objects_are_refused_by_position(
    control: EmulatorControl, source: Source
) -> None:
    message = refused(post(source, messages=[{"n": 0}, "text", 5, {"n": 3}]))
    assert "2 records were accepted, 2 rejected" in message
    assert "record 1: is not a JSON object; record 2: is not a JSON object" in message
    assert numbers(control.messages(source.inlet.id)) == [0, 3]
