"""Values of any type, as users give them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.text import plain_text

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


def enum_member(field: str, value: object, options: Iterable[E]) -> E:
    """Return the member of an enumeration that has a value.

    :param field: name of the argument, for the error.
    :param value: the member itself, or its value as a string.
    :param options: the members that are allowed; an enumeration for all of them.
    :raises InvalidInputError: if none of them has the value.
    """
    by_value = {option.value: option for option in options}
    if isinstance(value, str) and value in by_value:
        return by_value[value]
    raise InvalidInputError(
        field, f"{shown(value)} is not supported", f"Choose one of: {', '.join(by_value)}."
    )


def optional_enum_member(field: str, value: object, options: Iterable[E]) -> E | None:
    """Return the member of an enumeration that has a value; None for None. See :func:`enum_member`."""
    return None if value is None else enum_member(field, value, options)


def listed(field: str, values: Iterable[T]) -> Iterable[T]:
    """Return values that are given as a list.

    :param field: name of the argument, for the error.
    :raises InvalidInputError: if they are a string, of which each character would be taken for a value.
    """
    if isinstance(values, str):
        raise InvalidInputError(field, f"{shown(values)} is not a list", f"Give [{shown(values)}].")
    return values


def finite_number(value: object) -> float | None:
    """Convert a finite number, or a string that contains one; None for other values."""
    if isinstance(value, (bool, bytes, bytearray)):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """Return a value for an error message, shortened."""
    try:
        return plain_text(repr(value), limit=200)
    except ValueError:
        return f"an {type(value).__name__} of thousands of digits"
