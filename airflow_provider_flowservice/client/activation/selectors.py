"""From the segments and attributes that a flow shall send to the JSON Patch that makes it so. Pure.

Only additions at ``/-``, replacements of a whole selector and removals in descending order are sent, in one
guarded patch however many there are. Before that, the operations are applied with the jsonpatch library to
the flow as it was read, and the result is compared with what is wanted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from airflow_provider_flowservice.client.activation.schedules import EXPORT_FIELDS
from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.model import Flow, JsonObject, Operation, SelectorKind


class ActivationMode(str, Enum):
    """What is done with the segments and attributes that are given."""

    ADD = "add"
    REMOVE = "remove"
    #: The flow ends with exactly these.
    SYNC = "sync"


@dataclass(frozen=True)
class DesiredSelectors:
    """What a flow shall send.

    :param attributes: None leaves the flow's attributes alone in every mode.
    :param settings: ``profileMapping``, ``mandatoryFields``, ``primaryFields`` of file destinations, those
        that are to be set.
    """

    segments: tuple[Segment, ...]
    attributes: tuple[str, ...] | None = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SelectorPatch:
    """What has to change in a flow.

    :param operations: the JSON Patch; empty when nothing has.
    :param added: ids of segments that are added.
    :param present: ids of given segments that the flow has already, as they are wanted.
    :param changed: ids of segments whose schedule or file name is changed in place.
    :param removed: ids of segments that are removed.
    :param absent: ids of segments to remove that the flow does not have.
    :param before: the transformations as they are.
    :param after: the transformations as the patch makes them.
    """

    operations: tuple[Operation, ...]
    added: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    attributes_added: tuple[str, ...] = ()
    attributes_removed: tuple[str, ...] = ()
    settings_changed: tuple[str, ...] = ()
    before: Sequence[JsonObject] = ()
    after: Sequence[JsonObject] = ()

    def __str__(self) -> str:
        parts = {
            "add segments": self.added,
            "change segments": self.changed,
            "remove segments": self.removed,
            "add attributes": self.attributes_added,
            "remove attributes": self.attributes_removed,
            "set": self.settings_changed,
        }
        return "; ".join(f"{what} {', '.join(keys)}" for what, keys in parts.items() if keys) or "nothing"


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


def missing(flow: Flow, segments: Iterable[str], attributes: Iterable[str]) -> Missing:
    """Which of the wanted segment ids and attribute paths a flow does not hold, in the order given."""
    held = {_fold(SelectorKind.SEGMENT, s.key) for s in flow.selectors(SelectorKind.SEGMENT)}
    paths = {s.key for s in flow.selectors(SelectorKind.ATTRIBUTE)}
    return Missing(
        segments=tuple(s for s in segments if _fold(SelectorKind.SEGMENT, s) not in held),
        attributes=tuple(a for a in attributes if a not in paths),
    )


def compute_patch(flow: Flow, wanted: DesiredSelectors, mode: ActivationMode) -> SelectorPatch:
    """The patch that brings a flow to what is wanted and touches nothing else.

    :raises DriftError: if the flow has no place for selectors.
    :raises InvalidInputError: if a segment goes to files and nothing says when.
    """
    selectors = {s.id: s.to_selector() for s in wanted.segments}
    segments = _plan_list(flow, SelectorKind.SEGMENT, selectors, mode)
    if flow.flow_spec.id in specs.FILE_DESTINATION_FLOWS:
        _require_exports(flow, {key: selectors[key] for key in segments.added})
    attributes = _plan_list(
        flow,
        SelectorKind.ATTRIBUTE,
        {path: _attribute_selector(path) for path in wanted.attributes or ()},
        mode if wanted.attributes is not None else ActivationMode.ADD,
    )
    settings, set_operations, after = _plan_settings(flow, wanted.settings)
    operations = (*segments.operations, *attributes.operations, *set_operations)
    for part in (segments, attributes):
        part.put_into(after)
    if apply(flow, operations) != after:
        raise DriftError(f"the patch computed for flow {flow.id} does not give the flow that was asked for")
    return SelectorPatch(
        operations=operations,
        added=segments.added,
        present=segments.present,
        changed=segments.changed,
        removed=segments.removed,
        absent=segments.absent,
        attributes_added=attributes.added,
        attributes_removed=attributes.removed,
        settings_changed=settings,
        before=flow.transformations,
        after=after,
    )


def apply(flow: Flow, operations: Sequence[Operation]) -> list[JsonObject]:
    """The flow's transformations after a patch, as RFC 6902 has it. The flow is left alone."""
    import jsonpatch

    document = {"transformations": copy.deepcopy(list(flow.transformations))}
    patched = jsonpatch.apply_patch(document, [operation.to_json() for operation in operations])
    result: list[JsonObject] = patched["transformations"]
    return result


@dataclass(frozen=True)
class _ListPlan:
    """What has to change in one list of selectors."""

    kind: SelectorKind
    index: int | None
    operations: tuple[Operation, ...]
    result: list[JsonObject]
    added: tuple[str, ...]
    present: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    absent: tuple[str, ...]

    def put_into(self, transformations: list[JsonObject]) -> None:
        """Set the list in a copy of the transformations, made without JSON Patch so that the check is one."""
        if self.index is not None and self.operations:
            transformations[self.index]["params"][self.kind.value]["selectors"] = self.result


def _plan_list(
    flow: Flow, kind: SelectorKind, wanted: Mapping[str, JsonObject], mode: ActivationMode
) -> _ListPlan:
    index, held = _find_list(flow, kind)
    by_key = {_fold(kind, _key(kind, selector)): selector for selector in held}
    known = {_fold(kind, key) for key in wanted}
    present = tuple(key for key in wanted if _fold(kind, key) in by_key)
    added = tuple(key for key in wanted if _fold(kind, key) not in by_key)
    drop = {
        ActivationMode.ADD: set[str](),
        ActivationMode.REMOVE: known,
        ActivationMode.SYNC: set(by_key) - known,
    }[mode]
    changes = (
        {}
        if mode is ActivationMode.REMOVE
        else {
            _fold(kind, key): _merged(by_key[_fold(kind, key)], wanted[key])
            for key in present
            if _differs(by_key[_fold(kind, key)], wanted[key])
        }
    )
    new = [] if mode is ActivationMode.REMOVE else [wanted[key] for key in added]
    if (new or drop & set(by_key)) and index is None:
        raise _no_place(flow, kind)
    result: list[JsonObject] = []
    replacements: list[Operation] = []
    removals: list[Operation] = []
    for position, selector in enumerate(held):
        key = _fold(kind, _key(kind, selector))
        path = f"/transformations/{index}/params/{kind.value}/selectors/{position}"
        if key in drop:
            removals.append(Operation(op="remove", path=path, value=selector))
        elif key in changes:
            replacements.append(Operation(op="replace", path=path, value=changes[key]))
            result.append(changes[key])
        else:
            result.append(selector)
    append = f"/transformations/{index}/params/{kind.value}/selectors/-"
    additions = [Operation(op="add", path=append, value=selector) for selector in new]
    return _ListPlan(
        kind=kind,
        index=index,
        operations=(*replacements, *reversed(removals), *additions),
        result=[*result, *new],
        added=() if mode is ActivationMode.REMOVE else added,
        present=()
        if mode is ActivationMode.REMOVE
        else tuple(k for k in present if _fold(kind, k) not in changes),
        changed=tuple(k for k in present if _fold(kind, k) in changes),
        removed=tuple(_key(kind, s) for s in held if _fold(kind, _key(kind, s)) in drop),
        absent=added if mode is ActivationMode.REMOVE else (),
    )


def _plan_settings(
    flow: Flow, settings: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[Operation, ...], list[JsonObject]]:
    """Mapping set, mandatory and primary fields: where the flow's generation keeps them, and what to set."""
    after = copy.deepcopy(list(flow.transformations))
    index = next((i for i, t in enumerate(after) if t.get("name") == "GeneralTransform"), None)
    changed: list[str] = []
    operations: list[Operation] = []
    for name, value in settings.items():
        params = None if index is None else after[index].get("params")
        if not isinstance(params, dict):
            raise _no_place(flow, SelectorKind.ATTRIBUTE)
        holder: JsonObject = params
        path = f"/transformations/{index}/params"
        older = holder.get(SelectorKind.ATTRIBUTE.value)
        if name != "profileMapping" and name not in holder and isinstance(older, dict):
            # The older generation keeps its fields beside the attributes' selectors.
            holder, path = older, f"{path}/{SelectorKind.ATTRIBUTE.value}"
        if not _is_same(holder.get(name), value):
            holder[name] = value
            changed.append(name)
            operations.append(Operation(op="add", path=f"{path}/{name}", value=value))
    return tuple(changed), tuple(operations), after


def _find_list(flow: Flow, kind: SelectorKind) -> tuple[int | None, list[JsonObject]]:
    for index, transformation in enumerate(flow.transformations):
        holder = (transformation.get("params") or {}).get(kind.value)
        selectors = holder.get("selectors") if isinstance(holder, dict) else None
        if isinstance(selectors, list):
            return index, selectors
    return None, []


def _key(kind: SelectorKind, selector: JsonObject) -> str:
    value = selector.get("value") or {}
    return str((value.get("id") if kind is SelectorKind.SEGMENT else value.get("path")) or "")


def _fold(kind: SelectorKind, key: str) -> str:
    """UUIDs are the same in either case, attribute paths are not."""
    return key.lower() if kind is SelectorKind.SEGMENT else key


def _differs(held: JsonObject, wanted: JsonObject) -> bool:
    """Whether the wanted export settings are held otherwise; what the server added does not count."""
    old, new = held.get("value") or {}, wanted["value"]
    ends, shall_end = ((each.get("schedule") or {}).get("endDate") for each in (old, new))
    if "schedule" in new and ends and not shall_end:
        return True  # Nobody but a user sets an end, so leaving it out means that there shall be none.
    return any(not _covers(old.get(name), new[name]) for name in EXPORT_FIELDS if name in new)


def _covers(held: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(held, Mapping):
        return all(_covers(held.get(key), value) for key, value in wanted.items())
    return bool(held == wanted)


def _is_same(held: Any, wanted: Any) -> bool:
    """Whether a setting is held as wanted; AEP shows the number of a mapping's version as a text."""
    if isinstance(wanted, Mapping) and isinstance(held, Mapping):
        return held.keys() == wanted.keys() and all(_is_same(held[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(held, list):
        return len(held) == len(wanted) and all(map(_is_same, held, wanted))
    return bool(held == wanted or (held is not None and str(held) == str(wanted)))


def _merged(held: JsonObject, wanted: JsonObject) -> JsonObject:
    """The whole selector with the wanted settings: a partial one would lose the server's fields.

    Its id stays as the flow has it, in whichever case of letters.
    """
    value = held.get("value") or {}
    return {**held, "value": {**value, **wanted["value"], "id": value.get("id")}}


def _attribute_selector(path: str) -> JsonObject:
    return {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": path}}


def _require_exports(flow: Flow, added: Mapping[str, JsonObject]) -> None:
    for key, selector in added.items():
        if "schedule" not in selector["value"]:
            raise InvalidInputError(
                "segments",
                f"{key} has no exportMode and schedule, and flow {flow.id} exports files",
                'Give {"id": ..., "exportMode": ..., "schedule": {...}}.',
            )


def _no_place(flow: Flow, kind: SelectorKind) -> DriftError:
    return DriftError(
        f"flow {flow.id} ({flow.name!r}) has no transformation with {kind.value}, so nothing can be activated"
        " on it. AEP adds it at creation only: create the flow anew with FlowServiceCreateFlowOperator, which"
        " sends the empty lists. A file destination takes its attributes from a mapping set: give profile_mapping."
    )
