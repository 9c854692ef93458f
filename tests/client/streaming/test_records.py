from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from typing import IO

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import files, records
from airflow_provider_flowservice.client.streaming.files import FileFormat
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord

PEOPLE = [{"id": "1", "name": "Ada"}, {"id": "2", "name": "Zoë"}]
FILES = {
    "people.jsonl": b'{"id": "1", "name": "Ada"}\n{"id": "2", "name": "Zo\xc3\xab"}\n',
    "people.json": b'[{"id": "1", "name": "Ada"}, {"id": "2", "name": "Zo\xc3\xab"}]',
    "people.csv": b"id,name\r\n1,Ada\r\n2,Zo\xc3\xab\r\n",
}


def read(name: str, content: bytes) -> list[InputRecord | UnreadableRecord]:
    return list(files.from_file(io.BytesIO(content), name))


def values(found: list[InputRecord | UnreadableRecord]) -> list[object]:
    """What was read: the document of a record, the problem of what is none."""
    return [r.problem if isinstance(r, UnreadableRecord) else json.loads(r.raw) for r in found]


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("name", sorted(FILES))
def test_each_kind_of_file_gives_its_records_in_order(name: str, gzipped: bool) -> None:
    content = gzip.compress(FILES[name]) if gzipped else FILES[name]
    found = read(name + ".gz" * gzipped, content)
    assert values(found) == PEOPLE
    assert [record.position for record in found] == [0, 1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", (FileFormat.JSON_LINES, False)),
        ("a.json", (FileFormat.JSON_ARRAY, False)),
        ("2026.01.csv.gz", (FileFormat.CSV, True)),
        ("a.json.gz", (FileFormat.JSON_ARRAY, True)),
    ],
)
def test_the_ending_says_the_format(name: str, expected: tuple[FileFormat, bool]) -> None:
    assert files.file_format(name) == expected


@pytest.mark.parametrize("name", ["people.txt", "people", "people.gz", "people.jsonl.zip", "people.JSONL"])
def test_an_unknown_ending_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"\.jsonl\[\.gz\], \.json\[\.gz\], \.csv\[\.gz\]"):
        files.file_format(name)


@pytest.mark.parametrize("name", ["people.jsonl", "people.csv", "people.jsonl.gz", "people.csv.gz"])
def test_an_empty_file_has_no_records(name: str) -> None:
    assert read(name, b"") == []


def test_an_array_without_elements_and_a_header_without_rows_have_no_records() -> None:
    assert read("people.json", b" [ ] ") == []
    assert read("people.csv", b"id,name\n") == []


def test_a_line_is_kept_as_it_stands_with_its_number() -> None:
    content = b'\n  {"n": 1.50, "big": 12345678901234567890}  \r\n\n{"n":2}'
    assert read("a.jsonl", content) == [
        InputRecord(0, b'{"n": 1.50, "big": 12345678901234567890}', 2),
        InputRecord(1, b'{"n":2}', 4),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"n":', "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b'{"n": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"n": NaN}', "is not JSON"),
    ],
)
def test_a_line_that_is_no_object_spoils_no_other(line: bytes, problem: str) -> None:
    first, bad, last = read("a.jsonl", b'{"n": 1}\n' + line + b'\n{"n": 3}\n')
    assert values([first, last]) == [{"n": 1}, {"n": 3}]
    assert isinstance(bad, UnreadableRecord)
    assert (bad.position, bad.line, bad.raw) == (1, 2, line)
    assert problem in bad.problem


def test_an_element_that_is_no_object_spoils_no_other() -> None:
    assert values(read("a.json", b'[{"n": 1}, 2, null, {"n": 4}]')) == [
        {"n": 1},
        "is not a JSON object",
        "is not a JSON object",
        {"n": 4},
    ]


def test_numbers_of_an_array_keep_all_their_digits() -> None:
    content = b'[{"price":1.50,"big":12345678901234567890,"fine":0.1234567890123456789}]'
    (record,) = read("a.json", content)
    assert record.raw == content[1:-1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'[{"n": 1}, {"n": 2}, {"n": '),
        ("a.json", b'[{"n": 1}, {"n": 2} {"n": 3}]'),
        ("a.json", b'[{"n": 1}, {"n": 2}, {"n": "\xff"}]'),
    ],
)
def test_an_array_that_breaks_off_gives_what_stands_before(name: str, content: bytes) -> None:
    found = files.from_file(io.BytesIO(content), name)
    assert values([next(found), next(found)]) == [{"n": 1}, {"n": 2}]
    with pytest.raises(InvalidInputError, match=r"ends prematurely after 2 records.*skip_records=2"):
        next(found)


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv"])
def test_a_gzip_stream_that_breaks_off_is_named(ending: str) -> None:
    with pytest.raises(InvalidInputError, match=r"'a.*gz' ends prematurely after 0 records"):
        read(f"a{ending}.gz", b"this is no gzip")
    whole = gzip.compress(FILES[f"people{ending}"])
    with pytest.raises(InvalidInputError, match="ends prematurely after"):
        read(f"a{ending}.gz", whole[:-6])


def test_a_ragged_row_is_named_by_its_line_and_kept_as_it_stands() -> None:
    found = read("a.csv", b'id,name\n1,"Ada\nByron"\n2\n"3","x, y",4\n4,Alan\n')
    assert values(found) == [
        {"id": "1", "name": "Ada\nByron"},
        "has 1 fields, but the header has 2",
        "has 3 fields, but the header has 2",
        {"id": "4", "name": "Alan"},
    ]
    assert [(record.position, record.line) for record in found] == [(0, 3), (1, 4), (2, 5), (3, 6)]
    assert found[2].raw == b'"3","x, y",4'


def test_empty_rows_and_a_byte_order_mark_are_passed_over() -> None:
    assert values(read("a.csv", b"\xef\xbb\xbfid,name\n\n1,Ada\n\n")) == [{"id": "1", "name": "Ada"}]


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


def test_a_field_that_no_request_can_hold_spoils_its_row_only() -> None:
    found = read("a.csv", b"id,name\n1," + b"x" * (records.MAX_FIELD_CHARACTERS + 1) + b"\n2,Ada\n")
    assert values(found) == [
        f"field larger than field limit ({records.MAX_FIELD_CHARACTERS})",
        {"id": "2", "name": "Ada"},
    ]


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest() -> None:
    found = read("a.csv", b'id,name\n1,Ada\n2,"Alan\n3,Grace\n')
    assert values(found) == [{"id": "1", "name": "Ada"}, "unexpected end of data"]
    assert found[1].raw == b'2,"Alan\n3,Grace'


@pytest.mark.parametrize("header", [b"id,id", b"id,", b",name"])
def test_a_header_must_name_each_column_once(header: bytes) -> None:
    with pytest.raises(InvalidInputError, match="empty or repeated column name"):
        read("a.csv", header + b"\n1,2\n")


def test_a_header_that_is_no_csv_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="header is not CSV"):
        read("a.csv", b'"id,name\n1,2\n')


def test_objects_in_memory_become_records() -> None:
    found = list(records.from_messages([{"n": 1, "name": "Zoë"}, "text", {"n": 3}]))  # type: ignore[list-item]
    assert values(found) == [{"n": 1, "name": "Zoë"}, "is not a JSON object", {"n": 3}]
    assert [record.position for record in found] == [0, 1, 2]
    assert {record.line for record in found} == {None}


class _Counting(io.RawIOBase):
    """A file that counts the bytes that are read of it and never ends by itself."""

    def __init__(self, head: bytes, line: bytes) -> None:
        self.given = 0
        self._line = line
        self._left = head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while len(self._left) < len(buffer):
            self._left += self._line
        buffer[:] = self._left[: len(buffer)]
        self._left = self._left[len(buffer) :]
        self.given += len(buffer)
        return len(buffer)


@pytest.mark.parametrize(
    ("name", "head", "line"),
    [("a.jsonl", b"", b'{"n": 1}\n'), ("a.json", b"[", b'{"n": 1},\n'), ("a.csv", b"n\n", b"1\n")],
)
def test_a_file_is_read_no_further_than_its_records_are_asked_for(
    name: str, head: bytes, line: bytes
) -> None:
    raw = _Counting(head, line)
    file: IO[bytes] = io.BufferedReader(raw)
    found: Iterator[InputRecord | UnreadableRecord] = files.from_file(file, name)
    for _ in range(5):
        assert isinstance(next(found), InputRecord)
    assert raw.given <= 256 * 1024
    file.detach()


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert values(read("a.jsonl", b'\xef\xbb\xbf{"n": 1}\n{"n": 2}\n')) == [{"n": 1}, {"n": 2}]
