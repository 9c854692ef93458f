from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.ensure import Difference, compare
from tests.support.properties import examples

SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "A", "1", "true", "None"])
)
KEYS = st.sampled_from("abc")
JSON = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(KEYS, each, max_size=3), max_leaves=8
)


@pytest.mark.parametrize(
    ("desired", "held"),
    [
        (1, "1"),
        ("1", 1),
        (True, "true"),
        (False, "False"),
        ("true", True),
        (1.5, "1.5"),
        (1, 1.0),
        (None, None),
        ([], ()),
        ([1, True], ["1", "true"]),
        ((1, 2), [1, 2]),
        ({"a": 1}, {"a": "1", "added": "by AEP"}),
        ({"a": None}, {}),
        ([{"a": 1}], [{"a": 1, "added": "by AEP"}]),
        ({}, {"a": 1}),
    ],
)
def test_what_aep_shows_otherwise_is_the_same(desired: Any, held: Any) -> None:
    assert compare("x", desired, held) == ()


@pytest.mark.parametrize(
    ("desired", "held", "setting"),
    [
        (1, 2, "x"),
        (1, "2", "x"),
        (True, 1, "x"),
        (0, False, "x"),
        (True, "1", "x"),
        ("a", "A", "x"),
        (None, "None", "x"),
        (None, "", "x"),
        ("", None, "x"),
        (0, None, "x"),
        ([], None, "x"),
        ([1], [1, 2], "x"),
        ([1, 2], [1], "x"),
        ([1, 2], [1, 3], "x[1]"),
        ({"a": 1}, None, "x"),
        ({"a": 1}, [], "x"),
        ({"a": 1}, "{'a': 1}", "x"),
        ([1], "[1]", "x"),
        ({"a": 1}, {}, "x.a"),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, "x.a.b[0].c"),
    ],
)
def test_what_differs_is_named_by_its_path(desired: Any, held: Any, setting: str) -> None:
    (difference,) = compare("x", desired, held)
    assert difference.setting == setting


def test_each_difference_is_given_with_both_values() -> None:
    found = compare("", {"a": 1, "b": {"c": "x", "d": 3}}, {"a": 2, "b": {"d": 3}})
    assert found == (Difference("a", 2, 1), Difference("b.c", None, "x"))
    assert str(found[0]) == "a is 2, expected 1"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "secretKey",
        "sasToken",
        "sasKey",
        "accessKey",
        "access_token",
        "connectionString",
        "sshKey",
    ],
)
@pytest.mark.parametrize(
    ("desired", "held"),
    [
        ({"p": {"NAME": "n3w-value"}}, {"p": {"NAME": "0ld-value"}}),
        ({"NAME": [{"a": "n3w-value"}]}, {"NAME": [{"a": "0ld-value"}]}),
        ({"NAME": {"a": "n3w-value"}}, {"NAME": {"a": "0ld-value"}}),
        ({"p": {"NAME": "n3w-value"}}, {"p": None}),
        ({"p": None}, {"p": [{"q": {"NAME": "0ld-value"}}]}),
    ],
)
def test_a_difference_of_a_credential_shows_no_value(name: str, desired: Any, held: Any) -> None:
    desired, held = (json.loads(json.dumps(value).replace("NAME", name)) for value in (desired, held))
    (difference,) = compare("params", desired, held)
    assert "-value" in repr((difference.found, difference.desired))
    assert str(difference).startswith("params.")
    assert "-value" not in str(difference)


def test_a_difference_is_short_and_on_one_line() -> None:
    (difference,) = compare("a", "x", "line one\nline two\x1b[31m" + "y" * 5000)
    assert len(str(difference)) < 1100
    assert str(difference).isprintable()


@pytest.mark.parametrize(
    ("desired", "held", "settings"),
    [
        ({"a": 1}, {"a": "1"}, []),
        ({"a": 1}, {"a": 1, "b": None}, []),
        ({"a": 1}, {"a": 1, "b": 2}, ["x.b"]),
        ({}, {"a": 1}, ["x.a"]),
        ([{"a": 1}], [{"a": 1, "b": 2}], ["x[0].b"]),
        ({"a": {}}, {"a": {"b": 0}}, ["x.a.b"]),
    ],
)
def test_what_is_held_beside_it_is_a_difference_if_it_must_be_exact(
    desired: Any, held: Any, settings: list[str]
) -> None:
    assert [each.setting for each in compare("x", desired, held, exact=True)] == settings


@given(JSON)
@examples(200)
def test_a_document_is_the_same_as_itself(document: Any) -> None:
    assert compare("", document, document, exact=True) == ()


@given(JSON, JSON)
@examples(400)
def test_an_exact_comparison_finds_at_least_as_much_and_the_same_from_both_sides(
    one: Any, other: Any
) -> None:
    loose, exact = compare("", one, other), compare("", one, other, exact=True)
    assert set(map(str, loose)) <= set(map(str, exact))
    assert bool(exact) == bool(compare("", other, one, exact=True))
