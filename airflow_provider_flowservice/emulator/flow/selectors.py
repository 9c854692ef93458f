"""The segment and attribute selectors inside a destination flow."""

from __future__ import annotations

from typing import Any

SEGMENTS = "segmentSelectors"
ATTRIBUTES = "profileSelectors"


def selector_list(body: dict[str, Any], field: str) -> list[dict[str, Any]] | None:
    """Return the list inside a flow's body, or None if the flow has no place for these selectors.

    :param field: :data:`SEGMENTS` or :data:`ATTRIBUTES`.
    """
    for transformation in body.get("transformations", []):
        selectors = (transformation["params"].get(field) or {}).get("selectors")
        if isinstance(selectors, list):
            return selectors
    return None


def segment_ids(body: dict[str, Any]) -> list[str]:
    """Return the ids of the segments that a flow activates."""
    found = (selector["value"].get("id") for selector in selector_list(body, SEGMENTS) or [])
    return [value for value in found if isinstance(value, str)]


def audience_uuids(body: dict[str, Any]) -> list[str]:
    """Return AEP's own ids of the segments that a flow activates; ``id`` of an external audience differs."""
    return [audience_id for audience_id, _ in selected_audiences(body)]


def selected_audiences(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return AEP's own ids of the segments that a flow activates, and the values of their selectors."""
    values = [selector["value"] for selector in selector_list(body, SEGMENTS) or []]
    return [(str(value.get("systemSegmentId") or value.get("id")), value) for value in values]


def stamp_segments(old: dict[str, Any], new: dict[str, Any], now: float) -> None:
    """Write ``createTime`` and ``updateTime`` into the selectors that are new or changed.

    :param now: seconds since the epoch; AEP writes them as strings.
    """
    before = {
        selector["value"].get("id"): selector["value"] for selector in selector_list(old, SEGMENTS) or []
    }
    for selector in selector_list(new, SEGMENTS) or []:
        value = selector["value"]
        known = before.get(value.get("id"))
        if value != known:
            created = known.get("createTime") if known else None
            value["createTime"] = created or str(int(now))
            value["updateTime"] = str(int(now))
