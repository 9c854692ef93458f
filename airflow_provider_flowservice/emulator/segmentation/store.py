"""The segments of one sandbox."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from airflow_provider_flowservice.emulator.settings import stable_uuid
from airflow_provider_flowservice.emulator.world import Store, World


@dataclass(frozen=True)
class Segment:
    """A segment definition, which is also an audience.

    :param expression: the rule, in PQL.
    :param created_at: milliseconds since the epoch.
    """

    id: str
    name: str
    description: str
    expression: str
    created_at: int


# The first two are those in Adobe's tutorials.
_SEEDS = (
    ("72ddd79b-6b0a-4e97-a8d2-112ccd81bd02", "Men over 50", 'person.gender = "male" and age > 50'),
    ("7841ba61-23c1-4bb3-a495-00d695fe1e93", "Women over 50", 'person.gender = "female" and age > 50'),
    *(
        (stable_uuid(f"segment {name}"), name, rule)
        for name, rule in (
            ("Newsletter subscribers", 'consents.marketing.email.val = "y"'),
            ("Abandoned carts", "cart abandoned within 7 days"),
            ("Loyal customers", 'loyalty.tier = "gold"'),
            ("Lapsed customers", "no purchase within 180 days"),
            ("First purchase this month", "first purchase within 30 days"),
            ("High lifetime value", "lifetimeValue > 1000"),
            ("Mobile app users", "app launched within 30 days"),
            ("Store visitors", "store visited within 30 days"),
            ("Birthday this month", "birthday within 30 days"),
            ("Holiday shoppers", "purchase in december"),
            ("Price sensitive", "coupon used within 90 days"),
            ("Support contacts", "support contacted within 14 days"),
        )
    ),
)
SEEDED_SEGMENT_NAMES: dict[str, str] = {segment_id: name for segment_id, name, _ in _SEEDS}
SEEDED_SEGMENT_IDS: tuple[str, ...] = tuple(SEEDED_SEGMENT_NAMES)


# Before the first of the seeded profiles qualifies for one of them.
_SEEDED_AT = 1_583_000_000_000


class SegmentStore(Store):
    """The segments, seeded with :data:`SEEDED_SEGMENT_NAMES` (the same in every sandbox and every run)."""

    kept = (("_segments", dict[str, Segment]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._segments = {
            segment_id: Segment(segment_id, name, f"Seeded: {name}", rule, _SEEDED_AT)
            for segment_id, name, rule in _SEEDS
        }

    def create(self, name: str, description: str, expression: str) -> Segment:
        """Add a segment."""
        segment = Segment(str(uuid.uuid4()), name, description, expression, self.world.clock.now_ms())
        self._segments[segment.id] = segment
        return segment

    def find(self, segment_id: str) -> Segment | None:
        """Return a segment, or None."""
        return self._segments.get(segment_id)

    def delete(self, segment_id: str) -> None:
        """Remove a segment; an unknown one is ignored."""
        self._segments.pop(segment_id, None)

    def all(self) -> list[Segment]:
        """Return every segment, oldest first."""
        return list(self._segments.values())
