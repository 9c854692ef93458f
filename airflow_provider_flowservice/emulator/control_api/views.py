"""What exists and what arrived, as JSON."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import Response

from airflow_provider_flowservice.emulator.activation.exports import exported_profiles
from airflow_provider_flowservice.emulator.collection.store import inlets_of
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.flow.runs import start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.outputs.delivery import DeliveryStore
from airflow_provider_flowservice.emulator.world import Sandbox


def state_of(sandbox: Sandbox, base_url: str) -> dict[str, Any]:
    """Return the current state of every resource of a sandbox by collection, oldest first, secrets masked.

    :param base_url: where the caller reaches the emulator.
    """
    start_scheduled_runs(sandbox)
    renderer = Renderer(sandbox, base_url, mask=True, current=True)
    state: dict[str, Any] = {
        kind.value: [renderer.item(each) for each in FlowStore.of(sandbox).all(kind)] for kind in Kind
    }
    state["messages"] = {
        inlet.id: [message.as_json() for message in inlet.messages] for inlet in inlets_of(sandbox)
    }
    return state


def ascii_response(content: Any) -> Response:
    """Return a response in ASCII, so that it can have any string, even one with half of a surrogate pair."""
    return Response(json.dumps(content), media_type="application/json")


def exports_of(sandbox: Sandbox, flow: Resource) -> dict[str, Any]:
    """Return what a flow exports, and what of it was sent to an output, the latest last."""
    return {
        "flowId": flow.id,
        "sandbox": sandbox.name,
        "payloads": exported_profiles(flow),
        "deliveries": [each.as_json() for each in DeliveryStore.of(sandbox).of_flow(flow.id)],
    }
