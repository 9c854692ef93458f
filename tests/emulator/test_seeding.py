from __future__ import annotations

from airflow_provider_flowservice.emulator.flow.checks import check_resource
from airflow_provider_flowservice.emulator.flow.runs import RunState, run_state, start_scheduled_runs
from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, State
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World


def test_a_busy_sandbox_has_what_flow_service_would_have_accepted() -> None:
    world = World(Settings())
    sandbox = world.sandboxes["dev"]
    seed_streaming_flows(sandbox, 120, 3)
    store = FlowStore.of(sandbox)
    assert {kind.value: len(store.all(kind)) for kind in Kind} == {
        "connections": 4,
        "sourceConnections": 120,
        "targetConnections": 120,
        "flows": 120,
        "runs": 360,
    }
    for kind in Kind:
        for resource in store.all(kind):
            assert kind is Kind.RUNS or check_resource(kind, resource.body, sandbox, draft=False) is None
    assert sum(flow.state is State.DISABLED for flow in store.all(Kind.FLOWS)) == 12
    states = [run_state(run, world.clock.now()) for run in store.all(Kind.RUNS)]
    assert set(states) == {RunState.SUCCESS, RunState.FAILED}
    assert states.count(RunState.FAILED) == 18


def test_what_was_due_before_is_not_started_again() -> None:
    world = World(Settings())
    sandbox = world.sandboxes["dev"]
    seed_streaming_flows(sandbox, 10, 2)
    store = FlowStore.of(sandbox)
    flow = store.all(Kind.FLOWS)[0]
    seeded = {run.created_at for run in store.runs_of(flow)}
    start_scheduled_runs(sandbox)
    assert {run.created_at for run in store.runs_of(flow)} == seeded
    world.clock.advance(3600)
    start_scheduled_runs(sandbox)
    (following,) = {run.created_at for run in store.runs_of(flow)} - seeded
    assert following == max(seeded) + 3_600_000
