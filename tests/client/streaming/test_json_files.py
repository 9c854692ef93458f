from __future__ import annotations

import io
import json

import pytest

from airflow_provider_flowservice.client.streaming.blocks import BLOCK_BYTES
from airflow_provider_flowservice.client.streaming.files import from_file
from airflow_provider_flowservice.client.streaming.messages import each_message
from airflow_provider_flowservice.client.streaming.records import (
    KEPT_BYTES,
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    InputRecord,
    UnreadableRecord,
    single,
)
from tests.support.reading import read, read_until_error, values

ONE, TWO = b'{"n": 1}', b'{"n": 2}'


def test_a_line_is_kept_as_it_stands_with_its_number() -> None:
    content = b'\n  {"n": 1.50, "big": 12345678901234567890}  \r\n\n{"n":2}'
    assert read("a.jsonl", content) == [
        InputRecord(0, b'{"n": 1.50, "big": 12345678901234567890}', 2),
        InputRecord(1, b'{"n":2}', 4),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"n":', "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b'{"n": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "has more than 256 levels"),
        (b'{"n": ' + b"[" * 256 + b"]" * 256 + b"}", "has more than 256 levels"),
        (b'{"n": ' + b"[" * 1100 + b"]" * 1100 + b"}", "has more than 256 levels"),
        (b'{"n": ' + b"1" * 5000 + b"}", "Integer value out of range"),
        (b'{"n": "\\ud800"}', "half of a surrogate pair"),
        (b'{"n": "\\udc00 and more"}', "half of a surrogate pair"),
        (b'{"\\ud83d and more": 1}', "half of a surrogate pair"),
        (b'{"\xff": 1}', "is not UTF-8"),
        (b'{"n": "a\\n\xed\xa0\x80"}', "is not UTF-8"),
        (b'{"n": "\0"}', "is not JSON"),
        (b'{"n": Infinity}', "is not JSON"),
        (b'{"n": NaN}', "is not JSON"),
    ],
)
def test_a_line_that_is_no_object_spoils_no_other(line: bytes, problem: str) -> None:
    first, bad, last = read("a.jsonl", b'{"n": 1}\n' + line + b'\n{"n": 3}\n')
    assert values([first, last]) == [{"n": 1}, {"n": 3}]
    assert isinstance(bad, UnreadableRecord)
    assert (bad.position, bad.line, bad.raw) == (1, 2, line)
    assert problem in bad.problem


def test_an_element_that_is_no_object_spoils_no_other() -> None:
    assert values(read("a.json", b'[{"n": 1}, 2, null, {"n": 4}]')) == [
        {"n": 1},
        "is not a JSON object",
        "is not a JSON object",
        {"n": 4},
    ]


def test_numbers_of_an_array_keep_all_their_digits() -> None:
    content = b'[{"price":1.50,"big":12345678901234567890,"fine":0.1234567890123456789}]'
    (record,) = read("a.json", content)
    assert record.raw == content[1:-1]


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 2])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_has_a_limit_and_what_is_longer_spoils_no_other(size: int, end: bytes) -> None:
    line = b'{"n": "' + b"x" * (size - 9) + b'"}'
    first, long, last = read("a.jsonl", end.join((ONE, line, TWO)))
    assert (first.raw, last.raw, last.position, last.line) == (ONE, TWO, 2, 3)
    if size <= MAX_RECORD_BYTES:
        assert isinstance(long, InputRecord)
        assert long.raw == line
    else:
        assert isinstance(long, UnreadableRecord)
        assert "has more than 1000000 bytes" in long.problem
        assert (long.position, long.line, long.raw) == (1, 2, line[:KEPT_BYTES])


def test_a_line_of_white_space_hides_no_record() -> None:
    hidden = b" " * (5 * MAX_RECORD_BYTES) + TWO
    first, long, last = read("a.jsonl", b"\n".join((ONE, hidden, TWO)))
    assert isinstance(long, UnreadableRecord)
    assert (first.raw, last.raw, long.position) == (ONE, TWO, 1)


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1])
def test_an_element_has_a_limit_and_what_is_longer_spoils_no_other(size: int) -> None:
    element = b'{"n": "' + b"x" * (size - 9) + b'"}'
    first, long, last = read("a.json", b"[%b, %b\n, %b]" % (ONE, element, TWO))
    assert (first.raw, last.raw, last.position) == (ONE, TWO, 2)
    assert isinstance(long, InputRecord) == (size <= MAX_RECORD_BYTES)
    assert long.raw == element[: size if size <= MAX_RECORD_BYTES else KEPT_BYTES]


def test_white_space_counts_for_nothing() -> None:
    space = b"\n" * (2 * MAX_RECORD_BYTES)
    assert values(
        read("a.json", space + b"[" + space + ONE + space + b"," + space + TWO + space + b"]" + space)
    ) == [{"n": 1}, {"n": 2}]
    assert values(read("a.json", space + b"[" + space + b"]" + space)) == []
    assert values(read("a.json", space + ONE + space)) == [{"n": 1}]
    assert [(r.raw, r.line) for r in read("a.json", space + ONE + space + TWO)] == [
        (ONE, 2 * MAX_RECORD_BYTES + 1),
        (TWO, 4 * MAX_RECORD_BYTES + 1),
    ]


def test_a_value_may_end_anywhere_in_a_block() -> None:
    texts = [
        '{"a": "\\\\\\"[{", "b": [[], {}, "]", [{"c": "\\\\"}]]}',
        '{"é\\n": -1.50e3}',
        '{"x": {"y": ["\\u00e9"]}}',
    ]
    for shift in range(-60, 60):
        padding = " " * (BLOCK_BYTES - 60 + shift)
        found = read("a.json", ("[" + padding + ",".join(texts * 2) + "]").encode())
        assert [record.raw.decode() for record in found] == texts * 2


class _Trickle(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1 if size is None else size, 3))


def test_a_stream_may_give_a_few_bytes_at_a_time() -> None:
    document = [{"a": '\\"[', "b": [1, {"c": "]}"}]}, {"d": "\u00e9\n"}]
    content = json.dumps(document).encode()
    assert values(list(single(from_file(_Trickle(content), "a.json")))) == document


@pytest.mark.parametrize(
    "element",
    [
        b'{"n": "\xff"}',
        b'{"n": NaN}',
        b'{"n": "\\ud800"}',
        b'{"n": ' + b"[" * 1100 + b"]" * 1100 + b"}",
        b'{"n": ' + b"1" * 4301 + b"}",
        b'{"n": 1} {"n": 2}',
        b'{"n": [1}}',
        b'{"n" 1}',
        b"tru",
        b'"a,]}"',
        b"",
    ],
)
def test_an_element_with_an_error_spoils_no_other(element: bytes) -> None:
    first, bad, last = read("a.json", b"[%b, %b, %b]" % (ONE, element, TWO))
    assert (first.raw, last.raw) == (ONE, TWO)
    assert isinstance(bad, UnreadableRecord)
    assert (bad.position, bad.raw) == (1, element)


@pytest.mark.parametrize(
    "content",
    [
        b'[{"n": 1}, {"n": 2}, {"n": ',
        b'[{"n": 1}, {"n": 2}, "oh',
        b'[{"n": 1}, {"n": 2}, ' + b"[" * 100_000,
        b'[{"n": 1}, {"n": 2}, {"n": [1}]',
        b'{"messages": [{"n": 1}, {"n": 2}, ',
        b'{"messages": [{"n": 1}, {"n": 2}]',
        b'{"messages": [{"n": 1}, {"n": 2}]]',
    ],
)
def test_a_document_that_breaks_off_gives_what_stands_before(content: bytes) -> None:
    found, error = read_until_error("a.json", content)
    assert values(found) == [{"n": 1}, {"n": 2}]
    assert "'a.json' ends prematurely after 2 records" in error
    assert "skip_records=2" in error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\xef\xbb\xbf[{"n": 1}]', [{"n": 1}]),
        (b'{"n": 1}', [{"n": 1}]),
        (b' {"messages" : [ {"n": 1}, {"n": 2} ] } ', [{"n": 1}, {"n": 2}]),
        (b'{"messages": []}', []),
        (b'{"messages": [1, {"n": 2}]}', ["is not a JSON object", {"n": 2}]),
        (
            b'{"messages": [{"n": NaN}, {"n": 2}]}',
            ["is not JSON: JSON is malformed: invalid character (byte 6)", {"n": 2}],
        ),
        (b'{"messages": [1], "n": 2}', [{"messages": [1], "n": 2}]),
        (b'{"messages": "none"}', [{"messages": "none"}]),
        (b'\n{"n": 1}\n\n{"n": 2}\n', [{"n": 1}, {"n": 2}]),
        (b'{"n": 1}\n[2]\n{"n": 3}', [{"n": 1}, "is not a JSON object", {"n": 3}]),
        (b"", []),
        (b" \n", []),
    ],
)
def test_a_document_has_one_of_these_shapes(content: bytes, expected: list[object]) -> None:
    assert values(read("a.json", content)) == expected


def test_json_lines_in_a_json_file_have_line_numbers() -> None:
    found = read("a.json", b'\n{"n": 1}\n\noops\n{"n": 3}\n')
    assert [(record.position, record.line) for record in found] == [(0, 2), (1, 4), (2, 5)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'"text"', "begins with neither an array nor an object"),
        (b"12", "begins with neither an array nor an object"),
        (b"n,m\n1,2", "begins with neither an array nor an object"),
        (b'{"n": 1} {"n": 2}', "goes on after the end of its first object"),
        (b'{"n":\n1}\n{"n":\n2}', "goes on after the end of its first object"),
        (b'[{"n": 1}]\n[{"n": 2}]', "goes on after the end of its array"),
        (
            b'{"messages": [{"n": 1}]}\n{"messages": []}',
            "goes on after the end of the object with 'messages'",
        ),
        (
            b'{"messages": [{"n": 1}, {"n": "' + b"x" * 2 * MAX_RECORD_BYTES + b'"}], "n": 1}',
            "has further keys after 'messages'",
        ),
        (b'{"n": "' + b"x" * MAX_RECORD_BYTES + b'"}', "begins with an object of more than 1000000 bytes"),
        ('[{"n": 1}]'.encode("utf-16"), "is UTF-16"),
    ],
)
def test_another_shape_is_refused_with_the_file(content: bytes, problem: str) -> None:
    _, error = read_until_error("a.json", content)
    assert f"'a.json' {problem}" in error
    assert "x" * 100 not in error


def test_a_batch_of_any_size_is_read() -> None:
    messages = [{"n": n, "text": "x" * 10_000} for n in range(300)]
    assert values(read("a.json", json.dumps({"messages": messages}).encode())) == messages


def test_lines_of_utf_16_are_refused() -> None:
    assert "'a.jsonl' is UTF-16" in read_until_error("a.jsonl", '{"n": 1}\n'.encode("utf-16"))[1]


def test_the_deepest_record_arrives() -> None:
    deep = b'{"n": ' + b"[" * (MAX_DEPTH - 1) + b'"' + b"[{" * 999 + b'"' + b"]" * (MAX_DEPTH - 1) + b"}"
    wide = b'{"n": [' + b", ".join([b"[{}]"] * 5000) + b"]}"
    for name, content in (("a.jsonl", deep + b"\n" + wide), ("a.json", b"[%b,%b]" % (deep, wide))):
        assert [type(record) for record in read(name, content)] == [InputRecord, InputRecord]
    assert [type(record) for record in each_message([json.loads(deep)])] == [InputRecord]
