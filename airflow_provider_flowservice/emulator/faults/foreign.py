"""What another editor does to a resource behind a caller's back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.emulator.flow.store import Kind, Resource
from airflow_provider_flowservice.emulator.settings import PRODUCTION_SANDBOX

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.journal import Exchange
    from airflow_provider_flowservice.emulator.world import World

FOREIGN_EDIT = "edited by someone else"


def edit_as_someone_else(world: World, exchange: Exchange, segment_id: str) -> None:
    """Change the resource that a request is about; a request about no known resource is left alone.

    :param segment_id: the segment that a flow gets.
    """
    resource = addressed_resource(world, exchange)
    if resource is None:
        return
    selectors = _segment_selectors(resource)
    if selectors is None:
        resource.body["description"] = FOREIGN_EDIT
    else:
        selectors.append({"type": "PLATFORM_SEGMENT", "value": {"id": segment_id, "name": FOREIGN_EDIT}})
    world.sandboxes[_sandbox_name(exchange)].flow.touch(resource)


def addressed_resource(world: World, exchange: Exchange) -> Resource | None:
    """Find the Flow Service resource that stands in a request's path."""
    sandbox = world.sandboxes.get(_sandbox_name(exchange))
    parts = exchange.path.split("/")
    if sandbox is None:
        return None
    for collection, resource_id in itertools.pairwise(parts):
        if collection in {kind.value for kind in Kind}:
            return sandbox.flow.find(Kind(collection), resource_id)
    return None


def _sandbox_name(exchange: Exchange) -> str:
    return exchange.header("x-sandbox-name") or PRODUCTION_SANDBOX


def _segment_selectors(resource: Resource) -> list[Any] | None:
    if resource.kind is not Kind.FLOWS:
        return None
    for transformation in resource.body.get("transformations", []):
        selectors = transformation["params"].get("segmentSelectors", {}).get("selectors")
        if isinstance(selectors, list):
            return selectors
    return None
