"""Running a DAG that a test builds, through the real Airflow of the test session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_flowservice.testing.database import register
from tests.support.airflow import task_states


@dataclass
class Ran:
    """A DAG run that has ended.

    :param states: state of each task by its id.
    :param errors: what made tasks fail.
    :param results: what tasks returned, by their ids; not that of mapped tasks, which Airflow 3.1 cannot pull here.
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


def run(
    dag_id: str,
    build: Callable[[], object],
    *,
    logical_date: datetime | None = None,
    conf: dict[str, Any] | None = None,
    **settings: Any,
) -> Ran:
    """Run a DAG in this process to its end.

    :param build: makes its tasks.
    :param logical_date: of its run; now by default.
    :param conf: what the run is started with.
    :param settings: further arguments of the DAG.
    """
    from airflow.sdk import DAG

    with DAG(dag_id=dag_id, **{"schedule": None, **settings}) as dag:
        build()
    register(dag)
    when = {} if logical_date is None else {"logical_date": logical_date}
    with errors_of_tasks() as errors:
        dag_run = dag.test(run_conf=conf, **when)
    states = task_states(dag_run)
    tasks = [task for task in dag_run.get_task_instances() if task.map_index < 0]
    return Ran(states, errors, {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in tasks})


@contextmanager
def errors_of_tasks() -> Iterator[list[BaseException]]:
    """Collect what tasks fail with. Callbacks of ``dag.test`` are not told in Airflow 3.1, listeners are."""
    from airflow.listeners import hookimpl
    from airflow.sdk.execution_time import task_runner

    errors: list[BaseException] = []

    class Listener:
        @hookimpl
        def on_task_instance_failed(self, task_instance: Any, error: BaseException) -> None:
            if task_instance.state == "failed":
                errors.append(error)

    manager, listener = task_runner.get_listener_manager(), Listener()
    manager.add_listener(listener)
    try:
        yield errors
    finally:
        manager.pm.unregister(listener)
