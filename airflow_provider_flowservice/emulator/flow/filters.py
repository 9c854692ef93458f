"""The filter grammar of ``property`` and the ordering of ``orderby``.

Documented: the operators, comma as OR, repetition as AND, ``[]`` for a hop into a list. Which code names
which mistake in a filter is partly a guess.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError

_EXPRESSION = re.compile(
    r"(?P<path>[A-Za-z_][\w.\[\]-]*)(?P<operator>==|!=|>=|<=|>|<|~|=)(?P<value>.*)", re.DOTALL
)
_ORDER_FIELD = re.compile(r"[A-Za-z][\w.]*")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Filter:
    """One ``property`` parameter.

    :param path: dotted path; ``[]`` after a name goes into each element of a list.
    :param values: any of them may match.
    """

    path: str
    operator: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, expression: str) -> Filter:
        """Read an expression such as ``name==a,b`` or ``createdAt>1600000000000``.

        :raises FlowError: when it does not follow the grammar.
        """
        found = _EXPRESSION.fullmatch(expression)
        if found is None or found["operator"] == "=":
            raise FlowError(
                FlowCode.FILTER_INVALID, f"The filter {expression!r} is not of the form path==value."
            )
        if found["operator"] in ("~", "!="):
            raise FlowError(
                FlowCode.OPERATOR_NOT_IMPLEMENTED, f"The operator {found['operator']} is not implemented."
            )
        values = tuple(_unquoted(value) for value in found["value"].split(","))
        if not all(values):
            raise FlowError(FlowCode.EMPTY_FILTER_VALUE, f"The filter {expression!r} has an empty value.")
        if found["operator"] != "==" and len(values) > 1:
            raise FlowError(
                FlowCode.MANY_VALUES_COMPARED, f"The filter {expression!r} compares with several values."
            )
        return cls(found["path"], found["operator"], values)

    def matches(self, item: dict[str, Any]) -> bool:
        """Tell whether an item passes."""
        return any(self._accepts(found) for found in _resolve(item, self.path.split(".")))

    def _accepts(self, found: Any) -> bool:
        if self.operator == "==":
            return _text(found) in self.values
        return _compare(found, self.operator, self.values[0])


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
    return value[1:-1] if quoted else value


def _resolve(value: Any, hops: list[str]) -> Iterator[Any]:
    if not hops:
        if not isinstance(value, (dict, list)):
            yield value
        return
    name, is_list = (hops[0][:-2], True) if hops[0].endswith("[]") else (hops[0], False)
    if not isinstance(value, dict) or name not in value:
        return
    inner = value[name]
    if not is_list:
        yield from _resolve(inner, hops[1:])
    elif isinstance(inner, list):
        for element in inner:
            yield from _resolve(element, hops[1:])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _compare(found: Any, sign: str, wanted: str) -> bool:
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        try:
            return _COMPARISONS[sign](found, float(wanted))
        except ValueError:
            return False
    return isinstance(found, str) and _COMPARISONS[sign](found, wanted)


@dataclass(frozen=True)
class Order:
    """One field of ``orderby``."""

    path: str
    descending: bool

    @classmethod
    def parse(cls, text: str, known: frozenset[str]) -> tuple[Order, ...]:
        """Read a list such as ``-createdAt,name``.

        :param known: top-level fields that may be named.
        :raises FlowError: for a prefix that is neither ``+`` nor ``-``, or an unknown field.
        """
        return tuple(cls._parse_one(part, known) for part in text.split(","))

    @classmethod
    def _parse_one(cls, part: str, known: frozenset[str]) -> Order:
        path = part[1:] if part[:1] in ("+", "-") else part
        if not _ORDER_FIELD.fullmatch(path):
            raise FlowError(FlowCode.ORDER_PREFIX, f"{part!r} is not a field name with the prefix + or -.")
        if path.partition(".")[0] not in known:
            raise FlowError(FlowCode.ORDER_FIELD, f"{path!r} is not a field to order by.")
        return cls(path, part.startswith("-"))

    def key(self, item: dict[str, Any]) -> tuple[int, Any]:
        """What to sort an item by: numbers before texts, and what is absent before both."""
        value = next(_resolve(item, self.path.split(".")), None)
        if value is None:
            return (0, 0)
        return (1, value) if isinstance(value, (int, float)) else (2, str(value))
