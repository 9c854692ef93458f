"""The arguments of operators and sensors: each has a kind and is read strictly by it.

An argument is declared once, in the class body::

    flow_id = required(resource_id)
    sandbox = optional(string)

Every declared argument is a template field. A literal is checked when the DAG is parsed; everything is read again
after rendering, when the attributes take their final types: the string ``"False"`` becomes False, a ``timedelta``
becomes seconds, and a number that native rendering made from a string becomes that string again.

An argument that was given must not turn out to be None, as it does when the upstream task was skipped. What was
left out may.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, overload

from typing_extensions import Self

from airflow_provider_flowservice.client.errors import InvalidInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Kind = Callable[[str, Any], T]

_BOOLEANS = {"true": True, "false": False}
#: What a template renders to when there is nothing: Jinja writes None as text.
_NOTHING = ("", "None")


class Argument(Generic[T]):
    """An argument of an operator or sensor; on an instance, its value.

    :param kind: reads a value, and raises :class:`InvalidInputError` for one of another kind.
    :param is_required: whether it may be left out.
    """

    def __init__(self, kind: Kind[Any], *, is_required: bool) -> None:
        self.kind = kind
        self.is_required = is_required

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        """The declaration itself, since an instance's own attribute comes first."""
        return self

    def read(self, field: str, value: Any, *, is_given: bool) -> Any:
        """The value in its final type.

        :raises InvalidInputError: if it is of another kind, or None although it was given.
        """
        if value is None and not (self.is_required or is_given):
            return None
        if value is None or (isinstance(value, str) and value.strip() in _NOTHING and self.kind is not text):
            raise InvalidInputError(
                field,
                f"is {value!r}, although it was given",
                "Check the template or the upstream task that it comes from (was it skipped?)"
                + (", and give a value." if self.is_required else ", or leave the argument out."),
            )
        return self.kind(field, value)


def required(kind: Kind[T]) -> Argument[T]:
    """Declare an argument that always has a value: one without a default, or with one that is not None."""
    return Argument(kind, is_required=True)


def optional(kind: Kind[T]) -> Argument[T | None]:
    """Declare an argument that may be left out; its default is None."""
    return Argument(kind, is_required=False)


class TakesArguments:
    """What operators and sensors share: they declare their arguments, set them, and read them before they work."""

    arguments: ClassVar[Mapping[str, Argument[Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Argument)}
        cls.arguments = {**cls.arguments, **own}
        cls.template_fields = tuple(cls.arguments)  # type: ignore[attr-defined]

    def set_arguments(self, values: Mapping[str, Any]) -> None:
        """Set the arguments of a constructor, and check those that are literals.

        :param values: the constructor's ``locals()``; what is not a declared argument is ignored.
        :raises InvalidInputError: naming the argument. In a mapped task the constructor runs on the worker, so
            nothing is checked there before :meth:`read_arguments`.
        """
        given = self.__dict__.setdefault("_given", set())
        for name in filter(values.__contains__, self.arguments):
            value = values[name]
            setattr(self, name, value)
            if value is not None:
                given.add(name)
            if not self._is_from_mapped and not _holds_template(value):
                self.arguments[name].read(name, value, is_given=False)
        if not self._is_from_mapped and self.arguments.keys() <= self.__dict__.keys():
            self.check_arguments()

    def read_arguments(self) -> None:
        """Read all arguments, rendered by now: from here on the attributes have their final types.

        :raises InvalidInputError: naming the argument, its value and the remedy.
        """
        for name, argument in self.arguments.items():
            setattr(self, name, argument.read(name, getattr(self, name), is_given=self.is_given(name)))
        self.check_arguments()

    def is_given(self, name: str) -> bool:
        """Whether an argument was given: not None in the constructor or, in a mapped task, by its name."""
        if name in self.__dict__["_given"]:
            return True
        return self._is_from_mapped and name in getattr(self, "_BaseOperator__init_kwargs", ())

    def check_arguments(self) -> None:
        """Check which arguments are given together. Values may still be templates.

        :raises InvalidInputError: naming them.
        """

    @property
    def _is_from_mapped(self) -> bool:
        return bool(getattr(self, "_BaseOperator__from_mapped", False))


def _holds_template(value: Any) -> bool:
    """Whether a value is not what it will be at run time."""
    if isinstance(value, str):
        return any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, Mapping):
        return any(map(_holds_template, value.values()))
    if isinstance(value, (list, tuple, set)):
        return any(map(_holds_template, value))
    # An XComArg, or anything else that Airflow resolves; paths have a method of that name too.
    return hasattr(value, "resolve") and not isinstance(value, os.PathLike)


def text(field: str, value: Any) -> str:
    """A string that may be empty. A number comes from native rendering and becomes a string again."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidInputError(field, f"must be a string, not {type(value).__name__}", "Give a string.")
    return value


def string(field: str, value: Any) -> str:
    """A string that says something."""
    return text(field, value)


def resource_id(field: str, value: Any) -> str:
    """The id of something in AEP; a planned one too."""
    return text(field, value)


def flag(field: str, value: Any) -> bool:
    """True or False; ``"true"`` and ``"False"`` are what templates make of them."""
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[value.strip().lower()]
    except (AttributeError, KeyError):
        raise InvalidInputError(field, f"{value!r} is neither true nor false", "Give one of them.") from None


def whole_number(minimum: int = 0) -> Kind[int]:
    """A whole number of at least ``minimum``."""

    def read(field: str, value: Any) -> int:
        number = _number(value)
        if number is None or number != int(number) or number < minimum:
            raise InvalidInputError(
                field, f"{value!r} is not a whole number of {minimum} or more", "Give a number such as 10."
            )
        return int(number)

    return read


def seconds(minimum: float = 0) -> Kind[float]:
    """A duration in seconds, or a ``timedelta``."""

    def read(field: str, value: Any) -> float:
        number = value.total_seconds() if isinstance(value, timedelta) else _number(value)
        if number is None or number < minimum:
            raise InvalidInputError(
                field, f"{value!r} is not a duration of {minimum} or more", "Give seconds or a timedelta."
            )
        return float(number)

    return read


def epoch_seconds(field: str, value: Any) -> int:
    """A moment in seconds since 1970-01-01 UTC, with ten digits: fewer or more is another unit."""
    number = _number(value)
    if number is None or not 10**9 <= number < 10**10:
        raise InvalidInputError(field, f"{value!r} is not a time", "Give seconds since 1970-01-01 UTC.")
    return int(number)


def moment(field: str, value: Any) -> float:
    """A moment in seconds since 1970-01-01 UTC; 0 and what is before it are long ago."""
    number = _number(value)
    if number is None:
        raise InvalidInputError(field, f"{value!r} is not a time", "Give seconds since 1970-01-01 UTC.")
    return number


def choice(options: Iterable[E]) -> Kind[E]:
    """One of the values of an enum, or of some of its members."""
    by_value = {str(option.value): option for option in options}

    def read(field: str, value: Any) -> E:
        found = by_value.get(value) if isinstance(value, str) else None
        if found is None:
            raise InvalidInputError(
                field, f"{value!r} is not supported", f"Choose one of: {', '.join(by_value)}."
            )
        return found

    return read


def mapping(field: str, value: Any) -> Mapping[str, Any]:
    """A mapping."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(field, f"must be a mapping, not {type(value).__name__}", "Give a dict.")
    return value


def items(field: str, value: Any) -> Sequence[Any]:
    """A list of anything, or an upstream task's output that behaves like one."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidInputError(field, f"must be a list, not {type(value).__name__}", "Give a list.")
    return value


def list_of(kind: Kind[T], *, minimum: int = 0) -> Kind[list[T]]:
    """A list whose elements are all of one kind.

    :param minimum: how many there must be.
    """

    def read(field: str, value: Any) -> list[T]:
        found = [kind(f"{field}[{position}]", item) for position, item in enumerate(items(field, value))]
        if len(found) < minimum:
            raise InvalidInputError(field, "is empty", "Give at least one.")
        return found

    return read


def resource_ids(minimum: int = 1) -> Kind[list[str]]:
    """One id, or a list of at least ``minimum`` ids."""

    def read(field: str, value: Any) -> list[str]:
        return list_of(_element_id, minimum=minimum)(field, [value] if isinstance(value, str) else value)

    return read


def _element_id(field: str, value: Any) -> str:
    return str(Argument(resource_id, is_required=True).read(field, value, is_given=True))


def storage_path(field: str, value: Any) -> str | ObjectStoragePath:
    """A path, as a string or as anything path-like; an ``ObjectStoragePath`` keeps its own connection."""
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if hasattr(value, "open") and hasattr(value, "exists"):
        return cast("ObjectStoragePath", value)
    return string(field, value)


def _number(value: Any) -> float | None:
    """A finite number, or one that is written as a string; None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
