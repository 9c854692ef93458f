"""What the provider does to flows that exist: lifecycle, runs and exports, for the fault matrix."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client import FlowState
from airflow_provider_flowservice.client.activation import adhoc
from airflow_provider_flowservice.client.flows import runs
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.connections import FlowServiceDeleteConnectionOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServiceFindFlowOperator,
    FlowServicePruneFlowsOperator,
    FlowServicePublishFlowOperator,
    FlowServiceRunFlowOperator,
    FlowServiceSetFlowStateOperator,
)
from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor
from tests.support.aep import FLOW_SERVICE, kinesis, make, make_ends, make_flow, profile_flow, stream
from tests.support.batch import make_batch_flow
from tests.support.files import exported, make_file_flow
from tests.support.operation import NAME, POLL, REQUEST_TRIES, SEGMENTS, Operation, Repeats, Sandbox

FLOWS = f"{FLOW_SERVICE}/flows"
RUNS = f"{FLOW_SERVICE}/runs"
ADHOC = "/data/core/activation/disflowprovider/adhocrun"
WINDOW = Window(1_700_000_000, 1_700_086_400)
ENDS = ("targetConnections", "sourceConnections", "connections")


def lifecycle_operations() -> list[Operation]:
    """Each operation on a flow that exists, and the deletion of a connection."""
    return [
        _find(),
        _disable(),
        _publish(),
        _delete_flow(with_connections=False),
        _delete_flow(with_connections=True),
        _delete_connection(),
        _prune_by_disabling(),
        _prune_by_deleting(),
        _run(),
        _export(),
        _wait_for_run(),
        _report(),
    ]


def _states(sandbox: Sandbox) -> set[str]:
    state = sandbox.control.state()
    return {held["state"] for kind in ("flows", *ENDS) for held in state[kind]}


def _find() -> Operation:
    return Operation(
        name="find flow",
        prepare=lambda sandbox: make_flow(sandbox.hook, NAME),
        build=lambda _: FlowServiceFindFlowOperator(task_id="x", name=NAME),
        places={"look": ("GET", FLOWS)},
        left=lambda sandbox, flow: [found["id"] == flow for found in sandbox.named(FLOWS)],
        wanted=[True],
    )


def _disable() -> Operation:
    def left(sandbox: Sandbox, flow_id: str) -> str:
        (flow,) = [flow for flow in sandbox.control.state()["flows"] if flow["id"] == flow_id]
        return str(flow["state"])

    return Operation(
        name="disable",
        prepare=lambda sandbox: make_flow(sandbox.hook),
        build=lambda flow: FlowServiceSetFlowStateOperator(task_id="x", flow_id=flow, state="disabled"),
        places={
            "look": ("GET", f"{FLOWS}/*"),
            "write": ("POST", f"{FLOWS}/*/action"),
            "check": ("GET", f"{FLOWS}/*"),
        },
        left=left,
        wanted="disabled",
    )


def _publish() -> Operation:
    def draft(sandbox: Sandbox) -> str:
        ends = make_ends(sandbox.hook)
        return sandbox.hook.send(profile_flow(*ends, draft=True).create()).id

    return Operation(
        name="publish",
        prepare=draft,
        build=lambda flow: FlowServicePublishFlowOperator(task_id="x", flow_id=flow),
        places={
            "look": ("GET", f"{FLOWS}/*"),
            "write": ("POST", f"{FLOWS}/*/action"),
            "check": ("GET", f"{FLOWS}/*"),
        },
        left=lambda sandbox, _: _states(sandbox),
        wanted={"enabled"},
    )


def _delete_flow(*, with_connections: bool) -> Operation:
    """Another flow reads from the same source connection, which stays."""

    def prepare(sandbox: Sandbox) -> str:
        source, target = make_ends(sandbox.hook)
        base = make(sandbox.hook, kinesis("another"))
        make(sandbox.hook, profile_flow(source, make(sandbox.hook, stream(base, "another")), "another"))
        return make(sandbox.hook, profile_flow(source, target))

    def left(sandbox: Sandbox, _: str) -> dict[str, list[str]]:
        state = sandbox.control.state()
        return {kind: sorted(held["name"] for held in state[kind]) for kind in ("flows", *ENDS)}

    def build(flow: str) -> FlowServiceDeleteFlowOperator:
        return FlowServiceDeleteFlowOperator(task_id="x", flow_id=flow, with_connections=with_connections)

    gone = [] if with_connections else ["kinesis"]
    return Operation(
        name="delete flow and connections" if with_connections else "delete flow",
        prepare=prepare,
        build=build,
        places={"look": ("GET", f"{FLOWS}/*"), "write": ("DELETE", f"{FLOWS}/*")},
        left=left,
        wanted={
            "flows": ["another"],
            "targetConnections": sorted(["another", *(["stream"] if gone else [])]),
            "sourceConnections": ["profiles"],
            "connections": sorted(["another", "profile store", *gone]),
        },
        repeats=Repeats.SEND,
        tries=REQUEST_TRIES,
    )


def _delete_connection() -> Operation:
    def prepare(sandbox: Sandbox) -> str:
        return make(sandbox.hook, stream(make(sandbox.hook, kinesis())))

    return Operation(
        name="delete connection",
        prepare=prepare,
        build=lambda target: FlowServiceDeleteConnectionOperator(
            task_id="x", connection_id=target, kind="target"
        ),
        places={"look": ("GET", FLOWS), "write": ("DELETE", f"{FLOW_SERVICE}/targetConnections/*")},
        left=lambda sandbox, _: sandbox.control.state()["targetConnections"],
        wanted=[],
        repeats=Repeats.SEND,
        tries=REQUEST_TRIES,
    )


def _prune(action: str) -> FlowServicePruneFlowsOperator:
    return FlowServicePruneFlowsOperator(
        task_id="x",
        keep=["mine: kept"],
        name_prefix="mine: ",
        action=action,
        with_connections=True,
        max_removals=100,  # somebody else may add a copy of the flow
    )


def _flows_to_prune(sandbox: Sandbox) -> str:
    """One flow that is kept, and one that is not, which reads from the same source connection."""
    source, target = make_ends(sandbox.hook)
    gone = make(sandbox.hook, profile_flow(source, target, "mine: gone"))
    another = make(sandbox.hook, stream(make(sandbox.hook, kinesis("another")), "another"))
    make(sandbox.hook, profile_flow(source, another, "mine: kept"))
    return gone


def _prune_by_disabling() -> Operation:
    def left(sandbox: Sandbox, _: str) -> list[set[tuple[str, str]]]:
        return [{(flow["name"], flow["state"]) for flow in sandbox.control.state()["flows"]}]

    return Operation(
        name="prune, disable",
        prepare=_flows_to_prune,
        build=lambda _: _prune("disable"),
        places={
            "look": ("GET", FLOWS),
            "write": ("POST", f"{FLOWS}/*/action"),
            "check": ("GET", f"{FLOWS}/*"),
        },
        left=left,
        wanted=[{("mine: kept", "enabled"), ("mine: gone", "disabled")}],
    )


def _prune_by_deleting() -> Operation:
    def prepare(sandbox: Sandbox) -> str:
        gone = _flows_to_prune(sandbox)
        sandbox.hook.set_flow_state(gone, FlowState.DISABLED)
        return gone

    def left(sandbox: Sandbox, _: str) -> list[dict[str, set[str]]]:
        state = sandbox.control.state()
        return [{kind: {held["name"] for held in state[kind]} for kind in ("flows", *ENDS)}]

    return Operation(
        name="prune, delete",
        prepare=prepare,
        build=lambda _: _prune("delete"),
        places={"look": ("GET", FLOWS), "write": ("DELETE", f"{FLOWS}/*"), "check": ("GET", f"{FLOWS}/*")},
        left=left,
        wanted=[
            {
                "flows": {"mine: kept"},
                "targetConnections": {"another"},
                "sourceConnections": {"profiles"},
                "connections": {"another", "profile store"},
            }
        ],
        repeats=Repeats.SEND,
        tries=REQUEST_TRIES,
    )


def _runs(sandbox: Sandbox, _: Any) -> int:
    return len(sandbox.control.state()["runs"])


def _at_once(sandbox: Sandbox) -> None:
    """Let a run end as soon as it has begun."""
    sandbox.control.set_switches(scheduled_runs=False, run_seconds=0)


def _run() -> Operation:
    def prepare(sandbox: Sandbox) -> str:
        _at_once(sandbox)
        return make_batch_flow(sandbox.hook)

    return Operation(
        name="run",
        prepare=prepare,
        build=lambda flow: FlowServiceRunFlowOperator(
            task_id="x",
            flow_id=flow,
            window_start=WINDOW.start,
            window_end=WINDOW.end,
            poll_interval=POLL,
            deferrable=False,
        ),
        places={"look": ("GET", RUNS), "write": ("POST", RUNS), "check": ("GET", f"{RUNS}/*")},
        left=_runs,
        wanted=1,
        polled="check",
        repeats=Repeats.LOOK,
        tries=runs.ATTEMPTS,
    )


def _export() -> Operation:
    def prepare(sandbox: Sandbox) -> str:
        _at_once(sandbox)
        flow = make_file_flow(sandbox.hook)
        sandbox.hook.activate_segments(flow, [exported(segment) for segment in SEGMENTS])
        return flow

    return Operation(
        name="export",
        prepare=prepare,
        build=lambda flow: FlowServiceAdHocActivationOperator(
            task_id="x", flow_id=flow, segments=SEGMENTS[:1], poll_interval=POLL, deferrable=False
        ),
        places={"look": ("GET", RUNS), "write": ("POST", ADHOC), "check": ("GET", f"{RUNS}/*")},
        left=_runs,
        wanted=1,
        polled="check",
        repeats=Repeats.LOOK,
        tries=adhoc.ATTEMPTS,
    )


def _with_a_run(sandbox: Sandbox) -> str:
    """A flow that has run."""
    _at_once(sandbox)
    flow = make_batch_flow(sandbox.hook)
    sandbox.hook.send(create_run(flow, WINDOW))
    return flow


def _wait_for_run() -> Operation:
    return Operation(
        name="wait for run",
        prepare=_with_a_run,
        build=lambda flow: FlowServiceFlowRunSensor(
            task_id="x", flow_id=flow, started_after=1_700_000_000, deferrable=False, poke_interval=POLL
        ),
        places={"look": ("GET", RUNS)},
        left=_runs,
        wanted=1,
    )


def _report() -> Operation:
    return Operation(
        name="report on runs",
        prepare=_with_a_run,
        build=lambda flow: FlowServiceFlowRunReportOperator(
            task_id="x", since=1_600_000_000, until=4_000_000_000, flows=[flow]
        ),
        places={"look": ("GET", RUNS), "check": ("GET", FLOWS)},
        left=lambda sandbox, flow: [run["flowId"] == flow for run in sandbox.control.state()["runs"]],
        wanted=[True],
    )
