"""Dead letters: records that were not accepted, as JSON lines. Posted again, each letter stands for its record."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import IO, Any, TypeVar

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.blocks import opened
from airflow_provider_flowservice.client.streaming.csv_files import CsvOptions, record_of_row
from airflow_provider_flowservice.client.streaming.posting import Failure
from airflow_provider_flowservice.client.streaming.records import (
    MAX_RECORD_BYTES,
    CsvLayout,
    InputRecord,
    RecordBlock,
    Records,
    UnreadableRecord,
    checked,
    in_blocks,
    place_of,
    problem_of,
    single,
)

#: The key that marks a dead letter; its value is the version of the format.
MARKER = "flowservice.dead_letter"
VERSION = 1
#: Maximum size of a dead letter that is posted again: far more than a request may have.
MAX_LETTER_BYTES = 16_000_000
#: Number of failures in an error message: enough to recognize the cause, few enough to read.
_SHOWN = 10
_MARKER = MARKER.encode()
_BEGINNING = (
    "is only the beginning of a record that was too long; if it is complete now, remove 'is_beginning'"
)
_NULL = msgspec.Raw(b"null")


class _Marked(Frozen, frozen=True):
    """What makes an object a dead letter: the marker, whatever else is wrong."""

    version: Any = msgspec.field(name=MARKER)
    record: msgspec.Raw = _NULL


class _Letter(Frozen, frozen=True):
    """A dead letter.

    :param record: an object if the record is one; otherwise its text as a string, in which a byte that is not UTF-8
        is a lone surrogate.
    :param csv: columns and delimiter of the file that the record is a row of.
    :param source: name of the file that the record is from, if its input could have several.
    :param is_beginning: whether the text is only the beginning of a record that is too long.
    """

    version: int = msgspec.field(name=MARKER)
    position: int
    record: msgspec.Raw = _NULL
    line: int | None = None
    csv: CsvLayout | None = None
    is_beginning: bool = False
    source: str | None = None


L = TypeVar("L", _Marked, _Letter)


class DeadLetters:
    """Collects the first failures for the error message, and the letters of all of them.

    :param write: keeps letters, each of which is a line; None if nobody wants them.
    """

    def __init__(self, write: Callable[[Sequence[bytes]], None] | None = None) -> None:
        self._write = write
        self._pending: list[Failure] = []
        self._first: list[str] = []

    def add(self, failure: Failure) -> None:
        """Add a record that was not accepted."""
        if len(self._first) < _SHOWN:
            self._first.append(f"{failure.place}: {failure.message}")
        if self._write is not None:
            self._pending.append(failure)

    def settle(self) -> None:
        """Write the letters that were added since the last time, in the order of their records."""
        if self._write is not None and self._pending:
            self._write([_letter(each) for each in sorted(self._pending, key=lambda each: each.index)])
        self._pending.clear()

    def describe(self, count: int) -> str:
        """Return a message that describes the first failures.

        :param count: number of failures, including those that earlier attempts have reported.
        """
        if not self._first:
            return f"An earlier attempt has reported all {count}."
        more = f" ... and {count - len(self._first)} more." if count > len(self._first) else "."
        return "; ".join(self._first) + more


def _letter(failure: Failure) -> bytes:
    """Return the letter of a record, as a line."""
    record = failure.record
    csv, is_beginning = None, False
    if isinstance(record, UnreadableRecord):
        csv, is_beginning = record.csv, record.is_beginning
    head = {
        MARKER: VERSION,
        "position": record.position,
        "line": record.line,
        "status": failure.status,
        "message": failure.message,
        **({"source": record.source} if record.source else {}),
        **({"csv": msgspec.to_builtins(csv)} if csv else {}),
        **({"is_beginning": True} if is_beginning else {}),
    }
    if csv is None and not is_beginning and problem_of(record.raw) is None:
        # The text of the record stays as it is, with all its digits; line ends occur only between its tokens.
        content = record.raw.translate(bytes.maketrans(b"\r\n", b"  "))
    else:
        content = _as_json(csv.decode(record.raw) if csv else record.raw.decode("utf-8", "surrogateescape"))
    return b"".join((_as_json(head)[:-1], b', "record": ', content, b"}\n"))


def _as_json(value: Any) -> bytes:
    # Lone surrogates, which UTF-8 does not have, become escape sequences of JSON.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


def is_dead_letter(raw: bytes) -> bool:
    """Whether a record is a dead letter."""
    if _MARKER not in raw:
        return False
    try:
        _decode(raw, _Marked)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return False
    return True


def _decode(raw: bytes, kind: type[L]) -> tuple[L, str | None]:
    """Decode a letter.

    :returns: the letter, and its record if that is a string.
    """
    try:
        letter = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # msgspec reads no lone surrogates, which are only in the text of a record.
        document = json.loads(raw)
        text = document.pop("record", None) if isinstance(document, dict) else None
        return msgspec.convert(document, kind), text
    content = bytes(letter.record)
    return letter, json.loads(content) if content.startswith(b'"') else None


def begins_with_dead_letter(file: IO[bytes]) -> bool:
    """Whether the first line of an open file is a dead letter. The file is read up to there."""
    with suppress(InvalidInputError, EOFError, gzip.BadGzipFile, zlib.error):
        return any(is_dead_letter(first.raw) for first in islice(_lines(file), 1))
    return False


def lines_of_letters(file: IO[bytes], source: str | None = None) -> Records:
    """Yield the lines of an open file of dead letters, whatever its name. They are not checked.

    :param source: name of the file, if the input can have several.
    :raises InvalidInputError: if a line is longer than a dead letter can be.
    """
    return in_blocks(_lines(file, source))


def _lines(file: IO[bytes], source: str | None = None) -> Iterator[InputRecord]:
    stream = opened(file, gzipped=False)
    number = position = 0
    while line := stream.readline(MAX_LETTER_BYTES + 1):
        number += 1
        if len(line) > MAX_LETTER_BYTES:
            problem = (
                f"line {number} has more than {MAX_LETTER_BYTES} bytes, but a request has at most"
                f" {MAX_RECORD_BYTES}"
            )
            raise InvalidInputError("path", problem, "Remove the line.")
        raw = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip()
        if raw:
            yield InputRecord(position, raw, number, source)
            position += 1


def unwrapped(records: Records, csv_options: CsvOptions | None = None) -> Records:
    """Yield, if the first record is a dead letter, the records that the letters stand for; otherwise all as they are.

    The position and the line of such a record are those in the input that it was read from at first.

    :param csv_options: how to read a row; its layout is in the letter.
    :raises InvalidInputError: if there are dead letters and other records, or a letter is invalid.
    """
    are_letters: bool | None = None
    for part in records:
        if are_letters is None:
            are_letters = is_dead_letter(next(single([part])).raw)
        if are_letters or _has_letter(part):
            yield from in_blocks(_each_unwrapped(part, csv_options or CsvOptions(), are_letters=are_letters))
        else:
            yield part


def _has_letter(part: RecordBlock | UnreadableRecord) -> bool:
    raws = part.raws if isinstance(part, RecordBlock) else [part.raw]
    # To look into all of them at once is much faster.
    return _MARKER in b"".join(raws) and any(map(is_dead_letter, raws))


def _each_unwrapped(
    part: RecordBlock | UnreadableRecord, csv_options: CsvOptions, *, are_letters: bool
) -> Iterator[InputRecord | UnreadableRecord]:
    for record in single([part]):
        is_letter = is_dead_letter(record.raw)
        place = place_of(record)
        if is_letter != are_letters:
            kinds = ("a dead letter", "none") if is_letter else ("no dead letter", "one")
            problem = f"{place} is {kinds[0]}, but the first record is {kinds[1]}"
            raise InvalidInputError(
                "path or messages", problem, "Post dead letters and other records separately."
            )
        yield _record_in(record.raw, place, csv_options) if is_letter else record


def _record_in(raw: bytes, place: str, csv_options: CsvOptions) -> InputRecord | UnreadableRecord:
    try:
        letter, text = _decode(raw, _Letter)
        if text is None:
            content = bytes(letter.record)
        else:
            content = letter.csv.encode(text) if letter.csv else text.encode("utf-8", "surrogateescape")
    except (ValueError, msgspec.MsgspecError, RecursionError):
        remedy = f"It needs the keys {MARKER!r}, 'position' and 'record' as they were written."
        raise InvalidInputError("path or messages", f"{place} is no valid dead letter", remedy) from None
    if letter.version != VERSION:
        problem = f"{place} is a dead letter of version {letter.version}, but only {VERSION} is known"
        raise InvalidInputError("path or messages", problem, "Post it with the version that wrote it.")
    if is_dead_letter(content):
        # A letter that was broken when it was posted back is the record of another letter.
        return _record_in(content, place, csv_options)
    record = _record_of(letter, content, text, csv_options)
    return msgspec.structs.replace(record, source=letter.source)


def _record_of(
    letter: _Letter, content: bytes, text: str | None, csv_options: CsvOptions
) -> InputRecord | UnreadableRecord:
    if text is not None and letter.is_beginning:
        # Cut off, a row can look like a whole one.
        return UnreadableRecord(
            letter.position, content, letter.line, _BEGINNING, letter.csv, is_beginning=True
        )
    if text is None or letter.csv is None:
        return checked(letter.position, content, letter.line)
    row = record_of_row(text, letter.csv, csv_options)
    if isinstance(row, bytes):
        return InputRecord(letter.position, row, letter.line)
    return UnreadableRecord(letter.position, content, letter.line, row, letter.csv)
