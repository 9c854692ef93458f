"""List endpoints: filter, sort, count, and pages with opaque tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from starlette.datastructures import QueryParams

from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.filters import Filter, Order
from airflow_provider_flowservice.emulator.settings import Switches

MAX_LIMIT = 100
_PARAMETERS = frozenset({"property", "orderby", "limit", "count", "continuationToken"})
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


@dataclass(frozen=True)
class ListQuery:
    """What a caller asks of a list.

    :param offset: how many items of the sorted result were on earlier pages.
    """

    filters: tuple[str, ...]
    orderby: str
    limit: int
    count: bool
    offset: int

    @classmethod
    def parse(cls, params: QueryParams, switches: Switches) -> ListQuery:
        """Read the query parameters. A continuation token brings those of its first page.

        :raises FlowError: for an unknown parameter, or a value out of range.
        """
        unknown = sorted(set(params) - _PARAMETERS)
        if unknown:
            raise FlowError(FlowCode.UNKNOWN_PARAMETER, f"Unknown query parameter {unknown[0]}.")
        token = params.get("continuationToken")
        if token is not None:
            return _read_token(token)
        count = params.get("count", "false").lower() == "true"
        if count and "limit" in params:
            raise FlowError(FlowCode.LIMIT_WITH_COUNT, "The parameters limit and count cannot be combined.")
        return cls(
            tuple(params.getlist("property")),
            params.get("orderby", ""),
            _limit(params.get("limit"), switches),
            count,
            0,
        )

    def with_limit(self, limit: int) -> ListQuery:
        """The same query with another page size."""
        return replace(self, limit=limit)

    def token_after(self, offset: int) -> str:
        """The token of the page that starts at an offset. It is opaque and always ends in ``=``."""
        text = json.dumps({"f": self.filters, "s": self.orderby, "l": self.limit, "o": offset})
        # Spaces at the end of JSON mean nothing; one or two of them make the base64 form need its padding.
        while len(text.encode()) % 3 == 0:
            text += " "
        return base64.urlsafe_b64encode(text.encode()).decode()


def _limit(text: str | None, switches: Switches) -> int:
    if text is None:
        return switches.default_page_size
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise FlowError(
            FlowCode.LIMIT_INVALID, f"The limit must be a number from 1 to {MAX_LIMIT}, not {text!r}."
        )
    return int(text)


def _read_token(token: str) -> ListQuery:
    try:
        fields = json.loads(base64.urlsafe_b64decode(token))
        return ListQuery(
            tuple(map(str, fields["f"])), str(fields["s"]), int(fields["l"]), False, int(fields["o"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FlowError(FlowCode.TOKEN_INVALID, "The continuation token is not valid.") from error


def answer(
    path: str, items: Sequence[dict[str, Any]], query: ListQuery, switches: Switches
) -> dict[str, Any]:
    """Filter, sort and cut a list.

    :param path: path of the collection below the base path, for example ``/flows``.
    :param items: every item, most recent first.
    :raises FlowError: when a filter or the order is invalid.
    """
    found = _select(items, query)
    if query.count:
        return {"count": len(found)}
    end = query.offset + query.limit
    page: dict[str, Any] = {"items": found[query.offset : end]}
    if end < len(found):
        page["_links"] = {
            "next": {"href": f"{path}?continuationToken={quote(query.token_after(end), safe='')}"}
        }
    elif switches.last_page_links == "empty":
        page["_links"] = {}
    return page


def _select(items: Sequence[dict[str, Any]], query: ListQuery) -> list[dict[str, Any]]:
    filters = [Filter.parse(expression) for expression in query.filters]
    found = [item for item in items if all(each.matches(item) for each in filters)]
    orders = Order.parse(query.orderby, _FIELDS) if query.orderby else ()
    # The sort is stable: sorting by the least important field first leaves the most important one in charge.
    for order in reversed(orders):
        found.sort(key=order.key, reverse=order.descending)
    return found
