"""What is sent to one place at one time, and how that went."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.world import Sandbox, Store, World

KEPT_DELIVERIES = 500


class OutputError(Exception):
    """A place did not take what was sent to it.

    :param permanent: whether it would refuse the same again.
    """

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Export:
    """What a flow exports at one time to one of its target connections.

    :param flow: a copy, which later changes do not reach.
    :param target: body of the target connection.
    :param auth: parameters of the base connection's authentication.
    :param segments: ids of the segments whose members are exported.
    :param records: how many records that makes.
    :param run_id: None for what is exported at once because a segment was activated.
    :param time: seconds since the epoch, by the emulator's clock.
    :param withheld: how many of the records are to be left out, because the outcome of the run asks for failures.
    """

    sandbox: Sandbox
    flow: Resource
    target: dict[str, Any]
    auth: dict[str, Any]
    segments: tuple[str, ...]
    records: int
    run_id: str | None
    time: float
    withheld: int = 0

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the target connection."""
        return dict(self.target.get("params") or {})

    def credential(self, name: str) -> str:
        """Return a parameter of the base connection's authentication.

        :raises OutputError: if there is none.
        """
        value = self.auth.get(name)
        if not isinstance(value, str) or not value:
            raise OutputError(f"the base connection has no {name}", permanent=True)
        return value


@dataclass
class Taken:
    """What of an export has arrived.

    :param records: how many.
    :param size: their bytes.
    :param files: names of the files written.
    """

    records: int = 0
    size: int = 0
    files: list[str] = field(default_factory=list)


class Parcel(ABC):
    """Records on their way to one place, and what of it has been taken there."""

    def __init__(self) -> None:
        self.taken = Taken()

    @abstractmethod
    def send(self) -> None:
        """Send what has not been sent yet. This blocks.

        :raises OutputError: if some of it was not taken.
        """


class Output(Protocol):
    """A kind of place that exports can be sent to."""

    name: str

    def takes(self, spec: ConnectionSpec) -> bool:
        """Return whether it stands for the product of a target connection."""
        ...

    def parcel(self, export: Export) -> Parcel:
        """Return what an export consists of. This may block.

        :raises OutputError: if it cannot be sent as the connections ask for it.
        """
        ...


class DeliveryState(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass
class Delivery:
    """An export and how sending it goes.

    :param output: name of the output.
    :param parcel: what is sent; None before it is made, and after the end.
    :param error: why the latest attempt failed.
    :param counted: whether a run has counted it.
    """

    export: Export
    output: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    parcel: Parcel | None = None
    taken: Taken = field(default_factory=Taken)
    error: str | None = None
    counted: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the delivery as the emulator shows it."""
        return {
            "output": self.output,
            "runId": self.export.run_id,
            "time": iso(self.export.time),
            "segments": list(self.export.segments),
            "state": self.state.value,
            "records": self.export.records,
            "written": self.taken.records,
            "bytes": self.taken.size,
            "files": list(self.taken.files),
            "attempts": self.attempts,
            "error": self.error,
        }


class DeliveryStore(Store):
    """The latest deliveries of each flow of a sandbox."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._of_flows: dict[str, deque[Delivery]] = {}

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery."""
        flow_id, flows = delivery.export.flow.id, FlowStore.of(delivery.export.sandbox)
        if flow_id not in self._of_flows:
            # Those of deleted flows are forgotten, so that memory does not grow without bound.
            kept = {one: held for one, held in self._of_flows.items() if flows.find(Kind.FLOWS, one)}
            self._of_flows = {**kept, flow_id: deque(maxlen=KEPT_DELIVERIES)}
        self._of_flows[flow_id].append(delivery)

    def of_flow(self, flow_id: str) -> list[Delivery]:
        """Return what is kept of a flow's deliveries, oldest first."""
        return list(self._of_flows.get(flow_id, ()))

    def is_pending(self, flow_id: str) -> bool:
        """Return whether something of a flow is still being sent."""
        return any(each.state is DeliveryState.PENDING for each in self.of_flow(flow_id))

    def taken(self, flow_id: str) -> list[Delivery]:
        """Return what was sent of a flow outside of runs and no run has counted yet, which this does."""
        found = [
            each
            for each in self.of_flow(flow_id)
            if each.export.run_id is None and each.state is not DeliveryState.PENDING and not each.counted
        ]
        for each in found:
            each.counted = True
        return found
