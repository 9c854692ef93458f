"""Where a flow reads from. This decides what it needs, whichever flow spec it has."""

from __future__ import annotations

from enum import Enum
from typing import Any

from airflow_provider_flowservice.emulator.flow.catalogue import DATASET_EXPORT, UNIFIED_PROFILE
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.world import Sandbox


class Origin(Enum):
    """What the source connections of a flow stand for."""

    PROFILES = UNIFIED_PROFILE
    DATASETS = DATASET_EXPORT
    SYSTEM = None


def origin_of(flow: dict[str, Any], sandbox: Sandbox) -> Origin:
    """Return where the flow with this body reads from; an external system if neither of AEP's own is among it."""
    store = FlowStore.of(sandbox)
    sources = [store.find(Kind.SOURCE_CONNECTIONS, each) for each in flow.get("sourceConnectionIds", ())]
    held = {each.body["connectionSpec"]["id"] for each in sources if each}
    return next((each for each in Origin if each.value in held), Origin.SYSTEM)


def is_destination_flow(flow: dict[str, Any], sandbox: Sandbox) -> bool:
    """Return whether the flow with this body sends data out of AEP."""
    return origin_of(flow, sandbox) is not Origin.SYSTEM
