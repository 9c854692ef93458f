"""Files that are read in tests, and what was read."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.csv_files import CsvOptions
from airflow_provider_flowservice.client.streaming.files import FileFormat, from_file
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord, single

Found = list[InputRecord | UnreadableRecord]


def read(name: str, content: bytes, form: FileFormat | None = None, **csv_options: Any) -> Found:
    return list(single(from_file(io.BytesIO(content), name, form, CsvOptions(**csv_options))))


def values(found: Found) -> list[object]:
    """What was read: the document of a record, the problem of what is none."""
    return [r.problem if isinstance(r, UnreadableRecord) else json.loads(r.raw) for r in found]


def read_until_error(name: str, content: bytes) -> tuple[Found, str]:
    """The records that come before an error, and the error."""
    found: Found = []
    with pytest.raises(InvalidInputError) as caught:
        found.extend(single(from_file(io.BytesIO(content), name)))
    return found, str(caught.value)
