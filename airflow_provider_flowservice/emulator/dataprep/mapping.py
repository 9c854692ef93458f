"""One mapping: where a value comes from and where it goes.

The emulator maps attributes and fixed values. It does not evaluate Data Prep's expressions: the field of
an expression stays empty in the mapped message, and a preview reports an error for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class SourceType(StrEnum):
    """Kinds of source of a mapping."""

    ATTRIBUTE = "ATTRIBUTE"
    STATIC = "STATIC"
    EXPRESSION = "EXPRESSION"


@dataclass(frozen=True)
class Mapping:
    """One mapping of a value.

    :param source: dotted path, fixed value, or expression.
    :param destination: dotted path in the output.
    """

    source_type: SourceType
    source: str
    destination: str

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Mapping:
        """Read ``source`` and ``destination``, or the older ``sourceAttribute`` and ``destinationXdmPath``.

        :raises ValueError: if a field is missing or the type is unknown.
        """
        source = body.get("source", body.get("sourceAttribute"))
        destination = body.get("destination", body.get("destinationXdmPath"))
        if not source:
            raise ValueError("source is required")
        if not destination:
            raise ValueError("destination is required")
        return cls(_source_type(body.get("sourceType", "ATTRIBUTE")), source, destination)

    def as_json(self) -> dict[str, Any]:
        """Return the mapping in its current form."""
        return {"sourceType": self.source_type.value, "source": self.source, "destination": self.destination}

    def value_from(self, record: dict[str, Any]) -> Any:
        """Return the value in a record, or None.

        :raises ValueError: if the source is an expression.
        """
        if self.source_type is SourceType.EXPRESSION:
            raise ValueError("the emulator does not evaluate expressions")
        return self.source if self.source_type is SourceType.STATIC else _at(record, self.source)


def _source_type(name: str) -> SourceType:
    # Adobe's older pages write text/x.schema-path for an attribute.
    known = {"text/x.schema-path": SourceType.ATTRIBUTE, "text/x.aep-xl": SourceType.EXPRESSION}
    return known.get(name) or SourceType(name)


def _at(record: Any, path: str) -> Any:
    # The name of a field may itself contain dots.
    if isinstance(record, dict) and path in record:
        return record[path]
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def apply_mappings(
    mappings: tuple[Mapping, ...], record: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Map a record.

    :return: the mapped record, and the error of each mapping that failed, in Data Prep's form.
    """
    mapped: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    for mapping in mappings:
        try:
            _put(mapped, mapping.destination, mapping.value_from(record))
        except ValueError as error:
            errors.append(explain(mapping, str(error)))
    return mapped, errors


def explain(mapping: Mapping, message: str) -> dict[str, Any]:
    """Return an error about one mapping."""
    return {
        "sourceType": mapping.source_type.value,
        "source": mapping.source,
        "destination": mapping.destination,
        "exception": message,
    }


def _put(target: dict[str, Any], path: str, value: Any) -> None:
    if value is None:
        return
    *parents, last = path.split(".")
    for name in parents:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{name} already holds a value and cannot hold fields")
        target = inner
    target[last] = value
