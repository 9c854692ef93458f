"""The forms in which a caller can ask for a resource, with the Accept header of a request.

Adobe's guides document ``xed`` (names as Experience Platform uses them), ``-id`` for lists, and ``-full``, ``-notext``,
``-desc`` and ``-deprecatefield`` for one resource. Standard XDM (``xdm``), ``-flat`` and ``-deprecated`` are known from
Adobe's own client. How a flat schema names its fields is a guess, and so is that a resource of the tenant has the same
names in both modes, except in what it takes over from a global one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.emulator.schemas.core import REPOSITORY
from airflow_provider_flowservice.emulator.schemas.references import BY_NAME, NESTED, Schema
from airflow_provider_flowservice.emulator.settings import Switches

_ACCEPT = re.compile(
    r"application/vnd\.adobe\.(?P<mode>xed|xdm)"
    r"((?P<id>-id)|(?P<full>-full)?(?P<notext>-notext)?(?P<desc>-desc)?(?P<flat>-flat)?"
    r"(?P<deprecated>-deprecated|-deprecatefield)?)\+json"
    r"(;\s*version=(?P<major>\d{1,9})(\.\d+)*)?"
)
_SUMMARY = ("title", "$id", "meta:altId", "version")
_TEXTS = ("title", "description")
DEPRECATED = "xdm:descriptorDeprecated"


@dataclass(frozen=True)
class Form:
    """What an Accept header asks for.

    :param standard: names of standard XDM.
    :param summary: only title, ids and version.
    :param resolved: references are replaced by what they refer to.
    :param version: major version of the resource; None if the header has none.
    """

    standard: bool = False
    summary: bool = False
    resolved: bool = False
    texts: bool = True
    descriptors: bool = False
    flat: bool = False
    deprecated: bool = False
    version: int | None = None

    @classmethod
    def of(cls, accept: str) -> Form | None:
        """Return the form that a header asks for, or None if there is no such form."""
        found = _ACCEPT.fullmatch(accept.strip())
        if found is None:
            return None
        return cls(
            standard=found["mode"] == "xdm",
            summary=bool(found["id"]),
            resolved=bool(found["full"]) or found["deprecated"] == "-deprecatefield",
            texts=not found["notext"],
            descriptors=bool(found["desc"]),
            flat=bool(found["flat"]),
            deprecated=bool(found["deprecated"]),
            version=int(found["major"]) if found["major"] else None,
        )

    @property
    def is_of_a_list(self) -> bool:
        """Whether it is a form in which lists come: a summary, or all of each resource as it was made."""
        return self == Form(standard=self.standard, summary=self.summary)

    def shown(self, resource: Schema, descriptors: Iterable[dict[str, Any]], switches: Switches) -> Schema:
        """Return a resource in this form.

        :param resource: with its references resolved if the form says so.
        :param descriptors: those of the resource.
        :param switches: decide what ``-desc`` means: Adobe's guides say that descriptors are included, and the API
            reference says that descriptions are, without titles.
        """
        if self.summary:
            return {name: resource[name] for name in _SUMMARY}
        held = list(descriptors)
        for each in held if self.deprecated else ():
            if each["@type"] == DEPRECATED:
                resource = _deprecated(resource, each["xdm:sourceProperty"].strip("/").split("/"))
        resource = self._named(resource)
        if not self.texts:
            return _changed(resource, lambda schema: _without(schema, _TEXTS))
        if self.descriptors and switches.schema_desc_form == "descriptions":
            return _changed(resource, lambda schema: _without(schema, ("title",)))
        return {**resource, "meta:descriptors": held} if self.descriptors else resource

    def _named(self, resource: Schema) -> Schema:
        if self.standard:
            resource = _changed(resource, _standard)
        if self.flat:
            resource = {**resource, "properties": dict(_leaves("", resource))}
        return resource


def _changed(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Return a schema in which each schema that it consists of, and then it itself, was changed."""

    def part_of(held: Any) -> Any:
        return _changed(held, change) if isinstance(held, dict) else held

    changed = dict(schema)
    for name in BY_NAME:
        if isinstance(schema.get(name), dict):
            changed[name] = {key: part_of(part) for key, part in schema[name].items()}
    for name in NESTED:
        if name in schema:
            held = schema[name]
            changed[name] = [part_of(part) for part in held] if isinstance(held, list) else part_of(held)
    return change(changed)


def _without(schema: Schema, names: tuple[str, ...]) -> Schema:
    return {name: value for name, value in schema.items() if name not in names}


def _standard(schema: Schema) -> Schema:
    """Give the fields of a schema their names in standard XDM."""
    if not isinstance(schema.get("properties"), dict):
        return schema
    fields: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        if name == REPOSITORY and isinstance(field, dict):
            fields |= field.get("properties", {})
        else:
            fields[_standard_name(name, field)] = (
                _without(field, ("meta:xdmField",)) if isinstance(field, dict) else field
            )
    renamed = {**schema, "properties": fields}
    if "required" in schema:
        held = schema["properties"]
        renamed["required"] = [_standard_name(name, held.get(name)) for name in schema["required"]]
    return renamed


def _standard_name(name: str, field: Any) -> str:
    return str(field.get("meta:xdmField", name)) if isinstance(field, dict) else name


def _leaves(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the fields below a schema that have no fields, by path."""
    for name, field in schema.get("properties", {}).items():
        here, inner = f"{path}/{name}" if path else name, field
        while isinstance(inner, dict) and isinstance(inner.get("items"), dict):
            here, inner = f"{here}[*]", inner["items"]
        if isinstance(inner, dict) and inner.get("properties"):
            yield from _leaves(here, inner)
        else:
            yield here, inner


def _deprecated(schema: Schema, names: list[str]) -> Schema:
    """Return a schema that says of one of its fields that it is deprecated."""
    if not names:
        return {**schema, "meta:status": "deprecated"}
    held = schema.get("properties", {})
    if not isinstance(held.get(names[0]), dict):
        return schema
    return {**schema, "properties": {**held, names[0]: _deprecated(held[names[0]], names[1:])}}
