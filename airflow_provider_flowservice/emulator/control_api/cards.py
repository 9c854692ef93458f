"""How the page in the browser sees what Flow Service has: each flow with all that belongs to it."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.activation.exports import exported_profiles
from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.collection.store import InletStore
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.origin import is_destination_flow
from airflow_provider_flowservice.emulator.flow.render import Renderer
from airflow_provider_flowservice.emulator.flow.runs import run_state
from airflow_provider_flowservice.emulator.flow.selectors import segment_ids
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.outputs.delivery import DeliveryStore
from airflow_provider_flowservice.emulator.segmentation.store import SegmentStore
from airflow_provider_flowservice.emulator.world import Sandbox

_RUNS_OF_A_CARD = 12
_RUNS_OF_A_FLOW = 50
_SEGMENTS_OF_A_CARD = 50


def flow_card(renderer: Renderer, flow: Resource) -> dict[str, Any]:
    """Return a flow with its ends, segments, latest runs and inlets."""
    sandbox = renderer.sandbox
    now = sandbox.world.clock.now()
    sources = _ends(sandbox, Kind.SOURCE_CONNECTIONS, flow.body.get("sourceConnectionIds"))
    targets = _ends(sandbox, Kind.TARGET_CONNECTIONS, flow.body.get("targetConnectionIds"))
    runs = FlowStore.of(sandbox).runs_by_age(flow)
    segments = segment_ids(flow.body)
    return {
        **_head(flow),
        "state": flow.state.value,
        "spec": _spec_name(FLOW_SPECS, flow.body.get("flowSpec")),
        "isDestination": is_destination_flow(flow.body, sandbox),
        "sourceBases": _shown_once(base for _, base in sources),
        "sources": [_named(source) for source, _ in sources],
        "targets": [_named(target) for target, _ in targets],
        "targetBases": _shown_once(base for _, base in targets),
        "segmentCount": len(segments),
        "segments": [_segment(sandbox, each) for each in segments[:_SEGMENTS_OF_A_CARD]],
        "runCount": len(runs),
        "runs": [
            {"id": run.id, "state": run_state(run, now).value} for run in runs.newest(0, _RUNS_OF_A_CARD)
        ],
        "inlets": [_inlet(sandbox, base, flow) for _, base in sources if base and base.inlet_id],
    }


def flow_detail(renderer: Renderer, flow: Resource) -> dict[str, Any]:
    """Return the card of a flow, its latest runs with their counts, what it exports, and what of it was sent."""
    deliveries = DeliveryStore.of(renderer.sandbox).of_flow(flow.id)[: -_RUNS_OF_A_FLOW - 1 : -1]
    runs = FlowStore.of(renderer.sandbox).runs_by_age(flow).newest(0, _RUNS_OF_A_FLOW)
    exports = exported_profiles(flow) if is_destination_flow(flow.body, renderer.sandbox) else None
    return {
        **flow_card(renderer, flow),
        "latestRuns": [run_line(renderer, run) for run in runs],
        "exports": exports,
        "deliveries": [each.as_json() for each in deliveries],
    }


def run_line(renderer: Renderer, run: Resource) -> dict[str, Any]:
    """Return a run with its state, its flow and its counts of records."""
    item = renderer.item(run)
    metrics = item["metrics"]
    records = metrics["recordSummary"]
    flow = FlowStore.of(renderer.sandbox).find(Kind.FLOWS, run.body["flowId"])
    return {
        "id": run.id,
        "name": run.id,
        "created": iso(run.created_at / 1000),
        "state": run_state(run, renderer.sandbox.world.clock.now()).value,
        "flow": _named(flow) if flow else {"kind": "flows", "id": run.body["flowId"], "name": ""},
        "input": records["inputRecordCount"],
        "output": records["outputRecordCount"],
        "failed": records["failedRecordCount"],
        "errors": metrics["statusSummary"]["errors"],
    }


def connection_line(renderer: Renderer, connection: Resource) -> dict[str, Any]:
    """Return a base, source or target connection."""
    base = FlowStore.of(renderer.sandbox).find(Kind.CONNECTIONS, connection.body.get("baseConnectionId"))
    return {
        **_named(connection),
        "created": iso(connection.created_at / 1000),
        "state": connection.state.value,
        "base": _named(base) if base else None,
    }


def connection_detail(renderer: Renderer, connection: Resource) -> dict[str, Any]:
    """Return a connection and what refers to it."""
    users = [_named(each) for each in FlowStore.of(renderer.sandbox).users_of(connection)]
    inlet = connection.inlet_id and _inlet(renderer.sandbox, connection)
    return {
        **connection_line(renderer, connection),
        "users": users[:_RUNS_OF_A_FLOW],
        "userCount": len(users),
        "inlets": [inlet] if inlet else [],
    }


def _head(resource: Resource) -> dict[str, Any]:
    return {
        "kind": resource.kind.value,
        "id": resource.id,
        "name": resource.body.get("name") or "",
        "created": iso(resource.created_at / 1000),
    }


def _named(resource: Resource) -> dict[str, Any]:
    """Return what a link to a resource shows."""
    specs = FLOW_SPECS if resource.kind is Kind.FLOWS else CONNECTION_SPECS
    spec = resource.body.get("flowSpec" if resource.kind is Kind.FLOWS else "connectionSpec")
    return {
        "kind": resource.kind.value,
        "id": resource.id,
        "name": resource.body.get("name") or "",
        "spec": _spec_name(specs, spec),
    }


def _spec_name(specs: Any, reference: Any) -> str:
    spec_id = reference.get("id") if isinstance(reference, dict) else None
    return str(specs[spec_id].name) if isinstance(spec_id, str) else ""


def _ends(sandbox: Sandbox, kind: Kind, ids: Any) -> list[tuple[Resource, Resource | None]]:
    """Return the source or target connections with their base connections."""
    store = FlowStore.of(sandbox)
    found = (store.find(kind, each) for each in ids or ())
    return [(end, store.find(Kind.CONNECTIONS, end.body.get("baseConnectionId"))) for end in found if end]


def _shown_once(bases: Any) -> list[dict[str, Any]]:
    return [_named(each) for each in {base.id: base for base in bases if base}.values()]


def _segment(sandbox: Sandbox, segment_id: str) -> dict[str, Any]:
    found = SegmentStore.of(sandbox).find(segment_id)
    return {"kind": "segments", "id": segment_id, "name": found.name if found else ""}


def _inlet(sandbox: Sandbox, base: Resource, flow: Resource | None = None) -> dict[str, Any]:
    """Return an inlet with its counts of records.

    :param flow: counts only those for this flow.
    """
    inlet_id = base.inlet_id or ""
    inlet = InletStore.of(sandbox).get(inlet_id, base)
    received, dropped = (each[flow.id] if flow else each.total() for each in (inlet.received, inlet.dropped))
    return {"id": inlet_id, "received": received, "dropped": dropped}
