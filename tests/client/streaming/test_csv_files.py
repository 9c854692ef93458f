from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.csv_files import CsvOptions, EmptyCells, record_of_row
from airflow_provider_flowservice.client.streaming.records import (
    KEPT_BYTES,
    MAX_RECORD_BYTES,
    CsvLayout,
    UnreadableRecord,
)
from tests.support.reading import read, values


def refused(content: bytes, **options: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read("a.csv", content, **options)
    return str(caught.value)


def test_a_ragged_row_is_named_by_its_line_and_kept_as_it_stands() -> None:
    found = read("a.csv", b'id,name\n1,"Ada\nByron"\n2\n"3","x, y",4\n4,Alan\n')
    assert values(found) == [
        {"id": "1", "name": "Ada\nByron"},
        "has 1 fields, but the header has 2",
        "has 3 fields, but the header has 2",
        {"id": "4", "name": "Alan"},
    ]
    assert [(record.position, record.line) for record in found] == [(0, 2), (1, 4), (2, 5), (3, 6)]
    assert found[2].raw == b'"3","x, y",4'


def test_empty_rows_and_a_byte_order_mark_are_passed_over() -> None:
    for marks in (1, 2):
        found = read("a.csv", b"\xef\xbb\xbf" * marks + b"id,name\n\n1,Ada\n\n")
        assert values(found) == [{"id": "1", "name": "Ada"}]


def test_bytes_that_are_no_utf_8_spoil_their_row_only() -> None:
    found = read("a.csv", b"id,name\n1,Ada\n2,Zo\xeb\n3,\xeb,\n4,Alan\n")
    assert values(found) == [
        {"id": "1", "name": "Ada"},
        "is not UTF-8",
        "has 3 fields, but the header has 2",
        {"id": "4", "name": "Alan"},
    ]
    assert (found[1].raw, found[2].raw) == (b"2,Zo\xeb", b"3,\xeb,")


def test_a_long_field_is_read() -> None:
    (record,) = read("a.csv", b"id,name\n1," + b"x" * 500_000 + b"\n")
    assert len(json.loads(record.raw)["name"]) == 500_000


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest() -> None:
    found = read("a.csv", b'id,name\n1,Ada\n2,"Alan\n3,Grace\n')
    assert values(found) == [
        {"id": "1", "name": "Ada"},
        "unexpected end of data",
        {"id": "3", "name": "Grace"},
    ]
    assert (found[1].raw, found[1].line, found[2].line) == (b'2,"Alan', 3, 4)


def test_quotes_that_are_never_closed_take_no_other_rows_with_them() -> None:
    rows = [b'%d,"Ada' % n if n % 3 == 1 else b"%d,Zoe" % n for n in range(1000)]
    found = read("a.csv", b"id,name\n" + b"\n".join(rows))
    assert [(each.position, each.line) for each in found] == [(n, n + 2) for n in range(1000)]
    assert [isinstance(each, UnreadableRecord) for each in found] == [n % 3 == 1 for n in range(1000)]


@pytest.mark.parametrize("header", [b"id,id", b"id,", b",name"])
def test_a_header_must_name_each_column_once(header: bytes) -> None:
    with pytest.raises(InvalidInputError, match="empty or repeated column name"):
        read("a.csv", header + b"\n1,2\n")


def test_a_header_that_is_no_csv_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="header in line 2 is invalid: it is not CSV"):
        read("a.csv", b'"id,name\n1,2\n')


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1])
def test_a_row_has_a_limit_and_what_is_longer_spoils_no_other(size: int) -> None:
    row = b"1," + b"x" * (size - 2)
    found = read("a.csv", b"id,name\n" + row + b"\r\n2,Ada\n")
    assert (found[0].line, found[1].line, found[1].position) == (2, 3, 1)
    assert values(found[1:]) == [{"id": "2", "name": "Ada"}]
    if size > MAX_RECORD_BYTES:
        assert isinstance(found[0], UnreadableRecord)
        assert "has more than 1000000 bytes" in found[0].problem
        assert found[0].raw == row[:KEPT_BYTES]


@pytest.mark.parametrize("end", [b"", b'"'])
def test_a_quote_that_is_never_closed_costs_only_its_line_in_a_long_file(end: bytes) -> None:
    rows = b"".join(b"%d,Ada\n" % n for n in range(200_000))
    found = read("a.csv", b'id,name\n0,Zoe\n1,"Alan\n' + rows + end)
    assert values(found[:1]) == [{"id": "0", "name": "Zoe"}]
    assert isinstance(found[1], UnreadableRecord)
    assert (found[1].raw, found[1].problem) == (b'1,"Alan', "has a quote that is not closed")
    assert values(found[2:200_002]) == [{"id": str(n), "name": "Ada"} for n in range(200_000)]
    assert found[200_001].line == 200_003
    assert len(found) == 200_002 + len(end)


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("a,b", ","),
        ("a,b;c|d", ","),
        ("a;b", ";"),
        ("a\tb", "\t"),
        ("a|b", "|"),
        ('"a,x";b', ";"),
        ('"a\n,x";b', ";"),
        ('"a;""x",b|c', ","),
        ('5" a;b', ";"),
        ("a", ","),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_header_shows_the_delimiter(
    caplog: pytest.LogCaptureFixture, header: str, delimiter: str, mark: bytes
) -> None:
    caplog.set_level(logging.INFO)
    (bad,) = read("a.csv", mark + f"{header}\n{delimiter * 9}\n".encode())
    assert isinstance(bad, UnreadableRecord)
    assert bad.csv is not None
    assert bad.csv.delimiter == delimiter
    assert (f"The delimiter in 'a.csv' is {delimiter!r}" in caplog.text) == (delimiter != ",")


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("given", [None, ";"])
def test_excels_line_says_the_delimiter_and_is_no_record(line: str, given: str | None) -> None:
    found = read("a.csv", f"\ufeff{line}\r\na;b,c\r\n1;2\r\n".encode(), delimiter=given)
    assert values(found) == [{"a": "1", "b,c": "2"}]
    assert (found[0].position, found[0].line) == (0, 3)


def test_excels_line_alone_is_an_empty_file() -> None:
    assert read("a.csv", b"sep=;\n") == []


@pytest.mark.parametrize("delimiter", ["~", "\x01", ":", "^", "-", "]", "\\"])
def test_a_given_delimiter_may_be_any_character(delimiter: str) -> None:
    content = f"a{delimiter}b\n1,1{delimiter}2\n".encode()
    assert values(read("a.csv", content, delimiter=delimiter)) == [{"a": "1,1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        (b"a;b|c\n1;2|3\n", {}, "each of ';', '|' could be the delimiter. Set delimiter."),
        (b'"a;b"\n"1;2"\n', {}, "has one column, whose name contains another delimiter"),
        (b'"a,b"\n"1,2"\n', {}, "has one column, whose name contains another delimiter"),
        (b"a\x01b\n1\x012\n", {}, "has one column, whose name contains another delimiter"),
        (b"a,b\n1,2\n", {"delimiter": ";"}, "with the delimiter ';' it has one column"),
        (b"sep=|\na;b\n1;2\n", {}, "line 2 is invalid: with the delimiter '|' it has one column"),
        (b"a\0,b\0\n", {}, "it is not UTF-8. Set encoding"),
        (b"pr\xe9nom,b\n1,2\n", {}, "it is not UTF-8. Set encoding"),
        (b'"a' + b"x\n" * 600_000, {}, "a quote that is not closed"),
        (b"a" * (MAX_RECORD_BYTES + 3), {}, "it is too long"),
    ],
)
def test_a_header_that_may_mean_something_else_is_refused(
    content: bytes, options: dict[str, Any], problem: str
) -> None:
    error = refused(content, **options)
    assert error.startswith("path: 'a.csv': the header in line ")
    assert problem in error
    assert len(error) < 300


def test_a_column_whose_name_contains_a_delimiter_is_read_if_the_delimiter_is_given() -> None:
    assert values(read("a.csv", b'"a;b"\n1\n', delimiter=",")) == [{"a;b": "1"}]


def test_a_delimiter_that_the_file_contradicts_is_refused() -> None:
    assert "delimiter: is '|', but line 1 of 'a.csv' says ';'" in refused(b"sep=;\na;b\n", delimiter="|")


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-8-sig", "utf8"),
        ("utf-8-sig", "UTF-8-SIG"),
        ("utf-16", None),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", None),
        ("cp1252", "windows-1252"),
        ("latin-1", "iso-8859-1"),
        ("cp1250", "cp1250"),
        ("shift_jis", "shift_jis"),
    ],
)
def test_an_encoding_is_recognized_or_given(encoding: str, given: str | None) -> None:
    name = "ゾエ" if encoding == "shift_jis" else "Zoë"
    good, bad = read("a.csv", f"id,name\r\n1,{name}\r\n2,{name},3\r\n".encode(encoding), encoding=given)
    assert values([good]) == [{"id": "1", "name": name}]
    assert isinstance(bad, UnreadableRecord)
    assert bad.csv is not None
    # Its bytes are those of the file.
    assert f"2,{name},3\r\n".encode(bad.csv.encoding).startswith(bad.raw)
    assert bad.csv.decode(bad.raw) == f"2,{name},3"
    assert bad.csv.encode(bad.csv.decode(bad.raw)) == bad.raw


def test_an_encoding_that_the_file_contradicts_is_refused() -> None:
    error = refused(b"\xef\xbb\xbfa,b\n", encoding="cp1252")
    assert "encoding: is 'cp1252', but 'a.csv' begins with the byte order mark of utf-8" in error
    assert "begins with the byte order mark of utf-16-le" in refused("a".encode("utf-16"), encoding="utf-8")


def test_what_no_text_can_be_made_of_is_an_error_without_the_text() -> None:
    error = refused("a,b\n1,secret".encode("utf-16")[:-1])
    assert "'a.csv' is not UTF-16-LE after 0 records" in error
    assert "secret" not in error


def test_a_byte_that_the_encoding_does_not_have_spoils_its_row_only() -> None:
    found = read("a.csv", b"id,name\n1,\x81\n2,\xeb\n", encoding="cp1252")
    assert values(found) == ["is not CP1252", {"id": "2", "name": "ë"}]
    assert found[0].raw == b"1,\x81"


ROW = b"a,b,c\n1,,NULL\n"


@pytest.mark.parametrize(
    ("empty_cells", "null_values", "expected"),
    [
        ("omit", (), {"a": "1", "c": "NULL"}),
        ("null", (), {"a": "1", "b": None, "c": "NULL"}),
        ("text", (), {"a": "1", "b": "", "c": "NULL"}),
        ("omit", ("NULL", "-"), {"a": "1"}),
        ("null", ("NULL",), {"a": "1", "b": None, "c": None}),
        ("text", ("NULL",), {"a": "1", "b": "", "c": None}),
        ("text", ("", "NULL"), {"a": "1", "b": None, "c": None}),
    ],
)
def test_cells_without_a_value(
    empty_cells: str, null_values: tuple[str, ...], expected: dict[str, Any]
) -> None:
    options = {"empty_cells": EmptyCells(empty_cells), "null_values": frozenset(null_values)}
    assert values(read("a.csv", ROW, **options)) == [expected]
    assert values(read("a.csv", b"a,b,c\n1,2,3\n", **options)) == [{"a": "1", "b": "2", "c": "3"}]


def test_a_row_without_values_is_refused_unless_its_cells_become_something() -> None:
    rows = b"a,b\n,\n1,2\n"
    assert values(read("a.csv", rows)) == ["has no values", {"a": "1", "b": "2"}]
    assert values(read("a.csv", rows, empty_cells=EmptyCells.NULL))[0] == {"a": None, "b": None}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_line_end_will_do(end: bytes) -> None:
    found = read("a.csv", end.join([b"", b"a,b", b"", b'1,"x', b'y"', b"3,4"]))
    assert values(found) == [{"a": "1", "b": "x" + end.decode() + "y"}, {"a": "3", "b": "4"}]
    assert [record.line for record in found] == [4, 6]


def test_a_nul_is_a_character_of_its_cell() -> None:
    assert values(read("a.csv", b"a,b\n1,x\0y\n2,z\n")) == [{"a": "1", "b": "x\0y"}, {"a": "2", "b": "z"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('1;"x\n;y"', b'{"a":"1","b":"x\\n;y"}'),
        ("1;\r\n", b'{"a":"1"}'),
        ("1;2;3", "has 3 fields, but the header has 2"),
        ("1;2\n3;4", "new-line character seen in unquoted field"),
        ("", "has 0 fields, but the header has 2"),
        ('1;"2', "unexpected end of data"),
        ("1;\udceb", "is not UTF-8"),
    ],
)
def test_a_row_alone_is_read_as_in_its_file(text: str, expected: bytes | str) -> None:
    found = record_of_row(text, CsvLayout(columns=("a", "b"), delimiter=";"), CsvOptions())
    assert found == expected if isinstance(expected, bytes) else str(expected) in str(found)
