"""What an activated flow sends to its destination: the seeded profiles that its segments select."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, segment_ids, selector_list
from airflow_provider_flowservice.emulator.flow.store import Resource, State

_FIRST_QUALIFICATION = 1_583_270_679
_YEAR = 365 * 24 * 3600
# A quarter of the profiles is not in a segment.
_STATUSES = (None, "realized", "existing", "exited")
_IN_SEGMENT = frozenset({"realized", "existing"})


@dataclass(frozen=True)
class Profile:
    """A made-up person.

    :param attributes: what can be mapped, by XDM path.
    :param identities: the exported identity map.
    """

    attributes: dict[str, Any]
    identities: dict[str, list[dict[str, str]]]

    def attribute(self, path: str) -> Any:
        """Return the value at a dotted path, or None."""
        value: Any = self.attributes
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    @property
    def namespaces(self) -> dict[str, str]:
        """The identities by their namespaces, as the sources of a mapping name these."""
        ids = {name: held[0]["id"] for name, held in self.identities.items()}
        email = str(self.attribute("person.email"))
        return {"ECID": ids["ecid"], "Email": email, "Email_LC_SHA256": ids["email_lc_sha256"]}


def _profile(number: int, first: str, last: str, gender: str) -> Profile:
    email = f"{first}.{last}@example.com".lower()
    digest = hashlib.sha256(email.encode()).hexdigest()
    return Profile(
        {
            "person": {
                "name": {"firstName": first, "lastName": last},
                "firstName": first,
                "lastName": last,
                "gender": gender,
                "birthDate": f"{1950 + 5 * number}-0{1 + number}-1{number}",
                "email": email,
            },
            "personalEmail": {"address": email},
            "workEmail": {"address": f"{last}@example.org".lower()},
            "mobilePhone": {"number": f"+1 555 010{number}"},
            "homeAddress": {"city": "Springfield", "countryCode": "US", "postalCode": f"0000{number}"},
        },
        {"ecid": [{"id": str(int(digest[:31], 16)).zfill(38)}], "email_lc_sha256": [{"id": digest}]},
    )


PROFILES = tuple(
    _profile(number, *person)
    for number, person in enumerate(
        (
            ("Ada", "Byron", "female"),
            ("Alan", "Mathison", "male"),
            ("Grace", "Murray", "female"),
            ("Edsger", "Wybe", "male"),
            ("Barbara", "Jane", "female"),
            ("Dennis", "MacAlistair", "male"),
            ("Radia", "Joy", "female"),
            ("Niklaus", "Emil", "male"),
        )
    )
)


def exported_profiles(flow: Resource) -> list[dict[str, Any]]:
    """Return the exported payloads: ``person``, ``segmentMembership``, ``identityMap``.

    Attributes below other roots than ``person`` are beside it. A flow that is not enabled exports nothing.
    """
    return payloads_of(flow.body) if flow.state is State.ENABLED else []


def payloads_of(flow: dict[str, Any], segments: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return what a flow with this body exports, whatever its state.

    :param segments: ids; only the profiles with a status in one of these; in any of the flow's by default.
    """
    activated = segment_ids(flow)
    paths = [str(each["value"].get("path")) for each in selector_list(flow, ATTRIBUTES) or []]
    payloads = (_payload(number, profile, activated, paths) for number, profile in enumerate(PROFILES))
    wanted = frozenset(activated if segments is None else segments)
    return [each for each in payloads if not wanted.isdisjoint(each["segmentMembership"]["ups"])]


def members_of(segment_id: str) -> list[dict[str, Any]]:
    """Return all that is known of each profile that is in a segment now, as a record to map to columns."""
    records = []
    for number, profile in enumerate(PROFILES):
        membership = _membership(number, segment_id)
        if membership and membership["status"] in _IN_SEGMENT:
            held = {"ups": {segment_id: membership}}
            names = {"identityMap": profile.namespaces, "segmentMembership": held}
            records.append(profile.attributes | names)
    return records


def _payload(number: int, profile: Profile, segments: list[str], paths: list[str]) -> dict[str, Any]:
    memberships = {segment_id: _membership(number, segment_id) for segment_id in segments}
    payload: dict[str, Any] = {"person": {}}
    for path in paths:
        _put(payload, path.split("."), profile.attribute(path))
    payload["segmentMembership"] = {"ups": {key: value for key, value in memberships.items() if value}}
    payload["identityMap"] = profile.identities
    return payload


def _membership(profile_number: int, segment_id: str) -> dict[str, str] | None:
    """Return when and how a profile qualified for a segment, or None if it never did.

    The result depends on nothing but the arguments, and every segment has members.
    """
    digest = int(hashlib.sha256(segment_id.encode()).hexdigest(), 16)
    status = _STATUSES[(digest + profile_number) % len(_STATUSES)]
    if status is None:
        return None
    qualified_at = _FIRST_QUALIFICATION + (digest + profile_number * 86_461) % _YEAR
    return {"lastQualificationTime": iso(qualified_at), "status": status}


def _put(target: dict[str, Any], names: list[str], value: Any) -> None:
    if value is None:
        return
    for name in names[:-1]:
        target = target.setdefault(name, {})
    target[names[-1]] = deepcopy(value)
