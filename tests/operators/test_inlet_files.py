from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import inlet
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.inlets import letters, lines, post, posts
from tests.support.streaming import Source, numbers, people
from tests.support.tasks import refused, rendered, run


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
    control: EmulatorControl, source: Source, tmp_path: Path, argument: dict[str, Any], given: dict[str, Any]
) -> None:
    if "path" in given:
        (tmp_path / given["path"]).write_text('{"n": 1}')
        given = {**given, "path": str(tmp_path / given["path"])}
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
