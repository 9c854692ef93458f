"""Records that are objects in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any
from uuid import UUID

import msgspec

from airflow_provider_flowservice.client.streaming.records import (
    MAX_DEPTH,
    NOT_AN_OBJECT,
    TOO_DEEP,
    InputRecord,
    Records,
    UnreadableRecord,
    in_blocks,
)

# Decimals are written as numbers, with all their digits.
_encode = msgspec.json.Encoder(decimal_format="number").encode
#: Types that need neither a check nor a conversion before they are encoded.
_PLAIN = frozenset({str, int, bool, NoneType})


def from_messages(messages: Iterable[Mapping[str, Any] | InputRecord | UnreadableRecord]) -> Records:
    """Yield records for objects in memory, which are read once. Existing records are not changed.

    ``Decimal`` becomes a number with all its digits, ``date`` and ``datetime`` become ISO 8601 strings, and ``UUID`` a
    string. A record with a value that JSON cannot represent is unreadable.
    """
    return in_blocks(each_message(messages))


def each_message(
    messages: Iterable[Mapping[str, Any] | InputRecord | UnreadableRecord],
) -> Iterator[InputRecord | UnreadableRecord]:
    """Yield the record for each object in memory; see :func:`from_messages`."""
    for position, message in enumerate(messages):
        if isinstance(message, (InputRecord, UnreadableRecord)):
            yield message
            continue
        try:
            yield InputRecord(position, encoded(message))
        except NotJsonError as problem:
            yield UnreadableRecord(position, shown(message), None, str(problem))


class NotJsonError(Exception):
    """JSON cannot represent a value."""


def encoded(message: Any) -> bytes:
    """Return an object as JSON.

    :raises NotJsonError: if JSON cannot represent it.
    """
    if not isinstance(message, Mapping):
        raise NotJsonError(NOT_AN_OBJECT)
    try:
        is_plain = type(message) is dict and _PLAIN.issuperset(map(type, message.values()))
        if not (is_plain and {str}.issuperset(map(type, message))):
            message = _as_json(message, MAX_DEPTH)
        return _encode(message)
    except UnicodeEncodeError:
        raise NotJsonError("has a string with a lone surrogate") from None
    except RecursionError:
        raise NotJsonError(TOO_DEEP) from None
    except ValueError:
        raise NotJsonError("has an integer with too many digits") from None


def _as_json(value: Any, levels: int) -> Any:
    """Return a value with only those types that JSON has.

    :param levels: number of levels that it may have.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (Mapping, list, tuple)):
        if not levels:
            raise NotJsonError(TOO_DEEP)
        if isinstance(value, Mapping):
            return {_key(key): _as_json(item, levels - 1) for key, item in value.items()}
        return [_as_json(item, levels - 1) for item in value]
    return _scalar(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise NotJsonError(f"has a key of type {type(key).__name__}, but keys must be strings")
    return str(key.value) if isinstance(key, Enum) else str(key)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return _scalar(value.value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):  # A datetime is one, too.
        if value != value:  # pandas has a date without a value, which differs from itself.
            raise NotJsonError("has a date without a value, which JSON cannot represent")
        return value.isoformat()
    if isinstance(value, (float, Decimal)):
        number = Decimal(value) if isinstance(value, Decimal) else float(value)
        if not Decimal(number).is_finite():
            raise NotJsonError(
                "has a number that is infinite or not a number (NaN), which JSON cannot represent"
            )
        return number
    for known in (str, bool, int):
        if isinstance(value, known):
            return known(value)
    if value is None:
        return None
    raise NotJsonError(f"has a value of type {type(value).__name__}, which JSON cannot represent")


def shown(message: Any) -> bytes:
    """Return Python's representation of an object, for the dead letter."""
    try:
        return repr(message).encode("utf-8", "backslashreplace")
    except Exception:  # noqa: BLE001 (whatever the representation of an unknown object raises)
        return b""
