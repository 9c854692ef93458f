"""Arguments: declared once, checked when the DAG is parsed, read by their kind before a task works."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from airflow.sdk import BaseOperator, ObjectStoragePath

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.arguments import (
    Kind,
    TakesArguments,
    choice,
    epoch_seconds,
    failure_limit,
    flag,
    items,
    list_of,
    mapping,
    no_limit,
    number_or_ratio,
    optional,
    required,
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


class Operator(TakesArguments, BaseOperator):
    name = required(string)
    note = optional(text)
    urgent = required(flag)
    limit = optional(whole_number())
    tags = optional(list_of(string))

    def __init__(
        self,
        *,
        name: Any,
        note: Any = None,
        urgent: Any = False,
        limit: Any = None,
        tags: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())


class Child(Operator):
    colour = required(choice(Colour))

    def __init__(self, *, colour: Any = "red", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        if self.is_given("limit") and self.is_given("tags"):
            raise InvalidInputError("limit or tags", "are both given", "Give one.")


def make(kind: type = Operator, **changes: Any) -> Any:
    return kind(**{"task_id": "x", "name": "n", **changes})


def mapped(**arguments: Any) -> Any:
    """An operator as Airflow makes one of a mapped task, on the worker."""
    return Child(task_id="x", _airflow_from_mapped=True, **arguments)


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
    (epoch_seconds, "1700000000", 1700000000),
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
    (epoch_seconds, 1700000000000, "x: 1700000000000 is not a time"),
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


def test_every_argument_of_all_levels_is_a_template_field() -> None:
    assert Operator.template_fields == ("name", "note", "urgent", "limit", "tags")
    assert Child.template_fields == ("name", "note", "urgent", "limit", "tags", "colour")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"urgent": "perhaps"}, "urgent: 'perhaps' is neither true nor false"),
        ({"limit": "many"}, "limit: 'many' is not a whole number"),
        ({"name": None}, "name: is None"),
        ({"name": " "}, "name: is ' '"),
        ({"tags": "a"}, "tags: must be a list, not str"),
        ({"colour": "green"}, "colour: 'green' is not supported"),
        ({"limit": 1, "tags": ["a"]}, "limit or tags: are both given"),
    ],
)
def test_a_bad_literal_is_rejected_when_the_dag_is_parsed(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make(Child, **changes)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize("template", ["{{ params.x }}", "{% if x %}1{% endif %}", "{# why #}1"])
def test_a_template_is_read_once_it_is_rendered(template: str) -> None:
    operator = make(Child, limit=template, urgent=template, tags=None, colour=template)
    assert operator.limit == template
    for name, value in {"limit": "3", "urgent": "True", "colour": "blue"}.items():
        setattr(operator, name, value)
    operator.read_arguments()
    assert (operator.limit, operator.urgent, operator.colour) == (3, True, Colour.BLUE)
    operator.read_arguments()
    assert (operator.limit, operator.urgent, operator.colour) == (3, True, Colour.BLUE)


@pytest.mark.parametrize("rendered", [None, "", "None"])
def test_what_was_given_must_not_turn_out_to_be_nothing(rendered: Any) -> None:
    operator = make(limit="{{ ti.xcom_pull('skipped') }}")
    operator.limit = rendered
    with pytest.raises(InvalidInputError, match=r"limit: is .*, although it was given.*omit the argument"):
        operator.read_arguments()


def test_what_was_left_out_stays_none() -> None:
    operator = make()
    operator.read_arguments()
    assert (operator.note, operator.limit, operator.tags) == (None, None, None)


def test_an_empty_text_keeps_its_meaning_and_none_has_none() -> None:
    operator = make(note="{{ params.note }}")
    operator.note = ""
    operator.read_arguments()
    assert operator.note == ""
    for nothing in (None, "None"):
        operator.note = nothing
        with pytest.raises(InvalidInputError, match=r"note: is '?None'?, although it was given"):
            operator.read_arguments()


class WithParts(TakesArguments, BaseOperator):
    parts = required(mapping)
    lines = required(items)

    def __init__(self, *, parts: Any, lines: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())


@pytest.mark.parametrize("nothing", [None, "", "None"])
@pytest.mark.parametrize("from_mapped", [False, True])
def test_what_was_given_within_a_mapping_or_a_list_must_not_turn_out_to_be_nothing(
    nothing: Any, from_mapped: bool
) -> None:
    operator = WithParts(
        task_id="x",
        parts={"stream": {"name": "{{ params.a }}"}, "empty": nothing},
        lines=["a", {"b": ["{{ params.b }}"]}],
        **({"_airflow_from_mapped": True} if from_mapped else {}),
    )
    good = {"stream": {"name": "s"}, "empty": nothing}
    operator.parts, operator.lines = good, ["a", {"b": ["b"]}]
    operator.read_arguments()
    operator.lines = ["a", {"b": [nothing]}]
    with pytest.raises(
        InvalidInputError, match=r"^lines\[1\]\['b'\]\[0\]: is .*although it was given.*leave it out"
    ):
        operator.read_arguments()
    operator.parts = {**good, "stream": {"name": nothing}}
    with pytest.raises(InvalidInputError, match=r"^parts\['stream'\]\['name'\]: is .*although it was given"):
        operator.read_arguments()
    operator.parts = "5"
    with pytest.raises(InvalidInputError, match=r"^parts: must be a mapping, not str"):
        operator.read_arguments()


def test_in_a_mapped_task_what_is_passed_by_name_is_given_and_checked_on_the_worker() -> None:
    operator = mapped(name="n", limit=None)
    with pytest.raises(InvalidInputError, match="limit: is None, although it was given"):
        operator.read_arguments()
    mapped(name="n").read_arguments()
    late = mapped(name="n", urgent="perhaps", limit=1, tags=["a"])
    with pytest.raises(InvalidInputError, match="urgent: 'perhaps'"):
        late.read_arguments()
    late.urgent = False
    with pytest.raises(InvalidInputError, match="limit or tags: are both given"):
        late.read_arguments()


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
    assert failure_limit(found) == limit


@pytest.mark.parametrize("given", [-1, 1.5, -0.5, "x", True, "nan", "inf", 1e300, [1]])
def test_a_limit_that_is_neither_a_number_nor_a_ratio_is_refused(given: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=r"is neither a whole number nor a ratio below 1\. Give a number"
    ):
        number_or_ratio("limit", given)


def test_a_limit_is_none_for_any_only_where_that_was_written() -> None:
    class Limited(TakesArguments, BaseOperator):
        limit = required(number_or_ratio, default=no_limit)

        def __init__(self, *, limit: Any = 0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.set_arguments(locals())

    def read(task: Limited) -> Any:
        task.read_arguments()
        return task.limit

    assert read(Limited(task_id="x")) == 0
    assert read(Limited(task_id="x", limit=None)) == "any"
    with pytest.raises(InvalidInputError, match="limit: is None, although it was given"):
        read(Limited(task_id="x", limit=None, _airflow_from_mapped=True))
    templated = Limited(task_id="x", limit="{{ none }}")
    templated.limit = None
    with pytest.raises(InvalidInputError, match="limit: is None, although it was given"):
        read(templated)
    with pytest.raises(InvalidInputError, match="limit: -1 is neither"):
        Limited(task_id="x", limit=-1)
