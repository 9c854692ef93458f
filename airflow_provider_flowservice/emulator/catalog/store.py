"""The datasets of one sandbox."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.emulator.world import Store, World


@dataclass
class Dataset:
    """A dataset.

    :param body: what the caller owns.
    :param created_at: milliseconds since the epoch, like ``updated_at``.
    """

    id: str
    body: dict[str, Any]
    created_at: int
    updated_at: int

    @property
    def reference(self) -> str:
        """How Catalog refers to it."""
        return f"@/dataSets/{self.id}"

    @property
    def is_for_profile(self) -> bool:
        """Whether its records go to Profile."""
        return tagged_for_profile(self.body["tags"])

    def as_json(self, identity: dict[str, str]) -> dict[str, Any]:
        """Return the dataset as GET shows it.

        :param identity: organization and user.
        """
        return {
            **self.body,
            "version": "1.0.0",
            "created": self.created_at,
            "updated": self.updated_at,
            "state": "DRAFT",
            **identity,
        }


def tagged_for_profile(tags: dict[str, list[str]]) -> bool:
    """Return whether the tags of a dataset enable it for Profile."""
    return "enabled:true" in tags.get("unifiedProfile", ())


class DatasetStore(Store):
    """All datasets."""

    kept = (("_datasets", dict[str, Dataset]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._datasets: dict[str, Dataset] = {}

    def create(self, body: dict[str, Any]) -> Dataset:
        """Add a dataset."""
        now = self.world.clock.now_ms()
        dataset = Dataset(secrets.token_hex(12), body, now, now)
        self._datasets[dataset.id] = dataset
        return dataset

    def replace(self, dataset: Dataset, body: dict[str, Any]) -> None:
        """Store a changed body."""
        dataset.body = body
        dataset.updated_at = self.world.clock.now_ms()

    def find(self, dataset_id: object) -> Dataset | None:
        """Return a dataset, or None."""
        return self._datasets.get(dataset_id) if isinstance(dataset_id, str) else None

    def all(self) -> list[Dataset]:
        """Return every dataset, oldest first."""
        return list(self._datasets.values())

    def delete(self, dataset: Dataset) -> None:
        """Remove a dataset."""
        del self._datasets[dataset.id]
