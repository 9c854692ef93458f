"""Reading of complete lists, page by page. This is the only module that decides where a list ends.

A list whose end is not reached is an error, never a shorter list: otherwise a search could miss an existing object, and
a create would create a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import InvalidResponseError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender

T = TypeVar("T")

#: Maximum number of consecutive empty pages. An empty page that refers to a next one is not the end: a service that
#: filters after splitting the list into pages returns empty pages. 100 pages represent 10,000 resources without a
#: match, which is more than a sandbox contains; without a limit, a faulty service would be read forever.
MAX_EMPTY_PAGES = 100


def pages(sender: Sender, name: str, page_at: Callable[[str | None], Request[model.Page[T]]]) -> Iterator[T]:
    """Yield all items of a list, each id once. A page is only requested when the previous items have been consumed.

    A page may repeat items if it also contains new ones: if a list grows between two requests, its items move to later
    pages. A page without new items must be the last one and must be shorter than a full page; otherwise the service
    ignores the cursor.

    :param name: name of the items in error messages, in the plural.
    :param page_at: returns the request for the page at a cursor; None is the first page.
    :raises InvalidResponseError: if the end of the list cannot be reached.
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
            raise _unfinished(asked, name, "refers to the same page twice")
        cursors.add(cursor)
        longest = max(longest, len(page.items))


def iterate(
    sender: Sender, kind: Kind[T], *, filters: Iterable[str] = (), order_by: str | None = None
) -> Iterator[T]:
    """Yield all resources of a kind (``GET /{kind}``), with :func:`pages`.

    :param filters: ``property`` expressions; resources must match all of them.
    :param order_by: field name, prefixed with ``-`` for descending order.
    """
    filters = tuple(filters)
    return pages(
        sender,
        f"{kind.label}s",
        lambda token: request.page(kind, filters=filters, order_by=order_by, continuation_token=token),
    )


def next_offset(start: str | None, found: int, page_limit: int) -> str | None:
    """Return the cursor of the next page of a list that is paged by offset; None after the last page.

    :param start: offset of this page, as a string; None for 0.
    :param found: number of items on this page; a page that is not full is the last one.
    """
    return str(int(start or 0) + found) if found >= page_limit else None


def _unfinished(asked: Request[Any], name: str, problem: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"{asked.method} {asked.path}: the list of {name} {problem}, so its end was not reached. Try again: the list is"
        " then read from the beginning.",
        method=asked.method,
        path=asked.path,
    )
