"""The comparison of headers and query parameters with a description, which ``test_openapi.py`` makes of Adobe's."""

from __future__ import annotations

import pytest

from tests.support.openapi_headers import Described

DESCRIBED = Described(
    (
        {"in": "header", "name": "If-Match", "required": True, "schema": {"type": "string"}},
        {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
        # As Swagger 2.0 has it.
        {"in": "query", "name": "op", "type": "string", "enum": ["enable", "disable"]},
        {"in": "query", "name": "count", "schema": {"type": "boolean"}},
    ),
    frozenset({"application/json"}),
)
HEADERS = [("if-match", "x"), ("content-type", "application/json; charset=utf-8"), ("host", "x")]


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ([], HEADERS, []),
        ([("limit", "100"), ("op", "enable"), ("count", "true")], HEADERS, []),
        ([], HEADERS[1:], [("header if-match", "required")]),
        ([], [*HEADERS, ("x-other", "1")], [("header x-other", "undescribed")]),
        ([("start", "1")], HEADERS, [("query start", "undescribed")]),
        ([("limit", "101")], HEADERS, [("query limit", "maximum")]),
        ([("limit", "many")], HEADERS, [("query limit", "type")]),
        ([("op", "ENABLE")], HEADERS, [("query op", "enum")]),
        ([("count", "yes")], HEADERS, [("query count", "type")]),
        ([], [("if-match", "x"), ("content-type", "text/plain")], [("header content-type", "enum")]),
    ],
)
def test_what_is_not_as_described_is_found(
    query: list[tuple[str, str]], headers: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    assert list(DESCRIBED.differences(query, headers, has_body=True)) == expected


def test_an_answer_may_have_other_headers_and_no_body() -> None:
    answer = Described(DESCRIBED.parameters[:1], frozenset({"application/json"}), only_listed=False)
    assert list(answer.differences([], [("if-match", "x"), ("x-other", "1")], has_body=False)) == []
    assert list(answer.differences([], [], has_body=False)) == [("header if-match", "required")]
