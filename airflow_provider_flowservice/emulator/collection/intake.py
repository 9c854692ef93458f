"""Takes messages in, and decides which of them will be ingested."""

from __future__ import annotations

import secrets
from typing import Any

from airflow_provider_flowservice.emulator.collection.envelope import Arrival
from airflow_provider_flowservice.emulator.collection.store import Message
from airflow_provider_flowservice.emulator.dataprep.mapping import apply_mappings
from airflow_provider_flowservice.emulator.dataprep.store import MappingStore
from airflow_provider_flowservice.emulator.flow.catalogue import MAPPING_TRANSFORM
from airflow_provider_flowservice.emulator.flow.store import Resource, State
from airflow_provider_flowservice.emulator.world import World


def transaction_id(world: World) -> str:
    """A new id in the service's form: milliseconds and two numbers."""
    return f"{world.clock.now_ms()}:{secrets.randbelow(10_000)}:{secrets.randbelow(1_000)}"


def take_in(world: World, arrival: Arrival, record: Any, flow: Resource, xaction_id: str) -> None:
    """Keep a message, and note whether it will be dropped."""
    arrival.inlet.messages.append(
        Message(record, _mapped(arrival, record, flow), flow.id, xaction_id, _reason_to_drop(world, flow))
    )


def _reason_to_drop(world: World, flow: Resource) -> str | None:
    """Documented: a new flow needs about five minutes. That a disabled one drops everything is a guess."""
    if flow.state is not State.ENABLED:
        return f"the flow is {flow.state.value}"
    age = world.clock.now() - flow.updated_at / 1000
    if age < world.switches.settling_seconds:
        return f"the flow was made or changed {age:.0f} seconds before"
    return None


def _mapped(arrival: Arrival, record: Any, flow: Resource) -> dict[str, Any] | None:
    if not arrival.inlet.is_raw:
        return None
    for transformation in flow.body.get("transformations", []):
        if transformation["name"] == MAPPING_TRANSFORM:
            params = transformation["params"]
            mapping_set = MappingStore.of(arrival.sandbox).find(params.get("mappingId"))
            version = mapping_set and mapping_set.version(params.get("mappingVersion"))
            return apply_mappings(version.mappings, record)[0] if version else None
    return None
