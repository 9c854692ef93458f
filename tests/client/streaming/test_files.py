from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from typing import IO

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import files
from airflow_provider_flowservice.client.streaming.files import FileFormat
from airflow_provider_flowservice.client.streaming.records import InputRecord, single
from tests.support.reading import read, read_until_error, values

PEOPLE = [{"id": "1", "name": "Ada"}, {"id": "2", "name": "Zoë"}]
FILES = {
    "people.jsonl": b'{"id": "1", "name": "Ada"}\n{"id": "2", "name": "Zo\xc3\xab"}\n',
    "people.json": b'[{"id": "1", "name": "Ada"}, {"id": "2", "name": "Zo\xc3\xab"}]',
    "people.csv": b"id,name\r\n1,Ada\r\n2,Zo\xc3\xab\r\n",
}


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
        ("a.jsonl", FileFormat.JSON_LINES),
        ("a.ndjson.gz", FileFormat.JSON_LINES),
        ("a.json", FileFormat.JSON),
        ("2026.01.csv.gz", FileFormat.CSV),
        ("A.JSON.GZ", FileFormat.JSON),
        ("s3://bucket/folder.csv/PEOPLE.Csv", FileFormat.CSV),
    ],
)
def test_the_ending_says_the_format(name: str, expected: FileFormat) -> None:
    assert files.file_format(name) is expected


@pytest.mark.parametrize("name", ["people.txt", "people", "people.gz", "people.jsonl.zip", "people.csv/x"])
def test_an_unknown_ending_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"\.jsonl\[\.gz\], \.ndjson\[\.gz\], .*input_format"):
        files.file_format(name)


@pytest.mark.parametrize(
    "name", ["people.jsonl", "people.csv", "people.json", "people.jsonl.gz", "people.csv.gz"]
)
def test_an_empty_file_has_no_records(name: str) -> None:
    assert read(name, b"") == []


def test_an_array_without_elements_and_a_header_without_rows_have_no_records() -> None:
    assert read("people.json", b" [ ] ") == []
    assert read("people.csv", b"id,name\n") == []


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv"])
def test_a_gzip_stream_that_breaks_off_is_named(ending: str) -> None:
    with pytest.raises(InvalidInputError, match=r"'a.*gz' ends prematurely after 0 records"):
        read(f"a{ending}.gz", b"this is no gzip")
    whole = gzip.compress(FILES[f"people{ending}"])
    with pytest.raises(InvalidInputError, match="ends prematurely after"):
        read(f"a{ending}.gz", whole[:-6])


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
    found = single(files.from_file(file, name))
    for _ in range(5):
        assert isinstance(next(found), InputRecord)
    assert raw.given <= 256 * 1024
    file.detach()


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".json"])
def test_a_gzip_stream_that_breaks_off_gives_all_that_stands_before(ending: str) -> None:
    noise = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(20_000)]
    content = {
        ".jsonl": "".join(f'{{"n": "{each}"}}\n' for each in noise),
        ".csv": "n\n" + "\n".join(noise),
        ".json": json.dumps([{"n": each} for each in noise]),
    }[ending].encode()
    half = gzip.compress(content)[:400_000]
    found, error = read_until_error(f"a{ending}.gz", half)
    given = [json.loads(record.raw)["n"] for record in found]
    complete = zlib.decompressobj(31).decompress(half)
    assert given == noise[: len(given)]
    assert len(given) == sum(each.encode() in complete for each in noise)
    assert f"ends prematurely after {len(given)} records" in error
    assert f"skip_records={len(given)}" in error


def test_the_content_says_that_it_is_compressed_whatever_the_name() -> None:
    assert values(read("people.jsonl", gzip.compress(FILES["people.jsonl"]))) == PEOPLE


@pytest.mark.parametrize("form", [each for each in FileFormat if each is not FileFormat.PARQUET])
def test_a_given_format_goes_over_the_name(form: FileFormat) -> None:
    content = FILES[f"people.{form.value}"]
    assert values(read("people", content, form)) == PEOPLE
    assert values(read("people.txt.gz", gzip.compress(content), form)) == PEOPLE
