"""Parquet files: what each type becomes, and files that are damaged."""

from __future__ import annotations

import builtins
import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming.files import FileFormat, from_file
from airflow_provider_flowservice.client.streaming.records import (
    MAX_RECORD_BYTES,
    RecordBlock,
    UnreadableRecord,
)
from tests.support.reading import read, read_until_error, values


def file_of(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def column(values: list[Any], kind: pa.DataType | None = None) -> bytes:
    return file_of(pa.table({"n": pa.array(range(len(values))), "v": pa.array(values, kind)}))


MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, None, b"true"),
        (-5, pa.int8(), b"-5"),
        (2**64 - 1, pa.uint64(), b"18446744073709551615"),
        (0.1, pa.float64(), b"0.1"),
        (0.5, pa.float32(), b"0.5"),
        (Decimal("1.50"), pa.decimal128(38, 2), b"1.50"),
        (Decimal("1234567890123456789012345678901234567890.1"), pa.decimal256(50, 1), None),
        ("Zoë", pa.string(), '"Zoë"'.encode()),
        ("Zoë", pa.large_string(), '"Zoë"'.encode()),
        ("Zoë", pa.dictionary(pa.int32(), pa.string()), '"Zoë"'.encode()),
        (date(2026, 3, 1), pa.date32(), b'"2026-03-01"'),
        (date(1969, 12, 31), pa.date64(), b'"1969-12-31"'),
        (time(12, 30, 1, 500_000), pa.time32("ms"), b'"12:30:01.500000"'),
        (time(12, 30), pa.time64("us"), b'"12:30:00"'),
        (MOMENT, pa.timestamp("ms", "UTC"), b'"2026-03-01T12:30:00+00:00"'),
        (MOMENT, pa.timestamp("us", "Europe/Berlin"), b'"2026-03-01T12:30:00+00:00"'),
        (MOMENT.astimezone(ZoneInfo("Asia/Tokyo")), pa.timestamp("us", "Asia/Tokyo"), b'"2026-03-01T12:30:00+00:00"'),
        (datetime(2026, 3, 1, 12, 30, 0, 120_000), pa.timestamp("us"), b'"2026-03-01T12:30:00.120000"'),
        (datetime(1969, 12, 31, 23, 59, 59, 1), pa.timestamp("ns"), b'"1969-12-31T23:59:59.000001"'),
        (1_772_368_200_123_456_789, pa.timestamp("ns", "UTC"), b'"2026-03-01T12:30:00.123456789+00:00"'),
        ([1, None, 2], pa.list_(pa.int64()), b"[1,null,2]"),
        ([date(2026, 3, 1), None], pa.list_(pa.date32()), b'["2026-03-01",null]'),
        ([[MOMENT]], pa.large_list(pa.list_(pa.timestamp("s", "UTC"))), b'[["2026-03-01T12:30:00+00:00"]]'),
        ({"a": 1, "b": None}, pa.struct({"a": pa.int64(), "b": pa.string()}), b'{"a":1}'),
        ({"a": {"b": date(2026, 3, 1)}}, pa.struct({"a": pa.struct({"b": pa.date32()})}), b'{"a":{"b":"2026-03-01"}}'),
        ([("k", date(2026, 3, 1)), ("l", None)], pa.map_(pa.string(), pa.date32()), b'{"k":"2026-03-01"}'),
        ([("k", {"a": 1})], pa.map_(pa.string(), pa.struct({"a": pa.int64()})), b'{"k":{"a":1}}'),
    ],
)  # fmt: skip
def test_each_type_has_one_form(value: Any, kind: pa.DataType | None, expected: bytes | None) -> None:
    found = read("a.parquet", column([value, None], kind))
    expected = str(value).encode() if expected is None else expected
    assert [record.raw for record in found] == [b'{"n":0,"v":' + expected + b"}", b'{"n":1}']
    assert [(record.position, record.line) for record in found] == [(0, None), (1, None)]


def test_a_list_may_have_a_fixed_size() -> None:
    (record,) = read("a.parquet", column([[date(2026, 3, 1)]], pa.list_(pa.date32(), 1)))
    assert record.raw == b'{"n":0,"v":["2026-03-01"]}'


@pytest.mark.parametrize(
    ("value", "kind", "problem"),
    [
        (b"x", pa.binary(), "the column 'v' has the type binary"),
        (5, pa.duration("s"), "the column 'v' has the type duration"),
        ([b"x"], pa.list_(pa.binary(1)), "the column 'v' has the type fixed_size_binary"),
        ({"a": b"x"}, pa.struct({"a": pa.binary()}), "the column 'v.a' has the type binary"),
        ([(1, "x")], pa.map_(pa.int64(), pa.string()), "the column 'v' is a map with keys of type int64"),
    ],
)
def test_what_json_cannot_represent_is_refused_before_any_row(
    value: Any, kind: pa.DataType, problem: str
) -> None:
    found, error = read_until_error("a.parquet", column([value], kind))
    assert found == []
    assert problem in error
    assert "'a.parquet'" in error


@pytest.mark.parametrize(
    ("bad", "kind", "problem"),
    [
        (float("nan"), pa.float64(), "infinite or not a number"),
        (2**62, pa.timestamp("us"), "has a date outside of the years 1 to 9999"),
        (2**31 - 1, pa.date32(), "has a date outside of the years 1 to 9999"),
    ],
)
def test_a_value_that_json_cannot_represent_spoils_its_row_only(
    bad: Any, kind: pa.DataType, problem: str
) -> None:
    first, spoiled, last = read("a.parquet", column([0, bad, 0], kind))
    assert (json.loads(first.raw)["n"], json.loads(last.raw)["n"]) == (0, 2)
    assert isinstance(spoiled, UnreadableRecord)
    assert problem in spoiled.problem
    assert spoiled.position == 1


def test_an_old_timestamp_of_spark_has_its_range() -> None:
    table = pa.table({"v": pa.array([datetime(9999, 12, 31, 1, 2, 3, 4)], pa.timestamp("us"))})
    content = file_of(table, use_deprecated_int96_timestamps=True)
    assert values(read("a.parquet", content)) == [{"v": "9999-12-31T01:02:03.000004"}]


def test_text_that_is_not_utf_8_spoils_its_row_only() -> None:
    invalid = pa.array([b"a", b"\xff", b"c"], pa.binary()).view(pa.string())
    assert values(read("a.parquet", file_of(pa.table({"v": invalid})))) == [
        {"v": "a"},
        "is not UTF-8",
        {"v": "c"},
    ]


def test_a_row_without_values_is_refused() -> None:
    assert values(read("a.parquet", file_of(pa.table({"v": [None, 1]})))) == ["has no values", {"v": 1}]


def test_a_row_has_a_limit_and_what_is_longer_spoils_no_other() -> None:
    found = read("a.parquet", file_of(pa.table({"v": ["a", "x" * MAX_RECORD_BYTES, "c"]})))
    assert values([found[0], found[2]]) == [{"v": "a"}, {"v": "c"}]
    assert isinstance(found[1], UnreadableRecord)
    assert "has more than 1000000 bytes" in found[1].problem


def test_all_row_groups_are_read_in_order() -> None:
    content = file_of(pa.table({"n": list(range(1000))}), row_group_size=70)
    (block,) = from_file(io.BytesIO(content), "a", FileFormat.PARQUET, position=5, source="a")
    assert isinstance(block, RecordBlock)
    assert (block.position, block.source, block.lines) == (5, "a", None)
    assert [json.loads(raw)["n"] for raw in block.raws] == list(range(1000))


def test_a_file_without_rows_has_no_records() -> None:
    assert read("A.PARQUET", file_of(pa.table({"n": pa.array([], pa.int64())}))) == []


@pytest.mark.parametrize("content", [b"", b"n,m\n1,2\n", column([1])[:-9]])
def test_what_is_no_parquet_is_refused(content: bytes) -> None:
    assert "'a.parquet' is not Parquet: " in read_until_error("a.parquet", content)[1]


def test_a_column_must_have_its_own_name() -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["v", "v"])
    assert "the file has an empty or repeated column name" in read_until_error("a.parquet", file_of(twice))[1]


def test_damage_is_named_after_the_rows_before_it() -> None:
    content = bytearray(file_of(pa.table({"n": list(range(1000))}), row_group_size=100, compression="gzip"))
    at = parquet.ParquetFile(io.BytesIO(bytes(content))).metadata.row_group(5).column(0).data_page_offset
    content[at + 30 : at + 200] = b"\xff" * 170
    found, error = read_until_error("a.parquet", bytes(content))
    assert len(found) == 500
    assert "'a.parquet' ends prematurely after 500 records" in error
    assert "skip_records=500" in error


def test_a_failure_of_the_storage_is_not_taken_for_damage() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError(104, "reset")

    with pytest.raises(ConnectionResetError):
        list(from_file(Failing(column([1])), "a.parquet"))


def test_without_pyarrow_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError("No module named 'pyarrow'")
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InvalidInputError, match=r"pip install 'airflow-provider-flowservice\[parquet\]'"):
        read("a.parquet", b"")


def test_parquet_is_not_compressed_as_a_whole() -> None:
    with pytest.raises(InvalidInputError, match=r"unknown file extension.*\.csv\[\.gz\], \.parquet\."):
        read("a.parquet.gz", b"")
