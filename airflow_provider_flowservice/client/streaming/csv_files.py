"""Records in CSV files: the delimiter, the encoding, and rows that become objects of strings."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from functools import partial

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming.blocks import BLOCK_BYTES
from airflow_provider_flowservice.client.streaming.records import (
    KEPT_BYTES,
    MAX_RECORD_BYTES,
    CsvLayout,
    InputRecord,
    Records,
    UnreadableRecord,
    in_blocks,
    too_long,
    undecodable,
)

log = logging.getLogger(__name__)

#: Delimiters that are recognized besides the comma.
_OTHERS = ";\t|"
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    # That of UTF-32 begins with that of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_LONGEST_MARK = max(map(len, _BYTE_ORDER_MARKS))
_LINE_ENDS = ("\n", "\r\n", "\r")
_LONGEST_LINE_END = len("\r\n")
#: Maximum length of a row with its line end, in characters.
_MAX_ROW = MAX_RECORD_BYTES + _LONGEST_LINE_END
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
#: What separates columns in files of this kind, in the name of an only column.
_SUSPICIOUS = re.compile(r"[,;|\x01-\x09\x0b\x0c\x0e-\x1f]")
_encode = msgspec.json.Encoder().encode


class EmptyCells(StrEnum):
    """What a cell without a value becomes."""

    OMIT = "omit"
    NULL = "null"
    TEXT = "text"


class CsvOptions(Frozen, frozen=True):
    """What the user says about a CSV file.

    :param delimiter: the character between two fields; None recognizes it in the header.
    :param encoding: Python's name of the encoding; None is UTF-8, or what a byte order mark says.
    :param empty_cells: what an empty cell becomes: no key, null, or an empty string.
    :param null_values: further texts that stand for no value. If empty cells become empty strings, these become null.
    """

    delimiter: str | None = None
    encoding: str | None = None
    empty_cells: EmptyCells = EmptyCells.OMIT
    null_values: frozenset[str] = frozenset()


def record_of_row(text: str, layout: CsvLayout, options: CsvOptions) -> bytes | str:
    """Return the text of a row as a JSON object, or a description of the problem."""
    _raise_field_limit()
    try:
        rows = list(csv.reader([text], delimiter=layout.delimiter, strict=True))
    except csv.Error as error:
        return str(error)
    return _record(layout, rows[0] if rows else [], options)


def csv_rows(stream: io.BufferedReader, name: str, options: CsvOptions) -> Records:
    """Yield the records in a CSV file.

    :raises InvalidInputError: if the header is invalid, the delimiter is not clear, or the text does not have the
        encoding.
    """
    return in_blocks(_rows(stream, name, options))


def _rows(
    stream: io.BufferedReader, name: str, options: CsvOptions
) -> Iterator[InputRecord | UnreadableRecord]:
    _raise_field_limit()
    encoding = _encoding(stream, name, options.encoding)
    lines = _Lines(io.TextIOWrapper(stream, encoding, undecodable(encoding), newline=""))
    layout = _layout(lines, name, encoding, options)
    if layout is None:
        return
    position, row_lines = 0, lines.row
    rows_of = partial(csv.reader, delimiter=layout.delimiter, strict=True)
    reader = rows_of(lines)
    while True:
        row_lines.clear()
        try:
            row = next(reader, None)
            if row is None:
                return
            record = _record(layout, row, options)
        except csv.Error as problem:
            record = str(problem)
            lines.again_after_first()
            reader = rows_of(lines)
        except _RowTooLongError:
            if len(row_lines) == 1:
                yield too_long(position, layout.encode(lines.end_long_row()), lines.number, layout)
                position += 1
                reader = rows_of(lines)
                continue
            record = "has a quote that is not closed"
            lines.again_after_first()
            reader = rows_of(lines)
        line = lines.number - len(row_lines) + 1
        if isinstance(record, bytes):
            yield InputRecord(position, record, line)
        else:
            raw = layout.encode("".join(row_lines).rstrip("\r\n"))
            yield UnreadableRecord(position, raw, line, record, layout)
        position += 1


def _raise_field_limit() -> None:
    # Fields are limited by their row. The limit applies to the whole process, so it is never reduced.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))


def _record(layout: CsvLayout, row: list[str], options: CsvOptions) -> bytes | str:
    columns = layout.columns
    if len(row) != len(columns):
        return f"has {len(row)} fields, but the header has {len(columns)}"
    document: dict[str, str | None] = dict(zip(columns, row, strict=True))
    # Most rows have neither, and finding that out must cost little.
    if "" in row or (options.null_values and not options.null_values.isdisjoint(row)):
        document = _without_empty_cells(document, options)
        if not document:
            return "has no values"
    try:
        return _encode(document)
    except UnicodeEncodeError:
        return f"is not {layout.encoding.upper()}"


def _without_empty_cells(row: dict[str, str | None], options: CsvOptions) -> dict[str, str | None]:
    empty = options.null_values if options.empty_cells is EmptyCells.TEXT else {"", *options.null_values}
    if options.empty_cells is EmptyCells.OMIT:
        return {column: text for column, text in row.items() if text not in empty}
    return {column: None if text in empty else text for column, text in row.items()}


class _RowTooLongError(Exception):
    """A row exceeds the limit of a record."""


class _Lines:
    """The lines of a file, without those that are empty.

    Attributes: the ``number`` of the last line, and the lines of the current ``row``, which the reader of rows clears.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._readline = text.readline
        self._again: deque[str] = deque()
        self.number = 0
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        readline, row, again = self._readline, self.row, self._again
        size = 0
        while line := again.popleft() if again else readline(_MAX_ROW + 1):
            if not again and not line.endswith(_LINE_ENDS):
                # The rest of a line that was read again; nothing follows the last line of a file.
                line += readline(max(_MAX_ROW + 1 - len(line), 0))
            self.number += 1
            if row:
                size += len(line)
            else:
                size = len(line)
                if size <= _LONGEST_LINE_END and line in _LINE_ENDS:
                    continue
            row.append(line)
            if size > _MAX_ROW:
                raise _RowTooLongError
            yield line

    def again_after_first(self) -> None:
        """Keep only the first line of the row, so that those that follow it are read again, as rows of their own.

        A quote that is not closed takes all lines up to the next quote into its row.
        """
        self._again.extendleft(reversed(self.row[1:]))
        self.number -= len(self.row) - 1
        del self.row[1:]

    def end_long_row(self) -> str:
        """Skip the rest of the line at which a row became too long, and return the row's beginning."""
        begin = "".join(self.row)[:KEPT_BYTES]
        line = self.row[-1]
        while line and not line.endswith(_LINE_ENDS):
            line = self._readline(BLOCK_BYTES)
        return begin


def _encoding(stream: io.BufferedReader, name: str, given: str | None) -> str:
    """Return the encoding of a file, after a byte order mark was skipped."""
    begin = stream.peek(_LONGEST_MARK)
    mark = next((each for each in _BYTE_ORDER_MARKS if begin.startswith(each)), b"")
    found = _BYTE_ORDER_MARKS.get(mark)
    stream.read(len(mark))
    if given is None:
        return found or "utf-8"
    wanted = codecs.lookup(given).name.removesuffix("-sig")
    if found is None:
        return f"{wanted}-le" if wanted in ("utf-16", "utf-32") else wanted
    if not found.startswith(wanted):
        problem = f"is {given!r}, but {name!r} begins with the byte order mark of {found}"
        raise InvalidInputError("encoding", problem, "Omit the argument.")
    return found


def _layout(lines: _Lines, name: str, encoding: str, options: CsvOptions) -> CsvLayout | None:
    """Read the header; None if there is none."""
    try:
        delimiter, rest = options.delimiter, iter(lines)
        text = next(rest, None)
        if text and (said := _SEPARATOR_LINE.fullmatch(text)):
            if delimiter not in (None, said[1]):
                problem = f"is {delimiter!r}, but line {lines.number} of {name!r} says {said[1]!r}"
                raise InvalidInputError("delimiter", problem, "Omit the argument.")
            delimiter = said[1]
            lines.row.clear()
            text = next(rest, None)
        if text is None:
            return None
        if _outside_quotes(text, delimiter)[1]:
            text += "".join(_up_to_closing_quote(rest))
    except _RowTooLongError:
        raise _invalid_header(lines, name, "it is too long, or has a quote that is not closed") from None
    if "\0" in text or not _is_unicode(text):
        problem = f"it is not {encoding.upper()}"
        raise _invalid_header(lines, name, problem, "Set encoding, such as 'cp1252' or 'utf-16'.")
    outside, _ = _outside_quotes(text, delimiter)
    if delimiter is None:
        delimiter = _delimiter_in(outside, lines, name)
    columns = _columns(text, delimiter, lines, name)
    # What the user has said about the delimiter decides about names that contain one in quotes.
    if len(columns) == 1 and _SUSPICIOUS.search(outside if options.delimiter else columns[0]):
        problem = f"with the delimiter {delimiter!r} it has one column, whose name contains another delimiter"
        raise _invalid_header(lines, name, problem, "Set delimiter.")
    return CsvLayout(columns=columns, delimiter=delimiter, encoding=encoding)


def _outside_quotes(text: str, delimiter: str | None) -> tuple[str, bool]:
    """Return the text without its quoted fields, and whether the last of these is not closed."""
    boundary = re.escape(f",{_OTHERS}{delimiter or ''}")
    fields = re.compile(rf'(?:^|(?<=[{boundary}]))"(?:[^"]++|"")*+(?P<end>"|\Z)')
    is_open = any(not field["end"] for field in fields.finditer(text))
    return fields.sub("", text), is_open


def _up_to_closing_quote(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line.count('"') % 2:
            return


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delimiter_in(header: str, lines: _Lines, name: str) -> str:
    """Recognize the delimiter in the text of a header outside of its quotes."""
    found = [other for other in _OTHERS if other in header]
    if "," in header or not found:
        return ","
    if len(found) > 1:
        problem = f"each of {', '.join(map(repr, found))} could be the delimiter"
        raise _invalid_header(lines, name, problem, "Set delimiter.")
    log.info("The delimiter in %r is %r", name, found[0])
    return found[0]


def _columns(text: str, delimiter: str, lines: _Lines, name: str) -> tuple[str, ...]:
    try:
        # A file that was joined from others can begin with several byte order marks.
        (columns,) = csv.reader([text.lstrip("\ufeff")], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise _invalid_header(lines, name, f"it is not CSV: {error}") from None
    if len(set(columns)) < len(columns) or not all(columns):
        raise _invalid_header(
            lines, name, "it has an empty or repeated column name", "Name each column once."
        )
    return tuple(columns)


def _invalid_header(
    lines: _Lines, name: str, problem: str, remedy: str = "Fix the header."
) -> InvalidInputError:
    return InvalidInputError(
        "path", f"{name!r}: the header in line {lines.number} is invalid: {problem}", remedy
    )
