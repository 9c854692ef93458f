"""Holds recorded HTTP exchanges against OpenAPI descriptions (3.0, and Swagger 2.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import yaml
from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.support.openapi_headers import Described, Pairs


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    :param path: percent-encoded, without the query.
    :param headers: of the request, with names in lower case, like ``answer_headers``.
    """

    method: str
    path: str
    query: Pairs
    headers: Pairs
    request: bytes
    status: int
    answer_headers: Pairs
    answer: bytes

    @property
    def media_type(self) -> str:
        """Of the request's body, without parameters."""
        return dict(self.headers).get("content-type", "").partition(";")[0]


@dataclass(frozen=True, order=True)
class Deviation:
    """A place where an exchange is not what a description says.

    :param operation: method and path as the description has them.
    :param part: ``request``, or the status of the answer.
    :param pointer: JSON pointer into the body, list positions as ``*``; for a missing or an unexpected
        property its own. For what is not part of the body, ``header`` or ``query`` and a name.
    :param problem: the JSON Schema keyword that is not met; ``overlap`` where several of ``oneOf`` are met,
        ``wrapped`` where a list is described as if it were one of its items (each is then held against that),
        and ``undescribed`` where there is no such operation or status.
    """

    api: str
    operation: str
    part: str
    pointer: str
    problem: str


@dataclass(frozen=True)
class Operation:
    """One operation of a description.

    :param pointers: JSON pointer to the schema of each part that has a body; None for one without a schema.
    :param described: what is said of each part besides.
    """

    name: str
    pointers: Mapping[str, str | None]
    described: Mapping[str, Described]


#: Properties in which lists come.
_WRAPPERS = ("items", "segments")


@dataclass
class Description:
    """An OpenAPI file.

    :param base: path of the API on its host.
    """

    path: Path
    base: str

    @property
    def api(self) -> str:
        """Its name, such as ``flow-service``."""
        return self.path.stem

    @cached_property
    def document(self) -> dict[str, Any]:
        """The description with texts for keys and with ``nullable`` in JSON Schema's words."""
        found: dict[str, Any] = _as_json_schema(yaml.load(self.path.read_text("utf-8"), _Loader))
        return found

    @property
    def operations(self) -> Iterator[tuple[str, str, str]]:
        """Method, path template and name of everything in it."""
        for template, held in self.document["paths"].items():
            for method, described in held.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    yield method.upper(), template.rstrip("/"), described["operationId"]

    def describes(self, exchange: Exchange) -> bool:
        """Whether it has such an operation."""
        return self._operation(exchange) is not None

    def deviations(self, exchange: Exchange) -> Iterator[Deviation]:
        """What of an exchange is not as described."""
        operation = self._operation(exchange)
        if operation is None:
            where = _ID.sub("{id}", exchange.path.removeprefix(self.base))
            yield Deviation(self.api, f"{exchange.method} {where}", "request", "", "undescribed")
            return
        yield from self._outside(operation, "request", exchange.query, exchange.headers, exchange.request)
        if exchange.request:
            yield from self._differences(operation, "request", exchange.request)
        part = str(exchange.status)
        if part not in operation.pointers:
            yield Deviation(self.api, operation.name, part, "", "undescribed")
            return
        yield from self._outside(operation, part, (), exchange.answer_headers, exchange.answer)
        if exchange.answer:
            yield from self._differences(operation, part, exchange.answer)

    def _outside(
        self, operation: Operation, part: str, query: Pairs, headers: Pairs, body: bytes
    ) -> Iterator[Deviation]:
        """What of a message is not as described, except in its body."""
        for where, problem in operation.described[part].differences(query, headers, has_body=bool(body)):
            yield Deviation(self.api, operation.name, part, where, problem)

    def _differences(self, operation: Operation, part: str, body: bytes) -> Iterator[Deviation]:
        pointer = operation.pointers.get(part)
        if pointer is None:
            return
        document: Any = json.loads(body)
        found: set[tuple[str, str]] = set()
        wrapper = self._undescribed_wrapper(document, pointer)
        if wrapper == "count":
            yield Deviation(self.api, operation.name, part, "/count", "undescribed")
            return
        if wrapper:
            found.add((f"/{wrapper}", "wrapped"))
        for item in document[wrapper] if wrapper else [document]:
            for error in self._validator(pointer).iter_errors(item):
                found |= {(f"/{wrapper}/*{at}" if wrapper else at, what) for at, what in _leaves(error)}
        for at, what in found:
            yield Deviation(self.api, operation.name, part, at, what)

    def _undescribed_wrapper(self, document: Any, pointer: str) -> str | None:
        """The property in which items, or their number, come although it is the item that is described."""
        if not isinstance(document, dict):
            return None
        described = set(self._property_names({"$ref": f"#{pointer}"}))
        if set(document) == {"count"} and "count" not in described:
            return "count"
        for name in _WRAPPERS:
            if isinstance(document.get(name), list) and described and name not in described:
                return name
        return None

    def _property_names(self, schema: dict[str, Any]) -> Iterator[str]:
        if "$ref" in schema:
            schema, _ = self._resolved(schema, "")
            yield from self._property_names(schema)
            return
        yield from schema.get("properties", ())
        for keyword in ("allOf", "oneOf", "anyOf"):
            for branch in schema.get(keyword, ()):
                yield from self._property_names(branch)

    def _validator(self, pointer: str) -> Draft4Validator:
        return Draft4Validator({"$ref": f"{self.path.as_uri()}#{pointer}"}, registry=self._registry)

    @cached_property
    def _registry(self) -> Registry[Any]:
        resource = Resource(contents=self.document, specification=DRAFT4)
        return Registry().with_resource(self.path.as_uri(), resource)

    def _operation(self, exchange: Exchange) -> Operation | None:
        path = exchange.path.removeprefix(self.base).rstrip("/")
        for template in self._templates:
            described = self.document["paths"][template].get(exchange.method.lower())
            if described is not None and _matches(template, path):
                return self._described(exchange, template, described)
        return None

    @cached_property
    def _templates(self) -> list[str]:
        """Path templates, those with more fixed parts first."""
        return sorted(self.document["paths"], key=lambda template: template.count("{"))

    def _described(self, exchange: Exchange, template: str, described: dict[str, Any]) -> Operation:
        at = f"/paths/{_escaped(template)}/{exchange.method.lower()}"
        pointers: dict[str, str | None] = {
            "request": self._request_pointer(described, at, exchange.media_type)
        }
        held = {"request": self._described_request(described, template)}
        for status, answer in described["responses"].items():
            resolved, where = self._resolved(answer, f"{at}/responses/{status}")
            pointers[status] = _schema_pointer(resolved, where, "")
            held[status] = self._described_answer(described, resolved)
        return Operation(f"{exchange.method} {template.rstrip('/')}", pointers, held)

    def _described_request(self, described: dict[str, Any], template: str) -> Described:
        parameters = {}
        for each in (
            *self.document["paths"][template].get("parameters", ()),
            *described.get("parameters", ()),
        ):
            resolved, _ = self._resolved(each, "")
            if resolved["in"] in ("header", "query"):
                parameters[resolved["in"], resolved["name"]] = resolved
        body, _ = self._resolved(described.get("requestBody", {}), "")
        types = body.get("content") or described.get("consumes", self.document.get("consumes", ()))
        return Described(tuple(parameters.values()), frozenset(types))

    def _described_answer(self, described: dict[str, Any], answer: dict[str, Any]) -> Described:
        headers = [
            # Adobe's files leave open whether a header always comes; if not, there is no need to describe it.
            {"in": "header", "name": name, "required": True, "schema": _header_schema(header)}
            for name, header in (answer.get("headers") or {}).items()
        ]
        types = answer.get("content") or described.get("produces", self.document.get("produces", ()))
        return Described(headers, frozenset(types), only_listed=False)

    def _request_pointer(self, described: dict[str, Any], at: str, media_type: str) -> str | None:
        if "requestBody" in described:
            body, where = self._resolved(described["requestBody"], f"{at}/requestBody")
            return _schema_pointer(body, where, media_type)
        for position, parameter in enumerate(described.get("parameters", ())):
            resolved, where = self._resolved(parameter, f"{at}/parameters/{position}")
            if resolved.get("in") == "body":
                return f"{where}/schema"
        return None

    def _resolved(self, value: dict[str, Any], at: str) -> tuple[dict[str, Any], str]:
        if "$ref" not in value:
            return value, at
        pointer = value["$ref"].removeprefix("#")
        found: Any = self.document
        for part in pointer.split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return found, pointer


_ID = re.compile(r"(?<=/)([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{24,}|https?%3A[^/]*)")


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _as_json_schema(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    schema = {str(key): _as_json_schema(item) for key, item in value.items()}
    if schema.get("nullable") is True:
        if isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]
    return schema


def _header_schema(header: dict[str, Any]) -> dict[str, Any]:
    (content, *_) = (header.get("content") or {"": {}}).values()
    schema: dict[str, Any] = header.get("schema") or content.get("schema", {})
    return schema


def _schema_pointer(holder: dict[str, Any], at: str, media_type: str) -> str | None:
    if "schema" in holder:
        return f"{at}/schema"
    contents = holder.get("content") or {}
    for known in (media_type, *contents):
        if "json" in known and "schema" in contents.get(known, ()):
            return f"{at}/content/{_escaped(known)}/schema"
    return None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _matches(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template.rstrip("/")))
    return re.fullmatch(pattern, path) is not None


def _leaves(error: ValidationError) -> Iterator[tuple[str, str]]:
    """The places and keywords that an error comes down to; of alternatives, those of the nearest one."""
    here = tuple("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
    if error.validator in ("oneOf", "anyOf"):
        if not error.context:
            yield _pointer(here), "overlap"
            return
        branches: dict[Any, list[tuple[str, str]]] = {}
        for inner in error.context:
            branches.setdefault(inner.relative_schema_path[0], []).extend(_leaves(inner))
        yield from min(branches.values(), key=lambda found: (len(set(found)), found))
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield _pointer((*here, name)), "required"
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in error.instance:
            if name not in known:
                yield _pointer((*here, name)), "additionalProperties"
    else:
        yield _pointer(here), str(error.validator)


def _pointer(parts: Iterable[str]) -> str:
    return "".join(f"/{_escaped(part)}" for part in parts)


class Recorder:
    """ASGI middleware that keeps every exchange of an application."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["raw_path"].decode().partition("?")[0]
        answer_headers: Pairs = ()
        asked: list[bytes] = []
        said: list[bytes] = []
        status = 0

        async def listening() -> Any:
            message = await receive()
            asked.append(message.get("body", b""))
            return message

        async def speaking(message: Any) -> None:
            nonlocal status, answer_headers
            if message["type"] == "http.response.start":
                status, answer_headers = message["status"], _texts(message["headers"])
            said.append(message.get("body", b""))
            await send(message)

        await self._app(scope, listening, speaking)
        query = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        sent = b"".join(asked)
        self.exchanges.append(
            Exchange(
                scope["method"],
                path,
                query,
                _texts(scope["headers"]),
                sent,
                status,
                answer_headers,
                b"".join(said),
            )
        )


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
