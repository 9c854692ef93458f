"""Running a DAG that a test builds, through the real Airflow of the test session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.testing.database import register
from tests.support.airflow import task_states


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
