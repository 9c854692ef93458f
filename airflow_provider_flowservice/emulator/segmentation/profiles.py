"""The seeded profiles, and which segments they are in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.emulator.clock import iso

_FIRST_QUALIFICATION = 1_583_270_679
_A_YEAR = 365 * 24 * 3600
# A quarter of the profiles is not in a segment.
_STATUSES = (None, "realized", "existing", "exited")


@dataclass(frozen=True)
class Profile:
    """A made-up person.

    :param attributes: what can be mapped, by XDM path.
    :param identities: the exported identity map.
    """

    attributes: dict[str, Any]
    identities: dict[str, list[dict[str, str]]]

    def attribute(self, path: str) -> Any:
        """The value at a dotted path; None when there is none."""
        value: Any = self.attributes
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value


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
        {
            "ecid": [{"id": str(int(digest[:31], 16)).zfill(38)}],
            "email_lc_sha256": [{"id": digest}],
        },
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


def membership(profile_number: int, segment_id: str) -> dict[str, str] | None:
    """When and how a profile qualified for a segment; None when it never did.

    It depends on nothing but its arguments, and no segment is without members.
    """
    digest = int(hashlib.sha256(segment_id.encode()).hexdigest(), 16)
    status = _STATUSES[(digest + profile_number) % len(_STATUSES)]
    if status is None:
        return None
    qualified_at = _FIRST_QUALIFICATION + (digest + profile_number * 86_461) % _A_YEAR
    return {"lastQualificationTime": iso(qualified_at), "status": status}
