"""The task that activates segments and profile attributes on a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.client import ActivationMode, Flow, SelectorKind
from airflow_provider_flowservice.client.activation import (
    DesiredSelectors,
    Segment,
    compute_patch,
    read_attributes,
    read_segments,
)
from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError
from airflow_provider_flowservice.client.model import JsonObject, Selector
from airflow_provider_flowservice.print_dag.accounts import is_shown
from airflow_provider_flowservice.print_dag.composition import Composition, Subject
from airflow_provider_flowservice.print_dag.model import Argument, Noted, Operator
from airflow_provider_flowservice.print_dag.naming import comment_text

_EXPORT_FIELDS = ("exportMode", "schedule", "filenameTemplate", "enrichmentInfo")
_IDENTITY_FIELDS = ("id", "systemSegmentId", "namespace")
#: What AEP adds, and what only names a segment for people: neither is compared.
_NOT_COMPARED = {"createTime", "updateTime", "name", "description"}
_ATTRIBUTE = {"type": "JSON_PATH", "value": {"operator": "EXISTS"}}


def activation(composition: Composition, flow: Flow, flow_id: Any, subject: Subject) -> str:
    """Add the task that activates what is active on a flow.

    :param flow_id: its id, or a reference to it.
    :returns: the variable of the task; empty if nothing is active.
    """
    held = _distinct(flow, SelectorKind.SEGMENT)
    paths = [selector.key for selector in _distinct(flow, SelectorKind.ATTRIBUTE)]
    if not held and not paths:
        composition.remarks.append(
            "Nothing is active on the flow. To activate segments, add FlowServiceActivateSegmentsOperator with flow_id"
            " and segments."
        )
        return ""
    names = composition.reader.segment_names(flow)
    segments: list[Any] = []
    left = 0
    for selector in held:
        entry = _entry(composition, selector, subject)
        if entry is None:
            left += 1
            continue
        name = names.get(selector.uuid.lower())
        segments.append(Noted(entry, comment_text(name)) if name else entry)
    if not composition.reader.may_read_names and len(names) < len(held):
        composition.lost(
            subject, "This credential may not read audiences, so the names of its segments are missing."
        )
    _tell_rest(composition, flow, subject)
    attributes = _attributes(composition, paths, subject)
    mode = ActivationMode.ADD if left or attributes is None else ActivationMode.SYNC
    attributes = attributes or []
    if _changes(flow, segments, attributes, mode):
        text = "Its activation cannot be given to the operator without changing it, so it is not in the file."
        composition.lost(subject, text)
        return ""
    arguments = [Argument("flow_id", flow_id), Argument("segments", segments)]
    if attributes:
        arguments.append(Argument("profile_attributes", attributes))
    arguments.append(_mode_argument(mode))
    if not segments:
        arguments.append(Argument("allow_empty", True))
    reference = composition.add(Operator.ACTIVATION, flow.id, "activation", "activate_segments", arguments)
    return reference.variable


def _mode_argument(mode: ActivationMode) -> Argument:
    if mode is ActivationMode.ADD:
        note = "Not sync, which would remove what is not in this file. What is removed from it stays active in AEP."
    else:
        note = (
            "The next run removes in AEP what is removed here, and what others have added there; at most half of the"
            " segments, unless max_removals says otherwise. With add, it removes nothing."
        )
    return Argument("activation_mode", mode.value, (note,))


def _distinct(flow: Flow, kind: SelectorKind) -> list[Selector]:
    distinct: dict[str, Selector] = {}
    for selector in flow.selectors(kind):
        distinct.setdefault(selector.folded, selector)
    return list(distinct.values())


def _entry(composition: Composition, selector: Selector, subject: Subject) -> Any:
    """Return a segment as the operator takes it; None if it does not."""
    value = selector.document["value"]
    identity = {name: value[name] for name in _IDENTITY_FIELDS if value.get(name)}
    export = {name: value[name] for name in _EXPORT_FIELDS if value.get(name) is not None}
    about = f"The segment {selector.key}"
    if "fileNameTemplate" in value:
        # AEP's OpenAPI file has this spelling, and the operator would send the other one.
        composition.lost(subject, f"{about} has fileNameTemplate, which stays as it is.")
    for entry in ({**identity, **export}, identity):
        if _is_taken(entry) and is_shown("segment", entry):
            if dropped := export.keys() - entry.keys():
                text = f"{about}: the operator does not take its {', '.join(sorted(dropped))}, which stay as they are."
                composition.lost(subject, text)
            return entry if entry.keys() != {"id"} else entry["id"]
    text = f"{about} has an id that the operator does not take. It stays active."
    composition.lost(subject, text)
    return None


def _is_taken(entry: JsonObject) -> bool:
    try:
        (segment,) = read_segments([entry])
    except InvalidInputError:
        return False
    return isinstance(segment, Segment)


def _attributes(composition: Composition, paths: list[str], subject: Subject) -> list[str] | None:
    """Return the paths of the attributes; None if the operator does not take one of them."""
    try:
        read_attributes(paths)
    except InvalidInputError as error:
        text = f"The operator does not take its profile attributes: {error.message}"
        composition.lost(subject, text)
        return None
    return paths


def _tell_rest(composition: Composition, flow: Flow, subject: Subject) -> None:
    """Tell which fields of selectors the operator does not set. It leaves them as they are."""
    known = {*_IDENTITY_FIELDS, *_EXPORT_FIELDS, *_NOT_COMPARED, "fileNameTemplate"}
    rest = {
        name
        for selector in flow.selectors(SelectorKind.SEGMENT)
        for name in (selector.document.keys() - {"type", "value"})
        | (selector.document["value"].keys() - known)
    }
    if rest:
        text = f"Segments have the fields {', '.join(sorted(rest))}, which the operator leaves as they are."
        composition.lost(subject, text)
    others = {
        name
        for selector in flow.selectors(SelectorKind.ATTRIBUTE)
        for name in _unknown_fields(selector.document, {**_ATTRIBUTE, "value": {"operator": "", "path": ""}})
    }
    if others:
        text = f"Profile attributes have the fields {', '.join(sorted(others))}, which the operator leaves as they are."
        composition.lost(subject, text)


def _unknown_fields(document: Mapping[str, Any], known: Mapping[str, Any]) -> set[str]:
    value = document.get("value")
    inner = value.keys() - known["value"].keys() if isinstance(value, Mapping) else set()
    return (document.keys() - known.keys()) | set(inner)


def _changes(flow: Flow, segments: Sequence[Any], attributes: list[str], mode: ActivationMode) -> bool:
    """Whether the operator would change the flow, or reject it."""
    given = read_segments([each.value if isinstance(each, Noted) else each for each in segments])
    desired = DesiredSelectors(
        segments=tuple(each for each in given if isinstance(each, Segment)),
        attributes=tuple(attributes) or None,
    )
    try:
        return bool(compute_patch(flow, desired, mode).operations)
    except FlowServiceError:
        return True
