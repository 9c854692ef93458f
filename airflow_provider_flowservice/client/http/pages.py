"""Whole lists, page by page to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from airflow_provider_flowservice.client.errors import InvalidResponseError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind, Request
from airflow_provider_flowservice.client.http.sender import Sender

T = TypeVar("T")
F = TypeVar("F", bound="Identified")


class Identified(Protocol):
    """What has an id."""

    @property
    def id(self) -> str:
        """The id."""


def iterate(
    sender: Sender, kind: Kind[T], *, filters: Iterable[str] = (), order_by: str | None = None
) -> Iterator[T]:
    """Every resource of a list, each once although the list may change between pages.

    :param filters: ``property`` expressions, all of which must hold.
    :param order_by: field name, with ``-`` in front for descending.
    :raises InvalidResponseError: if AEP names a page that was read already.
    """
    filters = tuple(filters)
    seen: set[str] = set()
    tokens: set[str | None] = set()
    token: str | None = None
    while token not in tokens:
        tokens.add(token)
        page = sender.send(request.page(kind, filters=filters, order_by=order_by, continuation_token=token))
        for item in page.items:
            item_id: str = item.id  # type: ignore[attr-defined]
            if item_id not in seen:
                seen.add(item_id)
                yield item
        token = page.continuation_token
        if token is None:
            return
    raise InvalidResponseError(f"the list of {kind.label}s names a page twice, so its end was not reached")


def iterate_by_offset(
    sender: Sender, page_from: Callable[[int], Request[tuple[F, ...]]], *, page_size: int
) -> Iterator[F]:
    """Every object of a list that has no link to its next page, each once.

    :param page_from: the request for the page that passes over so many objects.
    :param page_size: objects on a full page; the last page is the one that is not full.
    """
    seen: set[str] = set()
    start = 0
    while True:
        found = sender.send(page_from(start))
        for item in found:
            if item.id not in seen:
                seen.add(item.id)
                yield item
        if len(found) < page_size:
            return
        start += len(found)
