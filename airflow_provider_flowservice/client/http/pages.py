"""Reading of complete lists, page by page. This is the only module that decides where a list ends.

A list whose end is not reached is an error, never a shorter list: otherwise a search could miss an existing object, and
a create would create a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.errors import InvalidResponseError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender

T = TypeVar("T")

#: Whether an object that cannot be read could be one that is looked for.
CouldBe = Callable[[model.Unreadable], bool]

#: Maximum number of consecutive empty pages. An empty page that refers to a next one is not the end: a service that
#: filters after splitting the list into pages returns empty pages. 100 pages represent 10,000 resources without a
#: match, which is more than a sandbox contains; without a limit, a faulty service would be read forever.
MAX_EMPTY_PAGES = 100


def could_be(name: str) -> CouldBe:
    """Return whether an object that cannot be read could have a name."""
    return lambda unreadable: unreadable.name is None or unreadable.name == name


def could_be_any(_: model.Unreadable) -> bool:
    """Whether an object that cannot be read could be the one that is looked for, if nothing tells them apart."""
    return True


def could_be_none(_: model.Unreadable) -> bool:
    """Whether an object that cannot be read could be the one that is looked for, if none is."""
    return False


def pages(
    sender: Sender,
    name: str,
    page_at: Callable[[str | None], Request[model.Page[T]]],
    needed: CouldBe = could_be_none,
) -> Iterator[T]:
    """Yield all items of a list, each id once. A page is only requested when the previous items have been consumed.

    A page may repeat items if it also contains new ones: if a list grows between two requests, its items move to later
    pages. A page without new items must be the last one and must be shorter than a full page; otherwise the service
    ignores the cursor.

    :param name: name of the items in error messages, in the plural.
    :param page_at: returns the request for the page at a cursor; None is the first page.
    :param needed: which of the objects that cannot be read are an error; the others are skipped.
    :raises InvalidResponseError: if the end of the list cannot be reached, or an object is needed and cannot be read.
    """
    reading = Reading(name, page_at)
    while asked := reading.next():
        yield from reading.take(send_for_page(sender, asked, needed))


class Reading(Generic[T]):
    """What has been read of a list, without any input or output; see :func:`pages`.

    :param name: name of the items in error messages, in the plural.
    :param page_at: returns the request for the page at a cursor; None is the first page.
    """

    def __init__(self, name: str, page_at: Callable[[str | None], Request[model.Page[T]]]) -> None:
        self._name = name
        self._page_at = page_at
        self._asked: Request[model.Page[T]] | None = page_at(None)
        #: Why the page after the last one cannot be read.
        self._problem = ""
        self._seen: set[str] = set()
        self._cursors: set[str] = set()
        self._longest = self._empty = 0

    def next(self) -> Request[model.Page[T]] | None:
        """Return the request for the next page; None at the end of the list.

        :raises InvalidResponseError: if the end of the list cannot be reached.
        """
        if self._asked and self._problem:
            raise _unfinished(self._asked, self._name, self._problem)
        return self._asked

    def take(self, page: model.Page[T]) -> list[T]:
        """Return the items of a page that no page before has had."""
        new = {item.id: item for item in page.items if item.id not in self._seen}  # type: ignore[attr-defined]
        skipped = {each.id or each.problem for each in page.unreadable} - self._seen
        self._seen.update(new, skipped)
        cursor = page.next_cursor
        size = len(page.items) + len(page.unreadable)
        self._empty = 0 if size else self._empty + 1
        if size and not new and not skipped and (cursor is not None or size == self._longest):
            self._problem = "repeats a page"
        elif cursor is None:
            self._asked = None
        elif self._empty > MAX_EMPTY_PAGES:
            self._problem = f"has {self._empty} empty pages in a row"
        elif cursor in self._cursors:
            self._problem = "refers to the same page twice"
        else:
            self._cursors.add(cursor)
            self._longest = max(self._longest, size)
            self._asked = self._page_at(cursor)
        return list(new.values())


def send_for_page(sender: Sender, asked: Request[model.Page[T]], needed: CouldBe) -> model.Page[T]:
    """Send the request for a page.

    :raises InvalidResponseError: if an object on the page is needed and cannot be read.
    """
    page = sender.send(asked)
    for unreadable in filter(needed, page.unreadable):
        raise InvalidResponseError(
            f"{unreadable}. It could be what is looked for, so nothing is done. Check it in AEP; if it is not needed,"
            " delete it or give it another name.",
            method=asked.method,
            path=asked.path,
        )
    return page


def iterate(
    sender: Sender,
    kind: Kind[T],
    *,
    filters: Iterable[str] = (),
    order_by: str | None = None,
    needed: CouldBe = could_be_none,
) -> Iterator[T]:
    """Yield all resources of a kind (``GET /{kind}``), with :func:`pages`.

    :param filters: ``property`` expressions; resources must match all of them.
    :param order_by: field name, prefixed with ``-`` for descending order.
    :param needed: which of the objects that cannot be read are an error; the others are skipped.
    """
    filters = tuple(filters)
    return pages(
        sender,
        f"{kind.label}s",
        lambda token: request.page(kind, filters=filters, order_by=order_by, continuation_token=token),
        needed,
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
