"""Files that could take the worker's memory or lose records: each in a worker of its own, and measured."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_provider_flowservice.client.streaming.records import MAX_RECORD_BYTES
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support import measured
from tests.support.streaming import numbers, open_source

#: What a file may cost: memory above that of an idle worker, and far more processor time than any of them takes.
MAX_BYTES = 200_000_000
MAX_SECONDS = 60

EMPTY = b"\n" * 10_000_000
ONE, TWO = b'{"n": 1}', b'{"n": 2}'
SURROGATE = b'{"n": "\\ud800"}'
TOO_DEEP = b'{"n": ' + b"[" * 1100 + b"]" * 1100 + b"}"
MANY_DIGITS = b'{"n": ' + b"9" * 4301 + b"}"
BAD = (
    SURROGATE,
    TOO_DEEP,
    MANY_DIGITS,
    b'{"n": "\0"}',
    b'{"n": "\xff"}',
    b'{"n": NaN}',
    "{'ë': 1}".encode("utf-16-le"),
)


def array(*elements: bytes) -> bytes:
    return b"[" + b",".join(elements) + b"]"


def bomb(before: bytes, after: bytes) -> bytes:
    """A gzip file of some 100 kB that becomes 200 MB."""
    return gzip.compress(b"".join((before, b"x" * 200_000_000, after)), compresslevel=1)


def repeated() -> bytes:
    """A Parquet file of some kB, of whose rows each has a text of more than a megabyte, which is stored once."""
    texts = pa.DictionaryArray.from_arrays(
        pa.array([None, *[0] * 2000, None], pa.int32()), pa.array(["x" * (MAX_RECORD_BYTES + 1)])
    )
    file = io.BytesIO()
    parquet.write_table(pa.table({"n": [1, *[3] * 2000, 2], "text": texts}), file)
    return file.getvalue()


#: What each file contains, and how many of its records are rejected. Those with the numbers 1 and 2 are good.
FILES: dict[str, tuple[Callable[[], bytes], int]] = {
    "empty_lines.jsonl": (lambda: EMPTY + ONE + EMPTY + TWO, 0),
    "empty_lines.json": (lambda: EMPTY + array(EMPTY + ONE + EMPTY, EMPTY + TWO + EMPTY) + EMPTY, 0),
    "empty_lines.csv": (lambda: EMPTY + b"n" + EMPTY + b"1" + EMPTY + b"2", 0),
    "bad.jsonl": (lambda: b"\n".join((ONE, *BAD, TWO)), len(BAD)),
    "bad.json": (lambda: array(ONE, *BAD, TWO), len(BAD)),
    "bad.csv": (lambda: b'n,m\n1,a\n3\n\xff,b\n"x"y,c\n2,d', 3),
    "long.jsonl": (lambda: b"\n".join((ONE, b"[" * 50_000_000, TWO)), 1),
    "long.json": (lambda: array(ONE, b'"' + b"\\\\" * 30_000_000 + b'"', TWO), 1),
    "long.csv": (lambda: b"n\n1\n" + b"x" * 50_000_000 + b"\n2", 1),
    "row.csv": (lambda: b"n\n1\n" + b"," * 900_000 + b"\n2", 1),
    "deep.json": (lambda: array(ONE, b"[" * 10_000_000 + b"]" * 10_000_000, TWO), 1),
    "wide.json": (lambda: array(ONE, b"[" + b"{}," * 300_000 + b"{}]", TWO), 1),
    "digits.json": (lambda: array(ONE, *[MANY_DIGITS] * 2000, TWO), 2000),
    "bomb.jsonl.gz": (lambda: bomb(ONE + b"\n", b"\n" + TWO), 1),
    "bomb.json.gz": (lambda: bomb(b"[" + ONE + b',{"n": "', b'"},' + TWO + b"]"), 1),
    "bomb.csv.gz": (lambda: bomb(b"n\n1\n", b"\n2"), 1),
    "bomb.parquet": (repeated, 2000),
    "quoted_bomb.csv.gz": (lambda: bomb(b'n\n1\n"', b'"\n2'), 1),
}
#: Files that end with an error, after their good records were sent.
DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "open.json": (
        lambda: b"[" + ONE + b"," + TWO + b"," + b"[" * 100_000,
        "ends prematurely after 2 records",
    ),
    "truncated.jsonl.gz": (
        lambda: gzip.compress(ONE + b"\n" + TWO + b"\n" + os.urandom(1_000_000))[:-100_000],
        "ends prematurely after ",
    ),
    "truncated.csv.gz": (lambda: gzip.compress(b"n\n1\n2\n")[:-6], "ends prematurely after 2 records"),
    "truncated.json.gz": (lambda: gzip.compress(array(ONE, TWO))[:-6], "ends prematurely after 2 records"),
}


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with measured.fresh_workers() as pool:
        yield pool


def check(
    name: str,
    content: bytes,
    workers: ProcessPoolExecutor,
    control: EmulatorControl,
    hook: FlowServiceHook,
    folder: Path,
) -> measured.Measured:
    source = open_source(hook)
    control.advance(300)
    path = folder / name
    path.write_bytes(content)
    arguments = {
        "connection_id": source.connection_id,
        "flow_id": source.flow_id,
        "path": str(path),
        "dead_letter_path": str(folder / "dead.jsonl"),
        "max_failures": 1_000_000,
    }
    before = workers.submit(measured.idle).result()
    found = workers.submit(measured.post, dict(os.environ), arguments).result()
    assert [int(each) for each in numbers(control.messages(source.inlet.id))] == [1, 2]
    assert found.peak_bytes - before < MAX_BYTES
    assert found.cpu_seconds < MAX_SECONDS
    print(f"{name}: {(found.peak_bytes - before) / 1e6:.0f} MB, {found.cpu_seconds:.1f} s")  # noqa: T201
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_good_records_of_a_hostile_file_arrive(
    workers: ProcessPoolExecutor, control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, name: str
) -> None:
    content, rejected = FILES[name]
    found = check(name, content(), workers, control, hook, tmp_path)
    assert found.error == ""
    assert (found.result["accepted"], found.result["rejected"]) == (2, rejected)


@pytest.mark.parametrize("name", DAMAGED)
def test_the_good_records_before_the_damage_arrive(
    workers: ProcessPoolExecutor, control: EmulatorControl, hook: FlowServiceHook, tmp_path: Path, name: str
) -> None:
    content, error = DAMAGED[name]
    assert error in check(name, content(), workers, control, hook, tmp_path).error


def test_what_is_measured_would_be_noticed(workers: ProcessPoolExecutor) -> None:
    before = workers.submit(measured.idle).result()
    grown = workers.submit(_grow).result()
    assert grown - before > MAX_BYTES > 200 * MAX_RECORD_BYTES - 1


def _grow() -> int:
    assert len(b"x" * (MAX_BYTES + 20_000_000))
    return measured.idle()
