"""What a resource refers to: another one by its ``$id``, or a part of one by a JSON pointer (``#/definitions/...``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from airflow_provider_flowservice.emulator.schemas.errors import invalid

Schema = dict[str, Any]
#: Members whose members are schemas by name, and members that are one schema or a list of them.
BY_NAME = ("properties", "definitions", "patternProperties")
NESTED = ("items", "additionalProperties", "allOf", "anyOf", "oneOf", "not")

_OF_A_SCHEMA = ("type", "properties", "required", "allOf", "items", "additionalProperties", "enum", "format")
# References to references multiply, and lengthen paths. No schema that people use comes near.
_MAX_PARTS = 20_000
_MAX_DEPTH = 100


def parts(schema: Schema) -> Iterator[Any]:
    """Yield the schemas that a schema directly consists of."""
    for name in BY_NAME:
        held = schema.get(name)
        yield from held.values() if isinstance(held, dict) else ()
    for name in NESTED:
        held = schema.get(name)
        yield from held if isinstance(held, list) else (held,)


def references(schema: Any) -> Iterator[Any]:
    """Yield every ``$ref`` in a schema, at any depth."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for part in parts(schema):
            yield from references(part)


def pointed_at(document: Any, pointer: str) -> Schema | None:
    """Return the schema at a JSON pointer, or None.

    :param pointer: may be percent-encoded, as in the fragment of a URI.
    """
    for part in unquote(pointer).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else None


def check_json_schema(schema: Schema) -> None:
    """Check that something is a JSON schema.

    :raises SchemaError: if it is not.
    """
    # It takes as long to import as the rest of the emulator.
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]
    from jsonschema.exceptions import SchemaError as JsonSchemaError  # type: ignore[import-untyped]

    try:
        Draft7Validator.check_schema(schema)
    except JsonSchemaError as error:
        raise invalid(f"The schema is not valid: {error.message}") from error


class Resolver:
    """Replaces the references in one resource by what they refer to, and merges ``allOf``.

    :param find: returns a resource by its id.
    """

    def __init__(self, find: Callable[[object], Schema | None]) -> None:
        self._find = find
        self._left = _MAX_PARTS
        self._depth = 0

    def resolve(self, resource: Schema) -> Schema:
        """Return a resource without references.

        What cannot be found, and what contains itself, becomes an object that may have any fields.

        :raises SchemaError: if the resource becomes too large.
        """
        full: Schema = self._expand(resource, resource, (f"{resource.get('$id', '')}#",))
        full.pop("definitions", None)
        return full

    def _expand(self, schema: Any, root: Schema, trail: tuple[str, ...]) -> Any:
        if not isinstance(schema, dict):
            return schema
        self._left -= 1
        if self._left < 0 or self._depth > _MAX_DEPTH:
            limits = f"{_MAX_PARTS:,} parts, or more than {_MAX_DEPTH} within each other"
            raise invalid(f"With its references resolved, the schema has more than {limits}")
        self._depth += 1
        # Nothing refers to the id of a part, and it need not even be a URI.
        left_out = ("allOf", "$ref") if schema is root else ("allOf", "$ref", "$id")
        expanded = {name: value for name, value in schema.items() if name not in left_out}
        for name in BY_NAME:
            if isinstance(schema.get(name), dict):
                expanded[name] = {key: self._expand(part, root, trail) for key, part in schema[name].items()}
        for name in NESTED:
            if name in expanded:
                expanded[name] = self._nested(expanded[name], root, trail)
        if "$ref" in schema:
            merge(expanded, self._referred(schema["$ref"], root, trail))
        for part in schema.get("allOf", ()):
            merge(expanded, self._expand(part, root, trail))
        self._depth -= 1
        return expanded

    def _nested(self, held: Any, root: Schema, trail: tuple[str, ...]) -> Any:
        if isinstance(held, list):
            return [self._expand(part, root, trail) for part in held]
        return self._expand(held, root, trail)

    def _referred(self, reference: str, root: Schema, trail: tuple[str, ...]) -> Schema:
        base, _, pointer = reference.partition("#")
        place = f"{base or root.get('$id', '')}#{pointer}"
        if place in trail:
            return {}
        document = self._find(base) if base else root
        found = pointed_at(document, pointer) if document else None
        if document is None or found is None:
            return {}
        only_schema = {name: found[name] for name in _OF_A_SCHEMA if name in found}
        if pointer:
            # It may point to something that was not meant as a schema.
            check_json_schema(only_schema)
        expanded: Schema = self._expand(only_schema, document, (*trail, place))
        return expanded


def merge(target: Schema, source: Schema) -> None:
    """Add what a schema has to another one, whose own members stay.

    :param target: is changed in itself and in the schemas that it consists of.
    """
    for name, value in source.items():
        held = target.get(name)
        if name in BY_NAME and isinstance(held, dict) and isinstance(value, dict):
            for key, part in value.items():
                if isinstance(held.get(key), dict) and isinstance(part, dict):
                    merge(held[key], part)
                else:
                    held.setdefault(key, part)
        elif name in NESTED and isinstance(held, dict) and isinstance(value, dict):
            merge(held, value)
        elif name == "required" and isinstance(held, list):
            target[name] = sorted({*held, *value})
        else:
            target.setdefault(name, value)
