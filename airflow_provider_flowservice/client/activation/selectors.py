"""From the segments and attributes that a flow must send to the JSON Patch that brings it there. Pure.

Only additions at ``/-``, replacements of a whole selector and removals in descending order are sent, in one
conditional patch however many there are. Before that, the operations are applied with the jsonpatch library to
the flow as it was read, and the result is compared with what is desired.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from airflow_provider_flowservice.client.activation.schedules import EXPORT_FIELDS
from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.ensure import compare
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.model import (
    Flow,
    Frozen,
    JsonObject,
    Operation,
    Selector,
    SelectorKind,
    member,
)


class ActivationMode(str, Enum):
    """What is done with the segments and attributes that are given."""

    ADD = "add"
    REMOVE = "remove"
    #: The flow ends with exactly these.
    SYNC = "sync"


class DesiredSelectors(Frozen, frozen=True):
    """What a flow must send.

    :param attributes: None leaves the flow's attributes alone in every mode.
    :param settings: those of ``profileMapping``, ``mandatoryFields`` and ``primaryFields`` of file destinations
        that must be set.
    """

    segments: tuple[Segment, ...]
    attributes: tuple[str, ...] | None = ()
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)


class SelectorPatch(Frozen, frozen=True):
    """What has to change in a flow.

    :param operations: the JSON Patch; empty if nothing has to change.
    :param added: ids of segments that are added.
    :param present: ids of given segments that the flow has already, as desired.
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


class Missing(Frozen, frozen=True):
    """What a flow should send and does not."""

    segments: tuple[str, ...]
    attributes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.segments or self.attributes)

    def __str__(self) -> str:
        parts = {"segments": self.segments, "profile attributes": self.attributes}
        return " and ".join(f"{what} {', '.join(keys)}" for what, keys in parts.items() if keys) or "nothing"


def missing(flow: Flow, segments: Iterable[str], attributes: Iterable[str]) -> Missing:
    """Which of the given segment ids and attribute paths a flow does not hold, in the order given."""

    def absent(kind: SelectorKind, keys: Iterable[str]) -> tuple[str, ...]:
        held = {selector.folded for selector in flow.selectors(kind)}
        return tuple(key for key in keys if kind.fold(key) not in held)

    return Missing(absent(SelectorKind.SEGMENT, segments), absent(SelectorKind.ATTRIBUTE, attributes))


def compute_patch(flow: Flow, desired: DesiredSelectors, mode: ActivationMode) -> SelectorPatch:
    """The patch that brings a flow to what is desired and touches nothing else.

    :raises DriftError: if the flow has no place for selectors.
    :raises InvalidInputError: if a segment goes to files and nothing says when.
    """
    selectors = {s.id: s.to_selector() for s in desired.segments}
    segments = _patch_lists(flow, SelectorKind.SEGMENT, selectors, mode)
    if flow.flow_spec.id in specs.FILE_DESTINATION_FLOWS:
        _require_exports(flow, {key: selectors[key] for key in segments.added})
    attributes = _patch_lists(
        flow,
        SelectorKind.ATTRIBUTE,
        {path: _attribute_selector(path) for path in desired.attributes or ()},
        mode if desired.attributes is not None else ActivationMode.ADD,
    )
    settings, set_operations, after = _patch_settings(flow, desired.settings)
    operations = (*segments.operations, *attributes.operations, *set_operations)
    for part in (segments, attributes):
        part.change(after)
    if apply(flow, operations) != after:
        raise DriftError(f"the patch computed for flow {flow.id} does not give the flow that was asked for")
    return SelectorPatch(
        operations=operations,
        added=segments.added,
        present=segments.present,
        changed=segments.changed,
        removed=segments.removed_keys,
        absent=segments.absent,
        attributes_added=attributes.added,
        attributes_removed=attributes.removed_keys,
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


class _ListsPatch(Frozen, frozen=True):
    """What has to change in the lists of selectors of one kind.

    :param first: index of the transformation whose list takes new selectors.
    """

    kind: SelectorKind
    first: int | None = None
    replaced: Sequence[tuple[Selector, JsonObject]] = ()
    removed: Sequence[Selector] = ()
    new: Sequence[JsonObject] = ()
    added: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def removed_keys(self) -> tuple[str, ...]:
        return tuple(selector.key for selector in self.removed)

    @property
    def operations(self) -> Iterator[Operation]:
        # A removal moves what stands behind it, so replacements go first and removals start at the end.
        path = f"/transformations/{{}}/params/{self.kind.value}/selectors/{{}}".format
        for s, document in self.replaced:
            yield Operation(op="replace", path=path(s.index, s.position), value=document)
        for s in reversed(self.removed):
            yield Operation(op="remove", path=path(s.index, s.position), value=s.document)
        for document in self.new:
            yield Operation(op="add", path=path(self.first, "-"), value=document)

    def change(self, transformations: list[Any]) -> None:
        """Change a copy of the transformations without JSON Patch, so that comparing the two is a check."""

        def selectors(index: int) -> list[Any]:
            found: list[Any] = transformations[index]["params"][self.kind.value]["selectors"]
            return found

        for s, document in self.replaced:
            selectors(s.index)[s.position] = document
        for s in reversed(self.removed):
            del selectors(s.index)[s.position]
        if self.first is not None:
            selectors(self.first).extend(self.new)


def _patch_lists(
    flow: Flow, kind: SelectorKind, desired: Mapping[str, JsonObject], mode: ActivationMode
) -> _ListsPatch:
    """Change or remove a selector in the list that holds it, whichever that is; new ones go to the first list."""
    held = list(flow.selectors(kind))
    given = {kind.fold(key): selector for key, selector in desired.items()}
    present = {selector.folded for selector in held}
    missing = tuple(key for key in desired if kind.fold(key) not in present)
    if mode is ActivationMode.REMOVE:
        return _ListsPatch(kind, removed=[s for s in held if s.folded in given], absent=missing)
    first = next((index for index, _ in flow.selector_lists(kind)), None)
    if missing and first is None:
        raise _no_place(flow, kind)
    differing = [s for s in held if s.folded in given and _differs(s.document, given[s.folded])]
    changed = {selector.folded for selector in differing}
    return _ListsPatch(
        kind,
        first,
        replaced=[(s, _merged(s.document, given[s.folded])) for s in differing],
        removed=[s for s in held if s.folded not in given] if mode is ActivationMode.SYNC else (),
        new=[desired[key] for key in missing],
        added=missing,
        present=tuple(key for key in desired if kind.fold(key) in present - changed),
        changed=tuple(key for key in desired if kind.fold(key) in changed),
    )


def _patch_settings(
    flow: Flow, settings: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[Operation, ...], list[Any]]:
    """Mapping set, mandatory and primary fields: what to set, and the transformations with it."""
    after = copy.deepcopy(list(flow.transformations))
    operations: list[Operation] = []
    for name, value in settings.items():
        places = list(_places(name, after))
        if not places:
            raise _no_place(flow, SelectorKind.ATTRIBUTE)
        path, holder = next((place for place in places if name in place[1]), places[0])
        if compare(name, value, holder.get(name), exact=True):
            holder[name] = value
            operations.append(Operation(op="add", path=f"{path}/{name}", value=value))
    changed = tuple(operation.path.rpartition("/")[2] for operation in operations)
    return changed, tuple(operations), after


def _places(name: str, transformations: Sequence[Any]) -> Iterator[tuple[str, JsonObject]]:
    """The object of each transformation in which a setting stands or belongs, with its path."""
    for index, transformation in enumerate(transformations):
        params, path = member(transformation, "params"), f"/transformations/{index}/params"
        if member(transformation, "name") != "GeneralTransform" or not isinstance(params, dict):
            continue
        older = params.get(SelectorKind.ATTRIBUTE.value)
        if name != "profileMapping" and name not in params and isinstance(older, dict):
            # The older generation keeps its fields beside the attributes' selectors.
            yield f"{path}/{SelectorKind.ATTRIBUTE.value}", older
        else:
            yield path, params


def _differs(held: JsonObject, desired: JsonObject) -> bool:
    """Whether export settings are not held as desired; what the server added does not count."""
    old, new = held["value"], desired["value"]
    if "schedule" in new and member(old, "schedule", "endDate") and not member(new, "schedule", "endDate"):
        return True  # Nobody but a user sets an end, so leaving it out means that there must be none.
    return bool(compare("", {name: new[name] for name in EXPORT_FIELDS if name in new}, old))


def _merged(held: JsonObject, desired: JsonObject) -> JsonObject:
    """The whole selector with the desired settings: a partial one would lose the server's fields.

    Its id stays as the flow has it, in upper or lower case.
    """
    value = held["value"]
    return {**held, "value": {**value, **desired["value"], "id": value["id"]}}


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
        " on it. AEP adds it at creation only: recreate the flow with FlowServiceCreateFlowOperator, which sends the"
        " empty lists. A file destination takes its attributes from a mapping set: give profile_mapping."
    )
