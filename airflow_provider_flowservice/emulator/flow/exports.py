"""What a destination flow exports: the profiles of its segments, with the attributes that are mapped."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, segment_ids, selector_list
from airflow_provider_flowservice.emulator.flow.store import Resource, State
from airflow_provider_flowservice.emulator.segmentation.profiles import PROFILES, Profile, membership


def exported_profiles(flow: Resource) -> list[dict[str, Any]]:
    """The payloads that have gone to the destination: ``person``, ``segmentMembership``, ``identityMap``.

    Attributes of other roots than ``person`` stand beside it. A flow that is not enabled exports nothing.
    """
    if flow.state is not State.ENABLED:
        return []
    segments = segment_ids(flow.body)
    paths = [str(each["value"].get("path")) for each in selector_list(flow.body, ATTRIBUTES) or []]
    payloads = (_payload(number, profile, segments, paths) for number, profile in enumerate(PROFILES))
    return [payload for payload in payloads if payload["segmentMembership"]["ups"]]


def _payload(number: int, profile: Profile, segments: list[str], paths: list[str]) -> dict[str, Any]:
    memberships = {segment_id: membership(number, segment_id) for segment_id in segments}
    payload: dict[str, Any] = {"person": {}}
    for path in paths:
        _put(payload, path.split("."), profile.attribute(path))
    payload["segmentMembership"] = {"ups": {key: value for key, value in memberships.items() if value}}
    payload["identityMap"] = profile.identities
    return payload


def _put(target: dict[str, Any], names: list[str], value: Any) -> None:
    if value is None:
        return
    for name in names[:-1]:
        target = target.setdefault(name, {})
    target[names[-1]] = deepcopy(value)
