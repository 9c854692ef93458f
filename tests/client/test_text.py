from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.text import (
    MAX_CHARACTERS,
    did_you_mean,
    header_value,
    plain_text,
    without_secrets,
    without_values,
)
from tests.support.properties import examples


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("", ""),
        ("  as it is ", "as it is"),
        ("one\r\n\ttwo", "one two"),
        ("red \x1b[31m text\x07", "red [31m text"),
        ("a\u2028b\u202ec\ud800d", "a b c d"),
        ("größer 漢字", "größer 漢字"),
        ("x" * 1000, "x" * 1000),
        ("x" * 1001, "x" * 997 + "..."),
        (" " * 900 + "x", "x"),
    ],
)
def test_text_is_put_on_one_line_of_bounded_length(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@given(st.text(max_size=3000))
@examples(200)
def test_any_text_becomes_printable_and_short(text: str) -> None:
    plain = plain_text(text)
    assert plain.isprintable()
    assert len(plain) <= MAX_CHARACTERS
    assert plain_text(plain) == plain


@given(st.text(max_size=50))
@examples(200)
def test_a_header_carries_a_value_or_refuses_it(text: str) -> None:
    try:
        value = header_value("field", text, "Do so.")
    except InvalidInputError:
        return
    assert value == text.strip()
    assert value.encode("latin-1").decode("latin-1").splitlines() in ([value], [])


def test_a_value_in_latin_1_is_carried() -> None:
    assert header_value("field", " é ÿ\n", "Do so.") == "é ÿ"


def test_a_secret_that_contains_another_one_is_replaced_as_a_whole() -> None:
    assert without_secrets("of p@ss%2Fword, p@ss", ("p@ss", "p@ss%2Fword")) == "of ***, ***"


def test_what_is_too_short_for_a_secret_is_kept() -> None:
    assert without_secrets("abc abcd", ("abc", "abcd", "")) == "abc ***"


@pytest.mark.parametrize(
    ("record", "text", "shown"),
    [
        ({"n": 1.5}, "1.5 is no integer", "*** is no integer"),
        ({"n": "1e6"}, "1000000 is too large", "*** is too large"),
        ({"name": 'O"Neil'}, 'got {"name": "O\\"Neil"}', 'got {"name": "***"}'),
        ({"name": "M\u00fcller"}, "M\\u00fcller or m\u00fcller", "*** or ***"),
        (
            {"ids": {"joe@x.com": 1}},
            "#/ids/joe@x.com: extraneous key [joe@x.com]",
            "#/ids/***: extraneous key [***]",
        ),
        ({"mail": None}, "#/mail: is required", "#/mail: is required"),
    ],
)
def test_what_a_record_contains_is_left_out_however_it_is_spelled(record: Any, text: str, shown: str) -> None:
    assert without_values(text, json.dumps(record).encode(), 2) == shown


@pytest.mark.parametrize(
    ("name", "names", "question"),
    [
        ("Men", [], ""),
        ("Men", ["Loyal customers", "xyz"], ""),
        ("Men over 05", ["Women over 50", "Men over 50"], "Did you mean 'Men over 50' or 'Women over 50'?"),
        ("LOYAL CUSTOMERS", ["Loyal customers"], "Did you mean 'Loyal customers'?"),
        ("Men", ["Men "], "Did you mean 'Men '?"),
        ("Men", ["Men\n\x1b[31m"], "Did you mean 'Men\\n\\x1b[31m'?"),
        ("abcd", ["abcd1", "abcd2", "abcd3", "abcd4"], "Did you mean 'abcd4' or 'abcd3' or 'abcd2'?"),
    ],
)
def test_a_wrong_name_leads_to_similar_ones(name: str, names: list[str], question: str) -> None:
    assert did_you_mean(name, names) == question
    assert did_you_mean(name, (each for each in reversed(names))) == question


def test_names_of_any_length_are_compared_and_shown_in_short() -> None:
    question = did_you_mean("x" * 10_000, ["x" * 10_001, "y" * 100_000])
    assert question.startswith("Did you mean 'xxx")
    assert len(question) < 300
