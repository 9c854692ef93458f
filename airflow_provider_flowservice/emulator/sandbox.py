"""One AEP sandbox: nothing in it is seen from another."""

from __future__ import annotations

from airflow_provider_flowservice.emulator.catalog.store import DatasetStore
from airflow_provider_flowservice.emulator.clock import EmulatorClock
from airflow_provider_flowservice.emulator.collection.store import InletStore
from airflow_provider_flowservice.emulator.dataprep.store import MappingStore
from airflow_provider_flowservice.emulator.flow.store import FlowStore
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.segmentation.store import SegmentStore
from airflow_provider_flowservice.emulator.settings import stable_uuid


class Sandbox:
    """The stores of every service.

    :param name: value of ``x-sandbox-name``.
    :param clock: stamps what is created.
    """

    def __init__(self, name: str, clock: EmulatorClock) -> None:
        self.name = name
        self.id = stable_uuid(f"sandbox {name}")
        self._clock = clock
        self._hidden_until: dict[str, float] = {}
        self.flow = FlowStore(clock)
        self.segments = SegmentStore(clock)
        self.schemas = SchemaStore(clock)
        self.datasets = DatasetStore(clock)
        self.mappings = MappingStore(clock)
        self.inlets = InletStore()

    def hide_from_lists(self, resource_id: str, until: float) -> None:
        """Leave a resource out of every list for a while.

        :param until: seconds since the epoch.
        """
        self._hidden_until[resource_id] = until

    def is_listed(self, resource_id: str) -> bool:
        """Tell whether a resource stands in lists by now."""
        return self._hidden_until.get(resource_id, 0.0) <= self._clock.now()
