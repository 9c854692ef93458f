"""From the segments and attributes that a flow shall send to the JSON Patch that makes it so. Pure.

Only additions at ``/-`` are sent, one guarded patch however many there are. Before that, the operations are
applied with the jsonpatch library to the flow as it was read, and the result is compared with what is wanted.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.model import Flow, JsonObject, Operation, SelectorKind

#: Without these empty lists a flow can never activate anything: a patch needs the parents of its path.
EMPTY_GENERAL_TRANSFORM: JsonObject = {
    "name": "GeneralTransform",
    "params": {kind.value: {"selectors": []} for kind in (SelectorKind.ATTRIBUTE, SelectorKind.SEGMENT)},
}


@dataclass(frozen=True)
class Segment:
    """A segment to activate.

    :param id: UUID of the segment definition.
    :param name: shown in AEP's user interface.
    :param description: shown in AEP's user interface.
    """

    id: str
    name: str | None = None
    description: str | None = None

    def to_selector(self) -> JsonObject:
        """The selector that stands for this segment in a flow."""
        value = {"id": self.id, "name": self.name, "description": self.description}
        return {"type": "PLATFORM_SEGMENT", "value": {k: v for k, v in value.items() if v is not None}}


@dataclass(frozen=True)
class Plan:
    """What has to change in a flow.

    :param operations: the JSON Patch; empty when nothing is missing.
    :param segments_added: ids of the segments that the patch adds.
    :param segments_present: ids of the wanted segments that the flow has already.
    :param attributes_added: paths of the profile attributes that the patch adds.
    """

    operations: tuple[Operation, ...]
    segments_added: tuple[str, ...]
    segments_present: tuple[str, ...]
    attributes_added: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """What a flow should send and does not."""

    segments: tuple[str, ...]
    attributes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.segments or self.attributes)

    def __str__(self) -> str:
        parts = []
        if self.segments:
            parts.append(f"segments {', '.join(self.segments)}")
        if self.attributes:
            parts.append(f"profile attributes {', '.join(self.attributes)}")
        return " and ".join(parts) or "nothing"

    def to_json(self) -> dict[str, list[str]]:
        """As a trigger's event carries it."""
        return {"segments": list(self.segments), "attributes": list(self.attributes)}

    @classmethod
    def from_json(cls, document: Mapping[str, Sequence[str]]) -> Missing:
        """Read what :meth:`to_json` wrote."""
        return cls(tuple(document["segments"]), tuple(document["attributes"]))


def read_segments(segments: Iterable[str | Mapping[str, Any]]) -> tuple[Segment, ...]:
    """Check segments as a user gives them: ids, or mappings with ``id`` and maybe ``name``, ``description``.

    A segment given twice counts once.

    :raises InvalidInputError: if an id is no UUID or a mapping has another key.
    """
    _require_list("segments", segments, "Give a list of segment ids.")
    found: dict[str, Segment] = {}
    for position, entry in enumerate(segments):
        segment = _read_segment(entry, f"segments[{position}]")
        found.setdefault(segment.id, segment)
    return tuple(found.values())


def read_attributes(attributes: Iterable[str]) -> tuple[str, ...]:
    """Check profile attribute paths such as ``person.name.firstName``; one given twice counts once.

    :raises InvalidInputError: if one is empty or no text.
    """
    _require_list("profile_attributes", attributes, "Give a list of attribute paths.")
    found: dict[str, None] = {}
    for position, path in enumerate(attributes):
        if not isinstance(path, str) or not path.strip():
            raise InvalidInputError(
                f"profile_attributes[{position}]",
                f"{path!r} is no path",
                "Write one such as person.lastName.",
            )
        found[path] = None
    return tuple(found)


def missing(flow: Flow, segments: Iterable[str], attributes: Iterable[str]) -> Missing:
    """Which of the wanted segment ids and attribute paths a flow does not hold, in the order given."""
    held = _held(flow, SelectorKind.SEGMENT)
    paths = _held(flow, SelectorKind.ATTRIBUTE)
    return Missing(
        segments=tuple(s for s in segments if s.lower() not in held),
        attributes=tuple(a for a in attributes if a not in paths),
    )


def plan_addition(flow: Flow, segments: Sequence[Segment], attributes: Sequence[str]) -> Plan:
    """The patch that adds what is missing and touches nothing else.

    :raises DriftError: if the flow has no place for selectors.
    """
    lacking = missing(flow, (s.id for s in segments), attributes)
    by_id = {s.id: s for s in segments}
    index = _transformation_index(flow, lacking)
    operations = tuple(
        Operation(op="add", path=_append_path(index, SelectorKind.SEGMENT), value=by_id[s].to_selector())
        for s in lacking.segments
    ) + tuple(
        Operation(op="add", path=_append_path(index, SelectorKind.ATTRIBUTE), value=_attribute_selector(a))
        for a in lacking.attributes
    )
    _check(flow, operations, _with_additions(flow, index, operations))
    return Plan(
        operations=operations,
        segments_added=lacking.segments,
        segments_present=tuple(s.id for s in segments if s.id not in lacking.segments),
        attributes_added=lacking.attributes,
    )


def apply(flow: Flow, operations: Sequence[Operation]) -> list[JsonObject]:
    """The flow's transformations after a patch, as RFC 6902 has it. The flow is left alone."""
    import jsonpatch

    document = {"transformations": copy.deepcopy(list(flow.transformations))}
    patched = jsonpatch.apply_patch(document, [operation.to_json() for operation in operations])
    result: list[JsonObject] = patched["transformations"]
    return result


def _require_list(field: str, values: object, remedy: str) -> None:
    # A template that found nothing gives None, and one that is not rendered natively gives a text.
    if isinstance(values, str):
        raise InvalidInputError(field, f"{values!r} is one text", remedy)
    if not isinstance(values, Iterable):
        raise InvalidInputError(field, f"{values!r} is no list", remedy)


def _read_segment(entry: object, where: str) -> Segment:
    if not isinstance(entry, (str, Mapping)):
        raise InvalidInputError(
            where, f"{entry!r} is no segment id", "Give the UUID that AEP shows for the segment."
        )
    fields = {"id": entry} if isinstance(entry, str) else dict(entry)
    unknown = sorted(set(fields) - {"id", "name", "description"})
    if unknown:
        raise InvalidInputError(
            where, f"has the unknown key {unknown[0]!r}", "Known are id, name and description."
        )
    segment_id = fields.get("id")
    try:
        if not isinstance(segment_id, str):
            raise ValueError("no text")
        canonical = str(uuid.UUID(segment_id))
    except ValueError:
        raise InvalidInputError(
            where, f"{segment_id!r} is no segment id", "Give the UUID that AEP shows for the segment."
        ) from None
    return Segment(canonical, fields.get("name"), fields.get("description"))


def _held(flow: Flow, kind: SelectorKind) -> frozenset[str]:
    keys = (selector.key for selector in flow.selectors(kind))
    return frozenset(key.lower() if kind is SelectorKind.SEGMENT else key for key in keys)


def _transformation_index(flow: Flow, lacking: Missing) -> int:
    needed = [
        kind
        for kind, keys in (
            (SelectorKind.SEGMENT, lacking.segments),
            (SelectorKind.ATTRIBUTE, lacking.attributes),
        )
        if keys
    ]
    for index in range(len(flow.transformations)):
        if all(_selector_list(flow.transformations, index, kind) is not None for kind in needed):
            return index
    raise DriftError(
        f"flow {flow.id} ({flow.name!r}) has no transformation with {' and '.join(k.value for k in needed)},"
        " so nothing can be activated on it. AEP adds it at creation only: create the flow anew with"
        " FlowServiceCreateFlowOperator, which sends the empty lists."
    )


def _selector_list(
    transformations: Sequence[JsonObject], index: int, kind: SelectorKind
) -> list[JsonObject] | None:
    holder = (transformations[index].get("params") or {}).get(kind.value)
    selectors = holder.get("selectors") if isinstance(holder, dict) else None
    return selectors if isinstance(selectors, list) else None


def _append_path(index: int, kind: SelectorKind) -> str:
    return f"/transformations/{index}/params/{kind.value}/selectors/-"


def _attribute_selector(path: str) -> JsonObject:
    return {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": path}}


def _with_additions(flow: Flow, index: int, operations: Sequence[Operation]) -> list[JsonObject]:
    """What the flow shall look like, made without JSON Patch so that the check is one."""
    desired = copy.deepcopy(list(flow.transformations))
    for kind in SelectorKind:
        values = [o.value for o in operations if o.path == _append_path(index, kind)]
        selectors = _selector_list(desired, index, kind) if values else None
        if selectors is not None:
            selectors.extend(values)
    return desired


def _check(flow: Flow, operations: Sequence[Operation], desired: list[JsonObject]) -> None:
    if apply(flow, operations) != desired:
        raise DriftError(f"the patch computed for flow {flow.id} does not give the flow that was asked for")
