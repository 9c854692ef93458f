"""The arguments of operators and sensors. Each argument has a type, which is strictly enforced.

An argument is declared once, in the class body::

    flow_id = required(resource_id)
    sandbox = optional(string)

Every declared argument is a template field. Literals are validated when the DAG is parsed. After rendering, all
arguments are validated and converted to their final types: the string ``"False"`` becomes False, a ``timedelta``
becomes seconds, and a number that native rendering has created from a string becomes a string again.

An argument that was given must not be None after rendering, which happens if the upstream task was skipped. Arguments
that were omitted may be None.
"""

from __future__ import annotations

import codecs
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, Self, TypeVar, cast, overload

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.text import plain_text

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Kind = Callable[[str, Any], T]

#: What an argument that limits something is set to so that it does not.
ANY: Final = "any"
#: What Python calls encodings of text, but of host names only.
_FOR_HOST_NAMES = ("idna", "punycode")
_BOOLEANS = {"true": True, "false": False}
#: What a template without a value renders to: Jinja converts None to a string.
_NOTHING = ("", "None")


class Argument(Generic[T]):
    """Descriptor that declares an argument of an operator or sensor. On an instance, the attribute is its value.

    :param kind: validates and converts a value, or raises :class:`InvalidInputError`.
    :param is_required: whether the value must not be None.
    :param default: returns the value of an argument that is not given, if it is only known when the task is created.
    """

    def __init__(
        self, kind: Kind[Any], *, is_required: bool, default: Callable[[], Any] | None = None
    ) -> None:
        self.kind = kind
        self.is_required = is_required
        self.default = default

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        """Return the declaration; an attribute of an instance takes precedence over it."""
        return self

    def read(self, field: str, value: Any, *, is_given: bool) -> Any:
        """Validate a value and convert it to its final type.

        :raises InvalidInputError: if it is invalid, or None although the argument was given.
        """
        if value is None and not (self.is_required or is_given):
            return None
        if (
            _is_nothing(value)
            and not (self.kind in _MAY_BE_BLANK and _is_blank(value))
            and self.kind is not cell
        ):
            raise _given_as_nothing(
                field, value, "and give a value" if self.is_required else "or omit the argument"
            )
        return self.kind(field, value)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in _NOTHING)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _given_as_nothing(field: str, value: Any, remedy: str) -> InvalidInputError:
    problem = f"is {value!r}, although it was given"
    cause = "Check the template or the upstream task that it comes from (was it skipped?)"
    return InvalidInputError(field, problem, f"{cause}, {remedy}.")


def required(kind: Kind[T], *, default: Callable[[], T] | None = None) -> Argument[T]:
    """Declare an argument that must not be None: it has no default, or its default is not None.

    :param default: returns the default, if it is only known when the task is created.
    """
    return Argument(kind, is_required=True, default=default)


def optional(kind: Kind[T]) -> Argument[T | None]:
    """Declare an argument that may be omitted; its default is None."""
    return Argument(kind, is_required=False)


class TakesArguments:
    """Mixin for operators and sensors, which sets the declared arguments and validates them before execution."""

    arguments: ClassVar[Mapping[str, Argument[Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Argument)}
        cls.arguments = {**cls.arguments, **own}
        cls.template_fields = tuple(cls.arguments)  # type: ignore[attr-defined]

    def set_arguments(self, values: Mapping[str, Any]) -> None:
        """Set the arguments of a constructor, and validate literals.

        :param values: ``locals()`` of the constructor; names that are not declared arguments are ignored.
        :raises InvalidInputError: if a literal is invalid. In a mapped task the constructor runs on the worker, where
            nothing is validated before :meth:`read_arguments`.
        """
        given = self.__dict__.setdefault("_given", set())
        templates = self.__dict__.setdefault("_templates", {})
        for name in filter(values.__contains__, self.arguments):
            value = values[name]
            if value is not None:
                given.add(name)
            elif (default := self.arguments[name].default) and not self._is_from_mapped:
                value = default()
            setattr(self, name, value)
            templates[name] = tuple(_templates_in(value))
            if not self._is_from_mapped and not templates[name]:
                self.arguments[name].read(name, value, is_given=False)
        if not self._is_from_mapped and self.arguments.keys() <= self.__dict__.keys():
            self.check_arguments()

    def read_arguments(self) -> None:
        """Validate all arguments after rendering, and convert the attributes to their final types.

        :raises InvalidInputError: if an argument is invalid.
        """
        for name, argument in self.arguments.items():
            value = getattr(self, name)
            if value is None and argument.default and not self.is_given(name):
                value = argument.default()
            for place in self.__dict__["_templates"].get(name, ()):
                _check_rendered(name, value, place)
            setattr(self, name, argument.read(name, value, is_given=self.is_given(name)))
        self.check_arguments()

    def is_given(self, name: str) -> bool:
        """Whether an argument was given: as a value other than None or, in a mapped task, by name."""
        if name in self.__dict__["_given"]:
            return True
        return self._is_from_mapped and name in getattr(self, "_BaseOperator__init_kwargs", ())

    def require_one_of(self, one: str, other: str) -> None:
        """Reject two arguments of which not exactly one is given.

        :raises InvalidInputError: if both are given, or none.
        """
        if self.is_given(one) == self.is_given(other):
            problem = "are both given" if self.is_given(one) else "is missing"
            raise InvalidInputError(f"{one} or {other}", problem, "Give exactly one of them.")

    def check_arguments(self) -> None:
        """Validate the combination of arguments. Values may still be templates.

        :raises InvalidInputError: if the combination is invalid.
        """

    @property
    def _is_from_mapped(self) -> bool:
        return bool(getattr(self, "_BaseOperator__from_mapped", False))


def _templates_in(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys and indexes that lead to each template in a value. It changes before execution."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _templates_in(member, (*place, key))
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            yield from _templates_in(member, (*place, index))
    elif isinstance(value, set):
        if any(True for member in value for _ in _templates_in(member)):
            yield place
    elif isinstance(value, str):
        if any(mark in value for mark in ("{{", "{%", "{#")):
            yield place
    # An XComArg, or another object that Airflow resolves. Paths also have a method named resolve.
    elif hasattr(value, "resolve") and not isinstance(value, os.PathLike):
        yield place


def _check_rendered(field: str, value: Any, place: tuple[Any, ...]) -> None:
    """Reject what a template within a list or mapping has become, if that is nothing.

    :param place: the keys and indexes that lead to it; empty for the value itself, which its kind checks.
    """
    for step in place:
        if isinstance(value, (str, bytes)) or not isinstance(value, (Mapping, Sequence)):
            return
        try:
            value = value[step]
        except LookupError:
            return
        field = f"{field}[{step!r}]"
    if place and _is_nothing(value):
        raise _given_as_nothing(field, value, "or leave it out")


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
    """Convert a character between two fields, such as a tab, which :class:`Argument` would otherwise take for blank."""
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
    """Convert a string that must not be empty; :class:`Argument` rejects empty strings."""
    return text(field, value)


#: Kinds of which a value may be white space.
_MAY_BE_BLANK = (text, character)


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
            field, f"{_shown(value)} is neither true nor false", "Give true or false."
        ) from None


def whole_number(minimum: int = 0) -> Kind[int]:
    """Return a converter for whole numbers of at least ``minimum``."""

    def read(field: str, value: Any) -> int:
        number = _whole(value)
        if number is None or number < minimum:
            raise InvalidInputError(
                field,
                f"{_shown(value)} is not a whole number of {minimum} or more",
                "Give a number such as 10.",
            )
        return number

    return read


def number_or_ratio(field: str, value: Any) -> int | float | Literal["any"]:
    """Convert the limit of a number: a whole number, a ratio below 1, or ``"any"``."""
    if isinstance(value, str) and value.strip().lower() == ANY:
        return ANY
    number = _number(value)
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


def failure_limit(limit: int | float | Literal["any"]) -> int | float | None:
    """Return a value of :func:`number_or_ratio` as the client takes it: None instead of ``"any"``."""
    return None if limit == ANY else limit


def seconds(minimum: float = 0) -> Kind[float]:
    """Return a converter for durations in seconds, or as ``timedelta``, of at least ``minimum`` seconds."""

    def read(field: str, value: Any) -> float:
        number = value.total_seconds() if isinstance(value, timedelta) else _number(value)
        if number is None or number < minimum:
            raise InvalidInputError(
                field,
                f"{_shown(value)} is not a duration of {minimum} or more",
                "Give seconds or a timedelta.",
            )
        return float(number)

    return read


def epoch_seconds(field: str, value: Any) -> int:
    """Convert a time in seconds since 1970-01-01 UTC. It has ten digits; other lengths suggest another unit."""
    number = _number(value)
    if number is None or not 10**9 <= number < 10**10:
        raise InvalidInputError(field, f"{_shown(value)} is not a time", "Give seconds since 1970-01-01 UTC.")
    return int(number)


def moment(field: str, value: Any) -> float:
    """Convert a time in seconds since 1970-01-01 UTC. Unlike :func:`epoch_seconds`, it may be 0 or negative."""
    number = _number(value)
    if number is None:
        raise InvalidInputError(field, f"{_shown(value)} is not a time", "Give seconds since 1970-01-01 UTC.")
    return number


def choice(options: Iterable[E]) -> Kind[E]:
    """Return a converter for the values of the given enum members."""
    by_value = {str(option.value): option for option in options}

    def read(field: str, value: Any) -> E:
        found = by_value.get(value) if isinstance(value, str) else None
        if found is None:
            raise InvalidInputError(
                field, f"{_shown(value)} is not supported", f"Choose one of: {', '.join(by_value)}."
            )
        return found

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


def list_of(kind: Kind[T], *, minimum: int = 0) -> Kind[list[T]]:
    """Return a converter for lists whose elements have the same type.

    :param minimum: minimum number of elements.
    """

    def read(field: str, value: Any) -> list[T]:
        element = required(kind)
        found = [
            element.read(f"{field}[{position}]", item, is_given=True)
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


def _number(value: Any) -> float | None:
    """Convert a finite number, or a string that contains one; None for other values."""
    if isinstance(value, (bool, bytes)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int | None:
    """Convert a whole number of any size, or a string that contains one; None for other values."""
    number = _number(value)
    if number is None or number != int(number):
        return None
    try:
        # A float would round a large one.
        return int(value)
    except ValueError:
        return int(number)


def _shown(value: Any) -> str:
    """Return a value for an error message, shortened."""
    try:
        return plain_text(repr(value), limit=200)
    except ValueError:
        return f"an {type(value).__name__} of thousands of digits"
