"""The collections that the page in the browser shows, each in pages and with a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_flowservice.emulator.catalog.store import Dataset, DatasetStore
from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.control_api import cards
from airflow_provider_flowservice.emulator.dataprep.store import MappingSet, MappingStore
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.flow.runs import start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.selectors import segment_ids
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.masking import masked
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.segmentation.store import Segment, SegmentStore
from airflow_provider_flowservice.emulator.world import Sandbox

#: A search looks at no more than these before other requests have their turn.
SEARCHED = 2_000


@dataclass(frozen=True)
class Collection:
    """How the page shows one kind of resource.

    :param newest: returns some resources after as many others, most recent first: sandbox, offset, count.
    :param count: their number.
    :param find: returns a resource by its id, or None.
    :param words: what a search looks at.
    :param line: what a list shows.
    :param detail: what is shown of one resource.
    :param body: the resource as AEP shows it, about, with secrets masked.
    """

    newest: Callable[[Sandbox, int, int], Sequence[Any]]
    count: Callable[[Sandbox], int]
    find: Callable[[Sandbox, str], Any]
    words: Callable[[Sandbox, Any], Iterable[object]]
    line: Callable[[Renderer, Any], dict[str, Any]]
    detail: Callable[[Renderer, Any], dict[str, Any]]
    body: Callable[[Renderer, Any], Any]

    def page(self, renderer: Renderer, offset: int, limit: int, search: str) -> dict[str, Any]:
        """Return ``items``, ``total`` of the collection, and the offset of the ``next`` page, or None.

        A page of a search may have few items, or none, and still not be the last one.
        """
        sandbox, wanted, items = renderer.sandbox, search.casefold(), []
        start_scheduled_runs(sandbox)
        position = offset
        for one in self.newest(sandbox, offset, SEARCHED if search else limit):
            position += 1
            if not search or _has(self.words(sandbox, one), wanted):
                items.append(self.line(renderer, one))
                if len(items) == limit:
                    break
        total = self.count(sandbox)
        return {"items": items, "total": total, "next": position if position < total else None}


def _has(words: Iterable[object], wanted: str) -> bool:
    return any(wanted in str(word).casefold() for word in words)


def _flow_words(sandbox: Sandbox, flow: Resource) -> Iterable[object]:
    yield from (flow.body.get("name"), flow.id, flow.state.value)
    segments = SegmentStore.of(sandbox)
    for segment_id in segment_ids(flow.body):
        found = segments.find(segment_id)
        yield from (segment_id, found.name if found else "")


def _run_words(sandbox: Sandbox, run: Resource) -> Iterable[object]:
    flow = FlowStore.of(sandbox).find(Kind.FLOWS, run.body["flowId"])
    return (run.id, run.body["flowId"], flow.body.get("name") if flow else "")


def _connection_words(sandbox: Sandbox, connection: Resource) -> Iterable[object]:  # noqa: ARG001
    return (connection.body.get("name"), connection.id)


def _of_flow_service(
    kind: Kind,
    words: Callable[[Sandbox, Resource], Iterable[object]],
    line: Callable[[Renderer, Resource], dict[str, Any]],
    detail: Callable[[Renderer, Resource], dict[str, Any]],
) -> Collection:
    return Collection(
        lambda sandbox, offset, count: FlowStore.of(sandbox).shelf(kind).by_age.newest(offset, count),
        lambda sandbox: len(FlowStore.of(sandbox).shelf(kind).by_age),
        lambda sandbox, one_id: FlowStore.of(sandbox).find(kind, one_id),
        words,
        line,
        detail,
        lambda renderer, one: masked(renderer.item(one)),
    )


def _of_list(
    everything: Callable[[Sandbox], Sequence[Any]],
    find: Callable[[Sandbox, str], Any],
    line: Callable[[Renderer, Any], dict[str, Any]],
    body: Callable[[Any], Any],
) -> Collection:
    """Return the collection of a service that has few resources.

    :param everything: returns them, oldest first.
    """

    def newest(sandbox: Sandbox, offset: int, count: int) -> Sequence[Any]:
        return everything(sandbox)[::-1][offset : offset + count]

    def words(sandbox: Sandbox, one: Any) -> Iterable[object]:
        shown = line(Renderer(sandbox, "", mask=True), one)
        return (shown["id"], shown["name"])

    return Collection(
        newest, lambda sandbox: len(everything(sandbox)), find, words, line, line, lambda _, one: body(one)
    )


def _schema(renderer: Renderer, schema: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    metadata = schema["meta:registryMetadata"]
    return {
        "kind": "schemas",
        "id": schema["$id"],
        "name": schema["title"],
        "created": iso(metadata["repo:createdDate"] / 1000),
        "version": schema["version"],
        "profile": "union" in schema.get("meta:immutableTags", ()),
    }


def _dataset(renderer: Renderer, dataset: Dataset) -> dict[str, Any]:
    reference = dataset.body.get("schemaRef")
    schema = SchemaStore.of(renderer.sandbox).find(
        reference.get("id") if isinstance(reference, dict) else None
    )
    return {
        "kind": "datasets",
        "id": dataset.id,
        "name": dataset.body.get("name") or "",
        "created": iso(dataset.created_at / 1000),
        "schema": {"kind": "schemas", "id": schema["$id"], "name": schema["title"]} if schema else None,
    }


def _mapping_set(renderer: Renderer, mapping_set: MappingSet) -> dict[str, Any]:
    latest = mapping_set.versions[-1]
    schema = SchemaStore.of(renderer.sandbox).find(latest.schema_id)
    return {
        "kind": "mappingSets",
        "id": mapping_set.id,
        "name": latest.body.get("name") or "",
        "created": iso(mapping_set.created_at / 1000),
        "version": latest.number,
        "mappings": len(latest.mappings),
        "schema": {"kind": "schemas", "id": schema["$id"], "name": schema["title"]} if schema else None,
    }


def _mapping_body(mapping_set: MappingSet) -> Any:
    latest = mapping_set.versions[-1]
    return masked({**latest.body, "mappings": [each.as_json() for each in latest.mappings]})


def _segment(renderer: Renderer, segment: Segment) -> dict[str, Any]:  # noqa: ARG001
    return {
        "kind": "segments",
        "id": segment.id,
        "name": segment.name,
        "created": iso(segment.created_at / 1000),
        "rule": segment.expression,
    }


_connections = {
    kind.value: _of_flow_service(kind, _connection_words, cards.connection_line, cards.connection_detail)
    for kind in (Kind.CONNECTIONS, Kind.SOURCE_CONNECTIONS, Kind.TARGET_CONNECTIONS)
}

#: Every collection by the name in its address, in the order in which the page names them.
COLLECTIONS: dict[str, Collection] = {
    "flows": _of_flow_service(Kind.FLOWS, _flow_words, cards.flow_card, cards.flow_detail),
    "runs": _of_flow_service(Kind.RUNS, _run_words, cards.run_line, cards.run_line),
    **_connections,
    "schemas": _of_list(
        lambda sandbox: SchemaStore.of(sandbox).all("tenant", "schemas"),
        lambda sandbox, one_id: SchemaStore.of(sandbox).find(one_id),
        _schema,
        masked,
    ),
    "datasets": _of_list(
        lambda sandbox: DatasetStore.of(sandbox).all(),
        lambda sandbox, one_id: DatasetStore.of(sandbox).find(one_id),
        _dataset,
        lambda dataset: masked(dataset.body),
    ),
    "mappingSets": _of_list(
        lambda sandbox: MappingStore.of(sandbox).all(),
        lambda sandbox, one_id: MappingStore.of(sandbox).find(one_id),
        _mapping_set,
        _mapping_body,
    ),
    "segments": _of_list(
        lambda sandbox: SegmentStore.of(sandbox).all(),
        lambda sandbox, one_id: SegmentStore.of(sandbox).find(one_id),
        _segment,
        asdict,
    ),
}
