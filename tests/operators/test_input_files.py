"""The input of a post: patterns, the order of files, what is passed over, and records in memory."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io.store import _STORE_CACHE, attach
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import parquet

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import (
    CsvOptions,
    DeadLetters,
    Failure,
    FileFormat,
    InputRecord,
    UnreadableRecord,
)
from airflow_provider_flowservice.client.streaming.records import single
from airflow_provider_flowservice.operators.input_files import InputFiles, InputMessages
from tests.support.reading import Found, values


def files(path: str | Path, form: FileFormat | None = None, **options: Any) -> InputFiles:
    return InputFiles(ObjectStoragePath(str(path)), form, **options)


def read(found: InputFiles | InputMessages) -> Found:
    with found.opened() as records:
        return list(single(records))


def write(folder: Path, **contents: bytes | str) -> None:
    """Write files, in whose names ``__`` stands for a slash and ``_`` for a period."""
    for key, content in contents.items():
        path = folder / key.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def table(*values: int) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table({"n": list(values)}), file)
    return file.getvalue()


def letters(*numbers: int) -> bytes:
    written: list[bytes] = []
    collected = DeadLetters(written.extend)
    for n in numbers:
        collected.add(Failure(n, InputRecord(n, b'{"n":%d}' % n, n + 1, "first.jsonl"), 400, "bad"))
    collected.settle()
    return b"".join(written)


def test_files_of_all_formats_are_one_input_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(
        tmp_path,
        b_jsonl='{"n": 4}\noops\n',
        a_csv="n\n3\n",
        B_json='[{"n": 1}, {"n": 2}]',
        c_parquet=table(6, 7),
        d_jsonl_gz=gzip.compress(b'\n{"n": 8}\n'),
    )
    found = files(tmp_path / "*")
    records = read(found)
    assert values(records)[:3] == [{"n": 1}, {"n": 2}, {"n": "3"}]
    assert values(records)[5:] == [{"n": 6}, {"n": 7}, {"n": 8}]
    assert isinstance(records[4], UnreadableRecord)
    assert [record.position for record in records] == list(range(8))
    assert [(record.line, record.source) for record in records] == [
        (None, "B.json"),
        (None, "B.json"),
        (2, "a.csv"),
        (1, "b.jsonl"),
        (2, "b.jsonl"),
        (None, "c.parquet"),
        (None, "c.parquet"),
        (2, "d.jsonl.gz"),
    ]
    assert found.formats == set(FileFormat)
    assert read(found) == records


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jsonl", ["1"]),
        ("day=?/*.jsonl", ["2", "3"]),
        ("day=[2-9]/*.jsonl", ["3"]),
        ("**/*.jsonl", ["1", "2", "3", "4"]),
        ("deep/**/*.jsonl", ["4"]),
    ],
)
def test_a_pattern_matches_as_it_is_documented(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    write(tmp_path, a_jsonl="1", **{"day=1__a_jsonl": "2", "day=2__a_jsonl": "3", "deep__er__a_jsonl": "4"})
    assert [record.raw.decode() for record in read(files(tmp_path / pattern))] == expected


def test_a_record_is_named_by_what_the_pattern_does_not_say(tmp_path: Path) -> None:
    write(tmp_path, **{"day=1__a_jsonl": "{}"})
    assert [record.source for record in read(files(f"file://{tmp_path}/day=*/*.jsonl"))] == ["day=1/a.jsonl"]


def test_what_spark_and_hadoop_write_beside_the_data_is_passed_over(tmp_path: Path) -> None:
    for name in ("_SUCCESS", "_temporary/0/a.jsonl", ".a.jsonl.crc", ".hidden/a.jsonl", "x/_committed_1"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"n": 0}')
    assert "matches no file, apart from 5 whose names begin with a period or an underscore" in refused(
        tmp_path / "**"
    )
    write(tmp_path, a_jsonl='{"n": 1}', x__a_jsonl='{"n": 2}')
    (tmp_path / "_part=1").mkdir()
    (tmp_path / "_part=1" / "a.jsonl").write_text('{"n": 3}')
    assert values(read(files(tmp_path / "**"))) == [{"n": 3}, {"n": 1}, {"n": 2}]
    # The pattern, and the path of a file, may name them.
    assert values(read(files(tmp_path / "_temporary" / "*" / "*.jsonl"))) == [{"n": 0}]
    assert values(read(files(tmp_path / "_SUCCESS", FileFormat.JSON_LINES))) == [{"n": 0}]


def test_an_empty_file_has_no_records_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, DONE="", a_parquet="", b_jsonl="{}")
    assert values(read(files(tmp_path / "*"))) == [{}]
    (tmp_path / "b.jsonl").unlink()
    assert read(files(tmp_path / "*")) == []


def refused(path: str | Path, form: FileFormat | None = None, **options: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(files(path, form, **options))
    return str(caught.value)


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    pattern = tmp_path / "*.jsonl"
    assert (
        refused(pattern) == f"path: {str(pattern)!r} matches no file. Check the pattern and storage_conn_id."
    )
    assert f"{str(tmp_path / 'a.jsonl')!r} does not exist" in refused(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a*.jsonl", "a?.jsonl", "[ab].jsonl"])
def test_a_file_with_the_name_of_the_pattern_is_that_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"n": 1}')
    (tmp_path / "ab.jsonl").write_text('{"n": 2}')
    assert [(each.raw, each.source) for each in read(files(tmp_path / name))] == [(b'{"n": 1}', None)]


def test_a_file_of_an_unknown_format_is_refused_before_any_is_read(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl="{}", b_txt="{}")
    with pytest.raises(InvalidInputError, match=r"'b.txt' has an unknown file extension"):
        files(tmp_path / "*")
    assert values(read(files(tmp_path / "*", FileFormat.JSON_LINES))) == [{}, {}]


def test_a_truncated_file_says_where_the_whole_input_goes_on(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl="{}\n" * 3, b_json="[{}, {}, ")
    error = refused(tmp_path / "*")
    assert "'b.json' ends prematurely after 2 records" in error
    assert "skip_records=5" in error


def test_dead_letters_and_other_files_can_be_mixed(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl='{"n": 1}', b_letters=letters(7), c_jsonl=letters(8, 9), d_jsonl='{"n": 2}\noops')
    records = read(files(tmp_path / "*"))
    assert [(r.raw, r.position, r.line, r.source) for r in records] == [
        (b'{"n": 1}', 0, 1, "a.jsonl"),
        (b'{"n":7}', 7, 8, "first.jsonl"),
        (b'{"n":8}', 8, 9, "first.jsonl"),
        (b'{"n":9}', 9, 10, "first.jsonl"),
        (b'{"n": 2}', 4, 1, "d.jsonl"),
        (b"oops", 5, 2, "d.jsonl"),
    ]
    (tmp_path / "c.jsonl").write_bytes(letters(8) + b"{}\n")
    assert "line 2 of c.jsonl is no dead letter, but the first record is one" in refused(tmp_path / "*")


def test_rows_may_be_in_csv_and_in_dead_letters_alone(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl="{}", b_csv="n\n1\n", c_jsonl=letters(1))
    assert not files(tmp_path / "a.jsonl").have_rows()
    assert files(tmp_path / "b.csv").have_rows()
    assert files(tmp_path / "[ac].jsonl").have_rows()


def test_csv_is_read_as_the_user_says(tmp_path: Path) -> None:
    write(tmp_path, a_csv="n~m\n1~2\n")
    assert values(read(files(tmp_path / "*.csv", csv_options=CsvOptions(delimiter="~")))) == [
        {"n": "1", "m": "2"}
    ]


@pytest.mark.parametrize(
    ("name", "matches"),
    [("dead.jsonl", True), ("x/dead.jsonl", False), ("dead.json", False), ("../other/dead.jsonl", False)],
)
def test_a_pattern_tells_whether_it_would_read_a_file(tmp_path: Path, name: str, matches: bool) -> None:
    write(tmp_path, a_jsonl="{}")
    path = ObjectStoragePath(f"{tmp_path}/{name}")
    assert files(tmp_path / "*.jsonl").would_match(path) is matches
    assert not files(tmp_path / "a.jsonl").would_match(path)


def test_of_a_range_only_its_bytes_are_to_be_read(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl='{"n": 1}\n' * 9)
    for byte_range, size in ((None, 81), ((0, 27), 27), ((54, 81), 27), ((72, 100), 9)):
        found = files(tmp_path / "a.jsonl", byte_range=byte_range)
        assert (found.size, found.read_bytes) == (size, 0)
        read(found)
        assert found.read_bytes == size


def test_a_file_is_open_only_while_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, a_jsonl="{}\n", b_jsonl="{}\n" * 9)
    found = files(tmp_path / "*")
    assert (found.size, found.read_bytes) == (30, 0)
    with found.opened() as records:
        next(records)
        assert found.read_bytes == 3
        (tmp_path / "b.jsonl").write_text('{"n": 1}\n' * 3)
        next(records)
        assert found.read_bytes == 30
    assert found._open_file is not None
    assert found._open_file.closed


def test_ranges_of_a_file_have_all_of_its_records_once(tmp_path: Path) -> None:
    expected = [{"n": n, "text": "x" * (n % 7)} for n in range(200)]
    content = "".join(json.dumps(each) + "\r\n" + "\n" * (n % 3) for n, each in enumerate(expected))
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + content.encode())
    size = path.stat().st_size
    for seed in range(20):
        cuts = sorted(random.Random(seed).sample(range(1, size), 12))
        found: list[Any] = []
        for begin, end in zip([0, *cuts], [*cuts, size], strict=True):
            found += read(files(path, byte_range=(begin, end)))
        assert values(found) == expected
    last = read(files(path, byte_range=(cuts[-1], size)))[0]
    assert (last.position, last.line, last.source) == (0, None, f"a.jsonl[{cuts[-1]}:{size}]")


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl.gz", "z.jsonl"])
def test_a_range_of_what_is_not_json_lines_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"{}"))
    assert "byte_range: " in refused(tmp_path / name, byte_range=(0, 9))
    assert "applies to one file" in refused(tmp_path / "*", byte_range=(0, 9))


def test_a_list_can_be_read_again_and_an_iterator_cannot() -> None:
    messages = [{"n": 1}, {"n": {2}}]
    found = InputMessages(messages)
    assert read(found) == read(found)

    def generated() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        yield {"n": 2}

    once = InputMessages(generated())
    assert values(read(once)) == [{"n": 1}, {"n": 2}]
    with pytest.raises(InvalidInputError, match="is a generator, which cannot be read again"):
        once.opened()


def test_messages_are_taken_only_as_they_are_asked_for() -> None:
    taken: list[int] = []

    def endless() -> Iterator[dict[str, int]]:
        while True:
            taken.append(len(taken))
            yield {"n": taken[-1]}

    with InputMessages(endless()).opened() as records:
        next(records)
    assert len(taken) <= 1001


@pytest.fixture
def store() -> Iterator[ObjectStoragePath]:
    """A bucket of a store."""
    fs = MemoryFileSystem()
    fs.store.clear()
    attach("memory", fs=fs)
    yield ObjectStoragePath("memory://bucket")
    _STORE_CACHE.pop("memory")


def test_a_pattern_in_an_object_store_is_read_alike(store: ObjectStoragePath) -> None:
    for name in ("day=1/b.jsonl", "day=1/a.jsonl", "day=2/a.jsonl"):
        store.fs.pipe(f"/bucket/{name}", b'{"n": 1}\n')
    found = files("memory://bucket/day=*/*.jsonl")
    assert [each.source for each in read(found)] == ["day=1/a.jsonl", "day=1/b.jsonl", "day=2/a.jsonl"]
    assert (found.size, found.read_bytes) == (27, 27)
    assert found.would_match(store / "day=3" / "dead.jsonl")
    assert not found.would_match(store / "dead.jsonl")
    assert not found.would_match(ObjectStoragePath("/bucket/day=3/dead.jsonl"))
    # Opened in an object store, too, at any place.
    store.fs.pipe("/bucket/n.parquet", table(1, 2))
    assert values(read(files("memory://bucket/*.parquet"))) == [{"n": 1}, {"n": 2}]
    assert values(read(files("memory://bucket/n.parquet"))) == [{"n": 1}, {"n": 2}]
