"""The mapping sets of one sandbox."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_flowservice.emulator.dataprep.mapping import Mapping
from airflow_provider_flowservice.emulator.world import Store, World

_MAX_DIGITS = 18


@dataclass(frozen=True)
class MappingSetVersion:
    """One version of a mapping set.

    :param schema_id: the schema of the registry that it maps to; empty if it maps to the columns of a destination.
    """

    schema_id: str
    mappings: tuple[Mapping, ...]
    body: dict[str, Any]
    number: int = 0


@dataclass
class MappingSet:
    """A mapping set.

    :param versions: the position is the version's number.
    :param created_at: milliseconds since the epoch, like ``modified_at``.
    """

    id: str
    created_at: int
    modified_at: int
    versions: list[MappingSetVersion] = field(default_factory=list)

    def version(self, number: object) -> MappingSetVersion | None:
        """Return a version, by number or string, or None. The latest one is returned for None."""
        if number is None:
            return self.versions[-1]
        text = str(number)
        # Python reads no more than some thousand digits.
        is_number = text.isdecimal() and len(text) <= _MAX_DIGITS
        return self.versions[int(text)] if is_number and int(text) < len(self.versions) else None


class MappingStore(Store):
    """All mapping sets."""

    kept = (("_sets", dict[str, MappingSet]), ("_schemas", dict[str, dict[str, Any]]))

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._sets: dict[str, MappingSet] = {}
        self._schemas: dict[str, dict[str, Any]] = {}

    def create(self, version: MappingSetVersion) -> MappingSet:
        """Add a mapping set with its version 0."""
        now = self.world.clock.now_ms()
        mapping_set = MappingSet(uuid.uuid4().hex, now, now, [version])
        self._sets[mapping_set.id] = mapping_set
        return mapping_set

    def add_version(self, mapping_set: MappingSet, version: MappingSetVersion) -> None:
        """Store the next version of a mapping set."""
        mapping_set.versions.append(replace(version, number=len(mapping_set.versions)))
        mapping_set.modified_at = self.world.clock.now_ms()

    def find(self, mapping_id: object) -> MappingSet | None:
        """Return a mapping set, or None."""
        return self._sets.get(mapping_id) if isinstance(mapping_id, str) else None

    def all(self) -> list[MappingSet]:
        """Return every mapping set, oldest first."""
        return list(self._sets.values())

    def create_schema(self, body: dict[str, Any]) -> str:
        """Store a schema of Data Prep's own, as mapping sets of destinations use them, and return its id."""
        schema_id = uuid.uuid4().hex
        self._schemas[schema_id] = body
        return schema_id

    def has_schema(self, schema_id: object) -> bool:
        """Return whether Data Prep has a schema with that id."""
        return schema_id in self._schemas
