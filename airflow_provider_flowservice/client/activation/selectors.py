"""Computation of the JSON Patch that brings the selectors of a flow to a desired state. All functions are pure.

A patch consists of additions at ``/-``, replacements of whole selectors, and removals in descending order; all changes
go into one conditional patch. Before it is sent, it is applied to the flow as read, with the jsonpatch library, and the
result is compared with the desired state.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from airflow_provider_flowservice.client.activation.schedules import EXPORT_FIELDS
from airflow_provider_flowservice.client.activation.segments import Segment
from airflow_provider_flowservice.client.ensure import compare
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows import missing_transformation, patch_settings
from airflow_provider_flowservice.client.model import (
    Flow,
    Frozen,
    JsonObject,
    Operation,
    Selector,
    SelectorKind,
    member,
)
from airflow_provider_flowservice.client.text import titled


class ActivationMode(StrEnum):
    """What an activation does with the given segments and attributes."""

    ADD = "add"
    REMOVE = "remove"
    #: Add the given ones and remove all others.
    SYNC = "sync"


class DesiredSelectors(Frozen, frozen=True):
    """The desired selectors of a flow.

    :param attributes: paths of profile attributes; None leaves the attributes of the flow unchanged in every mode.
    :param settings: values for ``profileMapping``, ``mandatoryFields`` and ``primaryFields`` of a file destination;
        missing ones are left unchanged.
    """

    segments: tuple[Segment, ...]
    attributes: tuple[str, ...] | None = ()
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)


class SelectorPatch(Frozen, frozen=True):
    """The changes that bring a flow to the desired state.

    :param operations: the JSON Patch; empty if there is nothing to change.
    :param added: ids of segments to add.
    :param present: ids of given segments that the flow already has in the desired state.
    :param changed: ids of segments whose schedule or file name is changed in place.
    :param removed: ids of segments to remove.
    :param absent: ids of segments that should be removed but that the flow does not have.
    :param names: names of segments, as far as the flow or the user has named them, by id in the form used for
        comparison.
    :param before: the current transformations.
    :param after: the transformations after the patch.
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
    names: Mapping[str, str] = msgspec.field(default_factory=dict)
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

    def title(self, segment_id: str) -> str:
        """Return the name, if it is known, and the id of a segment for the log."""
        return titled("segment", self.names.get(SelectorKind.SEGMENT.fold(segment_id)), segment_id)

    def repeats(self, sent: SelectorPatch) -> bool:
        """Whether something that an earlier patch changed is still to be changed.

        What others have added since is not, even if a sync would remove it: they came after the earlier patch.
        """
        removed = (*self.removed, *self.attributes_removed)
        again = set(removed).intersection((*sent.removed, *sent.attributes_removed))
        return bool(self.added or self.changed or self.attributes_added or self.settings_changed or again)


def compute_patch(flow: Flow, desired: DesiredSelectors, mode: ActivationMode) -> SelectorPatch:
    """Compute the patch that brings a flow to the desired state and changes nothing else.

    :raises DriftError: if the flow has no list for the selectors.
    """
    selectors = {s.id: s.to_selector() for s in desired.segments}
    segments = _patch_lists(flow, SelectorKind.SEGMENT, selectors, mode)
    attributes = _patch_lists(
        flow,
        SelectorKind.ATTRIBUTE,
        {path: _attribute_selector(path) for path in desired.attributes or ()},
        mode if desired.attributes is not None else ActivationMode.ADD,
    )
    set_operations, after = patch_settings(flow, desired.settings)
    operations = (*segments.operations, *attributes.operations, *set_operations)
    for part in (segments, attributes):
        part.change(after)
    if apply(flow, operations) != after:
        raise DriftError(
            f"the patch computed for flow {flow.id} does not lead to the desired state: report this bug"
        )
    return SelectorPatch(
        operations=operations,
        added=segments.added,
        present=segments.present,
        changed=segments.changed,
        removed=segments.removed_keys,
        absent=segments.absent,
        attributes_added=attributes.added,
        attributes_removed=attributes.removed_keys,
        settings_changed=tuple(operation.path.rpartition("/")[2] for operation in set_operations),
        names=_names(flow, selectors),
        before=flow.transformations,
        after=after,
    )


def _names(flow: Flow, given: Mapping[str, JsonObject]) -> dict[str, str]:
    kind = SelectorKind.SEGMENT
    documents = [(s.folded, s.document) for s in flow.selectors(kind)]
    documents += [(kind.fold(key), selector) for key, selector in given.items()]
    named = ((key, member(document, "value", "name")) for key, document in documents)
    return {key: name for key, name in named if name and isinstance(name, str)}


def apply(flow: Flow, operations: Sequence[Operation]) -> list[JsonObject]:
    """Return the flow's transformations after a JSON Patch (RFC 6902). The flow itself is not changed."""
    import jsonpatch

    document = {"transformations": copy.deepcopy(list(flow.transformations))}
    patched = jsonpatch.apply_patch(document, [operation.to_json() for operation in operations])
    result: list[JsonObject] = patched["transformations"]
    return result


class _ListsPatch(Frozen, frozen=True):
    """The changes to the selector lists of one kind.

    :param first: index of the transformation to whose list new selectors are added.
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
        # A removal shifts the elements behind it, so replacements come first and removals start at the end of a list.
        path = f"/transformations/{{}}/params/{self.kind.value}/selectors/{{}}".format
        for s, document in self.replaced:
            yield Operation(op="replace", path=path(s.index, s.position), value=document)
        for s in reversed(self.removed):
            yield Operation(op="remove", path=path(s.index, s.position), value=s.document)
        for document in self.new:
            yield Operation(op="add", path=path(self.first, "-"), value=document)

    def change(self, transformations: list[Any]) -> None:
        """Apply the changes to a copy of the transformations without JSON Patch, to verify the patch against it."""

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
    """Compute changes and removals in whichever list contains a selector; new selectors go to the first list."""
    held = list(flow.selectors(kind))
    given = {kind.fold(key): selector for key, selector in desired.items()}
    present = {selector.folded for selector in held}
    missing = tuple(key for key in desired if kind.fold(key) not in present)
    if mode is ActivationMode.REMOVE:
        return _ListsPatch(kind, removed=[s for s in held if s.folded in given], absent=missing)
    first = next((index for index, _ in flow.selector_lists(kind)), None)
    if missing and first is None:
        raise missing_transformation(flow, kind)
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


def _differs(held: JsonObject, desired: JsonObject) -> bool:
    """Whether export settings differ from the desired ones. Fields added by the server are ignored."""
    old, new = held["value"], desired["value"]
    if "schedule" in new and member(old, "schedule", "endDate") and not member(new, "schedule", "endDate"):
        return True  # The server never adds an end date, so a desired schedule without one removes it.
    return bool(compare("", {name: new[name] for name in EXPORT_FIELDS if name in new}, old))


def _merged(held: JsonObject, desired: JsonObject) -> JsonObject:
    """Return the complete selector with the desired settings; a partial one would drop the server's fields.

    The id keeps the case that it has in the flow.
    """
    value = held["value"]
    return {**held, "value": {**value, **desired["value"], "id": value["id"]}}


def _attribute_selector(path: str) -> JsonObject:
    return {"type": "JSON_PATH", "value": {"operator": "EXISTS", "path": path}}
