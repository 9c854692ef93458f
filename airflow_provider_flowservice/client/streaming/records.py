"""Input records, how each is checked, and records that are objects in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.inlet import MAX_REQUEST_BYTES

#: Maximum size of a record; a longer one fits into no request.
MAX_RECORD_BYTES = MAX_REQUEST_BYTES
#: Number of bytes that are kept of a record that is longer.
KEPT_BYTES = 4096
#: Maximum nesting of a record. XDM's schemas have far fewer levels, and Python's parsers fail at about 1000.
MAX_DEPTH = 256

_decode = msgspec.json.Decoder().decode
# Decimals are written as numbers, with all their digits.
_encode = msgspec.json.Encoder(decimal_format="number").encode
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_ROUND = bytes.maketrans(b"[]{}", b"()()")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_TOO_DEEP = f"has more than {MAX_DEPTH} levels"
_NOT_AN_OBJECT = "is not a JSON object"
#: Types that need neither a check nor a conversion before they are encoded.
_PLAIN = frozenset({str, int, bool, NoneType})


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
    """

    hidden: ClassVar = frozenset({"raw"})

    position: int
    raw: bytes
    line: int | None = None


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

    def __len__(self) -> int:
        return 1


class RecordBlock(Frozen, frozen=True):
    """Consecutive valid records of an input.

    :param position: position of the first one in the input.
    :param raws: the text of each, encoded as JSON; unchanged if the input is JSON.
    :param lines: line number of each in its file, starting at 1; None if there are no lines.
    :param source: name of the file, if the input has several.
    """

    hidden: ClassVar = frozenset({"raws"})

    position: int
    raws: list[bytes]
    lines: Sequence[int] | None = None
    source: str | None = None

    def __len__(self) -> int:
        return len(self.raws)

    def record(self, offset: int) -> InputRecord:
        """Return one of the records."""
        line = self.lines[offset] if self.lines is not None else None
        return InputRecord(self.position + offset, self.raws[offset], line)

    def part(self, begin: int, end: int) -> RecordBlock:
        """Return some of the records."""
        lines = self.lines[begin:end] if self.lines is not None else None
        return RecordBlock(self.position + begin, self.raws[begin:end], lines, self.source)


#: Valid records, and between them those that are not, in the order of the input.
Records = Iterator[RecordBlock | UnreadableRecord]


def in_blocks(records: Iterable[InputRecord | UnreadableRecord]) -> Records:
    """Yield records in blocks."""
    for record in records:
        if isinstance(record, UnreadableRecord):
            yield record
        else:
            yield RecordBlock(record.position, [record.raw], None if record.line is None else [record.line])


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
            item, self._rest = self._rest or next(self._records, None), None
            if item is None:
                return
            if isinstance(item, RecordBlock) and len(item) > count:
                item, self._rest = item.part(0, count), item.part(count, len(item))
            count -= len(item)
            yield item


def place_of(record: InputRecord | UnreadableRecord) -> str:
    """Return the line or the position of a record in the input, for messages."""
    return f"line {record.line}" if record.line else f"record {record.position}"


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
        return _TOO_DEEP
    except msgspec.DecodeError as error:
        if _ESCAPED_SURROGATE.search(raw):
            return "is not JSON: it may have half of a surrogate pair, or a syntax error"
        return f"is not JSON: {error}"
    if not isinstance(document, dict):
        return _NOT_AN_OBJECT
    return _TOO_DEEP if len(raw) > 2 * MAX_DEPTH and _is_too_deep(raw) else None


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


def from_messages(
    messages: Iterable[Mapping[str, Any] | InputRecord | UnreadableRecord],
) -> Iterator[InputRecord | UnreadableRecord]:
    """Yield records for objects in memory. Existing records are not changed.

    ``Decimal`` becomes a number with all its digits, ``date`` and ``datetime`` become ISO 8601 strings, and ``UUID`` a
    string. A record with a value that JSON cannot represent is unreadable.
    """
    for position, message in enumerate(messages):
        if isinstance(message, (InputRecord, UnreadableRecord)):
            yield message
            continue
        try:
            yield InputRecord(position, _encoded(message))
        except _NotJsonError as problem:
            yield UnreadableRecord(position, _shown(message), None, str(problem))


class _NotJsonError(Exception):
    """JSON cannot represent a value."""


def _encoded(message: Any) -> bytes:
    if not isinstance(message, Mapping):
        raise _NotJsonError(_NOT_AN_OBJECT)
    try:
        is_plain = type(message) is dict and _PLAIN.issuperset(map(type, message.values()))
        if not (is_plain and {str}.issuperset(map(type, message))):
            message = _as_json(message, MAX_DEPTH)
        return _encode(message)
    except UnicodeEncodeError:
        raise _NotJsonError("has a string with a lone surrogate") from None
    except RecursionError:
        raise _NotJsonError(_TOO_DEEP) from None
    except ValueError:
        raise _NotJsonError("has an integer with too many digits") from None


def _as_json(value: Any, levels: int) -> Any:
    """Return a value with only those types that JSON has.

    :param levels: number of levels that it may have.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (Mapping, list, tuple)):
        if not levels:
            raise _NotJsonError(_TOO_DEEP)
        if isinstance(value, Mapping):
            return {_key(key): _as_json(item, levels - 1) for key, item in value.items()}
        return [_as_json(item, levels - 1) for item in value]
    return _scalar(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise _NotJsonError(f"has a key of type {type(key).__name__}, but keys must be strings")
    return str(key.value) if isinstance(key, Enum) else str(key)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return _scalar(value.value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):  # A datetime is one, too.
        if value != value:  # pandas has a date without a value, which differs from itself.
            raise _NotJsonError("has a date without a value, which JSON cannot represent")
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        number = Decimal(value) if isinstance(value, Decimal) else float(value)
        if not Decimal(number).is_finite():
            raise _NotJsonError(
                "has a number that is infinite or not a number (NaN), which JSON cannot represent"
            )
        return number
    for known in (str, bool, int):
        if isinstance(value, known):
            return known(value)
    if value is None:
        return None
    raise _NotJsonError(f"has a value of type {type(value).__name__}, which JSON cannot represent")


def _shown(message: Any) -> bytes:
    """Return Python's representation of an object, for the dead letter."""
    try:
        return repr(message).encode("utf-8", "backslashreplace")
    except Exception:  # noqa: BLE001 (whatever the representation of an unknown object raises)
        return b""
