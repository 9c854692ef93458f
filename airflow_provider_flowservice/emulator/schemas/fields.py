"""Looks for a field in a resolved schema."""

from __future__ import annotations

from typing import Any


def has_field(schema: dict[str, Any], path: str) -> bool:
    """Tell whether a schema has a field.

    :param schema: with its references resolved.
    :param path: dotted path; ``[...]`` after a name goes into the elements of a list.
    """
    current: Any = schema
    for name in path.split("."):
        current = _step(current, name.partition("[")[0], into_list="[" in name)
        if current is None:
            return False
    return True


def _step(schema: dict[str, Any], name: str, *, into_list: bool) -> dict[str, Any] | None:
    found = schema.get("properties", {}).get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    if into_list and isinstance(found, dict):
        found = found.get("items")
    return found if isinstance(found, dict) else None
