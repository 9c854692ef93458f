"""Connections, flows, and the selectors in flows."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_flowservice.client.model.documents import JsonObject, items, member, objects
from airflow_provider_flowservice.client.model.records import Record, Resource
from airflow_provider_flowservice.client.model.specs import SpecRef

if TYPE_CHECKING:
    _Params = JsonObject
    _Transformations = tuple[Any, ...]
else:
    # AEP may show null, which counts as empty.
    _Params = JsonObject | None
    _Transformations = tuple[Any, ...] | None


class Auth(Record, frozen=True, kw_only=True):
    """The part of a base connection's authentication that AEP returns; credentials are masked or missing."""

    spec_name: str = ""
    params: _Params = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.params is None:
            msgspec.structs.force_setattr(self, "params", {})


class BaseConnection(Resource, frozen=True, kw_only=True):
    """The credentials for a system (``/connections``)."""

    connection_spec: SpecRef
    auth: Auth | None = None


class SourceConnection(Resource, frozen=True, kw_only=True):
    """The data that a flow reads (``/sourceConnections``)."""

    connection_spec: SpecRef
    base_connection_id: str | None = None
    data: JsonObject | None = None
    params: JsonObject | None = None


class TargetConnection(SourceConnection, frozen=True, kw_only=True):
    """The place that a flow writes to (``/targetConnections``)."""


class FlowState(StrEnum):
    """The flow states that the provider distinguishes.

    AEP returns other states as well, such as ``updating`` or ``disabling``, and may add more. The state of a resource
    is therefore a string that is compared with these values.
    """

    ENABLED = "enabled"
    DISABLED = "disabled"
    DRAFT = "draft"


class FlowKind(StrEnum):
    """Whether a flow takes data out of AEP or into it."""

    DESTINATION = "destination"
    SOURCE = "source"


class SelectorKind(StrEnum):
    """The kinds of objects that a flow's ``GeneralTransform`` selects."""

    SEGMENT = "segmentSelectors"
    ATTRIBUTE = "profileSelectors"

    def fold(self, key: str) -> str:
        """Return a key in the form used for comparison: UUIDs are case-insensitive, attribute paths are not."""
        return key.lower() if self is SelectorKind.SEGMENT else key


class Selector(Record, frozen=True, kw_only=True):
    """One segment or profile attribute that a flow sends.

    :param kind: the kind of list that contains it.
    :param key: segment id, or path of the attribute.
    :param index: index of the transformation that contains it.
    :param position: index in the list of that transformation.
    :param document: the JSON object in the flow.
    """

    kind: SelectorKind
    key: str
    index: int
    position: int
    document: JsonObject

    @property
    def folded(self) -> str:
        """The key in the form used for comparison."""
        return self.kind.fold(self.key)

    @property
    def uuid(self) -> str:
        """AEP's id of the segment; the key of an external audience is an id in its own namespace."""
        return str(member(self.document, "value", "systemSegmentId") or self.key)


class _NotShown(tuple[Any, ...]):
    """The transformations of a flow that AEP does not show: it leaves them out, or has null in their place."""

    __slots__ = ()


class Flow(Resource, frozen=True, kw_only=True):
    """A dataflow (``/flows``).

    :param transformations: as returned by AEP. Patches are computed against this document; malformed parts of it are
        ignored. AEP may leave them out of lists; see :attr:`shows_transformations`.
    :param inherited_attributes: what AEP shows of the flow's connections; malformed parts of it are ignored.
    :param last_operation: the last change; malformed parts of it are ignored.
    """

    flow_spec: SpecRef
    source_connection_ids: tuple[str, ...] = ()
    target_connection_ids: tuple[str, ...] = ()
    transformations: _Transformations = msgspec.field(default_factory=_NotShown)
    schedule_params: JsonObject | None = None
    inherited_attributes: Any = None
    last_operation: Any = None

    def __post_init__(self) -> None:
        if self.transformations is None:
            msgspec.structs.force_setattr(self, "transformations", _NotShown())

    @property
    def shows_transformations(self) -> bool:
        """Whether AEP has returned the transformations, even if empty. Otherwise, a read by id shows them."""
        return not isinstance(self.transformations, _NotShown)

    @property
    def has_completed_change(self) -> bool:
        """Whether AEP says that it has completed the last change, which it processes after its response."""
        return bool(member(self.last_operation, "status", "value") == "completed")

    @property
    def kind(self) -> FlowKind | None:
        """Whether it is a flow to a destination or from a source; None if AEP does not show it."""
        properties = member(self.inherited_attributes, "properties")
        flags = {"isDestinationFlow": FlowKind.DESTINATION, "isSourceFlow": FlowKind.SOURCE}
        return next((kind for flag, kind in flags.items() if member(properties, flag) is True), None)

    @property
    def base_connection_ids(self) -> dict[str, str]:
        """Ids of the base connections, by id of source or target connection, as far as AEP shows them."""
        ends = (
            end
            for side in ("sourceConnections", "targetConnections")
            for end in objects(self.inherited_attributes, side)
        )
        ids = ((end.get("id"), member(end, "baseConnection", "id")) for end in ends)
        return {end: base for end, base in ids if isinstance(end, str) and base and isinstance(base, str)}

    @property
    def source_spec_ids(self) -> tuple[str, ...]:
        """Ids of the connection specs of the source connections, as far as AEP shows them."""
        sources = items(member(self.inherited_attributes, "sourceConnections"))
        ids = (member(source, "connectionSpec", "id") for source in sources)
        return tuple(spec_id for spec_id in ids if isinstance(spec_id, str))

    def selector_lists(self, kind: SelectorKind) -> Iterator[tuple[int, list[Any]]]:
        """The selector lists of one kind, each with the index of the transformation that contains it."""
        for index, transformation in enumerate(self.transformations):
            selectors = member(transformation, "params", kind.value, "selectors")
            if isinstance(selectors, list):
                yield index, selectors

    def selectors(self, kind: SelectorKind) -> Iterator[Selector]:
        """The selectors of one kind in all transformations, in the order of the flow."""
        name = "id" if kind is SelectorKind.SEGMENT else "path"
        for index, selectors in self.selector_lists(kind):
            for position, document in enumerate(selectors):
                key = member(document, "value", name)
                if key and isinstance(key, str):
                    yield Selector(kind=kind, key=key, index=index, position=position, document=document)
