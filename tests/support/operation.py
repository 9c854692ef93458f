"""What each operation of the fault matrix tells of itself, and the sandbox in which it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from airflow_provider_flowservice.client import converge
from airflow_provider_flowservice.client.datasets import datasets, mapping_sets, schemas
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.aep import selected
from tests.support.streaming import CATALOG, DATA_PREP, SCHEMA_REGISTRY

NAME = "mine"
SEGMENTS = list(SEEDED_SEGMENT_IDS[:3])
ATTRIBUTES = ["person.name.firstName"]
RECORDS = 3
#: Seconds between two polls.
POLL = 30.0
#: How often a request is sent that may be sent again freely.
REQUEST_TRIES = {field.name: field.default for field in msgspec.structs.fields(Settings)}["retries"] + 1
SCHEMAS = f"{SCHEMA_REGISTRY}/tenant/schemas"
DESCRIPTORS = f"{SCHEMA_REGISTRY}/tenant/descriptors"
DATASETS = f"{CATALOG}/dataSets"
MAPPING_SETS = f"{DATA_PREP}/mappingSets"
#: A request: method and path, or glob of paths.
Place = tuple[str, str]


@dataclass(frozen=True)
class Sandbox:
    """An emulator, and somebody who looks into it."""

    hook: FlowServiceHook
    control: EmulatorControl

    def named(self, path: str, name: str = NAME) -> list[Any]:
        """The objects of a collection with a name, oldest first."""
        if path == SCHEMAS:
            return [found for found in schemas.iterate(self.hook) if found.title == name]
        if path == DATASETS:
            return [found for found in datasets.iterate(self.hook) if found.name == name]
        if path == MAPPING_SETS:
            return [found for found in mapping_sets.iterate(self.hook) if found.name == name]
        held = self.control.state()[path.rpartition("/")[2]]
        return [found for found in held if found["name"] == name]

    def selected(self, flow_id: str) -> tuple[list[str], list[str]]:
        """Segments and attributes of a flow."""
        (flow,) = [flow for flow in self.control.state()["flows"] if flow["id"] == flow_id]
        return selected(flow)


class Repeats(Enum):
    """What an operation does about a write whose response was lost."""

    #: Looks for what it may have made.
    LOOK = "look"
    #: Reads what it changes, and changes what is left to change.
    READ = "read"
    #: Sends the same again, which does no harm or cannot be avoided.
    SEND = "send"


@dataclass(frozen=True)
class Operation:
    """One thing that the provider does.

    :param prepare: makes in AEP what it needs, and returns what the other functions are told.
    :param build: the operator or sensor.
    :param places: the request that looks, the one that writes, and the one that checks, where it has them.
    :param left: what AEP holds afterwards, in a form that is compared with ``wanted``.
    :param waits: seconds that it waits by itself.
    :param meanwhile: what somebody else does while it waits, without which its wait does not end.
    :param polled: the place that a wait asks again and again, and where some failures are tolerated.
    :param repeats: what it does about a write whose response was lost.
    :param tries: how often it sends a write whose response is always lost.
    """

    name: str
    prepare: Callable[[Sandbox], Any]
    build: Callable[[Any], Any]
    places: Mapping[str, Place]
    left: Callable[[Sandbox, Any], Any]
    wanted: Any
    waits: float = 0.0
    meanwhile: Callable[[Sandbox, Any], object] | None = None
    polled: str | None = None
    repeats: Repeats = Repeats.READ
    tries: int = converge.ATTEMPTS

    @property
    def posts(self) -> bool:
        """Whether it writes by sending records."""
        return self.places.get("write", ("", ""))[1].startswith("/collection")

    @property
    def deferred(self) -> bool:
        """Whether it waits in the triggerer."""
        return self.name.endswith("deferred")
