"""Records for an inlet, from memory or from a file, one at a time and never the whole input at once."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import IO, Any, ClassVar

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen

#: Characters that a field of a CSV file may have.
MAX_FIELD_CHARACTERS = 1_000_000


class InputRecord(Frozen, frozen=True):
    """A record that can be sent.

    :param position: its place in the input, from 0.
    :param raw: its JSON text, as it stood in the input where that was JSON.
    :param line: its line in the file, from 1.
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None = None


class UnreadableRecord(Frozen, frozen=True):
    """A piece of the input that is not a record.

    :param problem: what is wrong with it.
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None
    problem: str


class FileFormat(str, Enum):
    """The files that can be read, each also with ``.gz`` behind it."""

    JSON_LINES = ".jsonl"
    JSON_ARRAY = ".json"
    CSV = ".csv"


def file_format(name: str) -> tuple[FileFormat, bool]:
    """The format that a file's name promises, and whether it is gzipped.

    :raises InvalidInputError: if its ending is not known.
    """
    gzipped = name.endswith(".gz")
    stem = name[: -len(".gz")] if gzipped else name
    for known in FileFormat:
        if stem.endswith(known.value):
            return known, gzipped
    endings = ", ".join(f"{known.value}[.gz]" for known in FileFormat)
    raise InvalidInputError("path", f"{name!r} has an unknown file extension", f"Supported are {endings}.")


def from_messages(
    messages: Iterable[Mapping[str, Any] | InputRecord | UnreadableRecord],
) -> Iterator[InputRecord | UnreadableRecord]:
    """Records from objects in memory; what is a record already stays as it is."""
    for position, message in enumerate(messages):
        if isinstance(message, (InputRecord, UnreadableRecord)):
            yield message
        elif isinstance(message, Mapping):
            yield InputRecord(position, msgspec.json.encode(message))
        else:
            yield UnreadableRecord(position, str(message).encode(), None, "is not a JSON object")


def from_file(file: IO[bytes], name: str) -> Iterator[InputRecord | UnreadableRecord]:
    """Records from an open file.

    :param file: opened for reading bytes.
    :param name: its name, whose ending says the format.
    :raises InvalidInputError: if the ending is not known, a CSV header cannot be used, or a JSON array or a
        gzip stream breaks off; then all records before the break were given.
    """
    form, gzipped = file_format(name)
    stream: IO[bytes] = gzip.GzipFile(fileobj=file) if gzipped else file  # type: ignore[assignment]
    readers = {FileFormat.JSON_LINES: _json_lines, FileFormat.JSON_ARRAY: _json_array, FileFormat.CSV: _csv}
    return _until_break(readers[form](stream, name), name)


def _until_break(
    records: Iterator[InputRecord | UnreadableRecord], name: str
) -> Iterator[InputRecord | UnreadableRecord]:
    import ijson

    given = 0
    try:
        for record in records:
            yield record
            given += 1
    except (ijson.JSONError, EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise InvalidInputError(
            "path",
            f"{name!r} ends prematurely after {given} records: {' '.join(str(problem).split())}",
            f"Fix the file, then post the rest with skip_records={given}.",
        ) from problem


def _json_lines(stream: IO[bytes], _name: str) -> Iterator[InputRecord | UnreadableRecord]:
    position = 0
    for number, line in enumerate(stream, start=1):
        raw = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
        if not raw:
            continue
        problem = _problem_of(raw)
        yield (
            InputRecord(position, raw, number)
            if not problem
            else UnreadableRecord(position, raw, number, problem)
        )
        position += 1


def _problem_of(raw: bytes) -> str | None:
    try:
        raw.decode()
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return f"is not JSON: {problem}"
    return None if isinstance(document, dict) else "is not a JSON object"


def _json_array(stream: IO[bytes], _name: str) -> Iterator[InputRecord | UnreadableRecord]:
    import ijson

    # Decimals keep a number's digits; a float would lose some, and cannot hold long integers.
    encode = msgspec.json.Encoder(decimal_format="number").encode
    for position, item in enumerate(ijson.items(stream, "item")):
        if isinstance(item, dict):
            yield InputRecord(position, encode(item))
        else:
            yield UnreadableRecord(position, str(item).encode(), None, "is not a JSON object")


def _csv(stream: IO[bytes], name: str) -> Iterator[InputRecord | UnreadableRecord]:
    # A field may be as long as a request; what is longer cannot be sent. The limit is the process's.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARACTERS))
    # Bytes that are not UTF-8 affect only their own row.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    row_text: list[str] = []
    # Strict, since otherwise a quote that is never closed takes the rest of the file for its field.
    reader = csv.reader(_noting(text, row_text), strict=True)
    try:
        header = next(reader, None)
    except csv.Error as problem:
        raise InvalidInputError(
            "path", f"{name!r}: the header is not CSV: {problem}", "Fix the header."
        ) from None
    if header is None:
        return
    if len(set(header)) < len(header) or not all(header):
        raise InvalidInputError(
            "path", f"{name!r} has an empty or repeated column name", "Name each column once."
        )
    position = 0
    while True:
        row_text.clear()
        try:
            row = next(reader, None)
            if row is None:
                return
            record: bytes | str | None = _csv_record(header, row) if row else None
        except csv.Error as problem:
            record = str(problem)
        if record is None:
            continue
        if isinstance(record, bytes):
            yield InputRecord(position, record, reader.line_num)
        else:
            raw = "".join(row_text).rstrip("\r\n").encode("utf-8", "surrogateescape")
            yield UnreadableRecord(position, raw, reader.line_num, record)
        position += 1


def _noting(lines: Iterable[str], noted: list[str]) -> Iterator[str]:
    for line in lines:
        noted.append(line)
        yield line


def _csv_record(header: list[str], row: list[str]) -> bytes | str:
    """The JSON text of a row, or what is wrong with it."""
    if len(row) != len(header):
        return f"has {len(row)} fields where the header has {len(header)}"
    try:
        return msgspec.json.encode(dict(zip(header, row, strict=True)))
    except UnicodeEncodeError:
        return "is not UTF-8"
