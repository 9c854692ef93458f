"""Whether code and cause of each error in Adobe's OpenAPI descriptions reach the message.

The descriptions are no part of this repository; see ``test_openapi.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.text import plain_text

CONTRACT = os.environ.get("AEP_CONTRACT_DIR")
#: Fields with what has gone wrong.
CAUSES = {
    "title",
    "message",
    "detail",
    "detailed-message",
    "errorMessage",
    "errorDetails",
    "error_description",
}


def samples(document: Any) -> Iterator[tuple[str, int, Any]]:
    """Each sample of an error, with the operation and the status that it is described for."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
            for status, described in responses.items():
                if str(status) >= "400" and str(status).isdecimal():
                    where = f"{method} {path} {status}"
                    for sample in _samples_of(resolved(document, described), document):
                        yield where, int(status), sample


def _samples_of(described: dict[str, Any], document: Any) -> Iterator[Any]:
    contents = [described, *(described.get("content") or {}).values()]
    for content in contents:
        schema = resolved(document, content.get("schema") or {})
        yield from (holder["example"] for holder in (content, schema) if "example" in holder)
        for example in (content.get("examples") or {}).values():
            yield resolved(document, example).get("value", example)


def resolved(document: Any, value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def statements(sample: Any) -> Iterator[str]:
    """The codes and causes in a sample, at any depth."""
    for name, value in sample.items() if isinstance(sample, dict) else ():
        if name in CAUSES or name == "error_code" or (name == "code" and isinstance(value, str)):
            yield str(value)
        elif name == "type" and "/errors/" in value:
            yield value.rpartition("/")[2]
        for inner in value if isinstance(value, list) else (value,):
            yield from statements(inner)


@pytest.mark.skipif(
    CONTRACT is None, reason="AEP_CONTRACT_DIR names no folder with Adobe's OpenAPI files (openapi/*.yaml)"
)
def test_code_and_cause_of_every_described_error_reach_the_message() -> None:
    count, missing = 0, []
    for file in sorted(Path(CONTRACT or "", "openapi").glob("*.yaml")):
        document = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)
        for where, status, sample in samples(document):
            count += 1
            error = response.error(
                Response("GET", "/x", status, {}, json.dumps(sample, default=str).encode())
            )
            said = [plain_text(each) for each in statements(sample)]
            assert said, f"{file.name}: {where}: nothing to look for in {sample}"
            missing += [f"{file.name}: {where}: {each}" for each in said if each not in error.message]
    assert not missing, "\n".join(missing)
    assert count >= 60
