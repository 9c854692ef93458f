"""Records for an inlet, from memory or from a file, one at a time and never the whole input at once."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, Any

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError


@dataclass(frozen=True)
class Record:
    """A record that can be sent.

    :param position: its place in the input, from 0.
    :param raw: its JSON text, as it stood in the input where that was JSON.
    :param line: its line in the file, from 1.
    """

    position: int
    raw: bytes = field(repr=False)
    line: int | None = None


@dataclass(frozen=True)
class UnreadableRecord:
    """A piece of the input that is no record.

    :param problem: what is wrong with it.
    """

    position: int
    raw: bytes = field(repr=False)
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
    raise InvalidInputError("path", f"{name!r} has no known ending", f"Known are {endings}.")


def from_messages(messages: Iterable[Mapping[str, Any]]) -> Iterator[Record | UnreadableRecord]:
    """Records from objects in memory."""
    for position, message in enumerate(messages):
        if isinstance(message, Mapping):
            yield Record(position, msgspec.json.encode(message))
        else:
            yield UnreadableRecord(position, str(message).encode(), None, "is no JSON object")


def from_file(file: IO[bytes], name: str) -> Iterator[Record | UnreadableRecord]:
    """Records from an open file.

    :param file: opened for reading bytes.
    :param name: its name, whose ending says the format.
    :raises InvalidInputError: if the ending is not known, or a JSON array or a CSV header cannot be read on.
    """
    form, gzipped = file_format(name)
    stream: IO[bytes] = gzip.GzipFile(fileobj=file) if gzipped else file  # type: ignore[assignment]
    readers = {
        FileFormat.JSON_LINES: _json_lines,
        FileFormat.JSON_ARRAY: _json_array,
        FileFormat.CSV: _csv,
    }
    return readers[form](stream, name)


def _json_lines(stream: IO[bytes], _name: str) -> Iterator[Record | UnreadableRecord]:
    position = 0
    for number, line in enumerate(stream, start=1):
        raw = line.strip()
        if not raw:
            continue
        problem = _problem_of(raw)
        yield (
            Record(position, raw, number) if not problem else UnreadableRecord(position, raw, number, problem)
        )
        position += 1


def _problem_of(raw: bytes) -> str | None:
    try:
        raw.decode()
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return f"is no JSON: {problem}"
    return None if isinstance(document, dict) else "is no JSON object"


def _json_array(stream: IO[bytes], name: str) -> Iterator[Record | UnreadableRecord]:
    import ijson

    position = 0
    try:
        for item in ijson.items(stream, "item", use_float=True):
            if isinstance(item, dict):
                yield Record(position, msgspec.json.encode(item))
            else:
                yield UnreadableRecord(position, str(item).encode(), None, "is no JSON object")
            position += 1
    except ijson.JSONError as problem:
        raise InvalidInputError(
            "path",
            f"{name!r} breaks off after {position} records: {problem}",
            "Put the file right, then post the rest with skip_records.",
        ) from problem


def _csv(stream: IO[bytes], name: str) -> Iterator[Record | UnreadableRecord]:
    reader = csv.reader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
    header = next(reader, None)
    if header is None:
        return
    if len(set(header)) < len(header) or not all(header):
        raise InvalidInputError(
            "path", f"{name!r} has an empty or repeated column name", "Name each column once."
        )
    position = 0
    for row in reader:
        if not row:
            continue
        if len(row) == len(header):
            record = msgspec.json.encode(dict(zip(header, row, strict=True)))
            yield Record(position, record, reader.line_num)
        else:
            problem = f"has {len(row)} fields where the header has {len(header)}"
            yield UnreadableRecord(position, ",".join(row).encode(), reader.line_num, problem)
        position += 1
