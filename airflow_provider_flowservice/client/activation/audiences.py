"""Segment definitions and audiences (``/data/core/ups``), each with its own way of paging."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.sender import Sender

PROFILE_SERVICE = "/data/core/ups"
PAGE_LIMIT = 100


class SegmentDefinition(model.Record, frozen=True, kw_only=True):
    """A segment definition (``/segment/definitions``)."""

    id: str
    name: str = ""
    description: str | None = None


class Audience(model.Record, frozen=True, kw_only=True):
    """An audience (``/audiences``): a segment definition, or one that came from elsewhere.

    :param id: AEP's UUID.
    :param audience_id: the id in its own namespace, for external audiences.
    :param type: ``SegmentDefinition`` or ``ExternalSegment``.
    """

    id: str
    audience_id: str | None = None
    name: str = ""
    description: str | None = None
    type: str | None = None
    namespace: str | None = None
    lifecycle_state: str | None = None


class _SegmentPaging(model.Record, frozen=True, kw_only=True):
    total_pages: int = 1


class SegmentPage(model.Record, frozen=True, kw_only=True):
    """A page of segment definitions."""

    segments: tuple[SegmentDefinition, ...] = ()
    page: _SegmentPaging = _SegmentPaging()


class _AudiencePaging(model.Record, frozen=True, kw_only=True):
    next: str | int | None = None


class AudiencePage(model.Record, frozen=True, kw_only=True):
    """A page of audiences; ``page.next`` is the ``start`` of the next one."""

    children: tuple[Audience, ...] = ()
    page: _AudiencePaging = msgspec.field(name="_page", default=_AudiencePaging())


def segment_page(number: int = 0) -> Request[SegmentPage]:
    """A page of segment definitions: ``GET /segment/definitions``.

    :param number: page number, from 0.
    """
    return Request(
        "GET",
        f"{PROFILE_SERVICE}/segment/definitions",
        lambda answer: response.decode(answer, SegmentPage),
        params=(("limit", str(PAGE_LIMIT)), ("page", str(number)), ("sort", "updateTime:desc")),
    )


def audience_page(start: str = "0", *, name: str | None = None) -> Request[AudiencePage]:
    """A page of audiences: ``GET /audiences``.

    :param start: where the page begins, from the page before it.
    :param name: only audiences whose name contains this.
    """
    params = [("start", start), ("limit", str(PAGE_LIMIT))]
    if name is not None:
        params.append(("name", name))
    return Request(
        "GET",
        f"{PROFILE_SERVICE}/audiences",
        lambda answer: response.decode(answer, AudiencePage),
        params=tuple(params),
    )


def iterate_segments(sender: Sender) -> Iterator[SegmentDefinition]:
    """Every segment definition, each once."""
    seen: set[str] = set()
    number, pages = 0, 1
    while number < pages:
        found = sender.send(segment_page(number))
        for segment in found.segments:
            if segment.id not in seen:
                seen.add(segment.id)
                yield segment
        number, pages = number + 1, found.page.total_pages


def iterate_audiences(sender: Sender, *, name: str | None = None) -> Iterator[Audience]:
    """Every audience, each once.

    :param name: only audiences whose name contains this.
    """
    seen: set[str] = set()
    starts: set[str] = set()
    start: str | None = "0"
    while start is not None and start not in starts:
        starts.add(start)
        found = sender.send(audience_page(start, name=name))
        for audience in found.children:
            if audience.id not in seen:
                seen.add(audience.id)
                yield audience
        start = None if found.page.next is None else str(found.page.next)
