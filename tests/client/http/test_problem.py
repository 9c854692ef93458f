from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_flowservice.client.http import problem
from airflow_provider_flowservice.client.http.problem import Problem
from tests.support.properties import examples

NS = "https://ns.adobe.com"
INLET = f"http:{NS.removeprefix('https:')}/adobecloud/problem/data-collection-service/inlet"


def violation(pointer: str, message: str, *causes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "pointerToViolation": pointer,
        "message": message,
        "schemaLocation": "#",
        "causingExceptions": [*causes],
        **more,
    }


def validation(*violations: dict[str, Any]) -> dict[str, Any]:
    """The body of a rejected synchronous validation."""
    cause = {
        "_streamingValidation": [violation("#", f"{len(violations)} schema violations found", *violations)]
    }
    return {
        "type": INLET,
        "status": 400,
        "title": "Invalid XDM Message Format",
        "report": {"message": "inletId: [a] Message is invalid", "cause": cause},
    }


FAMILIES = {
    "gateway": (
        {"error_code": "401013", "message": "Oauth token is not valid"},
        ("401013", "Oauth token is not valid"),
    ),
    "flow service": (
        {
            "type": f"{NS}/aep/errors/FLOW-1439-404",
            "title": "Resource not found",
            "status": 404,
            "report": {"detailed-message": "The flow f is not found.", "request-id": "r", "type": "flows"},
            "errorMessage": "The flow f is not found.",
            "errorDetails": "It may be hidden.",
        },
        ("FLOW-1439-404", "Resource not found. The flow f is not found. It may be hidden."),
    ),
    "old flow service": (
        {"errorMessage": "flows not found with id = [f]", "errorDetails": "flows not found with id = [f]"},
        (None, "flows not found with id = [f]"),
    ),
    "data collection": (
        {"type": f"{INLET}-x", "status": "400", "title": "Wrong", "report": {"message": "[a] No header"}},
        ("data-collection-service/inlet-x", "Wrong. [a] No header"),
    ),
    "catalog": (
        {"type": "/placeholder/type/uri", "status": 404, "title": "NotFoundError", "detail": "No DataSet."},
        (None, "NotFoundError. No DataSet."),
    ),
    "schema registry": (
        {
            "type": f"{NS}/aep/errors/XDM-3005-400",
            "title": "Import failed",
            "status": 400,
            "report": {
                "registryRequestId": "r",
                "detailed-message": "Not imported",
                "sub-errors": [{"code": "XDM-1-400", "message": "Title must be unique"}, "and more"],
            },
            "detail": "Not imported",
        },
        ("XDM-3005-400", "Import failed. Not imported. XDM-1-400: Title must be unique. and more"),
    ),
    "segmentation": (
        {
            "requestId": "r",
            "errors": {
                "400": [{"code": 400, "message": "No name."}, {"code": "UP-2-400", "message": "No id."}]
            },
            "type": f"{NS}/aep/errors/UP-1-400",
            "title": "Invalid.",
            "status": 400,
        },
        ("UP-1-400", "Invalid. No name. UP-2-400: No id."),
    ),
    "segmentation without title": (
        {"requestId": "r", "errors": {"404": [{"code": 404, "message": "The audience a is not found."}]}},
        (None, "The audience a is not found."),
    ),
    "segmentation with everything among the errors": (
        {
            "errors": {
                "403": [{"message": "Denied: a"}],
                "type": f"{NS}/aep/errors/UP-3-403",
                "title": "Denied",
            }
        },
        ("UP-3-403", "Denied: a"),
    ),
    "ims": (
        {"error": "invalid_client", "error_description": "invalid client_secret parameter"},
        ("invalid_client", "invalid client_secret parameter"),
    ),
    "a message": ({"message": "Please provide a valid spec id"}, (None, "Please provide a valid spec id")),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_code_and_cause_of_each_format_are_read(family: str) -> None:
    document, said = FAMILIES[family]
    assert problem.read(document) == Problem(*said)


@pytest.mark.parametrize(
    "document", [None, [], "text", 5, {}, {"errors": 5, "report": 5}, {"errors": [None]}]
)
def test_what_says_nothing_has_neither_code_nor_text(document: Any) -> None:
    assert problem.read(document) == Problem(None, "")


def test_each_violation_has_its_pointer() -> None:
    said = problem.read(
        validation(
            violation("#/_id", "expected type: String, found: Long"),
            violation("#", "required key [timestamp] not found"),
            violation("#/a", "", keyword="enum"),
        )
    )
    assert said.code == "data-collection-service/inlet"
    assert said.text == (
        "Invalid XDM Message Format. inletId: [a] Message is invalid. #/_id: expected type: String, found: Long."
        " #: required key [timestamp] not found. #/a: enum"
    )


def test_violations_are_read_in_order_at_any_depth_and_none_that_only_counts_them() -> None:
    inner = violation(
        "#/b", "2 schema violations found", violation("#/b/c", "one"), violation("#/b/d", "two")
    )
    said = problem.read(validation(inner, violation("#/e", "three"))).text
    assert said.endswith("Message is invalid. #/b/c: one. #/b/d: two. #/e: three")
    assert "found" not in said


def test_many_and_deep_violations_are_bounded() -> None:
    deep = violation("#/z", "deepest")
    for _ in range(20_000):
        deep = violation("#", "1 schema violations found", deep)
    assert problem.read(validation(deep)).text.endswith("#/z: deepest")
    wide = [violation(f"#/{n}{'/x' * 500}", "wrong\n" * 500) for n in range(1000)]
    said = problem.read(validation(*wide)).text
    assert len(said) <= 1000
    assert said.isprintable()
    assert "#/1/x" in said, "one with a long pointer does not hide the next one"


def test_what_is_quoted_of_the_record_is_not_shown() -> None:
    record = {
        "mail": "ada@example.com",
        "first": "Ada",
        "full": "Ada Lovelace (née Byron)",
        "born": [{"year": 1815}],
        "price": 1.50,
        "text": "",
        "ok": True,
    }
    sent = json.dumps({"header": {}, "body": {"xdmEntity": record}}, ensure_ascii=False)
    sent = sent.replace("1.5", "1.50")
    body = validation(
        violation("#/mail", "string [ada@example.com] does not match pattern [a-z]+"),
        violation("#/full", "Ada Lovelace (née Byron) is not a valid enum value"),
        violation("#/first", "#/first: expected maxLength: 2, actual: 3, in Adana"),
        violation("#/born/0/year", "1815 is not greater or equal to 1900"),
        violation("#/price", "1.50 is not a multiple of 18150, true"),
    )
    said = problem.read(body, record=sent.encode()).text
    assert said.partition("Message is invalid. ")[2] == (
        "#/mail: string [***] does not match pattern [a-z]+. #/full: *** is not a valid enum value."
        " #/first: #/first: expected maxLength: 2, actual: 3, in Adana."
        " #/born/0/year: *** is not greater or equal to 1900. #/price: *** is not a multiple of 18150, true"
    )


def test_of_a_record_that_cannot_be_read_nothing_but_keyword_and_pointer_is_shown() -> None:
    body = validation(violation("#/a", "secret is wrong", keyword="pattern"))
    assert problem.read(body, record=b'{"a": "secr').text.endswith(". #/a: pattern")


@pytest.mark.parametrize("before", range(900, 1100, 7))
def test_a_secret_across_a_cut_is_replaced(before: int) -> None:
    secret = "s3cret/of+the=client"
    for document in (
        {"message": "x" * before + secret},
        {"message": "x" + " " * 4 * before + secret},
        {"errors": [{"code": secret, "message": "x" * before + secret}]},
        {"error_code": "x" * before + secret},
    ):
        said = problem.read(document, secrets=("s3cret", secret, "x"))
        assert "s3c" not in f"{said.code} {said.text}"
        assert "x" in f"{said.code} {said.text}", "what is very short is no secret"


NAMES = [
    "cause",
    "causingExceptions",
    "code",
    "detail",
    "error",
    "error_code",
    "errors",
    "keyword",
    "message",
]
NAMES += ["pointerToViolation", "report", "sub-errors", "title", "type", "_streamingValidation"]
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(
    document=DOCUMENTS,
    record=st.none() | st.binary(max_size=20) | DOCUMENTS.map(lambda v: json.dumps(v).encode()),
)
@examples(300)
def test_any_document_is_read(document: Any, record: bytes | None) -> None:
    said = problem.read(document, record=record)
    assert said.text.isprintable()
    assert len(said.text) <= 1000


@pytest.mark.parametrize(
    ("record", "message", "shown"),
    [
        ({"mail": "ada@example.com"}, "#/mail: [ada@example.com] is no URI", "#/mail: [***] is no URI"),
        (
            {"a": {"b": ["Ada", 1815]}},
            "Ada is not valid; 1815 is too low",
            "*** is not valid; *** is too low",
        ),
        ({"a": "Ada", "b": "Ada Lovelace"}, "found: Ada Lovelace", "found: ***"),
        (
            {"a": "x", "b": "on"},
            "x is not on; expected: String, position 3",
            "x is not ***; expected: String, position 3",
        ),
        ({"a": None, "b": True, "c": ""}, "None of True", "None of True"),
    ],
)
def test_what_aep_quotes_of_a_record_is_left_out_of_every_statement(
    record: dict[str, Any], message: str, shown: str
) -> None:
    assert problem.read({"message": message}, record=json.dumps(record).encode()).text == shown
