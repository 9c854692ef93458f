"""Segments and profile attributes as a user names them, checked. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airflow_provider_flowservice.client.activation.schedules import EXPORT_FIELDS, check_export
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen, JsonObject, is_uuid

_FIELDS = ("id", "name", "description", "systemSegmentId", "namespace", *EXPORT_FIELDS)


class Segment(Frozen, frozen=True):
    """A segment to activate.

    :param id: UUID of a segment definition, or the own id of an external audience.
    :param value: what else its selector says of it, in AEP's words.
    """

    id: str
    value: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """AEP's own id, which ad-hoc activation takes; of an external audience it is not :attr:`id`."""
        return str(self.value.get("systemSegmentId") or self.id)

    def to_selector(self) -> JsonObject:
        """The selector that stands for this segment in a flow."""
        return {"type": "PLATFORM_SEGMENT", "value": {"id": self.id, **self.value}}


class SegmentName(Frozen, frozen=True):
    """A segment whose id is to be looked up.

    :param name: exact name.
    :param value: the rest of what its selector shall say.
    """

    name: str
    value: Mapping[str, Any] = msgspec.field(default_factory=dict)


def read_segments(segments: Iterable[str | Mapping[str, Any]]) -> tuple[Segment | SegmentName, ...]:
    """Check segments as a user gives them.

    Each is the UUID of a segment definition, or a mapping: with ``id``; with ``name`` alone, to be looked up;
    or, for an external audience, with ``id``, ``systemSegmentId`` and ``namespace``. A mapping may say more in
    AEP's words: ``description``, and for file destinations ``exportMode``, ``schedule``,
    ``filenameTemplate``. A segment given twice counts once.

    :raises InvalidInputError: if an id is not a UUID, a mapping has another key, or AEP would reject its schedule.
    """
    _require_list("segments", segments, "Give a list of segment ids.")
    found: dict[tuple[bool, str], Segment | SegmentName] = {}
    for position, entry in enumerate(segments):
        segment = _read_segment(entry, f"segments[{position}]")
        key = segment.id if isinstance(segment, Segment) else segment.name
        found.setdefault((isinstance(segment, Segment), key), segment)
    return tuple(found.values())


def read_attributes(attributes: Iterable[str]) -> tuple[str, ...]:
    """Check profile attribute paths such as ``person.name.firstName``; one given twice counts once.

    :raises InvalidInputError: if one is empty or not a string.
    """
    _require_list("profile_attributes", attributes, "Give a list of attribute paths.")
    found: dict[str, None] = {}
    for position, path in enumerate(attributes):
        if not isinstance(path, str) or not path.strip():
            where, remedy = f"profile_attributes[{position}]", "Give one such as person.lastName."
            raise InvalidInputError(where, f"{path!r} is not a path", remedy)
        found[path] = None
    return tuple(found)


def _read_segment(entry: str | Mapping[str, Any], where: str) -> Segment | SegmentName:
    if not isinstance(entry, (str, Mapping)):
        raise InvalidInputError(where, f"{entry!r} is not a segment", "Give an id, or a dict with one.")
    value = {"id": entry} if isinstance(entry, str) else {k: v for k, v in entry.items() if v is not None}
    unknown = sorted(set(map(str, value)) - set(_FIELDS))
    if unknown:
        remedy = f"Supported are {', '.join(_FIELDS)}."
        raise InvalidInputError(where, f"has the unknown key {unknown[0]!r}", remedy)
    check_export(value, where)
    if "id" not in value and value.get("name"):
        return SegmentName(str(value["name"]), value)
    if "systemSegmentId" in value:
        value["systemSegmentId"] = _canonical(value["systemSegmentId"], f"{where}.systemSegmentId")
        if not isinstance(value.get("id"), str) or not value.get("namespace"):
            raise InvalidInputError(
                where, "is an external audience without id or namespace", "Give both beside systemSegmentId."
            )
    else:
        value["id"] = _canonical(value.get("id"), where)
    return Segment(value.pop("id"), value)


def _canonical(segment_id: Any, where: str) -> str:
    if not isinstance(segment_id, str) or not is_uuid(segment_id):
        remedy = 'Give the UUID that AEP shows for the segment, or {"name": ...} to have it looked up.'
        raise InvalidInputError(where, f"{segment_id!r} is not a segment id", remedy)
    return str(uuid.UUID(segment_id))


def _require_list(field_name: str, values: object, remedy: str) -> None:
    # A template that finds nothing gives None, and one that is not rendered natively gives a string.
    if not isinstance(values, Iterable) or isinstance(values, (str, Mapping)):
        raise InvalidInputError(field_name, f"must be a list, not {type(values).__name__}", remedy)
