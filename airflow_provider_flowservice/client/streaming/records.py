"""Input records from memory or from a file, read one at a time and never all at once."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import IO, Any, ClassVar

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen

#: Maximum length of a CSV field in characters: the size limit of a request, which exceeds the csv module's default.
MAX_FIELD_CHARACTERS = 1_000_000


class InputRecord(Frozen, frozen=True):
    """A valid record.

    :param position: index of the record in the input, starting at 0.
    :param raw: the record encoded as JSON; unchanged if the input is JSON lines.
    :param line: line number in the file, starting at 1; None if there are no lines.
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None = None


class CsvLayout(Frozen, frozen=True):
    """How the rows of a CSV file are read.

    :param columns: names of the columns, in the order of the file.
    :param delimiter: the character between two fields.
    """

    columns: tuple[str, ...]
    delimiter: str

    def decode(self, raw: bytes) -> str:
        """Return the text of a row. Bytes that are invalid in the encoding become lone surrogates."""
        return raw.decode("utf-8", "surrogateescape")

    def encode(self, text: str) -> bytes:
        """Return the bytes of a row, as they were before :meth:`decode`."""
        return text.encode("utf-8", "surrogateescape")


class UnreadableRecord(Frozen, frozen=True):
    """An invalid record.

    :param problem: description of the problem.
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None
    problem: str
    csv: CsvLayout | None = None


def checked(position: int, raw: bytes, line: int | None = None) -> InputRecord | UnreadableRecord:
    """Return the record for JSON text from a file."""
    problem = problem_of(raw)
    if problem is None:
        return InputRecord(position, raw, line)
    return UnreadableRecord(position, raw, line, problem)


class FileFormat(StrEnum):
    """File extensions of the supported formats; each can be followed by ``.gz``."""

    JSON_LINES = ".jsonl"
    JSON_ARRAY = ".json"
    CSV = ".csv"


def file_format(name: str) -> tuple[FileFormat, bool]:
    """Return the format of a file, according to its name, and whether it is compressed with gzip.

    :raises InvalidInputError: if the file extension is unknown.
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
    """Yield records for objects in memory. Existing records are not changed."""
    for position, message in enumerate(messages):
        if isinstance(message, (InputRecord, UnreadableRecord)):
            yield message
        elif isinstance(message, Mapping):
            yield InputRecord(position, msgspec.json.encode(message))
        else:
            yield UnreadableRecord(position, str(message).encode(), None, "is not a JSON object")


def from_file(file: IO[bytes], name: str) -> Iterator[InputRecord | UnreadableRecord]:
    """Yield the records in an open file.

    :param file: file that is open in binary mode.
    :param name: name of the file, whose extension defines the format.
    :raises InvalidInputError: if the file extension is unknown, a CSV header is invalid, or a JSON array or gzip stream
        is truncated. In the last case, all records before that point are yielded first.
    """
    form, gzipped = file_format(name)
    stream: IO[bytes] = gzip.GzipFile(fileobj=file) if gzipped else file  # type: ignore[assignment]
    readers = {FileFormat.JSON_LINES: _json_lines, FileFormat.JSON_ARRAY: _json_array, FileFormat.CSV: _csv}
    return _until_truncated(readers[form](stream, name), name)


def _until_truncated(
    records: Iterator[InputRecord | UnreadableRecord], name: str
) -> Iterator[InputRecord | UnreadableRecord]:
    import ijson

    given = 0
    try:
        for record in records:
            yield record
            given += 1
        return
    except (ijson.JSONError, EOFError, gzip.BadGzipFile, zlib.error):
        pass
    # Outside of the handler: these errors quote the input, and an error shows those that it comes from.
    problem = f"{name!r} ends prematurely after {given} records"
    remedy = f"Fix the file, then post the rest with skip_records={given}."
    raise InvalidInputError("path", problem, remedy)


def _json_lines(stream: IO[bytes], _name: str) -> Iterator[InputRecord | UnreadableRecord]:
    position = 0
    for number, line in enumerate(stream, start=1):
        raw = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
        if not raw:
            continue
        problem = problem_of(raw)
        yield (
            InputRecord(position, raw, number)
            if not problem
            else UnreadableRecord(position, raw, number, problem)
        )
        position += 1


def problem_of(raw: bytes) -> str | None:
    """Return what is wrong with JSON text from a file, or None."""
    try:
        raw.decode()
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return f"is not JSON: {problem}"
    return None if isinstance(document, dict) else "is not a JSON object"


def _json_array(stream: IO[bytes], _name: str) -> Iterator[InputRecord | UnreadableRecord]:
    import ijson

    # Decimals preserve all digits of a number, whereas floats would lose some.
    encode = msgspec.json.Encoder(decimal_format="number").encode
    for position, item in enumerate(ijson.items(stream, "item")):
        if isinstance(item, dict):
            yield InputRecord(position, encode(item))
        else:
            yield UnreadableRecord(position, str(item).encode(), None, "is not a JSON object")


def _csv(stream: IO[bytes], name: str) -> Iterator[InputRecord | UnreadableRecord]:
    # A longer field cannot be sent in any case. The limit applies to the whole process, so it is never reduced.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARACTERS))
    # Invalid UTF-8 only affects the row that contains it.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    row_text: list[str] = []
    # Without strict, a quote that is not closed would make the rest of the file a single field.
    reader = csv.reader(_recording(text, row_text), strict=True)
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
            yield UnreadableRecord(position, raw, reader.line_num, record, CsvLayout(tuple(header), ","))
        position += 1


def _recording(lines: Iterable[str], recorded: list[str]) -> Iterator[str]:
    for line in lines:
        recorded.append(line)
        yield line


def _csv_record(header: list[str], row: list[str]) -> bytes | str:
    """Return a row encoded as JSON, or a description of the problem."""
    if len(row) != len(header):
        return f"has {len(row)} fields, but the header has {len(header)}"
    try:
        return msgspec.json.encode(dict(zip(header, row, strict=True)))
    except UnicodeEncodeError:
        return "is not UTF-8"


def record_of_row(text: str, layout: CsvLayout) -> bytes | str:
    """Return the text of a row as a JSON object, or a description of the problem."""
    try:
        (row,) = csv.reader([text], strict=True, delimiter=layout.delimiter)
    except (csv.Error, ValueError) as error:
        return str(error)
    return _csv_record(list(layout.columns), row)
