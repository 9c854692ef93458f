"""What another editor does to resources behind a caller's back."""

from __future__ import annotations

import itertools
from copy import deepcopy

from airflow_provider_flowservice.emulator.flow.selectors import SEGMENTS, selector_list
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.journal import Exchange
from airflow_provider_flowservice.emulator.settings import PRODUCTION_SANDBOX
from airflow_provider_flowservice.emulator.world import Sandbox, World

FOREIGN_EDIT = "edited by someone else"
_COLLECTIONS = {kind.value: kind for kind in Kind}


def edit_as_someone_else(world: World, exchange: Exchange, segment_id: str) -> None:
    """Change the resource that a request is about; a request about no known resource is left alone.

    :param segment_id: the segment that a flow gets.
    """
    sandbox, resource = sandbox_of(world, exchange), addressed_resource(world, exchange)
    if sandbox is None or resource is None:
        return
    body = deepcopy(resource.body)
    selectors = selector_list(body, SEGMENTS)
    if selectors is None:
        body["description"] = FOREIGN_EDIT
    else:
        selectors.append({"type": "PLATFORM_SEGMENT", "value": {"id": segment_id, "name": FOREIGN_EDIT}})
    FlowStore.of(sandbox).change(resource, body=body)


def add_as_someone_else(world: World, exchange: Exchange) -> None:
    """Add a copy of the latest resource to the collection that a request lists, if it has any."""
    sandbox, kind = (
        sandbox_of(world, exchange),
        _COLLECTIONS.get(exchange.path.rstrip("/").rpartition("/")[2]),
    )
    resources = FlowStore.of(sandbox).all(kind) if sandbox is not None and kind is not None else []
    if sandbox is not None and kind is not None and resources:
        FlowStore.of(sandbox).create(kind, deepcopy(resources[-1].body), resources[-1].state)


def sandbox_of(world: World, exchange: Exchange) -> Sandbox | None:
    """The sandbox that a request is meant for, if there is such a one."""
    return world.sandboxes.get(exchange.header("x-sandbox-name") or PRODUCTION_SANDBOX)


def addressed_resource(world: World, exchange: Exchange) -> Resource | None:
    """Find the Flow Service resource that stands in a request's path."""
    sandbox = sandbox_of(world, exchange)
    if sandbox is None:
        return None
    for collection, resource_id in itertools.pairwise(exchange.path.split("/")):
        if collection in _COLLECTIONS:
            return FlowStore.of(sandbox).find(_COLLECTIONS[collection], resource_id)
    return None
