"""Segment definitions and audiences (``/data/core/ups``). The two lists use different kinds of paging."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.flows import with_transformations
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.pages import CouldBe, could_be_none, pages
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.http.response import Response
from airflow_provider_flowservice.client.model import Page, member

PROFILE_SERVICE = "/data/core/ups"
#: Items per page. A large page saves requests; 100 is also the maximum of the Flow Service lists.
PAGE_LIMIT = 100


class SegmentDefinition(model.Record, frozen=True, kw_only=True):
    """A segment definition (``/segment/definitions``)."""

    id: model.Id
    name: str = ""
    description: str | None = None


class Audience(model.Record, frozen=True, kw_only=True):
    """An audience (``/audiences``): a segment definition, or an external audience.

    :param id: AEP's UUID.
    :param audience_id: id in the namespace of the audience, for external audiences.
    :param type: ``SegmentDefinition`` or ``ExternalSegment``.
    """

    id: model.Id
    audience_id: str | None = None
    name: str = ""
    description: str | None = None
    type: str | None = None
    namespace: str | None = None
    lifecycle_state: str | None = None


class ActiveSegment(model.Frozen, frozen=True):
    """A segment that is active on a flow.

    :param id: UUID of a segment definition, or the id of an external audience in its own namespace.
    :param uuid: AEP's UUID.
    :param name: its name; None if AEP has no such audience.
    """

    id: str
    uuid: str
    name: str | None


class _SegmentPaging(model.Record, frozen=True, kw_only=True):
    total_pages: int = 0
    total_count: int = 0


class _SegmentPage(model.Record, frozen=True, kw_only=True):
    segments: tuple[msgspec.Raw, ...]
    page: _SegmentPaging = _SegmentPaging()


class _AudiencePaging(model.Record, frozen=True, kw_only=True):
    next: str | int | None = None


class _AudiencePage(model.Record, frozen=True, kw_only=True):
    children: tuple[msgspec.Raw, ...]
    page: _AudiencePaging = msgspec.field(name="_page", default=_AudiencePaging())


def segment_page(number: str | None = None) -> Request[Page[SegmentDefinition]]:
    """Return the request for a page of segment definitions: ``GET /segment/definitions``.

    :param number: page number, from 0.
    """
    following = int(number or 0) + 1

    def parse(received: Response) -> Page[SegmentDefinition]:
        found = response.decode(received, _SegmentPage)
        # AEP returns the numbers of pages and of items, but one of them may be wrong. The list therefore ends only when
        # both say so; if AEP returns neither, a full page may be followed by another one.
        more = following < found.page.total_pages or following * PAGE_LIMIT < found.page.total_count
        if found.page == _SegmentPaging():
            more = len(found.segments) >= PAGE_LIMIT
        return response.page_of(
            received, SegmentDefinition, found.segments, next_cursor=str(following) if more else None
        )

    params = (("limit", str(PAGE_LIMIT)), ("page", number or "0"), ("sort", "updateTime:desc"))
    return Request("GET", f"{PROFILE_SERVICE}/segment/definitions", parse, params=params)


def audience_page(start: str | None = None, *, name: str | None = None) -> Request[Page[Audience]]:
    """Return the request for a page of audiences: ``GET /audiences``.

    :param start: cursor returned with the previous page.
    :param name: return only audiences whose name contains this string.
    """

    def parse(received: Response) -> Page[Audience]:
        found = response.decode(received, _AudiencePage)
        following = found.page.next
        cursor = None if following is None else str(following)
        return response.page_of(received, Audience, found.children, next_cursor=cursor)

    params = [("start", start or "0"), ("limit", str(PAGE_LIMIT))]
    if name is not None:
        params.append(("name", name))
    return Request("GET", f"{PROFILE_SERVICE}/audiences", parse, params=tuple(params))


def iterate_segments(sender: Sender) -> Iterator[SegmentDefinition]:
    """Yield all segment definitions, each of them once."""
    return pages(sender, "segment definitions", segment_page)


def iterate_audiences(
    sender: Sender, *, name: str | None = None, needed: CouldBe = could_be_none
) -> Iterator[Audience]:
    """Yield all audiences, each of them once.

    :param name: return only audiences whose name contains this string.
    :param needed: which of the objects that cannot be read are an error; the others are skipped.
    """
    return pages(sender, "audiences", lambda start: audience_page(start, name=name), needed)


def active_segments(sender: Sender, flow: model.Flow) -> tuple[ActiveSegment, ...]:
    """Return the segments that are active on a flow, in its order and each of them once.

    A flow from a list that does not show its selectors is read by its id (``GET /flows/{id}``).
    Names that the flow does not contain are looked up in one pass over all audiences, which ends as soon as all of them
    are found (``GET /audiences``, one call per 100 audiences; no call if the flow contains all names).
    """
    kind = model.SelectorKind.SEGMENT
    flow = with_transformations(sender, flow)
    active = {selector.folded: selector for selector in flow.selectors(kind)}.values()
    named = ((each, member(each.document, "value", "name")) for each in active)
    names = {kind.fold(each.uuid): name for each, name in named if isinstance(name, str)}
    missing = {kind.fold(each.uuid) for each in active} - {uuid for uuid, name in names.items() if name}
    audiences = iterate_audiences(sender) if missing else iter(())
    for audience in audiences:
        uuid = kind.fold(audience.id)
        if uuid in missing:
            names[uuid] = audience.name
            missing.remove(uuid)
        if not missing:
            break
    return tuple(
        ActiveSegment(each.key, each.uuid, names.get(kind.fold(each.uuid)) or None) for each in active
    )
