"""Dead letters: what they hold, and what they stand for when they are posted again."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import dead_letters
from airflow_provider_flowservice.client.streaming.dead_letters import (
    DeadLetters,
    begins_with_dead_letter,
    is_dead_letter,
    lines_of_letters,
    unwrapped,
)
from airflow_provider_flowservice.client.streaming.files import from_file
from airflow_provider_flowservice.client.streaming.messages import from_messages
from airflow_provider_flowservice.client.streaming.posting import Failure
from airflow_provider_flowservice.client.streaming.records import (
    InputRecord,
    RecordBlock,
    UnreadableRecord,
    single,
)

Record = InputRecord | UnreadableRecord


def letters_of(records: Sequence[Record], message: str = "bad") -> bytes:
    """The file of dead letters of some records, none of which was accepted."""
    written: list[bytes] = []
    letters = DeadLetters(written.extend)
    for index, record in enumerate(records):
        letters.add(Failure(index, record, 400, message))
    letters.settle()
    return b"".join(written)


def posted_again(file: bytes) -> list[Record]:
    assert begins_with_dead_letter(io.BytesIO(file))
    return list(single(unwrapped(lines_of_letters(io.BytesIO(file)))))


def read(content: bytes, name: str) -> list[Record]:
    return list(single(from_file(io.BytesIO(content), name)))


LINES = {
    "plain": b'{"n": 1}',
    "digits": b'{"price": 1.10, "big": 123456789012345678901234567890, "e": 1E400, "zero": -0.0}',
    "escapes": b'{"a": "\\u00e9\\n\\"\\/", "\xc3\xbc": "\xe2\x80\xa8"}',
    "repeated key": b'{"n": 1, "n": 2}',
    "spaces": b'{ "n" :\t1 }',
    "half a surrogate": b'{"half": "\\ud800"}',
    "not UTF-8": b'{"name": "Zo\xeb"}',
    "UTF-8 of a surrogate": b'{"name": "\xed\xa0\x80"}',
    "NUL": b'{"a": "\x00"}',
    "truncated": b'{"n": 1, "name": "Ad',
    "no object": b"[1, 2]",
    "a string": b'"text"',
    "deep": b"[" * 5_000,
    "deep object": b'{"a":' * 1_100 + b"1" + b"}" * 1_100,
    "many digits": b'{"n": ' + b"1" * 5_000 + b"}",
    "looks like an escape": b'{"a": "\\udcff',
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_line_survives_unchanged(line: bytes) -> None:
    (record,) = read(b"\n" + line + b"\n", "a.jsonl")
    file = letters_of([record])
    assert file.count(b"\n") == 1
    letter = json.loads(file)
    assert (letter["position"], letter["line"], letter["status"]) == (0, 2, 400)
    (again,) = posted_again(file)
    assert (type(again), again.raw, again.position, again.line) == (type(record), line, 0, 2)
    # And again: a letter that is refused once more is the same letter.
    assert letters_of([again]) == file


def test_an_element_of_an_array_stays_on_one_line() -> None:
    (record,) = read(b'[\n  {\r\n    "n": 1.50,\n "a": "x"\n  }\n]', "a.json")
    (again,) = posted_again(letters_of([record]))
    assert json.loads(again.raw) == {"n": 1.5, "a": "x"}
    assert b"1.50" in again.raw


ROWS = {"short": b"1", "quoted": b'2,"Grace, M.",x', "not UTF-8": b"3,Zo\xeb", "a quote": b'4,"Ada'}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_survives_with_its_header(row: bytes) -> None:
    (record,) = read(b"n,first\n" + row + b"\n", "a.csv")
    file = letters_of([record])
    letter = json.loads(file)
    assert letter["record"] == row.decode("utf-8", "surrogateescape")
    assert letter["csv"] == {"columns": ["n", "first"], "delimiter": ",", "encoding": "utf-8"}
    (again,) = posted_again(file)
    assert isinstance(again, UnreadableRecord)
    assert (again.raw, again.line) == (row, record.line)
    assert letters_of([again]) == file


def test_a_row_survives_in_the_encoding_of_its_file() -> None:
    content = "n,first\n1,Zoë,x\n".encode("utf-16")
    (record,) = read(content, "a.csv")
    file = letters_of([record])
    assert json.loads(file)["record"] == "1,Zoë,x"
    assert posted_again(file) == [record]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"n,first\n1," + b"\xc3\xbc" * 1_100_000, "a.csv"),
        (b'{"a": "' + b"\xc3\xbc" * 600_000 + b'"}', "a.jsonl"),
    ],
)
def test_the_beginning_of_a_record_is_not_taken_for_the_record(content: bytes, name: str) -> None:
    (record,) = read(content, name)
    assert isinstance(record, UnreadableRecord)
    file = letters_of([record])
    assert len(file) < 10_000
    (again,) = posted_again(file)
    assert isinstance(again, UnreadableRecord)
    assert (again.raw, "only the beginning" in again.problem) == (record.raw, True)
    assert letters_of([again]) == file
    whole = {"record": '1,"Ada"' if name == "a.csv" else '{"n": 1}', "is_beginning": False}
    (right,) = posted_again(corrected(file, **whole))
    assert isinstance(right, InputRecord)


def corrected(file: bytes, **changes: Any) -> bytes:
    """A letter that a user has changed with a tool that reads and writes JSON."""
    return json.dumps({**json.loads(file), **changes}, sort_keys=True, indent=None).encode()


def test_a_corrected_row_is_read_like_a_row_of_its_file() -> None:
    (record,) = read(b"n,first\n1\n", "a.csv")
    (again,) = posted_again(corrected(letters_of([record]), record='1,"Ada ""A."""'))
    assert isinstance(again, InputRecord)
    assert json.loads(again.raw) == {"n": "1", "first": 'Ada "A."'}
    assert again.line == 2


@pytest.mark.parametrize(
    ("content", "name", "record"),
    [(b"{\n", "a.jsonl", '{"n": 1}'), (b"{\n", "a.jsonl", {"n": 1}), (b"n\n1,2\n", "a.csv", {"n": 1})],
)
def test_a_corrected_record_may_be_text_or_an_object(content: bytes, name: str, record: Any) -> None:
    (unreadable,) = read(content, name)
    (again,) = posted_again(corrected(letters_of([unreadable]), record=record))
    assert isinstance(again, InputRecord)
    assert json.loads(again.raw) == {"n": 1}


@pytest.mark.parametrize("record", [None, 1, [{"n": 1}], True, "", "[]"])
def test_what_is_still_no_record_is_refused_in_its_place(record: Any) -> None:
    (unreadable,) = read(b"\n\n{", "a.jsonl")
    (again,) = posted_again(corrected(letters_of([unreadable]), record=record))
    assert isinstance(again, UnreadableRecord)
    assert again.line == 3


def test_the_letters_are_in_the_order_of_their_records() -> None:
    written: list[bytes] = []
    letters = DeadLetters(written.extend)
    for index in (3, 1, 2):
        letters.add(Failure(index, InputRecord(index, b"{}"), None, "bad"))
    letters.settle()
    letters.settle()
    assert [json.loads(line)["position"] for line in written] == [1, 2, 3]


# Recognition


def letters(count: int) -> bytes:
    return letters_of([InputRecord(n, b'{"n": %d}' % n, n + 1) for n in range(count)])


@pytest.mark.parametrize(
    "around", [lambda file: b"\xef\xbb\xbf" + file, lambda file: b"\n\r\n" + file, gzip.compress]
)
def test_a_file_is_recognized_by_its_first_line(around: Any) -> None:
    assert [record.position for record in posted_again(around(letters(3)))] == [0, 1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b'{"n": 1}\n',
        b'{"note": "flowservice.dead_letter"}\n',
        b'{"deep": {"flowservice.dead_letter": 1}}\n',
        b'{"flowservice.dead_letter": 1',
        b'{"flowservice.dead_letter": "\xff"}',
        b'["flowservice.dead_letter"]',
        b"n,flowservice.dead_letter\n1,1\n",
        b"\x1f\x8bno gzip",
        gzip.compress(b'{"flowservice.dead_letter": 1}', mtime=0)[:-12],
        b"[" * 10_000 + b'"flowservice.dead_letter"',
    ],
)
def test_what_only_looks_like_a_dead_letter_is_none(content: bytes) -> None:
    assert not begins_with_dead_letter(io.BytesIO(content))
    assert not is_dead_letter(content)


def test_a_first_line_without_end_is_not_read_to_it() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readinto(self, buffer: Any) -> int:
            self.given += len(buffer)
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

        def readable(self) -> bool:
            return True

        def seek(self, *_: int) -> int:
            return 0

    endless = Endless()
    assert not begins_with_dead_letter(endless)  # type: ignore[arg-type]
    assert endless.given < 2 * dead_letters.MAX_LETTER_BYTES


def test_letters_in_memory_are_recognized_too() -> None:
    messages = [json.loads(line) for line in letters(3).splitlines()]
    assert [json.loads(record.raw) for record in single(unwrapped(from_messages(messages)))] == [
        {"n": n} for n in range(3)
    ]


def test_a_record_among_letters_is_an_error_and_what_is_before_it_is_not() -> None:
    found = single(unwrapped(lines_of_letters(io.BytesIO(letters(2) + b'\n{"secret": 7}\n'))))
    assert [next(found).position, next(found).position] == [0, 1]
    with pytest.raises(
        InvalidInputError, match="line 4 is no dead letter, but the first record is one"
    ) as caught:
        next(found)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("last", [b"{}", b'{"note": "flowservice.dead_letter"}'])
def test_blocks_without_letters_stay_as_they_are(last: bytes) -> None:
    block = RecordBlock(0, [b'{"n": 1}', last])
    bad = UnreadableRecord(2, b"oops", 3, "is not JSON")
    first, second, third = unwrapped(iter([block, bad, block]))
    assert first is block
    assert second is bad
    assert third is block


def test_a_letter_among_records_is_an_error() -> None:
    records = from_file(io.BytesIO(b'{"n": 1}\n' + letters(1)), "a.jsonl")
    with pytest.raises(InvalidInputError, match="line 2 is a dead letter, but the first record is none"):
        list(unwrapped(records))


@pytest.mark.parametrize(
    "change",
    [
        {"position": "secret"},
        {"line": "secret"},
        {"csv": {"columns": "secret"}},
        {"flowservice.dead_letter": "secret"},
    ],
)
def test_a_letter_that_is_not_as_it_was_written_is_an_error_without_its_content(
    change: dict[str, Any],
) -> None:
    file = letters(1) + corrected(letters(1), **change)
    with pytest.raises(InvalidInputError, match="line 2 is no valid dead letter") as caught:
        posted_again(file)
    assert "secret" not in repr(caught.value)


def test_a_letter_of_a_later_version_is_not_guessed() -> None:
    with pytest.raises(InvalidInputError, match="line 1 is a dead letter of version 2, but only 1 is known"):
        posted_again(corrected(letters(1), **{"flowservice.dead_letter": 2}))


def test_a_line_that_no_letter_can_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    file = letters(1)
    monkeypatch.setattr(dead_letters, "MAX_LETTER_BYTES", len(file))
    with pytest.raises(InvalidInputError, match="line 2 has more than"):
        posted_again(file + corrected(file, more="x" * len(file)))


# Messages


def test_failures_of_earlier_attempts_are_counted() -> None:
    collected = DeadLetters()
    collected.add(Failure(5, InputRecord(5, b"{}", 6), 400, "bad"))
    assert collected.describe(3) == "line 6: bad ... and 2 more."


def test_a_letter_that_was_broken_when_it_was_posted_back_still_stands_for_its_record() -> None:
    broken = letters(1).decode().rstrip().removesuffix("}")
    written: list[bytes] = []
    collected = DeadLetters(written.extend)
    collected.add(Failure(0, UnreadableRecord(0, broken.encode(), 1, "is not JSON"), None, "is not JSON"))
    collected.settle()
    (letter,) = map(json.loads, written)
    assert letter["record"] == broken
    corrected = json.dumps({**letter, "record": letter["record"] + "}"}).encode()
    assert [each.raw for each in posted_again(corrected)] == [each.raw for each in posted_again(letters(1))]
