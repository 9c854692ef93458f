"""Input records, alone and in blocks, and how they are checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, TypeAlias

import msgspec

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.blocks import BLOCK_BYTES
from airflow_provider_flowservice.client.streaming.inlet import MAX_REQUEST_BYTES

#: Maximum size of a record; a longer one fits into no request.
MAX_RECORD_BYTES = MAX_REQUEST_BYTES
#: Number of bytes that are kept of a record that is longer.
KEPT_BYTES = 4096
#: Maximum nesting of a record. XDM's schemas have far fewer levels, and Python's parsers fail at about 1000.
MAX_DEPTH = 256

#: A block that is made of single records has at most so many, and about :data:`BLOCK_BYTES`.
_BLOCK_RECORDS = 1000

_decode = msgspec.json.Decoder().decode
_decode_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_ROUND = bytes.maketrans(b"[]{}", b"()()")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
#: Problems of a record.
TOO_DEEP = f"has more than {MAX_DEPTH} levels"
NOT_AN_OBJECT = "is not a JSON object"
#: Makes digits equal, and what can come after a number, so that :data:`_EXPONENT` and :data:`_DIGITS` are found fast.
_NUMBER_PARTS = bytes.maketrans(b"0123456789+eE,]} \t\r\n", b"0" * 11 + b"ee" + b"," * 7)
#: What a number has that may be out of range: an exponent of three digits, or so many digits before it.
_EXPONENT = re.compile(rb"e0000*+,")
_DIGITS = b"0" * 200


class CsvLayout(Frozen, frozen=True):
    """How the rows of a CSV file are read.

    :param columns: names of the columns, in the order of the file.
    :param delimiter: the character between two fields.
    :param encoding: Python's name of the file's encoding.
    """

    columns: tuple[str, ...]
    delimiter: str
    encoding: str = "utf-8"

    def decode(self, raw: bytes) -> str:
        """Return the text of a row. Bytes that are invalid in the encoding become lone surrogates."""
        return raw.decode(self.encoding, undecodable(self.encoding))

    def encode(self, text: str) -> bytes:
        """Return the bytes of a row, as they were before :meth:`decode`."""
        return text.encode(self.encoding, undecodable(self.encoding))


def undecodable(encoding: str) -> str:
    """Return the error handler that lets what is invalid in an encoding survive decoding and encoding."""
    # The units of UTF-16 and UTF-32 are no single bytes, which "surrogateescape" needs.
    return "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"


class InputRecord(Frozen, frozen=True):
    """A valid record.

    :param position: index of the record in the input, starting at 0.
    :param raw: the record encoded as JSON; unchanged if the input is JSON.
    :param line: line number in the file, starting at 1; None if there are no lines.
    :param source: name of the file, if the input can have several.
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None = None
    source: str | None = None


class UnreadableRecord(Frozen, frozen=True):
    """An invalid record.

    :param raw: its bytes as they are in the file; of a record that is too long, the first ones.
    :param problem: description of the problem, without anything of the record's content.
    :param csv: how the row is to be read, if the file is CSV.
    :param is_beginning: whether ``raw`` is only the beginning of the record.
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None
    problem: str
    csv: CsvLayout | None = None
    is_beginning: bool = False
    source: str | None = None


class RecordBlock(Frozen, frozen=True):
    """Valid records that follow each other. Inputs have millions, so a record is an object only where one is needed.

    :param position: position of the first one; those of the others follow.
    :param raws: each record encoded as JSON, at least one; unchanged if the input is JSON.
    :param lines: line number of each in its file, starting at 1; None if there are no lines.
    :param source: name of the file, if the input can have several.
    """

    hidden: ClassVar = frozenset({"raws"})

    position: int
    raws: list[bytes]
    lines: Sequence[int] | None = None
    source: str | None = None

    def record(self, offset: int) -> InputRecord:
        """Return one of the records.

        :param offset: its index in this block.
        """
        line = None if self.lines is None else self.lines[offset]
        return InputRecord(self.position + offset, self.raws[offset], line, self.source)

    def part(self, begin: int, end: int) -> RecordBlock:
        """Return a block of the records from one index in this block to another."""
        lines = None if self.lines is None else self.lines[begin:end]
        return RecordBlock(self.position + begin, self.raws[begin:end], lines, self.source)


#: What readers yield, in the order of the input and without gaps.
Records: TypeAlias = Iterator[RecordBlock | UnreadableRecord]


def count_of(part: RecordBlock | UnreadableRecord) -> int:
    """Return the number of records in a part of an input."""
    return len(part.raws) if isinstance(part, RecordBlock) else 1


def in_blocks(records: Iterable[InputRecord | UnreadableRecord]) -> Records:
    """Group single records into blocks. If ``records`` raises an error, all that comes before is yielded first."""
    block: list[InputRecord] = []
    size = 0
    try:
        for record in records:
            if block and not (size < BLOCK_BYTES and len(block) < _BLOCK_RECORDS and _follows(block, record)):
                yield _block_of(block)
                block, size = [], 0
            if isinstance(record, InputRecord):
                block.append(record)
                size += len(record.raw)
            else:
                yield record
    except Exception:
        if block:
            yield _block_of(block)
        raise
    if block:
        yield _block_of(block)


def _follows(block: list[InputRecord], record: InputRecord | UnreadableRecord) -> bool:
    """Whether a record belongs into the same block as those before it."""
    first = block[0]
    return (
        isinstance(record, InputRecord)
        and record.position == first.position + len(block)
        and record.source == first.source
        and (record.line is None) == (first.line is None)
    )


def _block_of(records: list[InputRecord]) -> RecordBlock:
    lines = [record.line for record in records if record.line is not None]
    first = records[0]
    return RecordBlock(first.position, [record.raw for record in records], lines or None, first.source)


def single(records: Iterable[RecordBlock | UnreadableRecord]) -> Iterator[InputRecord | UnreadableRecord]:
    """Yield each record alone."""
    for part in records:
        if isinstance(part, RecordBlock):
            yield from map(part.record, range(len(part.raws)))
        else:
            yield part


class Cursor:
    """Reads records in portions of any size.

    :param records: the records.
    """

    def __init__(self, records: Iterable[RecordBlock | UnreadableRecord]) -> None:
        self._records = iter(records)
        self._rest: RecordBlock | UnreadableRecord | None = None

    def __iter__(self) -> Records:
        """Yield the records that are left."""
        if self._rest is not None:
            rest, self._rest = self._rest, None
            yield rest
        yield from self._records

    def take(self, count: int) -> Records:
        """Yield the next ``count`` records, or as many as are left."""
        while count > 0:
            part, self._rest = self._rest or next(self._records, None), None
            if part is None:
                return
            size = count_of(part)
            if isinstance(part, RecordBlock) and size > count:
                part, self._rest = part.part(0, count), part.part(count, size)
                size = count
            count -= size
            yield part


def place_of(record: InputRecord | UnreadableRecord) -> str:
    """Return the line or the position of a record in the input, for messages."""
    place = f"line {record.line}" if record.line else f"record {record.position}"
    return f"{place} of {record.source}" if record.source else place


def checked(position: int, raw: bytes, line: int | None = None) -> InputRecord | UnreadableRecord:
    """Return the record for JSON text from a file."""
    if (problem := problem_of(raw)) is None:
        return InputRecord(position, raw, line)
    return UnreadableRecord(position, raw, line, problem)


def too_long(
    position: int, raw: bytes, line: int | None = None, csv: CsvLayout | None = None
) -> UnreadableRecord:
    """Return the record for text that exceeds :data:`MAX_RECORD_BYTES`.

    :param raw: its beginning.
    """
    problem = (
        f"has more than {MAX_RECORD_BYTES} bytes, the limit for a request (a dead letter has its beginning)"
    )
    return UnreadableRecord(position, raw[:KEPT_BYTES], line, problem, csv, is_beginning=True)


def problem_of(raw: bytes) -> str | None:
    """Return what makes JSON text unfit for a record, without anything of its content; None if it is fit."""
    try:
        document = _decode(raw)
    except UnicodeDecodeError:
        return "is not JSON: it is not UTF-8"
    except RecursionError:
        return TOO_DEEP
    except msgspec.DecodeError as error:
        if _ESCAPED_SURROGATE.search(raw):
            return "is not JSON: it may have half of a surrogate pair, or a syntax error"
        return f"is not JSON: {error}"
    if not isinstance(document, dict):
        return NOT_AN_OBJECT
    return TOO_DEEP if len(raw) > 2 * MAX_DEPTH and _is_too_deep(raw) else None


def are_records(text: bytes, raws: Sequence[bytes]) -> bool:
    """Whether :func:`problem_of` is None for each of several texts.

    It is three times as fast to pass over the values than to decode them. What that would accept is looked for apart:
    bytes that are not UTF-8, and numbers that are out of range.

    :param text: the texts, each followed by a line end. It may have more white space.
    :param raws: the texts without the white space around each, at least one.
    """
    try:
        str(text, "utf-8")
        values = _decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    sizes = list(map(len, raws))
    # Neither can a value begin or end in the middle of a text then, since the first begins where the first text does.
    if list(map(len, values)) != sizes or not begin_with_brace(raws):
        return False
    if max(sizes) > 2 * MAX_DEPTH and any(_is_too_deep(raw) for raw in raws if len(raw) > 2 * MAX_DEPTH):
        return False
    return not _has_large_number(text) or not any(problem_of(raw) for raw in raws if _has_large_number(raw))


def begin_with_brace(raws: Sequence[bytes]) -> bool:
    """Whether each of several texts begins with a brace, or with what no JSON begins with."""
    # No other value, and no white space, begins with a character that is as great as a brace.
    return min(raws) >= b"{"


def _has_large_number(text: bytes) -> bool:
    """Whether JSON text may have a number that is out of range."""
    parts = text.translate(_NUMBER_PARTS)
    return _DIGITS in parts or _EXPONENT.search(parts) is not None


def _is_too_deep(raw: bytes) -> bool:
    """Whether valid JSON text has more than :data:`MAX_DEPTH` levels."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", raw).translate(_AS_ROUND, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        # Each round takes away what has nothing in it, which is one level.
        brackets = brackets.replace(b"()", b"")
    return bool(brackets)
