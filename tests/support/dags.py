"""Running a DAG that a test builds, through the real Airflow of the test session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.airflow import task_states

if TYPE_CHECKING:
    from airflow.sdk import DAG

_BUNDLE = "dags-folder"


def register(dag: DAG) -> None:
    """Write a DAG to the database, as Airflow does with one that it found in a file."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
    from airflow.utils.session import create_session

    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
        session.flush()
        data = DagSerialization.to_dict(dag)
        SerializedDAG.bulk_write_to_db(_BUNDLE, None, [LazyDeserializedDAG(data=data)], session=session)
        SerializedDagModel.write_dag(LazyDeserializedDAG(data=data), _BUNDLE, session=session)


@dataclass
class Ran:
    """A DAG run that has ended.

    :param states: state of each task by its id.
    :param errors: what made tasks fail.
    :param results: what tasks returned, by their ids.
    """

    states: dict[str, str]
    errors: list[BaseException]
    results: dict[str, Any]

    @property
    def succeeded(self) -> bool:
        """Whether every task did."""
        return set(self.states.values()) == {"success"}

    @property
    def error(self) -> BaseException:
        """The one error."""
        (error,) = self.errors
        return error


def run(dag_id: str, build: Callable[[], object]) -> Ran:
    """Run a DAG in this process to its end.

    :param build: makes its tasks.
    """
    from airflow.sdk import DAG

    errors: list[BaseException] = []
    failed = {"on_failure_callback": lambda context: errors.append(context["exception"])}
    with DAG(dag_id=dag_id, schedule=None, default_args=failed) as dag:
        build()
    register(dag)
    dag_run = dag.test()
    states = task_states(dag_run)
    tasks = dag_run.get_task_instances()
    return Ran(states, errors, {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in tasks})
