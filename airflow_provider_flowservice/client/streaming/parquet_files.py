"""Records in Parquet files: what each type becomes in JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from types import ModuleType
from typing import IO, Any
from uuid import UUID

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.blocks import TruncatedError
from airflow_provider_flowservice.client.streaming.messages import NotJsonError, encoded, shown
from airflow_provider_flowservice.client.streaming.records import (
    MAX_RECORD_BYTES,
    InputRecord,
    Records,
    UnreadableRecord,
    in_blocks,
    too_long,
)

#: Number of rows that are in memory at once. More are not much faster.
_ROWS = 20
#: Number of bytes of each column that are read at once, so that a row group is never in memory as a whole.
_COLUMN_BYTES = 256 * 1024
_EPOCH = datetime(1970, 1, 1)
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MILLISECONDS_PER_DAY = 24 * 60 * 60 * 1000

Convert = Callable[[Any], Any]


def parquet_rows(file: IO[bytes], name: str) -> Records:
    """Yield the records in a Parquet file. A row becomes an object without the columns that are null.

    Dates and times become ISO 8601 strings with all their digits, in UTC if they have a time zone. Decimals become
    numbers, UUIDs strings, and maps objects. Fields of structs that are null are left out, too.

    :param file: a file that can be read at any place.
    :raises InvalidInputError: if it is no Parquet file, if a column has a type that JSON cannot represent, or if
        pyarrow is not installed.
    :raises TruncatedError: if it is damaged.
    """
    return in_blocks(_rows(file, name))


def _rows(file: IO[bytes], name: str) -> Iterator[InputRecord | UnreadableRecord]:
    pa, parquet = _pyarrow(name)
    try:
        # Old timestamps of Spark, which have microseconds, would overflow as nanoseconds, without an error.
        rows = parquet.ParquetFile(file, buffer_size=_COLUMN_BYTES, coerce_int96_timestamp_unit="us")
    except (pa.ArrowException, OSError) as error:
        if not _is_of_content(error, pa):
            raise
        problem = f"{name!r} is not Parquet: {' '.join(str(error).split())}"
        raise InvalidInputError("path", problem, "Fix the file, or set input_format.") from None
    schema, convert = _object(_Types(pa, name), "", rows.schema_arrow)
    position = 0
    try:
        for batch in rows.iter_batches(_ROWS, use_threads=False):
            for row in _dicts(pa.Table.from_batches([batch]).cast(pa.schema(schema))):
                yield _record(position, row, convert)
                position += 1
    except (pa.ArrowException, OSError) as error:
        if not _is_of_content(error, pa):
            raise
        raise TruncatedError(str(error)) from error


def _pyarrow(name: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidInputError(
            "path",
            f"{name!r} is a Parquet file, but pyarrow cannot be imported: {error}",
            "Install it: pip install 'airflow-provider-flowservice[parquet]'",
        ) from None
    return pa, parquet


def _is_of_content(error: Exception, pa: ModuleType) -> bool:
    """Whether an error is about what the file contains, and not about reading it."""
    return isinstance(error, pa.ArrowException) or (type(error) is OSError and error.errno is None)


def _dicts(table: Any) -> Iterator[dict[str, Any] | None]:
    """Yield the rows of a table; None for a row with text that is not UTF-8."""
    try:
        yield from table.to_pylist()
    except UnicodeDecodeError:
        if table.num_rows == 1:
            yield None
        else:
            for index in range(table.num_rows):
                yield from _dicts(table.slice(index, 1))


def _record(position: int, row: dict[str, Any] | None, convert: Convert) -> InputRecord | UnreadableRecord:
    if row is None:
        return UnreadableRecord(position, b"", None, "is not UTF-8")
    try:
        document = convert(row)
        raw = encoded(document)
    except OverflowError:
        return UnreadableRecord(position, shown(row), None, "has a date outside of the years 1 to 9999")
    except NotJsonError as problem:
        return UnreadableRecord(position, shown(row), None, str(problem))
    if not document:
        return UnreadableRecord(position, raw, None, "has no values")
    return too_long(position, raw) if len(raw) > MAX_RECORD_BYTES else InputRecord(position, raw)


class _Types:
    """What the types of columns become.

    :param pa: the module pyarrow.
    :param name: name of the file.
    """

    def __init__(self, pa: ModuleType, name: str) -> None:
        self.pa = pa
        self._is = pa.types
        self.name = name

    def read(self, column: str, kind: Any) -> tuple[Any, Convert | None]:
        """Return the type that a column is cast to before it is read, and what converts its values then.

        :param column: name of the column, for errors.
        """
        kinds = self._is
        if kinds.is_dictionary(kind):
            return self.read(column, kind.value_type)
        if kinds.is_struct(kind):
            fields, convert = _object(self, column, kind)
            return self.pa.struct(fields), convert
        if kinds.is_map(kind):
            return self._map(column, kind)
        if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
            item, of_item = self.read(column, kind.value_type)
            return self.pa.list_(item), partial(_list, of_item) if of_item else None
        for converts in (self._time, self._plain):
            if found := converts(kind):
                return found
        raise InvalidInputError(
            "path",
            f"{self.name!r}: the column {column!r} has the type {kind}, which JSON cannot represent",
            "Write it as text or as a number.",
        )

    def _map(self, column: str, kind: Any) -> tuple[Any, Convert | None]:
        key, _ = self.read(column, kind.key_type)
        if not (self._is.is_string(key) or self._is.is_large_string(key)):
            problem = f"{self.name!r}: the column {column!r} is a map with keys of type {key}"
            raise InvalidInputError("path", problem, "In JSON, keys are strings: write them as text.")
        item, of_item = self.read(column, kind.item_type)
        return self.pa.map_(key, item), partial(_dict, of_item)

    def _time(self, kind: Any) -> tuple[Any, Convert] | None:
        # As integers, dates and times have all their digits, and may be outside of what Python has.
        kinds, int32, int64 = self._is, self.pa.int32(), self.pa.int64()
        if kinds.is_date32(kind):
            return int32, partial(_date, 1)
        if kinds.is_date64(kind):
            return int64, partial(_date, _MILLISECONDS_PER_DAY)
        if kinds.is_time(kind):
            return int32 if kinds.is_time32(kind) else int64, partial(_time, _UNITS[kind.unit])
        if kinds.is_timestamp(kind):
            return int64, partial(_timestamp, _UNITS[kind.unit], "+00:00" if kind.tz else "")
        return None

    def _plain(self, kind: Any) -> tuple[Any, Convert | None] | None:
        kinds = self._is
        if getattr(kind, "extension_name", "") == "arrow.uuid":
            return kind.storage_type, lambda value: str(UUID(bytes=value))
        is_plain = (
            kinds.is_boolean,
            kinds.is_integer,
            kinds.is_floating,
            kinds.is_decimal,
            kinds.is_string,
            kinds.is_large_string,
            kinds.is_string_view,
            kinds.is_null,
        )
        return (kind, None) if any(each(kind) for each in is_plain) else None


def _object(types: _Types, column: str, kind: Any) -> tuple[list[Any], Convert]:
    """Return the fields that a struct or a schema is cast to, and what converts an object with these fields."""
    names = [field.name for field in kind]
    if len(set(names)) < len(names) or not all(names):
        where = f"the column {column!r}" if column else "the file"
        problem = f"{types.name!r}: {where} has an empty or repeated column name"
        raise InvalidInputError("path", problem, "Name each column once.")
    read = {
        field.name: types.read(f"{column}.{field.name}" if column else field.name, field.type)
        for field in kind
    }
    fields = [types.pa.field(name, to) for name, (to, _) in read.items()]
    return fields, partial(_without_nulls, {name: convert for name, (_, convert) in read.items() if convert})


def _without_nulls(converts: dict[str, Convert], row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: converts[name](value) if name in converts else value
        for name, value in row.items()
        if value is not None
    }


def _list(convert: Convert, values: list[Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in values]


def _dict(convert: Convert | None, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: convert(value) if convert else value for key, value in pairs if value is not None}


def _date(per_day: int, value: int) -> str:
    return _moment(timedelta(days=value // per_day))[:10]


def _time(per_second: int, value: int) -> str:
    return _timestamp(per_second, "", value)[11:]


def _timestamp(per_second: int, zone: str, value: int) -> str:
    seconds, rest = divmod(value, per_second)
    nanoseconds = rest * _UNITS["ns"] // per_second
    fraction = f".{nanoseconds:09}".removesuffix("000") if nanoseconds else ""
    return f"{_moment(timedelta(seconds=seconds))}{fraction}{zone}"


def _moment(since_epoch: timedelta) -> str:
    return (_EPOCH + since_epoch).isoformat()
