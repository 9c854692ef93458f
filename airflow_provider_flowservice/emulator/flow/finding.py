"""Lists of resources: each list renders what is on its page, and finds it by index as far as it can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from airflow_provider_flowservice.emulator.flow.listing import (
    Filter,
    Selection,
    only,
    page_response,
    texts_at,
)
from airflow_provider_flowservice.emulator.flow.queries import ListQuery
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.flow.shelf import ByAge, Texts, newest_first
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource

#: Fewer resources than these are looked at one by one.
_FEW = 100


def list_resources(
    renderer: Renderer,
    kind: Kind,
    path: str,
    query: ListQuery,
    within: tuple[Filter, ...] = (),
    fields: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Filter, sort and paginate the resources of a kind.

    :param path: path of the list below the base path, for example ``/flows``.
    :param within: what the path itself asks for.
    :param fields: the top-level fields that items have; all by default.
    :raises FlowError: if a filter or the order is invalid.
    """
    switches = renderer.sandbox.world.switches
    selection = Selection.parse(query, switches, of_runs=kind is Kind.RUNS)
    groups, rest = _narrowed(renderer, kind, within + selection.filters)
    hidden = renderer.sandbox.world.hidden_from_lists()
    counts_alone = query.counts_alone(switches)
    if counts_alone and len(groups) == 1 and not rest and not hidden:
        return {"count": len(groups[0])}
    found: Iterator[Resource] = (
        each
        for each in newest_first(groups)
        if each.id not in hidden and all(one.matches(renderer.part(each, one.field)) for one in rest)
    )
    if counts_alone:
        return {"count": sum(1 for _ in found)}
    total = {}
    if query.count or not selection.is_newest_first:
        everything = list(found)
        selection.sort(everything, renderer.part)
        found = iter(everything)
        total = {"count": len(everything)} if query.count else {}
    page = list(islice(found, query.offset, query.offset + query.limit + 1))
    items = _shown(renderer, kind, page[: query.limit], fields)
    return {**page_response(path, items, len(page) > query.limit, query, switches), **total}


def _shown(
    renderer: Renderer, kind: Kind, page: Sequence[Resource], fields: frozenset[str]
) -> Sequence[object]:
    switches = renderer.sandbox.world.switches
    hidden = {"transformations"} if kind is Kind.FLOWS and switches.list_selectors == "omitted" else set()
    if not fields and not hidden:
        return [renderer.text(each) for each in page]
    items = map(renderer.item, page)
    return [only((fields or item.keys()) - hidden, item) for item in items]


def _narrowed(
    renderer: Renderer, kind: Kind, filters: Sequence[Filter]
) -> tuple[list[ByAge[Resource]], list[Filter]]:
    """Return the fewest resources that an index gives for one of some filters, and the other filters."""
    store, switches = FlowStore.of(renderer.sandbox), renderer.sandbox.world.switches
    shelf = store.shelf(kind)
    groups, used = [shelf.by_age], None
    # What time changes takes the most effort to keep in an index.
    for each in sorted(filters, key=lambda each: renderer.follows_clock(kind, each.field)):
        if store.lags or sum(map(len, groups)) < _FEW:
            break
        if each.operator == "==" and renderer.looks_alike(kind, each.field):
            if each.path == "id":
                found = [shelf.some(each.values)]
            else:
                found = shelf.having(each.path, each.values, _texts_of(renderer, each), switches)
            if sum(map(len, found)) <= sum(map(len, groups)):
                groups, used = found, each
    return groups, [each for each in filters if each is not used]


def _texts_of(renderer: Renderer, condition: Filter) -> Texts[Resource]:
    field, path = condition.field, condition.path

    def texts_of(resource: Resource) -> tuple[Iterator[str], bool]:
        return texts_at(renderer.part(resource, field), path), renderer.is_settled(resource, field)

    return texts_of
