"""The log of a task that Airflow runs as a worker does: in a process of its own, whose log is a file of JSON lines."""

from __future__ import annotations

import json
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.testing.database import register

_BUNDLE = "task-logs"
_FILE = "logged.py"


@dataclass
class Logged:
    """An attempt of a task that has ended.

    :param state: in which it has left the task.
    :param records: its log.
    """

    state: str
    records: list[dict[str, Any]]

    @property
    def on_screen(self) -> list[dict[str, Any]]:
        """The records that Airflow's user interface shows; it has collapsed the groups."""
        shown, depth = [], 0
        for record in self.records:
            if "::group::" in record["event"]:
                depth += 1
            elif "::endgroup::" in record["event"]:
                depth = max(depth - 1, 0)
            elif not depth:
                shown.append(record)
        return shown


class Worker:
    """Runs the one task of a DAG.

    :param folder: for the DAG.
    :param code: makes the task ``x`` in the DAG.
    """

    def __init__(self, folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.utils.session import create_session

        from tests.support.moved import DagBag

        file = folder / _FILE
        indented = "\n".join(f"    {line}" for line in code.splitlines())
        file.write_text(
            f"from airflow.sdk import DAG, task\nwith DAG({folder.name!r}, schedule=None):\n{indented}\n"
        )
        bundle = {
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder)},
        }
        bundles = json.dumps([{"name": _BUNDLE, **bundle}])
        monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", bundles)
        monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "INFO")
        monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(folder))
        with create_session() as session:
            DagBundlesManager().sync_bundles_to_db(session=session)
        self._folder = folder
        self._dag = DagBag(str(file)).dags[folder.name]
        register(self._dag)
        self._create_run()

    def _create_run(self) -> None:
        from airflow.models.dagbag import DBDagBag
        from airflow.sdk import timezone
        from airflow.utils.session import create_session
        from airflow.utils.types import DagRunTriggeredByType, DagRunType

        now = timezone.utcnow()
        with create_session() as session:
            dag = DBDagBag().get_latest_version_of_dag(self._dag.dag_id, session=session)
            assert dag is not None
            run = dag.create_dagrun(
                run_id="run",
                run_type=DagRunType.MANUAL,
                state="running",
                run_after=now,
                logical_date=now,
                data_interval=(now, now),
                triggered_by=DagRunTriggeredByType.TEST,
                session=session,
            )
            (ti,) = run.get_task_instances(session=session)
            ti.try_number = 1

    def attempt(self) -> Logged:
        """Run the task until it ends or waits in the triggerer."""
        from airflow.executors.workloads import BundleInfo, TaskInstance
        from airflow.sdk.execution_time import supervisor
        from airflow.utils.session import create_session

        with create_session() as session:
            ti = self._ti(session)
            ti.state = "queued"
            sent = TaskInstance.model_validate(ti, from_attributes=True)
        # Until 3.2 under another name.
        supervise = getattr(supervisor, "supervise_task", None) or supervisor.supervise
        log = self._folder / "task.log"
        log.unlink(missing_ok=True)
        supervise(
            ti=sent,
            bundle_info=BundleInfo(name=_BUNDLE, version=None),
            dag_rel_path=_FILE,
            token="",
            client=supervisor.InProcessTestSupervisor._api_client(self._dag),
            log_path=log.name,
        )
        with create_session() as session:
            state = str(self._ti(session).state)
        return Logged(state, [json.loads(line) for line in log.read_text().splitlines()])

    def fire(self) -> None:
        """Do what the triggerer does: run the trigger that the task waits for to its event."""
        from airflow.models.trigger import Trigger
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
        from airflow.utils.session import create_session

        with create_session() as session:
            ti = self._ti(session)
            stored = session.get(Trigger, ti.trigger_id)
            assert stored is not None
            trigger = pkgutil.resolve_name(stored.classpath)(**stored.kwargs)
            event = InProcessTestSupervisor.run_trigger_in_process(trigger=trigger, ti=ti)
            Trigger.submit_event(stored.id, event, session=session)

    def _ti(self, session: Any) -> Any:
        from airflow.models.taskinstance import TaskInstance
        from sqlalchemy import select

        # A retry gives it another id.
        return session.scalars(select(TaskInstance).where(TaskInstance.dag_id == self._dag.dag_id)).one()
