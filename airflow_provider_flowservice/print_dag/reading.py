"""Reading of flows and what they refer to. Only reads are sent, and what several flows share is read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from airflow_provider_flowservice.client import (
    CONNECTION_SPECS,
    CONNECTIONS,
    FLOW_SPECS,
    FLOWS,
    SOURCE_CONNECTIONS,
    TARGET_CONNECTIONS,
    Flow,
    FlowKind,
    SelectorKind,
    specs,
)
from airflow_provider_flowservice.client.activation import Audience
from airflow_provider_flowservice.client.datasets import MappingSet, get_mapping_set
from airflow_provider_flowservice.client.errors import NotFoundError, PermissionDeniedError
from airflow_provider_flowservice.client.flows import FlowSource
from airflow_provider_flowservice.client.http import Kind, Request, get
from airflow_provider_flowservice.client.model import (
    BaseConnection,
    ConnectionSpec,
    FlowSpec,
    Resource,
    SourceConnection,
    SpecRef,
    TargetConnection,
    objects,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.print_dag.model import Constant

T = TypeVar("T")
R = TypeVar("R", bound=Resource)
SPEC = TypeVar("SPEC", ConnectionSpec, FlowSpec)

#: The constants of ``client.specs``, by their values.
_CONSTANTS = {value: name for name, value in vars(specs).items() if name.isupper() and isinstance(value, str)}
#: What the operator for mapping sets sends, and what AEP adds.
_OF_MAPPING_SETS = {"name", "outputSchema", "xdmSchema", "xdmVersion", "mappings"}
_OF_MAPPINGS = {"source", "destination", "sourceAttribute", "destinationXdmPath", "sourceType"}
_ADDED = {
    "id",
    "version",
    "createdDate",
    "createdBy",
    "modifiedDate",
    "modifiedBy",
    "imsOrgId",
    "sandboxName",
}


class Reader:
    """Reads from one sandbox.

    :param hook: sends the requests.
    """

    def __init__(self, hook: FlowServiceHook) -> None:
        self._hook = hook
        self.sandbox = hook.settings.sandbox
        self._held: dict[tuple[str, str], Any] = {}
        self._specs: dict[str, dict[str, Any]] = {}
        self._audiences: Iterator[Audience] | None = None
        self._names: dict[str, str] = {}
        #: Whether this credential may read the names of segments.
        self.may_read_names = True

    def flow(self, flow_id: str) -> Flow:
        """Return a flow (``GET /flows/{id}``).

        :raises NotFoundError: if it does not exist.
        """
        return self._hook.get(FLOWS, flow_id)

    def flows(self, kind: FlowKind | None) -> list[Flow]:
        """Return all flows of a kind, as lists show them (``GET /flows``, one call per 100 flows)."""
        return list(self._hook.flows(kind=kind))

    def read_lists(self) -> None:
        """Read all connections from lists (one call per 100 of them), so that no flow needs a call for its own."""
        kinds: tuple[Kind[Any], ...] = (CONNECTIONS, SOURCE_CONNECTIONS, TARGET_CONNECTIONS)
        for kind in kinds:
            for each in self._hook.iterate(kind):
                if _is_complete(each):
                    self._held[kind.path, each.id.lower()] = each

    def completed(self, flow: Flow) -> Flow:
        """Return a flow from a list, which is read by its id if the list may have left something out."""
        shown = [each.lower() for each in flow.source_spec_ids]
        is_source = bool(shown) and FlowSource.of(*shown) is FlowSource.SYSTEM
        selectors = any(True for kind in SelectorKind for _ in flow.selectors(kind))
        if flow.transformations and (is_source or selectors):
            return flow
        return self.flow(flow.id)

    def base_connection(self, connection_id: str) -> BaseConnection | None:
        """Return a base connection (``GET /connections/{id}``); None if it does not exist."""
        return self._get(CONNECTIONS, connection_id)

    def source_connection(self, connection_id: str) -> SourceConnection | None:
        """Return a source connection (``GET /sourceConnections/{id}``); None if it does not exist."""
        return self._get(SOURCE_CONNECTIONS, connection_id)

    def target_connection(self, connection_id: str) -> TargetConnection | None:
        """Return a target connection (``GET /targetConnections/{id}``); None if it does not exist."""
        return self._get(TARGET_CONNECTIONS, connection_id)

    def mapping_set(self, mapping_set_id: str) -> tuple[MappingSet | None, tuple[str, ...]]:
        """Return a mapping set (``GET /mappingSets/{id}``), and the names of what no operator sets of it.

        :returns: None as the mapping set if it does not exist.
        """
        request = get_mapping_set(mapping_set_id)
        with_rest = Request(
            request.method,
            request.path,
            lambda received: (request.parse(received), _not_set(msgspec.json.decode(received.body))),
        )
        return self._once("mappingSets", mapping_set_id, with_rest) or (None, ())

    def connection_spec(self, reference: SpecRef) -> ConnectionSpec | None:
        """Return a connection spec (``GET /connectionSpecs``); None if the catalog does not have it."""
        return self._catalog(CONNECTION_SPECS).get(reference.id.lower())

    def flow_spec(self, reference: SpecRef) -> FlowSpec | None:
        """Return a flow spec (``GET /flowSpecs``); None if the catalog does not have it."""
        return self._catalog(FLOW_SPECS).get(reference.id.lower())

    def name_of_spec(self, kind: Kind[Any], reference: SpecRef) -> tuple[str | Constant, str]:
        """Return what an operator finds a spec by, and a note about it; empty if its name says it.

        It is the name in the catalog if no other spec has it, otherwise the id.
        """
        catalog = self._catalog(kind)
        spec = catalog.get(reference.id.lower())
        name = spec.name if spec else ""
        constant = _CONSTANTS.get(reference.id.lower())
        is_unique = bool(name.strip()) and sum(each.name == name for each in catalog.values()) == 1
        # A name that looks like an id would be taken for one.
        if is_unique and name.lower() not in catalog and name != "None":
            return name, ""
        if constant:
            return Constant(constant, reference.id), ""
        return reference.id, name and f"The {kind.label} {name!r}."

    def segment_names(self, flow: Flow) -> Mapping[str, str]:
        """Return the names of the segments that are active on a flow, by AEP's id in lower case.

        Those that the flow does not show are looked up (``GET /audiences``, one call per 100 audiences, until all are
        found). A segment that AEP does not have any more has no name.
        """
        for selector in flow.selectors(SelectorKind.SEGMENT):
            name = selector.document["value"].get("name")
            if name and isinstance(name, str):
                self._names.setdefault(selector.uuid.lower(), name)
        wanted = {selector.uuid.lower() for selector in flow.selectors(SelectorKind.SEGMENT)}
        self._find_names(wanted - self._names.keys())
        return {each: self._names[each] for each in wanted & self._names.keys()}

    def _find_names(self, missing: set[str]) -> None:
        if not missing or not self.may_read_names:
            return
        if self._audiences is None:
            self._audiences = self._hook.iterate_audiences()
        try:
            for audience in self._audiences:
                self._names.setdefault(audience.id.lower(), audience.name)
                missing.discard(audience.id.lower())
                if not missing:
                    break
        except PermissionDeniedError:
            self.may_read_names = False

    def _catalog(self, kind: Kind[SPEC]) -> dict[str, SPEC]:
        if kind.path not in self._specs:
            self._specs[kind.path] = {spec.id.lower(): spec for spec in self._hook.iterate(kind)}
        return self._specs[kind.path]

    def _get(self, kind: Kind[R], resource_id: str) -> R | None:
        return self._once(kind.path, resource_id, get(kind, resource_id))

    def _once(self, path: str, resource_id: str, request: Request[T]) -> T | None:
        key = (path, resource_id.lower())
        if key not in self._held:
            try:
                self._held[key] = self._hook.send(request)
            except NotFoundError:
                self._held[key] = None
        found: T | None = self._held[key]
        return found


def _is_complete(listed: BaseConnection | SourceConnection) -> bool:
    """Whether a connection in a list shows its settings, which a list may leave out."""
    return (listed.auth if isinstance(listed, BaseConnection) else listed.params) is not None


def _not_set(mapping_set: Any) -> tuple[str, ...]:
    """Return the names of what a mapping set has and the operator does not send; empty values do not count."""
    rest = {name for name, value in mapping_set.items() if value and name not in _OF_MAPPING_SETS | _ADDED}
    for each in objects(mapping_set, "mappings"):
        rest |= {
            f"mappings.{name}" for name, value in each.items() if value and name not in _OF_MAPPINGS | _ADDED
        }
    return tuple(sorted(rest))
