"""Validation of the segments and profile attributes that a user specifies. All functions are pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airflow_provider_flowservice.client.activation.schedules import EXPORT_FIELDS, check_export
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen, JsonObject, SelectorKind, is_uuid
from airflow_provider_flowservice.client.text import plain_text, titled

_FIELDS = ("id", "name", "description", "systemSegmentId", "namespace", *EXPORT_FIELDS)
#: What AEP adds to a selector. It is accepted, because a selector may be copied from a flow, and not sent back.
_ADDED_BY_AEP = ("createTime", "updateTime")
#: Adobe's OpenAPI file has another spelling of this field than its samples.
_FILE_NAME, _FILE_NAME_IN_OPENAPI = "filenameTemplate", "fileNameTemplate"
_SELECTOR_TYPE = "PLATFORM_SEGMENT"


class Segment(Frozen, frozen=True):
    """A segment to activate.

    :param id: UUID of a segment definition, or the id of an external audience in its own namespace.
    :param value: further fields of its selector, as in AEP's API.
    """

    id: str
    value: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it another segment, also compared with one that is specified by name."""
        return ("id", SelectorKind.SEGMENT.fold(self.id))

    @property
    def uuid(self) -> str:
        """AEP's id of the segment, as used by ad-hoc activation; differs from :attr:`id` for an external audience."""
        return str(self.value.get("systemSegmentId") or self.id)

    @property
    def title(self) -> str:
        """Its name, if the user has given it, and its id for the log."""
        name = self.value.get("name")
        return titled("segment", name if isinstance(name, str) else None, plain_text(self.uuid))

    def to_selector(self) -> JsonObject:
        """Return the selector that activates the segment on a flow."""
        return {"type": _SELECTOR_TYPE, "value": {"id": self.id, **self.value}}


class SegmentName(Frozen, frozen=True):
    """A segment that is specified by name and whose id must be looked up.

    :param name: exact name.
    :param value: further fields of its selector, as in AEP's API.
    """

    name: str
    value: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it another segment, also compared with one that is specified by id."""
        return ("name", self.name)


def read_segments(
    segments: Iterable[str | Mapping[str, Any]], field: str = "segments"
) -> tuple[Segment | SegmentName, ...]:
    """Validate the segments that a user specifies.

    Each segment is the UUID of a segment definition, or a mapping with ``id``; with ``name`` alone, which is looked up;
    or, for an external audience, with ``id``, ``systemSegmentId`` and ``namespace``. A mapping may also contain
    ``description`` and, for file destinations, ``exportMode``, ``schedule`` and ``filenameTemplate``, as in AEP's API.
    It may also be a selector that was copied from a flow. Duplicates are dropped.

    :param field: name of the argument, for the error.
    :raises InvalidInputError: if an id is not a UUID, a mapping has an unknown key, or AEP would reject its schedule.
    """
    _require_list(field, segments, "Give a list of segment ids.")
    found: dict[tuple[str, str], Segment | SegmentName] = {}
    for position, entry in enumerate(segments):
        segment = _read_segment(entry, f"{field}[{position}]")
        found.setdefault(segment.key, segment)
    return tuple(found.values())


def read_attributes(attributes: Iterable[str]) -> tuple[str, ...]:
    """Validate profile attribute paths such as ``person.name.firstName``. Duplicates are dropped.

    :raises InvalidInputError: if a path is empty or not a string.
    """
    _require_list("profile_attributes", attributes, "Give a list of attribute paths.")
    found: dict[str, None] = {}
    for position, path in enumerate(attributes):
        if not isinstance(path, str) or not path.strip():
            where, remedy = f"profile_attributes[{position}]", "Give a path such as person.name.lastName."
            raise InvalidInputError(where, f"{path!r} is not a path", remedy)
        found[path] = None
    return tuple(found)


def _read_segment(entry: str | Mapping[str, Any], where: str) -> Segment | SegmentName:
    if not isinstance(entry, (str, Mapping)):
        raise InvalidInputError(where, f"{entry!r} is not a segment", "Give an id, or a dict with an id.")
    value = {"id": entry} if isinstance(entry, str) else _fields(entry)
    unknown = sorted(set(map(str, value)) - set(_FIELDS))
    if unknown:
        remedy = f"Supported keys are {', '.join(_FIELDS)}."
        raise InvalidInputError(where, f"has the unknown key {unknown[0]!r}", remedy)
    check_export(value, where)
    if "id" not in value and value.get("name"):
        if not isinstance(value["name"], str):
            raise InvalidInputError(where, f"the name {value['name']!r} is not a string", "Put it in quotes.")
        return SegmentName(value["name"], value)
    if "systemSegmentId" in value:
        value["systemSegmentId"] = _canonical(value["systemSegmentId"], f"{where}.systemSegmentId")
        if not isinstance(value.get("id"), str) or not value.get("namespace"):
            remedy = "Give all three for an external audience."
            raise InvalidInputError(where, "has a systemSegmentId but lacks id or namespace", remedy)
    else:
        value["id"] = _canonical(value.get("id"), where)
    return Segment(value.pop("id"), value)


def _fields(entry: Mapping[str, Any]) -> JsonObject:
    """Return the fields of a segment that are sent, also of a whole selector."""
    if entry.get("type") == _SELECTOR_TYPE and isinstance(entry.get("value"), Mapping):
        entry = entry["value"]
    given = {name: value for name, value in entry.items() if value is not None and name not in _ADDED_BY_AEP}
    if _FILE_NAME_IN_OPENAPI in given:
        given.setdefault(_FILE_NAME, given.pop(_FILE_NAME_IN_OPENAPI))
    return given


def _canonical(segment_id: Any, where: str) -> str:
    if not isinstance(segment_id, str) or not is_uuid(segment_id):
        remedy = 'Give the UUID that AEP shows for the segment, or {"name": ...} to look it up by name.'
        raise InvalidInputError(where, f"{segment_id!r} is not a segment id", remedy)
    return str(uuid.UUID(segment_id))


def _require_list(field_name: str, values: object, remedy: str) -> None:
    # A template can render to None or, without render_template_as_native_obj, to a string.
    if not isinstance(values, Iterable) or isinstance(values, (str, Mapping)):
        raise InvalidInputError(field_name, f"must be a list, not {type(values).__name__}", remedy)
