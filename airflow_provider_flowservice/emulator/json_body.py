"""JSON bodies: how they are read, and the types that a service expects in them.

AEP documents the types of most fields, but neither how deeply a body may be nested nor which numbers it may have:
the limits here are guesses that no body of Adobe's comes near.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_provider_flowservice.emulator.errors import ApiError, bad_request

MAX_DEPTH = 100
#: What JSON encoders can write, and more than the whole numbers of XDM.
_WHOLE_NUMBERS = range(-(2**63), 2**64)
_NAMES: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
}


#: Returns the error of a service, with status 400, for what is wrong with a body.
Refuse = Callable[[str], ApiError]


class JsonError(ValueError):
    """A body is not valid JSON, exceeds a limit, or has a value of the wrong type."""


def read_json(content: bytes) -> Any:
    """Read JSON; of several members of the same name, the last one counts.

    :raises JsonError: if it is not valid JSON (``NaN`` and lone surrogates are not), is nested too deeply, or contains
        a number that is too large.
    """
    try:
        value = msgspec.json.decode(content)
    except RecursionError as error:
        raise JsonError(f"it is nested more than {MAX_DEPTH} deep") from error
    # In the oldest msgspec, errors do not derive from ValueError.
    except (ValueError, msgspec.MsgspecError) as error:
        raise JsonError(str(error)) from error
    check_limits(value)
    return value


def check_limits(value: Any) -> None:
    """Check the depth and the numbers of a JSON value.

    :raises JsonError: for the first thing that is wrong.
    """
    for depth, level in enumerate(_levels(value)):
        if depth >= MAX_DEPTH and any(isinstance(each, dict | list) for each in level):
            raise JsonError(f"it is nested more than {MAX_DEPTH} deep")
        if any(type(each) is int and each not in _WHOLE_NUMBERS for each in level):
            raise JsonError("it has a whole number of more than 64 bits")


def count_values(value: Any) -> int:
    """Return how many values a JSON value consists of, itself included."""
    return sum(map(len, _levels(value)))


def _levels(value: Any) -> Iterator[list[Any]]:
    """Yield the value itself, then the values right in it, and so on."""
    level = [value]
    while level:
        yield level
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = inner


@dataclass(frozen=True)
class Values:
    """An object with any names.

    :param shape: of each of its values.
    """

    shape: Shape


#: What a value must be: a type (``float`` for any number, ``object`` for anything), the shapes of the members that an
#: object may have beside any others, the shape of the elements of a list, or several shapes in a tuple. A member may be
#: missing, but it may be null only if None is among its shapes.
Shape = type | None | Values | Mapping[str, Any] | list[Any] | tuple[Any, ...]


def check_shape(value: Any, shape: Shape, refuse: Refuse = bad_request) -> None:
    """Check the types in a body, or in what a change makes of a resource.

    :param refuse: returns the error of a service for what is wrong.
    :raises ApiError: that names the first field that is of another type, and what it must be.
    """
    try:
        _check(value, shape, "")
    except JsonError as error:
        raise refuse(str(error)) from error


def _check(value: Any, shape: Shape, name: str) -> None:
    allowed = shape if isinstance(shape, tuple) else (shape,)
    fitting = [each for each in allowed if _is_of(value, each)]
    if not fitting:
        kinds = dict.fromkeys(_NAMES[_kind(each)] for each in allowed if each is not None)
        raise JsonError(f"{name or 'the body'} must be {' or '.join(kinds)}")
    for inner, expected, path in _members(value, fitting[0], name):
        _check(inner, expected, path)


def _members(value: Any, shape: Shape, name: str) -> Iterable[tuple[Any, Shape, str]]:
    if isinstance(shape, Mapping):
        prefix = f"{name}." if name else ""
        return ((value[key], each, f"{prefix}{key}") for key, each in shape.items() if key in value)
    if isinstance(shape, Values):
        prefix = f"{name}." if name else ""
        return ((each, shape.shape, f"{prefix}{key}") for key, each in value.items())
    if isinstance(shape, list):
        return ((each, shape[0], f"{name}[{number}]") for number, each in enumerate(value))
    return ()


def _is_of(value: Any, shape: Shape) -> bool:
    if shape is None:
        return value is None
    kind = _kind(shape)
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, (int, float) if kind is float else kind)


def _kind(shape: Any) -> type:
    """Return the type of the values of a shape."""
    if isinstance(shape, type):
        return shape
    return list if isinstance(shape, list) else dict
