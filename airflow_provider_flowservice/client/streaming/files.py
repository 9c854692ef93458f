"""Files of records: their format, and one reader for all of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePath
from typing import IO

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.blocks import opened
from airflow_provider_flowservice.client.streaming.csv_files import CsvOptions, csv_rows
from airflow_provider_flowservice.client.streaming.json_files import TruncatedError, json_document, json_lines
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord


class FileFormat(StrEnum):
    """Formats of files."""

    CSV = "csv"
    JSON = "json"
    JSON_LINES = "jsonl"


#: File extensions; each can be followed by ``.gz``, and case does not matter.
_EXTENSIONS = {
    ".jsonl": FileFormat.JSON_LINES,
    ".ndjson": FileFormat.JSON_LINES,
    ".json": FileFormat.JSON,
    ".csv": FileFormat.CSV,
}


def file_format(name: str) -> FileFormat:
    """Return the format of a file, according to its name.

    :raises InvalidInputError: if the file extension is unknown.
    """
    extension = PurePath(name.lower().removesuffix(".gz")).suffix
    if extension not in _EXTENSIONS:
        endings = ", ".join(f"{known}[.gz]" for known in _EXTENSIONS)
        remedy = f"Supported are {endings}. For another name, set input_format."
        raise InvalidInputError("path", f"{name!r} has an unknown file extension", remedy)
    return _EXTENSIONS[extension]


def from_file(
    file: IO[bytes], name: str, form: FileFormat | None = None, csv_options: CsvOptions | None = None
) -> Iterator[InputRecord | UnreadableRecord]:
    """Yield the records in an open file.

    :param file: file that is open in binary mode.
    :param name: name of the file, whose extension defines the format.
    :param form: the format, if the name does not say it.
    :param csv_options: how to read CSV.
    :raises InvalidInputError: if the file extension is unknown, a CSV header is invalid, a JSON document has an
        unexpected shape, or the file is truncated. In the last case, all records before that point are yielded first.
    """
    form = form or file_format(name)
    return _until_truncated(_records(file, name, form, csv_options or CsvOptions()), name)


def _records(
    file: IO[bytes], name: str, form: FileFormat, csv_options: CsvOptions
) -> Iterator[InputRecord | UnreadableRecord]:
    stream = opened(file, gzipped=name.lower().endswith(".gz"))
    if form is FileFormat.CSV:
        yield from csv_rows(stream, name, csv_options)
    elif form is FileFormat.JSON:
        yield from json_document(stream, name)
    else:
        yield from json_lines(stream, name)


def _until_truncated(
    records: Iterator[InputRecord | UnreadableRecord], name: str
) -> Iterator[InputRecord | UnreadableRecord]:
    given = 0
    try:
        for record in records:
            yield record
            given += 1
    except UnicodeDecodeError as error:
        # Its message would quote the text.
        problem = f"{name!r} is not {error.encoding.upper()} after {given} records"
        raise InvalidInputError("path", problem, "Fix the file, or set encoding.") from None
    except (TruncatedError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        problem = f"{name!r} ends prematurely after {given} records: {' '.join(str(error).split())}"
        remedy = f"Fix the file, then post the rest with skip_records={given}."
        raise InvalidInputError("path", problem, remedy) from error
