"""What a list request asks for: read from its query, from the body of a search, or from an opaque token."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_plus

from starlette.datastructures import QueryParams

from airflow_provider_flowservice.emulator.errors import ApiError, PlatformError
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, invalid
from airflow_provider_flowservice.emulator.json_body import check_shape, read_json
from airflow_provider_flowservice.emulator.settings import Switches

MAX_LIMIT = 100
_MAX_SEARCH_LIMIT = 1000
_MAX_DIGITS = 18
_PARAMETERS = frozenset({"property", "orderby", "limit", "count", "continuationToken"})
_TOKEN = {"f": [str], "s": str, "l": int, "o": int}
_SEARCH_FIELDS = {"queryString": str, "limit": int, "orderby": str, "count": bool, "projectionFields": str}


@dataclass(frozen=True)
class ListQuery:
    """The query of a list request.

    :param offset: how many items of the sorted result were on earlier pages.
    """

    filters: tuple[str, ...]
    orderby: str
    limit: int
    count: bool
    offset: int

    @classmethod
    def parse(cls, params: QueryParams, switches: Switches) -> ListQuery:
        """Read the query parameters. A continuation token holds those of its first page.

        :raises FlowError: if a parameter is unknown or a value is out of range.
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
            number("limit", params.get("limit"), switches.default_page_size, 1, MAX_LIMIT),
            count,
            0,
        )

    @classmethod
    def of_search(cls, body: Any, params: QueryParams, switches: Switches) -> ListQuery:
        """Read the body of a search.

        Its fields are documented, but not what ``queryString`` holds. Here, it is the query of the list: filters that
        are joined by ``&``, with or without ``property=`` before each. That limit and count exclude each other is
        documented for lists.

        :param params: may have the token of a later page, which holds what the body of the first one asked for.
        :raises FlowError: if a field is unknown, of another type or out of range.
        :raises PlatformError: 501 for ``groupByProperty``, which is documented of flow specs by its name alone.
        """
        if unknown := sorted(set(params) - {"continuationToken"}):
            raise FlowError(FlowCode.UNKNOWN_PARAMETER, f"Unknown query parameter {unknown[0]}.")
        if not isinstance(body, dict):
            raise FlowError(FlowCode.EMPTY_BODY, "The request body must be an object.")
        if "groupByProperty" in body:
            raise PlatformError(501, "NotImplementedError", "The emulator does not group by groupByProperty.")
        if unknown := sorted(set(body) - set(_SEARCH_FIELDS)):
            raise invalid(f"The field {unknown[0]} is unknown.")
        check_shape(body, _SEARCH_FIELDS, invalid)
        if (token := params.get("continuationToken")) is not None:
            return _read_token(token)
        count, limit = body.get("count", False), body.get("limit")
        if count and limit is not None:
            raise FlowError(FlowCode.LIMIT_WITH_COUNT, "The fields limit and count cannot be combined.")
        if limit is not None and not 1 <= limit <= _MAX_SEARCH_LIMIT:
            raise FlowError(
                FlowCode.LIMIT_INVALID, f"The limit must be from 1 to {_MAX_SEARCH_LIMIT}, not {limit}."
            )
        texts = (unquote_plus(part) for part in body.get("queryString", "").split("&") if part)
        return cls(
            tuple(text.removeprefix("property=") for text in texts),
            body.get("orderby", ""),
            switches.default_page_size if limit is None else limit,
            count,
            0,
        )

    def counts_alone(self, switches: Switches) -> bool:
        """Return whether the response is a count without items."""
        return self.count and switches.count_response == "count"

    def with_limit(self, limit: int) -> ListQuery:
        """Return the same query with another page size."""
        return replace(self, limit=limit)

    def token_after(self, offset: int, form: str) -> str:
        """Return the opaque token of the page that starts at an offset.

        :param form: ``plain``, or ``padded``: it ends in ``=``.
        """
        text = json.dumps({"f": self.filters, "s": self.orderby, "l": self.limit, "o": offset})
        if form == "plain":
            return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        # Spaces at the end of JSON mean nothing; one or two of them make the base64 form need its padding.
        while len(text.encode()) % 3 == 0:
            text += " "
        return base64.urlsafe_b64encode(text.encode()).decode()


def number(name: str, text: str | None, default: int, minimum: int, maximum: int) -> int:
    """Read a number from a query.

    :param name: what the error says of it.
    :raises FlowError: if it is not a number, or is out of range.
    """
    if text is None:
        return default
    # Python reads no more than some thousand digits.
    if not text.isdecimal() or len(text) > _MAX_DIGITS or not minimum <= int(text) <= maximum:
        raise FlowError(
            FlowCode.LIMIT_INVALID, f"The {name} must be a number from {minimum} to {maximum}, not {text!r}."
        )
    return int(text)


def _read_token(token: str) -> ListQuery:
    try:
        fields = read_json(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        check_shape(fields, _TOKEN)
        filters, orderby, limit, offset = (fields[name] for name in _TOKEN)
        if limit not in range(1, _MAX_SEARCH_LIMIT + 1) or offset not in range(10**_MAX_DIGITS):
            raise ValueError("it is for a page that no list has")
        return ListQuery(tuple(filters), orderby, limit, False, offset)
    except (ApiError, ValueError, KeyError) as error:
        raise FlowError(FlowCode.TOKEN_INVALID, "The continuation token is not valid.") from error
