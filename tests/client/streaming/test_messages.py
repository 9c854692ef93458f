from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_flowservice.client.streaming.messages import each_message
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord
from tests.support.reading import values


class Kind(StrEnum):
    NEW = "new"


def test_objects_in_memory_become_records() -> None:
    found = list(each_message([{"n": 1, "name": "Zoë"}, "text", {"n": 3}]))  # type: ignore[list-item]
    assert values(found) == [{"n": 1, "name": "Zoë"}, "is not a JSON object", {"n": 3}]
    assert [record.position for record in found] == [0, 1, 2]
    assert {record.line for record in found} == {None}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1.50"), b"1.50"),
        (Decimal("0.1234567890123456789"), b"0.1234567890123456789"),
        (12345678901234567890123, b"12345678901234567890123"),
        (date(2026, 3, 1), b'"2026-03-01"'),
        (datetime(2026, 3, 1, 12, 30, tzinfo=UTC), b'"2026-03-01T12:30:00+00:00"'),
        (UUID("12345678-1234-5678-1234-567812345678"), b'"12345678-1234-5678-1234-567812345678"'),
        (Kind.NEW, b'"new"'),
        ({"a": (1, [None, True])}, b'{"a":[1,[null,true]]}'),
        (MappingProxyType({Kind.NEW: 1.5}), b'{"new":1.5}'),
        (UserDict(a=1), b'{"a":1}'),
    ],
)
def test_what_json_can_represent_is_sent(value: Any, expected: bytes) -> None:
    for nested in (value, [value]):
        (record,) = each_message([{"n": nested}])
        assert isinstance(record, InputRecord)
        assert record.raw == b'{"n":' + (b"[%b]" % expected if nested is not value else expected) + b"}"


CYCLE: list[Any] = []
CYCLE.append([CYCLE, CYCLE])
DEEP: dict[str, Any] = {}
for _ in range(5000):
    DEEP = {"n": DEEP}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "infinite or not a number"),
        (float("-inf"), "infinite or not a number"),
        (Decimal("NaN"), "infinite or not a number"),
        (Decimal("sNaN"), "infinite or not a number"),
        ({1: "secret"}, "has a key of type int"),
        ({None: "secret"}, "has a key of type NoneType"),
        ({"secret"}, "has a value of type set"),
        (b"secret", "has a value of type bytes"),
        (object(), "has a value of type object"),
        (CYCLE, "has more than 256 levels"),
        (DEEP, "has more than 256 levels"),
        ("secret \ud800", "has a string with a lone surrogate"),
        ({"secret \ud800": 1}, "has a string with a lone surrogate"),
        (10**5000, "has an integer with too many digits"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else type(value).__name__,
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_json_cannot_represent_spoils_its_record_only(value: Any, problem: str, nested: bool) -> None:
    messages: list[Mapping[str, Any]] = [{"n": 1}, {"n": [value] if nested else value}, {"n": 3}]
    first, bad, last = each_message(messages)
    assert values([first, last]) == [{"n": 1}, {"n": 3}]
    assert isinstance(bad, UnreadableRecord)
    assert bad.position == 1
    assert problem in bad.problem
    assert "secret" not in bad.problem
    assert not bad.raw or json.dumps("secret")[1:-1] in bad.raw.decode() or "secret" not in repr(value)


def test_messages_keep_no_number_of_a_boolean() -> None:
    (record,) = each_message([{"n": True, "f": 1.0}])
    assert record.raw == b'{"n":true,"f":1.0}'


def test_what_has_no_representation_spoils_its_record_only() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise AttributeError("secret")

    first, bad, last = each_message([{"n": 1}, {"n": Broken()}, {"n": 3}])
    assert values([first, last]) == [{"n": 1}, {"n": 3}]
    assert isinstance(bad, UnreadableRecord)
    assert (bad.problem, bad.raw) == ("has a value of type Broken, which JSON cannot represent", b"")
