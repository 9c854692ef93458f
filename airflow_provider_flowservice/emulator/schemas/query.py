"""The query parameters with which lists are filtered, ordered and paged."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from airflow_provider_flowservice.emulator.schemas.errors import invalid
from airflow_provider_flowservice.emulator.settings import Switches

Item = Mapping[str, Any]

PAGE_LIMIT = 300
_LATEST = "updated"
_DATES = {"created": "repo:createdDate", "updated": "repo:lastModifiedDate"}
_EXPRESSION = re.compile(r"(?P<name>[\w:$@.-]+?)((?P<operator>==|!=|<=|>=|<|>|~)(?P<value>.*))?", re.DOTALL)
# A title may have commas; what begins like another condition is one.
_BETWEEN_CONDITIONS = re.compile(r",(?=[\w:$@.-]+(?:==|!=|<=|>=))")
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Page:
    """One page of a list.

    :param orderby: what it is ordered by.
    :param following: ``start`` of the next page; None on the last one.
    """

    items: list[Item]
    orderby: str
    following: str | None

    def as_json(self, url: str, parameters: QueryParams, shown: list[Any], **links: Any) -> dict[str, Any]:
        """Return the response.

        :param url: of the list, without its query.
        :param parameters: of the request.
        :param shown: the items as they are shown.
        """
        link = None
        if self.following is not None:
            kept = [
                (name, value) for name, value in parameters.multi_items() if name not in ("start", "orderby")
            ]
            link = {
                "href": f"{url}?{urlencode([('orderby', self.orderby), ('start', self.following), *kept])}"
            }
        return {
            "results": shown,
            "_page": {"orderby": self.orderby, "next": self.following, "count": len(shown)},
            "_links": {"next": link, **links},
        }


def page(
    items: Iterable[Item], parameters: QueryParams, switches: Switches, *, most: int = PAGE_LIMIT
) -> Page:
    """Return the page of a list that the parameters ask for.

    ``start`` is the last value of the field in ``orderby``, not an offset, so that a page never ends between two items
    with the same value. It is documented that ``limit`` and ``start`` require ``orderby``; Adobe's own client sends
    both without.

    :param most: items on a page, whatever the parameters say.
    :raises SchemaError: if a parameter is not valid.
    """
    orderby = parameters.get("orderby", "")
    refuses = switches.limit_without_orderby == "refuse"
    if refuses and not orderby and ("start" in parameters or "limit" in parameters):
        raise invalid("orderby is required with start and limit")
    orderby = orderby or _LATEST
    conditions = [
        _condition(part)
        for each in parameters.getlist("property")
        for part in _BETWEEN_CONDITIONS.split(each)
    ]
    found = [item for item in items if all(is_met(item) for is_met in conditions)]
    for field in reversed(orderby.split(",")):
        found.sort(key=_key(field), reverse=field.startswith("-"))
    return _cut(found, orderby, parameters.get("start"), _limit(parameters.get("limit"), most))


def _condition(expression: str) -> Callable[[Item], bool]:
    """Return a function that tells whether an item meets a condition on one of its properties.

    A list equals what it contains, as in ``meta:immutableTags==union``. Without an operator, the property must exist;
    ``~`` compares a part of the value.

    :raises SchemaError: if the expression is not valid.
    """
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        raise invalid(f"The property filter {expression} is not valid")
    name, sign, wanted = found["name"], found["operator"], found["value"]

    def is_met(item: Item) -> bool:
        value = item.get(name)
        if sign is None:
            return value is not None
        values = [_text(each) for each in (value if isinstance(value, list) else [value])]
        match sign:
            case "==":
                return wanted in values
            case "!=":
                return wanted not in values
            case "~":
                return any(wanted in each for each in values)
        return value is not None and any(_compared(each, sign, wanted) for each in values)

    return is_met


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _compared(value: str, sign: str, wanted: str) -> bool:
    try:
        return _ORDERINGS[sign](float(value), float(wanted))
    except ValueError:
        return _ORDERINGS[sign](value, wanted)


def _limit(text: str | None, most: int) -> int:
    if text is None:
        return most
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < 1:
        raise invalid(f"limit must be a number of 1 or more, not {text!r}")
    return min(int(text), most)


def _key(field: str) -> Callable[[Item], tuple[int, Any]]:
    name = field.strip().lstrip("+-")

    def key(item: Item) -> tuple[int, Any]:
        """Return a value that can be compared with those of other items, whatever their types."""
        value = item.get(name)
        if name in _DATES and isinstance(item.get("meta:registryMetadata"), dict):
            value = item["meta:registryMetadata"].get(_DATES[name])
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return 1, value
        return (0, "") if value is None else (2, str(value))

    return key


def _cut(ordered: list[Item], orderby: str, start: str | None, limit: int) -> Page:
    primary = orderby.split(",")[0]
    key = _key(primary)
    if start is not None:
        ordered = [item for item in ordered if _follows(key(item), start, descending=primary.startswith("-"))]
    end = min(limit, len(ordered))
    while 0 < end < len(ordered) and key(ordered[end]) == key(ordered[end - 1]):
        end += 1
    following = str(key(ordered[end - 1])[1]) if end < len(ordered) else None
    return Page(ordered[:end], orderby, following)


def _follows(key: tuple[int, Any], start: str, *, descending: bool) -> bool:
    rank, value = key
    if rank == 1:
        try:
            last: Any = float(start)
        except ValueError:
            return True
    else:
        last = start
    return bool(value < last if descending else value > last)
