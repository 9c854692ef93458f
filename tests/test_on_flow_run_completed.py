"""The DAG that starts when a flow run ends, with events as a trigger fires them, by a real Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import unwrap
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_flowservice.testing.database import register
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger
from tests.support import airflow as support
from tests.support.dags import errors_of_tasks

if TYPE_CHECKING:
    from airflow.sdk import DAG

pytestmark = pytest.mark.usefixtures("airflow_database")

DAG_ID = "on_flow_run_completed"
HANDLED = "on_flow_run_completed_handled"
CLASS = "airflow_provider_flowservice.triggers.events.FlowRunCompletedTrigger"

Fire = Callable[..., Any]


def payload(run_id: str, state: str = "success") -> dict[str, Any]:
    counts = {"records_read": 2, "records_written": 2, "records_failed": 0}
    times = {"created_at": "2026-01-01T00:00:00+00:00", "ended_at": "2026-01-01T00:01:00+00:00"}
    return {"run_id": run_id, "flow_id": "f", "state": state, **times, **counts}


def triggers() -> list[tuple[int, dict[str, Any]]]:
    """The id and the arguments of each trigger of the class that Airflow's database has."""
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(Trigger).where(Trigger.classpath == CLASS)).all()
        return [(each.id, dict(each.kwargs)) for each in found]


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> DAG:
    """The DAG, whose first task takes the flow for a real one."""
    dag = support.load_dag(DAG_ID)
    new_runs = unwrap(dag.get_task("new_runs").python_callable)
    monkeypatch.setitem(new_runs.__globals__, "FLOW_ID", "8256cfb4-17e6-432c-a469-6aedafb16cd5")
    return dag


@pytest.fixture
def fire(dag: DAG) -> Iterator[Fire]:
    """Fires events through the DAG's watcher and runs the DAG, as the scheduler does after the first of them."""
    from airflow.models import DagModel, Variable
    from airflow.models.asset import AssetEvent
    from airflow.models.trigger import Trigger
    from airflow.triggers.base import TriggerEvent
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    register(dag)
    assert triggers() == []  # the watchers of a paused DAG do not run
    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.dag_id == DAG_ID).values(is_paused=False))
    register(dag)
    ((trigger_id, _),) = triggers()

    def fire(*payloads: dict[str, Any]) -> Any:
        for each in payloads:
            Trigger.submit_event(trigger_id, TriggerEvent(each))
        return dag.test()

    yield fire
    Variable.delete(HANDLED)
    with create_session() as session:
        session.execute(delete(AssetEvent))
        session.execute(update(DagModel).where(DagModel.dag_id == DAG_ID).values(is_paused=True))
    register(dag)
    Trigger.clean_unused()


def handled(dag_run: Any) -> list[str]:
    """The runs that a DAG run has handled."""
    assert dag_run.state == "success", support.task_states(dag_run)
    tasks = [each for each in dag_run.get_task_instances() if each.task_id == "handle"]
    pulled = (each.xcom_pull(task_ids="handle", map_indexes=each.map_index) for each in tasks)
    return sorted(run_id for run_id in pulled if run_id)


def test_several_events_start_one_run_and_no_flow_run_is_handled_twice(fire: Fire) -> None:
    first = fire(payload("a"), payload("b", "failed"), payload("a"))
    assert handled(first) == ["a", "b"]
    assert handled(fire(payload("b"), payload("c"))) == ["c"]
    repeated = fire(payload("c"))
    assert handled(repeated) == []
    assert support.task_states(repeated)["remember"] == "skipped"


def test_a_run_that_is_started_by_hand_has_nothing_to_do(fire: Fire) -> None:
    assert handled(fire()) == []


def test_without_a_flow_it_says_what_to_set() -> None:
    with errors_of_tasks() as errors:
        dag_run = support.load_dag(DAG_ID).test()
    assert support.task_states(dag_run)["new_runs"] == "failed"
    (error,) = errors
    assert str(error) == (
        "FLOW_ID, ORG_ID, SANDBOX: not set. Set the flow, its organization and its sandbox at the top of"
        " on_flow_run_completed.py."
    )


def test_airflow_keeps_one_trigger_that_it_can_make_again(fire: Fire, dag: DAG) -> None:
    before = triggers()
    register(dag)
    assert triggers() == before
    ((_, arguments),) = before
    assert FlowRunCompletedTrigger(**arguments).serialize() == (CLASS, arguments)
    assert arguments["sandbox"] == "dev"
