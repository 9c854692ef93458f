"""Holds headers, query parameters and media types of recorded HTTP exchanges against OpenAPI descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft4Validator

Pairs = Sequence[tuple[str, str]]

#: Headers that belong to HTTP, that OpenAPI has elsewhere than in parameters, or that every service takes; and those
#: of tasks, which AEP never gets.
_OF_HTTP = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-airflow-dag-id",
        "x-airflow-run-id",
        "x-airflow-task-id",
        "x-request-id",
    }
)


@dataclass(frozen=True)
class Described:
    """What a description says of a request, or of the answer with one status, besides the body.

    :param parameters: those of header and query, as the description has them.
    :param media_types: of the body; empty if none is described.
    :param only_listed: whether there may be no others.
    """

    parameters: Sequence[Mapping[str, Any]] = ()
    media_types: frozenset[str] = frozenset()
    only_listed: bool = True

    def differences(self, query: Pairs, headers: Pairs, *, has_body: bool) -> Iterator[tuple[str, str]]:
        """Yield where a message is not as described, and the problem."""
        given = {("query", name): value for name, value in query}
        given |= {("header", name.lower()): value for name, value in headers}
        known: set[tuple[str, str]] = set()
        for parameter in self.parameters:
            place = (parameter["in"], _key(parameter["in"], parameter["name"]))
            known.add(place)
            where = " ".join(place)
            if place in given:
                yield from ((where, problem) for problem in _problems(given[place], parameter))
            elif parameter.get("required"):
                yield where, "required"
        for kind, name in given if self.only_listed else ():
            if (kind, name) not in known and not (kind == "header" and name in _OF_HTTP):
                yield f"{kind} {name}", "undescribed"
        media_type = given.get(("header", "content-type"), "").partition(";")[0].strip()
        if has_body and self.media_types and not self.media_types & {media_type, "*/*"}:
            yield "header content-type", "enum"


def _key(kind: str, name: str) -> str:
    return name.lower() if kind == "header" else name


def _problems(value: str, parameter: Mapping[str, Any]) -> Iterator[str]:
    # Swagger 2.0 has the schema's members in the parameter itself.
    names = ("type", "enum", "minimum", "maximum", "pattern")
    schema = parameter.get("schema") or {name: parameter[name] for name in names if name in parameter}
    for error in Draft4Validator(schema).iter_errors(_read(value, schema.get("type"))):
        yield str(error.validator)


def _read(value: str, kind: object) -> Any:
    """The value that a text stands for; the text where it is none of that type."""
    try:
        match kind:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return {"true": True, "false": False}[value.lower()]
            case "array":
                return value.split(",")
    except (ValueError, KeyError):
        pass
    return value
