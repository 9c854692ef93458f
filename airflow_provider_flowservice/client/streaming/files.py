"""Files of records: their format, and one reader for all of them."""

from __future__ import annotations

import gzip
import zlib
from enum import StrEnum
from pathlib import PurePath
from typing import IO

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.blocks import (
    TruncatedError,
    is_gzip,
    lines_in_range,
    opened,
)
from airflow_provider_flowservice.client.streaming.csv_files import CsvOptions, csv_rows
from airflow_provider_flowservice.client.streaming.json_files import (
    json_document,
    json_lines,
    json_lines_in_range,
)
from airflow_provider_flowservice.client.streaming.parquet_files import parquet_rows
from airflow_provider_flowservice.client.streaming.records import Records, count_of


class FileFormat(StrEnum):
    """Formats of files."""

    CSV = "csv"
    JSON = "json"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"


#: File extensions; each but Parquet's can be followed by ``.gz``, and case does not matter.
_EXTENSIONS = {
    ".jsonl": FileFormat.JSON_LINES,
    ".ndjson": FileFormat.JSON_LINES,
    ".json": FileFormat.JSON,
    ".csv": FileFormat.CSV,
    ".parquet": FileFormat.PARQUET,
}


def file_format(name: str) -> FileFormat:
    """Return the format of a file, according to its name.

    :raises InvalidInputError: if the file extension is unknown.
    """
    extension = PurePath(name.lower().removesuffix(".gz")).suffix
    form = _EXTENSIONS.get(extension)
    if form is None or (form is FileFormat.PARQUET and not name.lower().endswith(extension)):
        endings = ", ".join(
            known if of is FileFormat.PARQUET else f"{known}[.gz]" for known, of in _EXTENSIONS.items()
        )
        remedy = f"Supported are {endings}. For another name, set input_format."
        raise InvalidInputError("path", f"{name!r} has an unknown file extension", remedy)
    return form


def from_file(
    file: IO[bytes],
    name: str,
    form: FileFormat | None = None,
    csv_options: CsvOptions | None = None,
    *,
    position: int = 0,
    source: str | None = None,
) -> Records:
    """Yield the records in an open file.

    :param file: file that is open in binary mode; for Parquet, one that can be read at any place.
    :param name: name of the file, whose extension defines the format.
    :param form: the format, if the name does not say it.
    :param csv_options: how to read CSV.
    :param position: position of the first record in the input, if that has files before this one.
    :param source: name of the file in messages about single records, if the input can have several files.
    :raises InvalidInputError: if the file extension is unknown, a CSV header is invalid, a JSON document has an
        unexpected shape, a Parquet file has a column that JSON cannot represent, or the file is truncated. In the last
        case, all records before that point are yielded first.
    """
    form = form or file_format(name)
    return _until_truncated(_records(file, name, form, csv_options or CsvOptions()), name, position, source)


def _records(file: IO[bytes], name: str, form: FileFormat, csv_options: CsvOptions) -> Records:
    if form is FileFormat.PARQUET:
        return parquet_rows(file, name)
    stream = opened(file, gzipped=name.lower().endswith(".gz"))
    if form is FileFormat.CSV:
        return csv_rows(stream, name, csv_options)
    if form is FileFormat.JSON:
        return json_document(stream, name)
    return json_lines(stream, name)


def from_range(
    file: IO[bytes], name: str, byte_range: tuple[int, int], form: FileFormat | None = None
) -> Records:
    """Yield the records in the lines of an open file that begin in a range of its bytes.

    The records in ranges that follow each other are all records of the file.

    :param file: file that is open in binary mode and can be read at any place.
    :param name: name of the file, whose extension defines the format.
    :param byte_range: index of the first byte of the range, and index after its last byte.
    :param form: the format, if the name does not say it.
    :raises InvalidInputError: if the file is not JSON lines, or is compressed.
    """
    form = form or file_format(name)
    if form is not FileFormat.JSON_LINES or is_gzip(file):
        problem = f"{name!r} is {'compressed' if form is FileFormat.JSON_LINES else form}"
        raise InvalidInputError(
            "byte_range", problem, "Remove the argument: it applies only to JSON lines without compression."
        )
    begin, end = byte_range
    # A mark at the beginning of the file, and another encoding, are looked for where they can be.
    stream = lines_in_range(file, begin, end)
    records = json_lines_in_range(stream) if begin else json_lines(stream, name)
    return _until_truncated(records, name, 0, f"{name}[{begin}:{end}]")


def _until_truncated(records: Records, name: str, position: int, source: str | None) -> Records:
    given = 0
    try:
        for part in records:
            yield msgspec.structs.replace(part, position=position + part.position, source=source)
            given += count_of(part)
    except UnicodeDecodeError as error:
        # Its message would quote the text.
        problem = f"{name!r} is not {error.encoding.upper()} after {given} records"
        raise InvalidInputError("path", problem, "Fix the file, or set encoding.") from None
    except (TruncatedError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        problem = f"{name!r} ends prematurely after {given} records: {' '.join(str(error).split())}"
        remedy = f"Fix the file, then post the rest with skip_records={position + given}."
        raise InvalidInputError("path", problem, remedy) from None
