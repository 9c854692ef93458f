"""List endpoints: filter, sort, count, and pages.

Documented of the filter grammar of ``property``: the operators, comma as OR, repetition as AND, ``[]`` for
a hop into a list. Which code stands for which mistake in a filter is partly a guess.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.queries import ListQuery
from airflow_provider_flowservice.emulator.settings import Switches

T = TypeVar("T")

_FIELDS = frozenset(
    {
        "id",
        "name",
        "description",
        "state",
        "createdAt",
        "updatedAt",
        "createdBy",
        "updatedBy",
        "createdClient",
        "updatedClient",
        "connectionSpec",
        "flowSpec",
        "baseConnectionId",
        "flowId",
        "metrics",
        "etag",
        "version",
    }
)
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
class Selection:
    """Which items a query asks for, and in which order.

    :param filters: an item must match all of them.
    :param orders: what decides about the order, the most important first; most recent first if there is none.
    """

    filters: tuple[Filter, ...]
    orders: tuple[Order, ...]

    @classmethod
    def parse(cls, query: ListQuery, switches: Switches, *, of_runs: bool = False) -> Selection:
        """Read the filters and the order of a query.

        :param of_runs: whether it is that of the list of runs, in which a comma may have a meaning of its own.
        :raises FlowError: if a filter or the order is invalid.
        """
        comma = switches.runs_comma if of_runs else switches.lists_comma
        filters = tuple(Filter.parse(each, comma, switches.filter_quotes) for each in query.filters)
        orders = Order.parse(query.orderby, _FIELDS) if query.orderby else ()
        return cls(filters, orders if switches.list_order == "honored" else ())

    @property
    def is_newest_first(self) -> bool:
        """Whether the order is that in which all lists come."""
        return self.orders in ((), (Order("createdAt", True),))

    def sort(self, found: list[T], item_of: Callable[[T, str], dict[str, Any]]) -> None:
        """Sort what was found.

        :param found: most recent first.
        :param item_of: returns what something is shown as, or at least the given top-level field of it.
        """

        def key_of(each: T) -> tuple[int, Any]:
            return order.key(item_of(each, order.field))

        # The sort is stable, so sorting by the most important field last lets it decide.
        for order in () if self.is_newest_first else reversed(self.orders):
            found.sort(key=key_of, reverse=order.descending)


def list_response(
    path: str, items: Sequence[dict[str, Any]], query: ListQuery, selection: Selection, switches: Switches
) -> dict[str, Any]:
    """Filter, sort and paginate a list.

    :param path: path of the collection below the base path, for example ``/flows``.
    :param items: every item, most recent first.
    """
    found = [item for item in items if all(each.matches(item) for each in selection.filters)]
    selection.sort(found, lambda item, _field: item)
    if query.counts_alone(switches):
        return {"count": len(found)}
    end = query.offset + query.limit
    page = page_response(path, found[query.offset : end], end < len(found), query, switches)
    return {**page, "count": len(found)} if query.count else page


def page_response(
    path: str, items: Sequence[object], has_more: bool, query: ListQuery, switches: Switches
) -> dict[str, Any]:
    """Return a page.

    :param path: path of the collection below the base path, for example ``/flows``.
    :param items: the items on this page.
    :param has_more: whether there is another page.
    """
    page: dict[str, Any] = {"items": items}
    if has_more:
        token = query.token_after(query.offset + query.limit, switches.continuation_token)
        page["_links"] = {"next": {"href": f"{path}?continuationToken={quote(token, safe='')}"}}
    elif switches.last_page_links == "empty":
        page["_links"] = {}
    return page


def only(fields: Set[str], item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with some of its top-level fields alone."""
    return {name: value for name, value in item.items() if name in fields}


@dataclass(frozen=True)
class Filter:
    """One ``property`` parameter.

    :param path: dotted path; ``[]`` after a name stands for each element of a list.
    :param values: any of them may match.
    """

    path: str
    operator: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, expression: str, comma: str, quotes: str) -> Filter:
        """Read an expression such as ``name==a,b`` or ``createdAt>1600000000000``.

        :param comma: what a comma in the value is: ``or``, ``refuse``, or ``literal``, a part of the value.
        :param quotes: what double quotes around a value are: ``removed``, or ``literal``.
        :raises FlowError: if it does not follow the grammar.
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
        texts = [found["value"]] if comma == "literal" else found["value"].split(",")
        values = tuple(map(_unquoted, texts) if quotes == "removed" else texts)
        if not all(values):
            raise FlowError(FlowCode.EMPTY_FILTER_VALUE, f"The filter {expression!r} has an empty value.")
        if comma == "refuse" and len(values) > 1:
            raise FlowError(FlowCode.FILTER_INVALID, f"The filter {expression!r} has several values.")
        if found["operator"] != "==" and len(values) > 1:
            raise FlowError(
                FlowCode.MANY_VALUES_COMPARED, f"The filter {expression!r} compares with several values."
            )
        return cls(found["path"], found["operator"], values)

    def matches(self, item: dict[str, Any]) -> bool:
        """Return whether an item matches."""
        return any(self._accepts(found) for found in _resolve(item, self.path.split(".")))

    @property
    def field(self) -> str:
        """The top-level field that the path begins with."""
        return self.path.partition(".")[0].removesuffix("[]")

    def _accepts(self, found: Any) -> bool:
        if self.operator == "==":
            return _text(found) in self.values
        return _compare(found, self.operator, self.values[0])


def texts_at(item: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the texts that ``path==text`` compares with.

    :param path: that of a :class:`Filter`.
    """
    return map(_text, _resolve(item, path.split(".")))


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

        :param known: the top-level fields to order by.
        :raises FlowError: if a prefix is neither ``+`` nor ``-``, or a field is unknown.
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

    @property
    def field(self) -> str:
        """The top-level field that the path begins with."""
        return self.path.partition(".")[0]

    def key(self, item: dict[str, Any]) -> tuple[int, Any]:
        """Return the sort key of an item: numbers sort before strings, and missing values before both."""
        value = next(_resolve(item, self.path.split(".")), None)
        if value is None:
            return (0, 0)
        return (1, value) if isinstance(value, (int, float)) else (2, str(value))
