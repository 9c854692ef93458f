"""The kinds of arguments of operators and sensors: each validates a value and converts it to its final type.

A time is of the kind :func:`~airflow_provider_flowservice.client.times.epoch_seconds`.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.values import enum_member, finite_number, shown

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Kind = Callable[[str, Any], T]

#: What an argument that limits something is set to so that it does not.
ANY: Final = "any"
#: What Python calls encodings of text, but of host names only.
_FOR_HOST_NAMES = ("idna", "punycode")
_BOOLEANS = {"true": True, "false": False}
#: What a template without a value renders to: Jinja converts None to a string.
_NOTHING = ("", "None")


def text(field: str, value: Any) -> str:
    """Convert a string that may be empty. Native rendering creates whole numbers, which become strings again."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        # 1.1 may have been "1.10", and 100000.0 may have been "1e5".
        remedy = "If a template gives it, let it give a string: native rendering makes numbers of strings."
        raise InvalidInputError(field, f"is the number {value}, not a string", remedy)
    if not isinstance(value, str):
        raise InvalidInputError(field, f"must be a string, not {type(value).__name__}", "Give a string.")
    return value


def cell(field: str, value: Any) -> str:
    """Convert the text of a cell, such as "None": unlike elsewhere, it stands for no value because the user says so."""
    return text(field, value)


def character(field: str, value: Any) -> str:
    """Convert a character between two fields, such as a tab, which is not nothing, unlike other white space."""
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n\0':
        raise InvalidInputError(
            field,
            f"{value!r} is not a single character between two fields",
            "Give one, such as ';' or '\\t'.",
        )
    return value


def text_encoding(field: str, value: Any) -> str:
    """Convert the name of a text encoding."""
    name = string(field, value)
    try:
        "".encode(name)
        is_for_files = codecs.lookup(name).name not in _FOR_HOST_NAMES
    except (LookupError, ValueError):
        is_for_files = False
    if not is_for_files:
        remedy = "Give a name that Python knows, such as 'cp1252' or 'utf-16'."
        raise InvalidInputError(field, f"{name!r} is not a text encoding", remedy)
    return name


def string(field: str, value: Any) -> str:
    """Convert a string that must not be empty; :func:`read_given` rejects empty strings."""
    return text(field, value)


def resource_id(field: str, value: Any) -> str:
    """Convert the id of an object in AEP, or its placeholder in a dry run."""
    return text(field, value)


def flag(field: str, value: Any) -> bool:
    """Convert a bool, or a string such as ``"true"`` or ``"False"``, which templates render."""
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[value.strip().lower()]
    except (AttributeError, KeyError):
        raise InvalidInputError(
            field, f"{shown(value)} is neither true nor false", "Give true or false."
        ) from None


def whole_number(minimum: int = 0) -> Kind[int]:
    """Return a converter for whole numbers of at least ``minimum``."""

    def read(field: str, value: Any) -> int:
        number = _whole(value)
        if number is None or number < minimum:
            raise InvalidInputError(
                field,
                f"{shown(value)} is not a whole number of {minimum} or more",
                "Give a number such as 10.",
            )
        return number

    return read


def number_or_ratio(field: str, value: Any) -> int | float | Literal["any"]:
    """Convert the limit of a number: a whole number, a ratio below 1, or ``"any"``."""
    if isinstance(value, str) and value.strip().lower() == ANY:
        return ANY
    number = finite_number(value)
    if number is not None and number == int(number) and 0 <= number <= 2**53:
        return int(number)
    if number is None or not 0 < number < 1:
        raise InvalidInputError(
            field,
            f"{value!r} is neither a whole number nor a ratio below 1",
            "Give a number such as 10, a ratio such as 0.01, or 'any'.",
        )
    return number


def no_limit() -> Literal["any"]:
    """Return what the literal None means for the limit of a number.

    In a mapped task, None may also be the output of a skipped task, and is rejected.
    """
    return ANY


def rate(field: str, value: Any) -> float | Literal["any"]:
    """Convert a maximum number per second: a number above 0, or ``"any"``."""
    if isinstance(value, str) and value.strip().lower() == ANY:
        return ANY
    number = finite_number(value)
    if number is None or number <= 0:
        raise InvalidInputError(
            field, f"{shown(value)} is not a number above 0", "Give a number such as 1000, or 'any'."
        )
    return number


def share(field: str, value: Any) -> float:
    """Convert a share: a number above 0, and at most 1."""
    number = finite_number(value)
    if number is None or not 0 < number <= 1:
        raise InvalidInputError(
            field, f"{shown(value)} is not above 0 and at most 1", "Give a number such as 0.25."
        )
    return number


def limit_or_none(limit: int | float | Literal["any"]) -> int | float | None:
    """Return a value of :func:`number_or_ratio` or :func:`rate` as the client takes it: None instead of ``"any"``."""
    return None if limit == ANY else limit


def seconds(minimum: float = 0) -> Kind[float]:
    """Return a converter for durations in seconds, or as ``timedelta``, of at least ``minimum`` seconds."""

    def read(field: str, value: Any) -> float:
        number = value.total_seconds() if isinstance(value, timedelta) else finite_number(value)
        if number is None or number < minimum:
            raise InvalidInputError(
                field,
                f"{shown(value)} is not a duration of {minimum} or more",
                "Give seconds or a timedelta.",
            )
        return float(number)

    return read


def choice(options: Iterable[E]) -> Kind[E]:
    """Return a converter for the values of the given enum members."""
    members = tuple(options)

    def read(field: str, value: Any) -> E:
        return enum_member(field, value, members)

    return read


def mapping(field: str, value: Any) -> Mapping[str, Any]:
    """Convert a mapping."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(field, f"must be a mapping, not {type(value).__name__}", "Give a dict.")
    return value


def items(field: str, value: Any) -> list[Any]:
    """Convert a list of any elements, or the output of a mapped task.

    The latter fetches its elements whenever it is iterated over, and its representation does not contain them.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidInputError(field, f"must be a list, not {type(value).__name__}", "Give a list.")
    return list(value)


def iterable(field: str, value: Any) -> Iterable[Any]:
    """Convert anything that yields elements, such as a list. It is not read here, as that may be possible only once."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidInputError(field, f"must be a list, not {type(value).__name__}", "Give a list.")
    return value


def number_range(field: str, value: Any) -> tuple[int, int]:
    """Convert a list of two whole numbers, of which the second one is larger."""
    numbers = list_of(whole_number())(field, value)
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        remedy = "Give two whole numbers, such as [0, 1000000]."
        raise InvalidInputError(field, f"{shown(value)} is not a beginning and an end", remedy)
    return numbers[0], numbers[1]


def list_of(kind: Kind[T], *, minimum: int = 0) -> Kind[list[T]]:
    """Return a converter for lists whose elements have the same type.

    :param minimum: minimum number of elements.
    """

    def read(field: str, value: Any) -> list[T]:
        found = [
            read_given(kind, f"{field}[{position}]", item, "and give a value")
            for position, item in enumerate(items(field, value))
        ]
        if len(found) < minimum:
            raise InvalidInputError(field, "is empty", "Give at least one.")
        return found

    return read


def resource_ids(minimum: int = 1) -> Kind[list[str]]:
    """Return a converter for an id, or for a list of at least ``minimum`` ids."""

    def read(field: str, value: Any) -> list[str]:
        return list_of(resource_id, minimum=minimum)(field, [value] if isinstance(value, str) else value)

    return read


def storage_path(field: str, value: Any) -> str | ObjectStoragePath:
    """Convert a path: a string or path-like object. An ``ObjectStoragePath`` is kept, with its connection."""
    # On Airflow 3.1 an ObjectStoragePath is path-like itself, and would lose its connection as a string.
    if hasattr(value, "storage_options"):
        return cast("ObjectStoragePath", value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return string(field, value)


def _whole(value: Any) -> int | None:
    """Convert a whole number of any size, or a string that contains one; None for other values."""
    number = finite_number(value)
    if number is None or number != int(number):
        return None
    try:
        # A float would round a large one.
        return int(value)
    except ValueError:
        return int(number)


#: Kinds of which a value may be white space.
_MAY_BE_BLANK = (text, character)


def read_given(kind: Kind[T], field: str, value: Any, remedy: str) -> T:
    """Validate a value that must not be nothing, and convert it by its kind.

    :param remedy: the end of the sentence that says what to do if it is nothing.
    :raises InvalidInputError: if it is nothing, or invalid.
    """
    may_be_nothing = kind is cell or (kind in _MAY_BE_BLANK and isinstance(value, str) and not value.strip())
    if is_nothing(value) and not may_be_nothing:
        raise given_as_nothing(field, value, remedy)
    return kind(field, value)


def is_nothing(value: Any) -> bool:
    """Whether a value is None, or what a template without a value renders to."""
    return value is None or (isinstance(value, str) and value.strip() in _NOTHING)


def given_as_nothing(field: str, value: Any, remedy: str) -> InvalidInputError:
    """Return the error for a value that is nothing.

    :param remedy: the end of the sentence that says what to do.
    """
    problem = f"is {value!r}, although it was given"
    cause = "Check the template or the upstream task that it comes from (was it skipped?)"
    return InvalidInputError(field, problem, f"{cause}, {remedy}.")
