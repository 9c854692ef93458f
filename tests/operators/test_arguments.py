"""Arguments: declared once, checked when the DAG is parsed, read by their kind before a task works."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.arguments import TakesArguments, optional, required
from airflow_provider_flowservice.operators.kinds import (
    choice,
    flag,
    items,
    list_of,
    mapping,
    no_limit,
    number_or_ratio,
    string,
    text,
    whole_number,
)


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
