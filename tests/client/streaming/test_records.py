"""Blocks of records: how they are made, cut and checked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import json_files
from airflow_provider_flowservice.client.streaming.blocks import buffered
from airflow_provider_flowservice.client.streaming.json_files import json_lines
from airflow_provider_flowservice.client.streaming.records import (
    Cursor,
    InputRecord,
    RecordBlock,
    UnreadableRecord,
    are_records,
    count_of,
    in_blocks,
    place_of,
    problem_of,
    single,
)

BAD = UnreadableRecord(2, b"oops", 3, "is not JSON")


def records(begin: int, end: int) -> list[InputRecord]:
    return [InputRecord(n, b'{"n":%d}' % n, n + 1) for n in range(begin, end)]


def test_single_records_are_grouped_up_to_what_lies_between_them() -> None:
    found = list(in_blocks([*records(0, 2), BAD, *records(3, 5), *records(7, 8)]))
    assert [each.position for each in found] == [0, 2, 3, 7]
    assert [count_of(each) for each in found] == [2, 1, 2, 1]
    assert list(single(found)) == [*records(0, 2), BAD, *records(3, 5), *records(7, 8)]


def test_records_of_two_files_share_no_block() -> None:
    found = list(
        in_blocks([InputRecord(0, b"{}", 1, "a"), InputRecord(1, b"{}", 1, "b"), InputRecord(2, b"{}")])
    )
    assert [(count_of(each), each.source) for each in found] == [(1, "a"), (1, "b"), (1, None)]


@pytest.mark.parametrize(("size", "most"), [(1, 1_000), (100_000, 3)])
def test_a_block_has_a_limit(size: int, most: int) -> None:
    taken: list[int] = []

    def source() -> Iterator[InputRecord]:
        for n in range(10_000):
            taken.append(n)
            yield InputRecord(n, b"x" * size)

    first = next(in_blocks(source()))
    assert count_of(first) == most
    assert len(taken) == most + 1


def test_what_is_before_an_error_is_not_lost() -> None:
    def source() -> Iterator[InputRecord]:
        yield from records(0, 2)
        raise InvalidInputError("path", "ends", "Fix it")

    found = in_blocks(source())
    assert count_of(next(found)) == 2
    with pytest.raises(InvalidInputError):
        next(found)


@pytest.mark.parametrize("count", range(8))
def test_the_first_records_are_skipped_wherever_they_end(count: int) -> None:
    everything = [*records(0, 2), BAD, *records(3, 6)]
    cursor = Cursor(in_blocks(everything))
    assert list(single(cursor.take(count))) == everything[:count]
    assert list(single(cursor)) == everything[count:]


def test_a_part_of_a_block_knows_where_it_is() -> None:
    block = RecordBlock(10, [b"1", b"2", b"3"], [5, 7, 8], "a.jsonl")
    assert block.part(1, 3) == RecordBlock(11, [b"2", b"3"], [7, 8], "a.jsonl")
    assert block.part(1, 3).record(1) == block.record(2) == InputRecord(12, b"3", 8, "a.jsonl")
    assert "raws" not in repr(block)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (InputRecord(4, b"{}"), "record 4"),
        (InputRecord(4, b"{}", 7), "line 7"),
        (InputRecord(4, b"{}", 7, "day=1/part-0001.jsonl"), "line 7 of day=1/part-0001.jsonl"),
    ],
)
def test_a_record_is_named_by_its_line_or_position_and_its_file(record: InputRecord, place: str) -> None:
    assert place_of(record) == place


# Values of which JSON lines may be made, and what may go wrong in them.
_VALUES = [
    b"1", b"-0.0", b"1e5", b"1e308", b"1e309", b"1E+400", b"1e-400", b"-1e00309", b"0e999", b"1" * 210 + b"e99",
    b"1" * 308, b"1" * 310, b"1" * 310 + b".5", b"0." + b"1" * 400, b"9" * 4300, b"9" * 4301, b"01", b"1.", b"-",
    b"true", b"nul", b"NaN", b"Infinity", b'"a"', b'""', b'"\\n"', b'"\\x"', b'"\\u00e9"', b'"\\u12"',
    b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\ud83d\\u0041"', b'"\\"', b'"\x00"', b'"\x1f"', b'"\t"', b'"\xc3\xa9"',
    b'"\xc3"', b'"\xa9"', b'"\xed\xa0\x80"', b'"\xe2\x80\xa8"', b'"\xef\xbb\xbf"', b'"1e999, "', b'"5e123"',
    b"[]", b"[1,]", b"[1 2]", b"[1", b"2]", b"{}", b'{"b":2}', b"[" * 255 + b"]" * 255, b"[" * 256 + b"]" * 256,
    b"[" * 1100 + b"]" * 1100, b"[" * 200, b"]" * 200, b'"' + b"x" * 600 + b'"', b"", b"}", b"{", b",", b":",
]  # fmt: skip
#: Lines that are no records, some of which form one together.
_LINES = [
    b"", b" ", b"\t", b"\x0b", b"\xef\xbb\xbf{}", b"\xc2\xa0{}", b"\xe2\x80\xa8{}", b'{"a":1', b'"b":2',
    b'"c":3}', b',"b":2', b"}", b"{", b"{}{}", b"{} {}", b"{},{}", b"[{}]", b"[{}", b"{}]", b"1", b'"{"', b"null",
    b"{}\x00", b"\x00", b'{"a":"', b'"}', b'{"a":"\xc3', b'\xa9"}', b'{"a":"\\', b'n"}', b'{"a":[[', b"]]}",
    b'{"a":' + b"[" * 300, b"]" * 300 + b"}",
]  # fmt: skip
objects = st.lists(st.sampled_from(_VALUES), max_size=3).map(
    lambda values: b"{" + b",".join(b'"a":' + value for value in values) + b"}"
)
lines = st.one_of(
    st.just(b'{"n":1}'),
    objects,
    st.sampled_from(_LINES),
    st.binary(max_size=6).map(lambda noise: b'{"n":"' + noise + b'"}'),
    st.binary(max_size=6),
)
ends = st.sampled_from([b"\n", b"\n", b"\r\n", b" \n", b"\n\n", b"\n "])


@given(st.lists(st.tuples(lines, ends), max_size=12), st.integers(3, 200), st.booleans())
def test_a_block_is_read_as_its_lines_are_alone(
    content: list[tuple[bytes, bytes]], size: int, has_end: bool
) -> None:
    text = b"".join(line + end for line, end in content) + (b"" if has_end else b'{"last":1}')
    expected: list[InputRecord | UnreadableRecord] = []
    for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if raw := line.strip():
            problem = problem_of(raw)
            at = len(expected)
            expected.append(
                UnreadableRecord(at, raw, number, problem) if problem else InputRecord(at, raw, number)
            )
    try:
        assert list(single(json_lines(buffered(io.BytesIO(text).read), "a.jsonl"))) == expected
    except InvalidInputError:
        assert text.startswith((b"\xff\xfe", b"\xfe\xff"))
        return
    trickle = io.BytesIO(text)
    stream = buffered(lambda most: trickle.read(min(most, size)))
    assert list(single(json_lines(stream, "a.jsonl"))) == expected


@given(st.lists(lines.map(bytes.strip).filter(lambda raw: raw and b"\n" not in raw), min_size=1, max_size=5))
def test_texts_are_fit_together_if_each_is_alone(raws: list[bytes]) -> None:
    assert are_records(b"\n".join(raws) + b"\n", raws) == (not any(map(problem_of, raws)))


def test_valid_lines_are_not_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "checked", None)
    text = b'{"n": 1, "id": "3e1234"}\r\n\n{"n": 1e5, "\xc3\xa9": "\\u00e9"}\n'
    (block,) = json_lines(buffered(io.BytesIO(text).read), "a.jsonl")
    assert isinstance(block, RecordBlock)
    assert (len(block.raws), block.lines) == (2, [1, 3])


def test_the_lines_around_a_bad_one_are_in_blocks() -> None:
    text = b'{"n": 1}\n' * 5 + b"oops\n" + b'{"n": 1}\n' * 4
    found = list(json_lines(buffered(io.BytesIO(text).read), "a.jsonl"))
    assert [(type(each), count_of(each)) for each in found] == [
        (RecordBlock, 5),
        (UnreadableRecord, 1),
        (RecordBlock, 4),
    ]


def test_a_large_file_is_read_a_block_at_a_time() -> None:
    text = b'{"n": 1}\n' * 100_000
    first, second = islice(json_lines(buffered(io.BytesIO(text).read), "a.jsonl"), 2)
    assert isinstance(first, RecordBlock)
    assert isinstance(second, RecordBlock)
    assert first.lines == range(1, 1 + len(first.raws))
    assert second.lines == range(1 + len(first.raws), 1 + len(first.raws) + len(second.raws))
    assert second.position == len(first.raws)
