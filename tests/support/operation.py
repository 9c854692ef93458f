"""What each operation of the fault matrix tells of itself, and the sandbox in which it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from airflow_provider_flowservice.client import converge
from airflow_provider_flowservice.client.datasets import datasets, mapping_sets, schemas
from airflow_provider_flowservice.client.ensure import create
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

    def ours(self, flow_id: str) -> tuple[list[str], list[str]]:
        """The same without the segments that somebody else added."""
        segments, attributes = self.selected(flow_id)
        return [segment for segment in segments if segment in SEEDED_SEGMENT_IDS], attributes


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
    :param exact: whether it waits as long as there is anything that somebody else adds.
    :param example: what the other functions could be told, to build the operator without AEP.
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
    exact: bool = False
    example: Any = "a"

    @property
    def posts(self) -> bool:
        """Whether it writes by sending records."""
        return self.places.get("write", ("", ""))[1].startswith("/collection")

    @property
    def deferred(self) -> bool:
        """Whether it waits in the triggerer."""
        return self.name.endswith("deferred")


def creation(
    name: str, path: str, prepare: Callable[[Sandbox], Any], build: Callable[[Any], Any], **more: Any
) -> Operation:
    """An operation that makes one object in a collection.

    :param more: other fields of the operation.
    """
    return Operation(
        name=name,
        prepare=prepare,
        build=build,
        places={"look": ("GET", path), "write": ("POST", path), "check": ("GET", path)},
        **{"left": lambda sandbox, _: len(sandbox.named(path)), "wanted": 1, **more},
        repeats=Repeats.LOOK,
        tries=create.ATTEMPTS,
    )


def change(
    name: str,
    verb: str,
    path: str,
    prepare: Callable[[Sandbox], Any],
    build: Callable[[Any], Any],
    changed: Callable[[Any], Any],
    wanted: Any,
    **more: Any,
) -> Operation:
    """An operation that changes the one object with our name in a collection.

    :param changed: what of the object is compared with ``wanted``.
    :param more: other fields of the operation.
    """
    return Operation(
        name=f"change {name}",
        prepare=prepare,
        build=build,
        places={"look": ("GET", path), "write": (verb, f"{path}/*"), "check": ("GET", f"{path}/*")},
        left=lambda sandbox, _: [changed(found) for found in sandbox.named(path)],
        wanted=[wanted],
        **more,
    )
