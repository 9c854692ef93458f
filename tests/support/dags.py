"""Running a DAG that a test builds, through the real Airflow of the test session."""

from __future__ import annotations

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


def run(dag: DAG, **arguments: Any) -> dict[str, str]:
    """Run a DAG in this process to its end; the state of each task by its id."""
    register(dag)
    return task_states(dag.test(**arguments))
