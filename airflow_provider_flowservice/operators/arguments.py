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

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.kinds import Kind, given_as_nothing, is_nothing, read_given

T = TypeVar("T")


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
        remedy = "and give a value" if self.is_required else "or omit the argument"
        return read_given(self.kind, field, value, remedy)


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
    if place and is_nothing(value):
        raise given_as_nothing(field, value, "or leave it out")
