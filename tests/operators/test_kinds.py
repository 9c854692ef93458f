"""The kinds of arguments: what each takes, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.kinds import (
    Kind,
    choice,
    flag,
    items,
    limit_or_none,
    list_of,
    mapping,
    number_or_ratio,
    resource_id,
    resource_ids,
    seconds,
    storage_path,
    string,
    text,
    text_encoding,
    whole_number,
)


class BytesPath:
    def __fspath__(self) -> bytes:
        return b"/data/a.csv"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


GOOD: Sequence[tuple[Kind[Any], Any, Any]] = [
    (string, "a", "a"),
    (string, 20260101, "20260101"),
    (text, "", ""),
    (resource_id, "plan:flow:x", "plan:flow:x"),
    (flag, True, True),
    (flag, "False", False),
    (flag, " TRUE ", True),
    (whole_number(), "10", 10),
    (whole_number(), 10.0, 10),
    (whole_number(), 0, 0),
    (whole_number(), "9007199254740993", 9007199254740993),
    (whole_number(), "10.0", 10),
    (whole_number(), Decimal(10), 10),
    (seconds(), "2.5", 2.5),
    (seconds(), timedelta(minutes=5), 300.0),
    (choice(Colour), "blue", Colour.BLUE),
    (choice(Colour), Colour.RED, Colour.RED),
    (mapping, {"a": 1}, {"a": 1}),
    (items, ("a", 1), ["a", 1]),
    (list_of(string), ("a", 1), ["a", "1"]),
    (resource_ids(), "a", ["a"]),
    (resource_ids(minimum=0), [], []),
    (storage_path, "s3://bucket/a.csv", "s3://bucket/a.csv"),
    (storage_path, PurePosixPath("/data/a.csv"), "/data/a.csv"),
    (storage_path, BytesPath(), "/data/a.csv"),
]
BAD: Sequence[Any] = [
    (string, {"secret": 1}, "x: must be a string, not dict"),
    (string, True, "x: must be a string, not bool"),
    (string, 1.1, "x: is the number 1.1, not a string. If a template gives it, let it give a string"),
    (whole_number(), b"10", "x: b'10' is not a whole number"),
    (whole_number(), "9" * 5000, "9... is not a whole number"),
    pytest.param(seconds(), 10**5000, "x: an int of thousands of digits is not a duration", id="huge"),
    (list_of(string), ["a", ""], "x[1]: is '', although it was given"),
    (text_encoding, "idna", "x: 'idna' is not a text encoding"),
    (text_encoding, "utf-99", "x: 'utf-99' is not a text encoding"),
    (list_of(string), ["None"], "x[0]: is 'None', although it was given"),
    (flag, "yes", "x: 'yes' is neither true nor false"),
    (flag, 1, "x: 1 is neither true nor false"),
    (whole_number(), True, "x: True is not a whole number"),
    (whole_number(), 1.5, "x: 1.5 is not a whole number"),
    (whole_number(), "many", "x: 'many' is not a whole number"),
    (whole_number(minimum=1), 0, "x: 0 is not a whole number of 1 or more"),
    (whole_number(), float("nan"), "x: nan is not a whole number"),
    (seconds(), -1, "x: -1 is not a duration"),
    (seconds(), timedelta(seconds=-1), "is not a duration"),
    (seconds(), "inf", "x: 'inf' is not a duration"),
    (choice(Colour), "green", "x: 'green' is not supported. Choose one of: red, blue."),
    (mapping, "[secret]", "x: must be a mapping, not str"),
    (items, "[secret]", "x: must be a list, not str"),
    (items, {"a": 1}, "x: must be a list, not dict"),
    (list_of(mapping), [{}, 1], "x[1]: must be a mapping, not int"),
    (resource_ids(), [], "x: is empty"),
    (resource_ids(), ["a", None], "x[1]: is None, although it was given"),
    (resource_ids(), ["a", "None"], "x[1]: is 'None', although it was given"),
    (storage_path, 5.5j, "x: must be a string, not complex"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD)
def test_a_value_is_read_by_its_kind(kind: Kind[Any], value: Any, expected: Any) -> None:
    found = kind("x", value)
    assert (found, type(found)) == (expected, type(expected))
    assert kind("x", found) == expected


@pytest.mark.parametrize(("kind", "value", "problem"), BAD)
def test_a_value_of_another_kind_is_rejected_by_name(kind: Kind[Any], value: Any, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        kind("x", value)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_object_storage_path_keeps_its_connection(tmp_path: Path) -> None:
    given = ObjectStoragePath(f"file://{tmp_path}/a.csv", conn_id="store")
    assert storage_path("path", given) is given


@pytest.mark.parametrize(
    ("given", "read", "limit"),
    [
        (0, 0, 0),
        ("10", 10, 10),
        (3.0, 3, 3),
        (0.01, 0.01, 0.01),
        (" 0.5 ", 0.5, 0.5),
        ("any", "any", None),
        (" Any ", "any", None),
    ],
)
def test_a_limit_is_a_number_a_ratio_or_any(given: Any, read: Any, limit: Any) -> None:
    found = number_or_ratio("limit", given)
    assert (found, type(found)) == (read, type(read))
    assert number_or_ratio("limit", found) == found
    assert limit_or_none(found) == limit


@pytest.mark.parametrize("given", [-1, 1.5, -0.5, "x", True, "nan", "inf", 1e300, [1]])
def test_a_limit_that_is_neither_a_number_nor_a_ratio_is_refused(given: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=r"is neither a whole number nor a ratio below 1\. Give a number"
    ):
        number_or_ratio("limit", given)
