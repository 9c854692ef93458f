"""Reading of JSON documents whose structure AEP does not guarantee."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]


def is_number(value: object) -> bool:
    """Whether a value is a number and not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_uuid(text: str) -> bool:
    """Whether a string is a UUID. The ids of specs are UUIDs, their names are not."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def member(document: Any, *names: str) -> Any:
    """Return the value at a path in a JSON document; None if the path does not exist."""
    for name in names:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def objects(document: Any, *names: str) -> list[JsonObject]:
    """Return the objects in a list at a path in a JSON document, which AEP may leave out."""
    return [each for each in items(member(document, *names)) if isinstance(each, dict)]


def items(value: Any) -> list[Any]:
    """Return a value if it is a list, or else an empty list."""
    return value if isinstance(value, list) else []
