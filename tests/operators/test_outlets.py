"""The events of outlets, as a real Airflow keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from airflow.sdk import DAG, Asset, AssetAlias

from airflow_provider_flowservice.assets import flow_asset
from airflow_provider_flowservice.client import Window
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.flows import FlowServiceRunFlowOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowRunSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.database import register
from tests.support import dags
from tests.support.batch import make_batch_flow, runs
from tests.support.faults import fault
from tests.support.files import exported, make_file_flow
from tests.support.inlets import post
from tests.support.streaming import SETTLED, Source, open_source, people

ONE_OF_TWO_REJECTED = {
    "inletId": "x",
    "batchId": "b",
    "responses": [{"xactionId": "9-0"}, {"xactionId": "9-1", "status": 400, "message": "odd"}],
}
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferrable"])
pytestmark = pytest.mark.usefixtures("airflow_database", "runs_on_demand")


@pytest.fixture
def source_flow(hook: FlowServiceHook) -> str:
    return make_batch_flow(hook)


@pytest.fixture
def dag_id(request: pytest.FixtureRequest) -> str:
    """Each test has a DAG of its own."""
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


class Emitted(NamedTuple):
    """What an event is for.

    :param asset: name of the asset.
    :param alias: name of the alias through which it was emitted.
    """

    asset: str
    alias: str | None = None
    map_index: int = -1


def events(dag_id: str) -> dict[Emitted, dict[str, Any]]:
    """The ``extra`` of each event that the tasks of a DAG have emitted."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    found: dict[Emitted, dict[str, Any]] = {}
    with create_session() as session:
        for event in session.scalars(select(AssetEvent).where(AssetEvent.source_dag_id == dag_id)):
            aliases = [alias.name for alias in event.source_aliases] or [None]
            for alias in aliases:
                emitted = Emitted(event.asset.name, alias, event.source_map_index)
                assert emitted not in found
                found[emitted] = event.extra
    return found


def asset(control: EmulatorControl, flow: str, **arguments: Any) -> Asset:
    """The asset of a flow of the emulator."""
    credential = control.credential
    return flow_asset(flow, org_id=credential.org_id, sandbox=credential.sandbox, **arguments)


def run_flow(flow: Any, **changes: Any) -> FlowServiceRunFlowOperator:
    window = {"window_start": 1_700_000_000, "window_end": 1_700_086_400}
    return FlowServiceRunFlowOperator(**{"task_id": "x", "flow_id": flow, **window, **changes})


def totals(flow: str, run_ids: Sequence[str], counts: Sequence[int | None]) -> dict[str, Any]:
    """What an event says of runs; ``counts`` are those of the records read, written, failed and skipped."""
    names = ("records_read", "records_written", "records_failed", "records_skipped")
    return {
        "flow_id": flow,
        "runs": len(run_ids),
        "run_ids": run_ids,
        **dict(zip(names, counts, strict=True)),
    }


@MODES
def test_the_events_of_the_flow_have_the_totals_of_its_run(
    control: EmulatorControl, source_flow: str, dag_id: str, deferrable: bool
) -> None:
    mine, other = asset(control, source_flow), asset(control, str(uuid4()))
    outlets = [mine, other, Asset("report"), AssetAlias("runs"), {"a": "lineage object"}]
    ran = dags.run(dag_id, lambda: run_flow(source_flow, deferrable=deferrable, outlets=outlets))
    assert ran.succeeded, ran.errors
    expected = totals(source_flow, runs(control), (1000, 1000, 0, 0))
    assert events(dag_id) == {
        Emitted("report"): {},
        Emitted(other.name): {},
        Emitted(mine.name): expected,
        Emitted(mine.name, "runs"): expected,
    }


@MODES
def test_a_run_that_is_waited_for_has_an_event_too(
    control: EmulatorControl, hook: FlowServiceHook, source_flow: str, dag_id: str, deferrable: bool
) -> None:
    control.set_switches(run_seconds=0)
    run_id = hook.run_flow(source_flow, Window(1_700_000_000, 1_700_000_001))
    ran = dags.run(
        dag_id,
        lambda: FlowServiceFlowRunSensor(
            task_id="x",
            flow_id=source_flow,
            run_id=run_id,
            deferrable=deferrable,
            outlets=[asset(control, source_flow)],
        ),
    )
    assert ran.succeeded, ran.errors
    expected = totals(source_flow, [run_id], (1000, 1000, 0, 0))
    assert events(dag_id) == {Emitted(asset(control, source_flow).name): expected}


@MODES
def test_the_totals_of_exports_are_those_of_all_their_runs(
    control: EmulatorControl, hook: FlowServiceHook, dag_id: str, deferrable: bool
) -> None:
    flow, segments = make_file_flow(hook), control.segments[:2]
    hook.activate_segments(flow, [exported(segment) for segment in segments])

    def build() -> None:
        FlowServiceAdHocActivationOperator(
            task_id="x", flow_id=flow, segments=segments, deferrable=deferrable, outlets=[AssetAlias("files")]
        )

    ran = dags.run(dag_id, build)
    assert ran.succeeded, ran.errors
    expected = totals(flow, sorted(runs(control)), (2000, 2000, 0, 0))
    assert len(expected["run_ids"]) == 2
    assert events(dag_id) == {Emitted(asset(control, flow).name, "files"): expected}


def test_of_runs_that_are_not_waited_for_only_the_ids_are_known(
    control: EmulatorControl, source_flow: str, dag_id: str
) -> None:
    mine = asset(control, source_flow)
    outlets = [mine, AssetAlias("runs")]
    ran = dags.run(dag_id, lambda: run_flow(source_flow, wait_for_completion=False, outlets=outlets))
    assert ran.succeeded, ran.errors
    expected = totals(source_flow, runs(control), (None,) * 4)
    assert events(dag_id) == {Emitted(mine.name): expected, Emitted(mine.name, "runs"): expected}


@pytest.mark.parametrize("by", ["uri", "name"])
def test_an_outlet_may_refer_to_an_asset_that_has_a_name(
    control: EmulatorControl, source_flow: str, dag_id: str, by: str
) -> None:
    names = {"mine": source_flow, "other": str(uuid4())}
    assets = [asset(control, flow, name=f"{dag_id}_{name}") for name, flow in names.items()]
    with DAG(f"{dag_id}_consumer", schedule=assets) as consumer:
        pass
    register(consumer)
    unknown = Asset.ref(**{by: "nobody has it"})
    outlets = [*(Asset.ref(**{by: getattr(each, by)}) for each in assets), unknown]
    ran = dags.run(dag_id, lambda: run_flow(source_flow, outlets=outlets))
    assert ran.succeeded, ran.errors
    expected = totals(source_flow, runs(control), (1000, 1000, 0, 0))
    assert events(dag_id) == {Emitted(f"{dag_id}_mine"): expected, Emitted(f"{dag_id}_other"): {}}


def test_each_task_of_a_mapped_operator_has_its_own_event(
    control: EmulatorControl, hook: FlowServiceHook, dag_id: str
) -> None:
    flows = [make_batch_flow(hook), make_batch_flow(hook)]
    mine = asset(control, flows[1])
    window = {"window_start": 1_700_000_000, "window_end": 1_700_086_400}
    with DAG(dag_id, schedule=None) as dag:
        outlets = [mine, AssetAlias("runs")]
        FlowServiceRunFlowOperator.partial(task_id="x", outlets=outlets, **window).expand(flow_id=flows)
    register(dag)
    assert dag.test().state == "success"
    flow_ids = {emitted: extra.get("flow_id") for emitted, extra in events(dag_id).items()}
    assert flow_ids == {
        Emitted(mine.name, None, 0): None,
        Emitted(mine.name, None, 1): flows[1],
        Emitted(asset(control, flows[0]).name, "runs", 0): flows[0],
        Emitted(mine.name, "runs", 1): flows[1],
    }


@MODES
def test_what_the_user_has_put_in_an_event_is_kept(
    control: EmulatorControl, source_flow: str, dag_id: str, deferrable: bool
) -> None:
    mine = asset(control, source_flow)

    def add(context: Any) -> None:
        context["outlet_events"][mine].extra["ticket"] = "DATA-7"

    def build() -> None:
        run_flow(source_flow, deferrable=deferrable, outlets=[mine], pre_execute=add)

    assert dags.run(dag_id, build).succeeded
    expected = totals(source_flow, runs(control), (1000, 1000, 0, 0))
    assert events(dag_id) == {Emitted(mine.name): {"ticket": "DATA-7", **expected}}


def test_what_is_only_planned_has_no_event_of_an_alias(
    control: EmulatorControl, source_flow: str, dag_id: str
) -> None:
    mine = asset(control, source_flow)
    outlets = [mine, AssetAlias("runs")]
    assert dags.run(dag_id, lambda: run_flow(source_flow, plan_only=True, outlets=outlets)).succeeded
    assert events(dag_id) == {Emitted(mine.name): {}}


@MODES
def test_a_task_that_fails_has_no_events(
    control: EmulatorControl, source_flow: str, dag_id: str, deferrable: bool
) -> None:
    control.set_switches(run_outcome="failed")
    outlets = [asset(control, source_flow), AssetAlias("runs")]
    ran = dags.run(dag_id, lambda: run_flow(source_flow, deferrable=deferrable, outlets=outlets))
    assert ran.states == {"x": "failed"}
    assert events(dag_id) == {}


@MODES
def test_the_events_of_a_posting_have_its_result(
    control: EmulatorControl, hook: FlowServiceHook, in_step: VirtualClock, dag_id: str, deferrable: bool
) -> None:
    source = open_source(hook)
    mine, other = asset(control, source.flow_id), asset(control, str(uuid4()))
    outlets = [mine, other, AssetAlias("records")]
    control.inject(fault("status", "POST", source.paths[1], status=207, body=ONE_OF_TWO_REJECTED))

    def build() -> None:
        waiting = {"settle_seconds": SETTLED, "deferrable": deferrable}
        post(source, messages=people(2), max_failures=1, outlets=outlets, **waiting)

    ran = dags.run(dag_id, build)
    assert ran.succeeded, ran.errors
    assert in_step.sleeps
    assert (ran.results["post"]["accepted"], ran.results["post"]["rejected"]) == (1, 1)
    expected = {"flow_id": source.flow_id, **ran.results["post"]}
    assert events(dag_id) == {
        Emitted(other.name): {},
        Emitted(mine.name): expected,
        Emitted(mine.name, "records"): expected,
    }


def test_without_its_flow_a_posting_reports_to_all_flows_and_to_no_alias(
    control: EmulatorControl, source: Source, dag_id: str
) -> None:
    mine = asset(control, source.flow_id)
    outlets = [mine, Asset("report"), AssetAlias("records")]

    def build() -> None:
        # AEP rejects records that name no flow either.
        post(connection_id=source.connection_id, messages=people(1), max_failures=1, outlets=outlets)

    ran = dags.run(dag_id, build)
    assert ran.succeeded, ran.errors
    assert events(dag_id) == {
        Emitted("report"): {},
        Emitted(mine.name): {"flow_id": None, **ran.results["post"]},
    }


def test_a_flow_may_be_given_in_capitals(control: EmulatorControl, source: Source, dag_id: str) -> None:
    mine, capitals = asset(control, source.flow_id), source.flow_id.upper()
    outlets = [mine, AssetAlias("records")]

    def build() -> None:
        # The emulator does not know the flow by this id.
        post(source, flow_id=capitals, messages=people(1), max_failures=1, outlets=outlets)

    ran = dags.run(dag_id, build)
    assert ran.succeeded, ran.errors
    expected = {"flow_id": capitals, **ran.results["post"]}
    assert events(dag_id) == {Emitted(mine.name): expected, Emitted(mine.name, "records"): expected}
