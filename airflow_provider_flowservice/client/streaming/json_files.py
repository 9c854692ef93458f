"""Records in files of JSON lines and in JSON documents. The text of a record is passed on as it is."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.blocks import BLOCK_BYTES, TruncatedError, buffered
from airflow_provider_flowservice.client.streaming.records import (
    KEPT_BYTES,
    MAX_RECORD_BYTES,
    InputRecord,
    RecordBlock,
    Records,
    UnreadableRecord,
    are_records,
    begin_with_brace,
    checked,
    count_of,
    in_blocks,
    too_long,
)

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SHAPES = "Give an array of objects, one object, an object with the only key 'messages', or JSON lines."

#: Maximum length of a line, of which the feed was taken away.
_MAX_LINE = MAX_RECORD_BYTES + len(b"\r")

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
#: An array or an object that has no others in it, to pass over it at once.
_NO_BRACKETS = rb'[^"\[\]{}]*+(?:%b[^"\[\]{}]*+)*+' % _STRING
_FLAT = rb"\[%b\]|\{%b\}" % (_NO_BRACKETS, _NO_BRACKETS)
#: What can be passed over between the brackets of a value, and between two elements of an array.
_NESTED = re.compile(rb'(?:[^"\[\]{}]++|%b|%b)*+' % (_STRING, _FLAT), re.DOTALL)
_TOP = re.compile(rb'(?:[^"\[\]{},]++|%b|%b)*+' % (_STRING, _FLAT), re.DOTALL)
_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_OPENING = re.compile(rb"[\[{]++")
_ENDING = re.compile(rb"[\]}]++")
_WHITE_SPACE = b" \t\r\n"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_ENDS = frozenset({b",", b"]", b"}", b""})
_BLOCK_ENDS = frozenset({b"", b"\\"})
_CLOSING = frozenset({b"]", b"}"})
_BATCH = re.compile(rb'\{[ \t\r\n]*+"messages"[ \t\r\n]*+:[ \t\r\n]*+\[')


def json_lines(stream: io.BufferedReader, name: str) -> Records:
    """Yield the records in JSON lines.

    :raises InvalidInputError: if the text is not UTF-8.
    """
    _skip_byte_order_mark(stream, name)
    yield from _lines(stream, 0, 0)


def json_lines_in_range(stream: io.BufferedReader) -> Records:
    """Yield the records in lines of a range of a file, whose numbers are not known."""
    for part in _lines(stream, 0, 0):
        yield (
            msgspec.structs.replace(part, lines=None)
            if isinstance(part, RecordBlock)
            else msgspec.structs.replace(part, line=None)
        )


def _lines(stream: io.BufferedReader, position: int, number: int) -> Records:
    """Yield the records in lines. Only where a line is invalid, each is looked at alone.

    :param position: position of the first of them.
    :param number: number of lines that come before.
    """
    for text, lines in _split(stream):
        # Lines without white space around them, as nearly all are, need not be stripped.
        raws = lines
        if not begin_with_brace(lines) or not text.endswith(b"}\n"):
            raws = [raw for line in lines if (raw := line.strip())]
        is_long = len(text) > _MAX_LINE and max(map(len, lines)) > _MAX_LINE
        if raws and not is_long and are_records(text, raws):
            numbers: Sequence[int] = range(number + 1, number + 1 + len(lines))
            if len(raws) < len(lines):
                numbers = [at for at, line in zip(numbers, lines, strict=True) if line.strip()]
            yield RecordBlock(position, raws, numbers)
            position += len(raws)
        elif raws or is_long:
            for part in in_blocks(_each_line(lines, position, number)):
                yield part
                position += count_of(part)
        number += len(lines)


def _each_line(lines: list[bytes], position: int, number: int) -> Iterator[InputRecord | UnreadableRecord]:
    for line in lines:
        number += 1
        raw = line.strip()
        if len(line) > _MAX_LINE:
            yield too_long(position, line, number)
        elif raw:
            yield checked(position, raw, number)
        else:
            continue
        position += 1


def _split(stream: io.BufferedReader) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield text and its lines without their ends. A line that is too long is cut off, but still too long."""
    rest = b""
    while block := stream.read1(BLOCK_BYTES):
        text = rest + block
        # To split a block is much faster than to read each of its lines.
        lines = text.split(b"\n")
        rest = lines.pop()
        if lines:
            yield text[: len(text) - len(rest)], lines
        if len(rest) > _MAX_LINE:
            rest = rest[: _MAX_LINE + 1]
    if rest:
        yield rest, [rest]


def json_document(stream: io.BufferedReader, name: str) -> Records:
    """Yield the records in a JSON document: an array, an object, or the body of a batch, ``{"messages": [...]}``.

    JSON lines are read as well, since many tools write them into files with the extension ``.json``.

    :raises InvalidInputError: if the document has another shape.
    :raises TruncatedError: if it ends before it is complete.
    """
    _skip_byte_order_mark(stream, name)
    text = _Text(stream)
    first = text.next_byte()
    if first == b"[":
        text.at += 1
        yield from in_blocks(_array(text))
        _expect_end(text, name, "its array")
    elif first == b"{":
        yield from _objects(text, name)
    elif first:
        raise InvalidInputError("path", f"{name!r} begins with neither an array nor an object", _SHAPES)


def _skip_byte_order_mark(stream: io.BufferedReader, name: str) -> None:
    begin = stream.peek(len(codecs.BOM_UTF8))[: len(codecs.BOM_UTF8)]
    if begin.startswith(_UTF_16):
        raise InvalidInputError("path", f"{name!r} is UTF-16, but JSON must be UTF-8", "Save it as UTF-8.")
    if begin == codecs.BOM_UTF8:
        stream.read(len(begin))


class _Text:
    """A document, of which one block is in memory.

    Attribute ``lines`` counts the line ends in the white space that was skipped.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self.stream = stream
        self.block = b""
        self.at = 0
        self.lines = 0

    def load(self, size: int) -> None:
        """Add to the rest of the block, until it has this many bytes or the document ends."""
        parts = [self.block[self.at :]]
        missing = size - len(parts[0])
        while missing > 0 and (part := self.stream.read1(BLOCK_BYTES)):
            parts.append(part)
            missing -= len(part)
        self.block, self.at = b"".join(parts), 0

    def next_byte(self) -> bytes:
        """Skip white space, and return the byte after it, which is not skipped; none at the end."""
        while True:
            end = _end_of(_SPACE, self.block, self.at)
            if end > self.at:
                self.lines += self.block.count(b"\n", self.at, end)
                self.at = end
            if self.at < len(self.block):
                return self.block[self.at : self.at + 1]
            self.load(1)
            if not self.block:
                return b""

    def element(self) -> tuple[bytes, int]:
        """Read up to the comma or bracket that ends an element of an array.

        :returns: the text and its length. If the text is too long, only its beginning is returned.
        :raises TruncatedError: if the document ends before.
        """
        kept: list[bytes] = []
        size = depth = 0
        pattern = _TOP
        start = self.at
        while True:
            end = _end_of(pattern, self.block, self.at)
            mark = self.block[end : end + 1]
            self.at = end + 1
            if pattern is _TOP and mark in _ENDS:
                # White space around an element is not part of it, so it does not count.
                size = _keep(kept, size, self.block[start:end].rstrip(_WHITE_SPACE))
                if mark:
                    self.at = end
                    return b"".join(kept), size
                self._load_next(end)
                start = 0
            elif mark in _BLOCK_ENDS:
                size = _keep(kept, size, self.block[start:end])
                self._load_next(end)
                start = 0
            elif pattern is _REST_OF_STRING:
                pattern = _NESTED if depth else _TOP
            elif mark == b'"':
                pattern = _REST_OF_STRING
            elif mark in _CLOSING:
                closed = min(_end_of(_ENDING, self.block, end) - end, depth)
                self.at = end + closed
                depth -= closed
                pattern = _NESTED if depth else _TOP
            else:
                self.at = _end_of(_OPENING, self.block, end)
                depth += self.at - end
                pattern = _NESTED

    def _load_next(self, end: int) -> None:
        """Load the next block, and keep what begins at this index: nothing, or the first half of an escape sequence."""
        self.at = end
        left = len(self.block) - end
        self.load(left + 1)
        if len(self.block) == left:
            raise TruncatedError("the end is missing")


def _end_of(pattern: re.Pattern[bytes], block: bytes, at: int) -> int:
    """Return where a pattern ends that matches anything, possibly nothing."""
    found = pattern.match(block, at)
    return found.end() if found else at


def _keep(kept: list[bytes], size: int, part: bytes) -> int:
    """Add a part of a text; once the text is too long, only its beginning is kept. Return the text's new length."""
    if size <= MAX_RECORD_BYTES:
        kept.append(part)
        if size + len(part) > MAX_RECORD_BYTES:
            kept[:] = [b"".join(kept)[:KEPT_BYTES]]
    return size + len(part)


def _array(text: _Text) -> Iterator[InputRecord | UnreadableRecord]:
    """Yield the elements of an array, up to its end.

    :param text: the document, after the array's opening bracket.
    """
    position = 0
    if text.next_byte() == b"]":
        text.at += 1
        return
    while True:
        text.next_byte()
        raw, size = text.element()
        mark = text.block[text.at : text.at + 1]
        if mark == b"}":
            raise TruncatedError("a bracket does not match")
        text.at += 1
        yield too_long(position, raw) if size > MAX_RECORD_BYTES else checked(position, raw)
        position += 1
        if mark == b"]":
            return


def _objects(text: _Text, name: str) -> Records:
    """Yield the records of a document that begins with an object."""
    text.load(MAX_RECORD_BYTES + 1)
    end = _end_of_object(text.block)
    batch = _BATCH.match(text.block)
    if batch and not (end and _has_several_keys(text.block[:end])):
        text.at = batch.end()
        yield from _batch(text, name)
    elif end is None and len(text.block) <= MAX_RECORD_BYTES:
        raise TruncatedError("the end is missing")
    elif end is None or end > MAX_RECORD_BYTES:
        problem = (
            f"{name!r} begins with an object of more than {MAX_RECORD_BYTES} bytes, the limit for a request"
        )
        raise InvalidInputError("path", problem, f"{_SHAPES} For JSON lines, set input_format='jsonl'.")
    else:
        yield from _one_or_lines(text, text.block[:end], name)


def _end_of_object(block: bytes) -> int | None:
    """Return where the object ends with which a block begins; None if it does not end in the block."""
    at = depth = 1
    while depth:
        end = _end_of(_NESTED, block, at)
        mark = block[end : end + 1]
        if mark in (b"", b'"'):
            return None
        at = end + 1 if mark in _CLOSING else _end_of(_OPENING, block, end)
        depth += -1 if mark in _CLOSING else at - end
    return at


def _has_several_keys(raw: bytes) -> bool:
    try:
        return len(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])) > 1
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False  # An element is invalid, which is that element's problem.


def _batch(text: _Text, name: str) -> Records:
    yield from in_blocks(_array(text))
    mark = text.next_byte()
    if mark == b",":
        problem = (
            f"{name!r} has further keys after 'messages', and is larger than a record may be, or not JSON"
        )
        raise InvalidInputError("path", problem, _SHAPES)
    if mark != b"}":
        raise TruncatedError("a bracket is missing")
    text.at += 1
    _expect_end(text, name, "the object with 'messages'")


def _one_or_lines(text: _Text, first: bytes, name: str) -> Records:
    """Yield the record that is the whole document, or the records in JSON lines.

    :param first: the first object in the document.
    """
    before = text.lines
    text.at = len(first)
    if not text.next_byte():
        yield from in_blocks([checked(0, first)])
    elif text.lines > before and b"\n" not in first:
        yield from in_blocks([checked(0, first, before + 1)])
        yield from _lines(buffered(text.stream.read1, text.block[text.at :]), 1, text.lines)
    else:
        _expect_end(text, name, "its first object, and is not JSON lines")


def _expect_end(text: _Text, name: str, what: str) -> None:
    if text.next_byte():
        raise InvalidInputError("path", f"{name!r} goes on after the end of {what}", _SHAPES)
