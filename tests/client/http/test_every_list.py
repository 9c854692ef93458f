"""What all lists of AEP have in common, however each of them names its next page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_flowservice.client.activation import audiences
from airflow_provider_flowservice.client.datasets import datasets, mapping_sets, schemas
from airflow_provider_flowservice.client.errors import InvalidResponseError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.response import Response

LIMIT = 2
SPEC = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1"}


@dataclass
class Stored:
    """Sends nothing: each request reads the bytes of the next of some responses."""

    bodies: Iterator[Any]

    def __post_init__(self) -> None:
        self.sent: list[dict[str, str]] = []

    def send(self, request: Request[Any]) -> Any:
        self.sent.append(dict(request.params))
        if len(self.sent) > 500:
            raise AssertionError("the list does not end")
        body = json.dumps(next(self.bodies)).encode()
        return request.parse(Response(request.method, request.path, 200, body=body))


@dataclass(frozen=True)
class Listing:
    """A list of AEP.

    :param name: what an error calls it.
    :param read: reads it to its end.
    :param page: the body of a page of ids; ``following`` is the next page's cursor, None on the last page.
    """

    name: str
    read: Callable[[Stored], Iterable[Any]]
    page: Callable[[Sequence[str], str | None], Any]

    def __str__(self) -> str:
        return self.name


def connections(ids: Sequence[str], following: str | None) -> Any:
    link = {"next": {"href": f"/connections?continuationToken={following}"}} if following else {}
    return {"items": [{"id": each, "connectionSpec": SPEC} for each in ids], "_links": link}


def audience_page(ids: Sequence[str], following: str | None) -> Any:
    return {"children": [{"id": each} for each in ids], "_page": {"next": following} if following else {}}


def schema_page(ids: Sequence[str], following: str | None) -> Any:
    return {"results": [{"$id": each} for each in ids], "_page": {"next": following}}


def segment_page(ids: Sequence[str], following: str | None) -> Any:
    return numbered(ids, totalPages=1_000_000 if following else 0)


def numbered(ids: Sequence[str], **page: Any) -> Any:
    return {"segments": [{"id": each} for each in ids], "page": page}


def dataset_page(ids: Sequence[str], _: str | None = None) -> Any:
    return {each: {"name": each} for each in ids}


def mapping_set_page(ids: Sequence[str], _: str | None = None) -> Any:
    return {"data": [{"id": each} for each in ids]}


CONNECTIONS = Listing("base connections", lambda sender: iterate(sender, request.CONNECTIONS), connections)
AUDIENCES = Listing("audiences", audiences.iterate_audiences, audience_page)
SCHEMAS = Listing("schemas", schemas.iterate, schema_page)
SEGMENTS = Listing("segment definitions", audiences.iterate_segments, segment_page)
DATASETS = Listing("datasets", datasets.iterate, dataset_page)
MAPPING_SETS = Listing("mapping sets", mapping_sets.iterate, mapping_set_page)

#: The response names the next page.
WITH_CURSOR = (CONNECTIONS, AUDIENCES, SCHEMAS)
#: A page that is full may have a next one.
BY_OFFSET = (DATASETS, MAPPING_SETS)
EVERY = (*WITH_CURSOR, SEGMENTS, *BY_OFFSET)


def with_each(*lists: Listing) -> Any:
    return pytest.mark.parametrize("listing", lists, ids=str)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (audiences, datasets, mapping_sets, schemas):
        monkeypatch.setattr(module, "PAGE_LIMIT", LIMIT)


def ids(found: Iterable[Any]) -> list[str]:
    return [each.id for each in found]


def unfinished(listing: Listing, sender: Stored) -> tuple[str, list[str]]:
    """The error that reading a list ends with, and the ids that it gave before."""
    found: list[str] = []
    with pytest.raises(InvalidResponseError) as caught:
        found.extend(each.id for each in listing.read(sender))
    assert f"the list of {listing.name}" in str(caught.value)
    assert "its end was not reached" in str(caught.value)
    assert caught.value.method == "GET"
    return str(caught.value), found


@with_each(*WITH_CURSOR)
def test_a_cursor_that_comes_back_is_an_error(listing: Listing) -> None:
    pages = [listing.page([each], cursor) for each, cursor in (("a", "1"), ("b", "2"), ("c", "1"))]
    sender = Stored(itertools.cycle(pages))
    assert "refers to the same page twice" in unfinished(listing, sender)[0]
    assert len(sender.sent) == 3


@with_each(*EVERY)
def test_a_full_page_of_known_items_is_an_error(listing: Listing) -> None:
    """As a service that ignores which page is asked for answers."""
    sender = Stored(listing.page(["a", "b"], str(number)) for number in itertools.count(1))
    message, _ = unfinished(listing, sender)
    assert "repeats a page" in message
    assert len(sender.sent) == 2


@with_each(*WITH_CURSOR, SEGMENTS)
def test_a_short_page_of_known_items_that_names_a_next_one_is_an_error(listing: Listing) -> None:
    later = (listing.page(["b"], str(number)) for number in itertools.count(2))
    sender = Stored(itertools.chain([listing.page(["a", "b"], "1")], later))
    assert "repeats a page" in unfinished(listing, sender)[0]
    assert len(sender.sent) == 2


@with_each(*EVERY)
def test_a_list_that_grows_meanwhile_is_read_to_its_end(listing: Listing) -> None:
    """Each new item moves what follows towards the next page."""
    sender = Stored(
        iter((listing.page(["a", "b"], "1"), listing.page(["b", "c"], "2"), listing.page(["c"], None)))
    )
    assert ids(listing.read(sender)) == ["a", "b", "c"]
    assert len(sender.sent) == 3


@with_each(*WITH_CURSOR, SEGMENTS, MAPPING_SETS)
def test_an_item_that_a_page_holds_twice_is_given_once(listing: Listing) -> None:
    sender = Stored(iter((listing.page(["a", "a"], "1"), listing.page(["b"], None))))
    assert ids(listing.read(sender)) == ["a", "b"]


@with_each(*WITH_CURSOR, SEGMENTS)
def test_empty_pages_without_end_are_an_error(listing: Listing) -> None:
    empty = (listing.page([], str(number)) for number in itertools.count(1))
    sender = Stored(itertools.chain([listing.page(["a"], "0")], empty))
    assert "empty pages in a row" in unfinished(listing, sender)[0]


@with_each(*WITH_CURSOR, SEGMENTS)
def test_some_empty_pages_do_not_end_a_list(listing: Listing) -> None:
    """A service that filters after it cut the pages gives some."""
    found: list[list[str]] = [*[[]] * 60, ["a"], *[[]] * 60]
    pages = [listing.page(each, str(number)) for number, each in enumerate(found)]
    sender = Stored(iter((*pages, listing.page(["b"], None))))
    assert ids(listing.read(sender)) == ["a", "b"]


@with_each(*WITH_CURSOR, SEGMENTS)
def test_a_last_page_that_repeats_a_whole_one_is_an_error(listing: Listing) -> None:
    """A service that ignores the page and still counts right says after as many pages that it was the last."""
    if listing is SEGMENTS:
        sender = Stored(itertools.repeat(numbered(["a", "b"], totalPages=2)))
    else:
        sender = Stored(iter((listing.page(["a", "b"], "1"), listing.page(["a", "b"], None))))
    assert "repeats a page" in unfinished(listing, sender)[0]
    assert len(sender.sent) == 2


@with_each(*EVERY)
def test_an_empty_list_is_one_request(listing: Listing) -> None:
    sender = Stored(iter([listing.page([], None)]))
    assert ids(listing.read(sender)) == []
    assert len(sender.sent) == 1


@pytest.mark.parametrize(
    "page",
    [{}, {"totalPages": 1, "totalCount": 3}, {"totalPages": 2}, {"totalPages": 2, "totalCount": 0}],
    ids=["nothing said", "too few pages", "pages alone", "too small a count"],
)
def test_segment_definitions_end_when_nothing_says_that_there_are_more(page: dict[str, Any]) -> None:
    sender = Stored(iter((numbered(["a", "b"], **page), numbered(["c"], **page))))
    assert ids(audiences.iterate_segments(sender)) == ["a", "b", "c"]
    assert [sent["page"] for sent in sender.sent] == ["0", "1"]
