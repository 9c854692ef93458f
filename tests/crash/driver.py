"""Runs the task instances of one DAG run as ``DAG.test`` does, and can be taken up by another process.

``DAG.test`` deletes an earlier run of the same date, and with it what its tasks remember. Here the run is made
once; a process that finds it half done does what a scheduler does about a worker that was killed: the task
instance is tried again.
"""

from __future__ import annotations

import os
import pkgutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.testing.database import share_api_server

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

RETRIES = 3
_THREAD_SECONDS = 5


@dataclass(frozen=True)
class WarmDag:
    """A parsed DAG, ready in the parent process.

    :param dag: as a worker has it.
    :param serialized: as the scheduler has it.
    """

    dag: Any
    serialized: Any


def warm_up(folders: Sequence[Path], dag_ids: Iterable[str]) -> dict[str, WarmDag]:
    """Parse the DAGs, give each task retries, and write them into the database.

    What a worker's first task would import and build is imported and built.
    """
    from datetime import timedelta

    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.sdk.execution_time import supervisor

    import airflow_provider_flowservice.triggers.base  # noqa: F401
    from tests.support.moved import BundleDagBag, DagSerialization, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = BundleDagBag(dag_folder=str(folders[0]), bundle_path=Path(os.path.commonpath(folders)))
    for folder in folders[1:]:
        bag.collect_dags(str(folder))
    if bag.import_errors:
        raise AssertionError(next(iter(bag.import_errors.values())))
    for dag in bag.dags.values():
        for task in dag.tasks:
            task.retries = RETRIES
            task.retry_delay = timedelta(0)
    sync_bag_to_db(bag, "dags-folder", None)
    share_api_server()
    _ = supervisor.in_process_api_server().app
    return {
        dag_id: WarmDag(
            bag.dags[dag_id],
            DagSerialization.deserialize_dag(DagSerialization.serialize_dag(bag.dags[dag_id])),
        )
        for dag_id in dag_ids
    }


def create_run(warm: WarmDag, run_id: str, conf: Mapping[str, Any]) -> None:
    """Put a DAG run into the database, with nothing done yet."""
    from airflow.sdk import DagRunState, timezone
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    now = timezone.utcnow()
    with create_session() as session:
        warm.serialized.create_dagrun(
            run_id=run_id,
            logical_date=None,
            data_interval=None,
            run_after=now,
            conf=dict(conf),
            run_type=DagRunType.MANUAL,
            state=DagRunState.RUNNING,
            triggered_by=DagRunTriggeredByType.TEST,
            triggering_user_name="crash",
            start_date=now,
            session=session,
        )


def leave_database() -> None:
    """Close every connection to the database and end every thread: neither can be shared with a child."""
    import gc
    from concurrent.futures import ThreadPoolExecutor

    from airflow import settings
    from airflow.sdk.execution_time.supervisor import in_process_api_server
    from asgiref.sync import SyncToAsync

    # What runs a task in process leaves a thread that ends within a second, and with it the last client of
    # the in-process API; Airflow ends the API's own threads when nobody can call it any more, except for 3.1.
    _join(lambda thread: "_handle_socket_comms" in thread.name)
    loop = in_process_api_server().transport.app.loop
    del in_process_api_server().transport
    gc.collect()
    if loop.is_running():
        loop.call_soon_threadsafe(loop.stop)
    SyncToAsync.single_thread_executor.shutdown()
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
    _join(lambda thread: thread is not threading.current_thread())
    settings.dispose_orm(do_log=False)
    # A collection in a child would touch, and so copy, all that it shares with this process.
    gc.freeze()


def _join(chosen: Callable[[threading.Thread], bool]) -> None:
    for thread in filter(chosen, threading.enumerate()):
        thread.join(_THREAD_SECONDS)


def enter_database(path: Path) -> None:
    """Let Airflow in this process work on another database file."""
    from airflow import settings
    from sqlalchemy import event

    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{path}"
    settings.configure_vars()
    settings.configure_orm()
    # A killed process loses nothing by this, only a machine that loses its power would.
    event.listen(
        settings.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF")
    )


class Driver:
    """Carries one DAG run to its end.

    :param warm: its DAG.
    :param run_id: its id.
    """

    def __init__(self, warm: WarmDag, run_id: str) -> None:
        self._warm = warm
        self._run_id = run_id

    def carry_on(self) -> str:
        """Run what is left to run.

        :returns: the state in which the DAG run ended.
        """
        from airflow import settings
        from airflow.sdk import DagRunState

        session = settings.Session()
        run = self._find_run(session)
        self._retry_what_was_killed(run, session)
        while run.state == DagRunState.RUNNING:
            session.expire_all()
            ready, _ = run.update_state(session=session)
            self._schedule(ready, session)
            self._step(run, session)
        return str(run.state)

    def _find_run(self, session: Session) -> DagRun:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        run = session.scalars(select(DagRun).where(DagRun.run_id == self._run_id)).one()
        run.dag = self._warm.serialized
        return run

    def _retry_what_was_killed(self, run: DagRun, session: Session) -> None:
        """Report the end of each task that still looks alive, as its supervisor does."""
        from airflow.sdk import TaskInstanceState, timezone
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor

        for ti in run.get_task_instances(state=[TaskInstanceState.RUNNING], session=session):
            client = InProcessTestSupervisor._api_client(self._warm.dag)
            client.task_instances.retry(ti.id, timezone.utcnow(), None)
        session.commit()

    def _schedule(self, ready: Iterable[TaskInstance], session: Session) -> None:
        from airflow.sdk import TaskInstanceState, timezone

        for ti in ready:
            ti.try_number += 1
            ti.state = TaskInstanceState.SCHEDULED
            ti.scheduled_dttm = timezone.utcnow()
        session.commit()

    def _step(self, run: DagRun, session: Session) -> None:
        from airflow.sdk import TaskInstanceState as State

        instances = run.get_task_instances(session=session)
        scheduled = [ti for ti in instances if ti.state == State.SCHEDULED]
        deferred = [ti for ti in instances if ti.state == State.DEFERRED]
        session.commit()
        for ti in scheduled:
            self._run_task(ti)
        for ti in deferred:
            self._run_trigger(ti, session)
        if not scheduled and not deferred and run.state == "running":
            raise AssertionError(f"nothing can run: {[(ti.task_id, ti.state) for ti in instances]}")

    def _run_task(self, ti: TaskInstance) -> None:
        from airflow.sdk import TaskInstanceState
        from airflow.sdk.api.datamodels._generated import TaskInstance as Sent
        from airflow.sdk.execution_time.supervisor import run_task_in_process

        ti.set_state(TaskInstanceState.QUEUED)
        sent = Sent(
            id=ti.id,
            task_id=ti.task_id,
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            try_number=ti.try_number,
            map_index=ti.map_index,
            dag_version_id=ti.dag_version_id,
        )
        run_task_in_process(ti=sent, task=self._warm.dag.task_dict[ti.task_id])

    def _run_trigger(self, ti: TaskInstance, session: Session) -> None:
        """Do what the triggerer does; after a crash it starts the trigger anew from what is stored."""
        from airflow.models.trigger import Trigger
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor

        stored = session.get(Trigger, ti.trigger_id)
        if stored is None:
            raise AssertionError(f"{ti.task_id} is deferred without a trigger")
        trigger = pkgutil.resolve_name(stored.classpath)(**stored.kwargs)
        session.commit()
        event = InProcessTestSupervisor.run_trigger_in_process(trigger=trigger, ti=ti)
        Trigger.submit_event(stored.id, event, session=session)
        session.commit()
