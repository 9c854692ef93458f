"""Whole lists, page by page to the end: the one place that knows when a list has ended.

A list whose end was not reached is never taken for a shorter one: "there is none" would then be wrong, and a create
would make a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import InvalidResponseError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender

T = TypeVar("T")

#: So many empty pages in a row are read. An empty page that names a next one is not the end: a service that filters
#: after it has cut the list into pages gives some. 100 of them stand for 10,000 resources without a match, which is
#: more than a sandbox holds; without a limit, a service that goes on like that would be asked forever.
MAX_EMPTY_PAGES = 100


def pages(sender: Sender, name: str, page_at: Callable[[str | None], Request[model.Page[T]]]) -> Iterator[T]:
    """Every item of a list, each id once. The next page is read when the items before it are used up.

    Items may come again as long as something new comes with them: when a list grows between two requests, its items
    move towards the later pages. A page on which every item is known may only be the last one, and must be shorter than
    a full page; anything else comes from a service that ignores which page it is asked for.

    :param name: what the list holds, for messages.
    :param page_at: the request for the page at a cursor; None is the first page.
    :raises InvalidResponseError: if the pages do not lead to an end.
    """
    seen: set[str] = set()
    cursors: set[str] = set()
    cursor: str | None = None
    longest = empty = 0
    while True:
        asked = page_at(cursor)
        page = sender.send(asked)
        new = {item.id: item for item in page.items if item.id not in seen}  # type: ignore[attr-defined]
        yield from new.values()
        seen.update(new)
        cursor = page.next_cursor
        empty = 0 if page.items else empty + 1
        if page.items and not new and (cursor is not None or len(page.items) == longest):
            raise _unfinished(asked, name, "repeats a page")
        if cursor is None:
            return
        if empty > MAX_EMPTY_PAGES:
            raise _unfinished(asked, name, f"has {empty} empty pages in a row")
        if cursor in cursors:
            raise _unfinished(asked, name, "names a page twice")
        cursors.add(cursor)
        longest = max(longest, len(page.items))


def iterate(
    sender: Sender, kind: Kind[T], *, filters: Iterable[str] = (), order_by: str | None = None
) -> Iterator[T]:
    """Every resource of a kind (``GET /{kind}``), as :func:`pages` reads it.

    :param filters: ``property`` expressions, all of which must hold.
    :param order_by: field name, with ``-`` in front for descending.
    """
    filters = tuple(filters)
    return pages(
        sender,
        f"{kind.label}s",
        lambda token: request.page(kind, filters=filters, order_by=order_by, continuation_token=token),
    )


def next_offset(start: str | None, found: int, page_limit: int) -> str | None:
    """The cursor of a list that only counts its items: where the page after this one begins.

    :param start: where this page began.
    :param found: how many items it holds; the last page is the one that is not full.
    """
    return str(int(start or 0) + found) if found >= page_limit else None


def _unfinished(asked: Request[Any], name: str, problem: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"{asked.method} {asked.path}: the list of {name} {problem}, so its end was not reached. Try again; the list is"
        " then read from its beginning.",
        method=asked.method,
        path=asked.path,
    )
