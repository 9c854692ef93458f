"""Airflow with CeleryExecutor on two workers, a broker, a database, and an AEP for its tasks."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash import stack
from tests.crash.stack import Stack
from tests.stack import backfill
from tests.support import airflow as support
from tests.support import processes, redis
from tests.support.activity import Activity
from tests.support.postgresql import Server

WORKERS = ("worker-1", "worker-2")
#: Number of tasks that a worker runs at once.
SLOTS = 3
RUN_SECONDS = 600
#: The DAGs.
ONBOARD, ONBOARD_SHARING = "onboard_kinesis_destination", "onboard_with_shared_tokens"
POST, WAIT = "post_files", "many_waits"
_PARTS = Path(__file__).parent / "home"
_DATABASE = "cluster"
#: What workers log.
_READY = re.compile(r" celery@\S+ ready")
_RECEIVED = re.compile(r"\[([0-9a-f-]{36})\] received")
_COLUMNS = "task_id, map_index, state, try_number, external_executor_id"


@dataclass(frozen=True)
class Task:
    """A try of a task.

    :param external_executor_id: what Celery calls it.
    """

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    external_executor_id: str | None


class Cluster:
    """A running cluster.

    :param home: has its logs.
    :param control: of the emulator.
    """

    def __init__(self, airflow: Stack, control: EmulatorControl, home: Path, server: Server) -> None:
        self.airflow = airflow
        self.control = control
        self.home = home
        self._server = server

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """The latest try of each task of a run, as Airflow's database has it."""
        return self._tries("task_instance", dag_id, run_id)

    def earlier_tries(self, dag_id: str, run_id: str) -> list[Task]:
        """The other tries."""
        return self._tries("task_instance_history", dag_id, run_id)

    def _tries(self, table: str, dag_id: str, run_id: str) -> list[Task]:
        where = f"dag_id = '{dag_id}' AND run_id = '{run_id}'"
        found = self._server.query(_DATABASE, f"SELECT {_COLUMNS} FROM {table} WHERE {where}")
        return [Task(**row) for row in found]

    def under_way(self, dag_id: str, run_id: str) -> set[int]:
        """The map indexes of the tasks that have saved something for a further try."""
        where = f"dag_id = '{dag_id}' AND run_id = '{run_id}'"
        rows = self._server.query(_DATABASE, f"SELECT map_index FROM task_state_store WHERE {where}")
        return {row["map_index"] for row in rows}

    def totals(self) -> str:
        """How much has been run so far."""
        (row,) = self._server.query(
            _DATABASE,
            "SELECT (SELECT count(*) FROM dag_run) AS runs, (SELECT count(*) FROM task_instance) AS tasks,"
            " (SELECT count(*) FROM task_instance_history) AS again",
        )
        return f"{row['runs']} runs with {row['tasks']} tasks, {row['again']} of which were tried again"

    def received(self, worker: str) -> set[str]:
        """What a worker has been given so far, as Celery calls it."""
        return set(_RECEIVED.findall(self._log(worker)))

    def shares(self, tasks: list[Task]) -> Counter[str]:
        """How many of some tasks each worker was given."""
        given = {worker: self.received(worker) for worker in WORKERS}
        return Counter(
            worker for task in tasks for worker in WORKERS if task.external_executor_id in given[worker]
        )

    def run(self, dag_id: str, *confs: Mapping[str, Any]) -> Activity:
        """Run a DAG several times at once."""
        earlier = {run["dag_run_id"] for run in self.airflow.runs(dag_id)}
        self.control.clear_requests()
        names = [f"run-{len(earlier) + number}" for number in range(len(confs))]
        for name, conf in zip(names, confs, strict=True):
            self.airflow.trigger(dag_id, name, conf)
        for name in names:
            self.airflow.wait_for_run(dag_id, name, RUN_SECONDS)
        journal = self.control.requests()
        return Activity([run for run in self.airflow.runs(dag_id) if run["dag_run_id"] in names], journal)

    @contextmanager
    def killed(self, worker: str) -> Iterator[int]:
        """Kill a worker with everything that it runs, and start it again after the block.

        :returns: how many processes were killed.
        """
        before = self._starts(worker)
        number = self.airflow.kill(worker)
        try:
            yield number
        finally:
            self.airflow.start(worker)
            self.airflow.until(lambda: self._starts(worker) > before)

    def wait_until_ready(self) -> None:
        """Return when the workers take tasks, and the scheduler knows all DAGs."""
        self.airflow.until(lambda: all(self._starts(worker) for worker in WORKERS))
        for dag_id in (ONBOARD, ONBOARD_SHARING, POST, WAIT, backfill.DAG_ID):
            self.airflow.wait_for_dag(dag_id)

    def _starts(self, worker: str) -> int:
        return len(_READY.findall(self._log(worker)))

    def _log(self, worker: str) -> str:
        return (self.home / f"{worker}.log").read_text(errors="replace")


@contextmanager
def running(server: Server) -> Iterator[Cluster]:
    """Start everything; it ends with the block."""
    home = Path("build/cluster").resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    database = server.create_database(_DATABASE)
    further = {worker: _worker(worker, home) for worker in WORKERS}
    with redis.running(home / "redis.log") as broker, processes.emulator_process() as control:
        variables = {**_connections(control), **_settings(broker, database)}
        with stack.running(home, _PARTS, database, variables, further) as airflow:
            cluster = Cluster(airflow, control, home, server)
            cluster.wait_until_ready()
            yield cluster


def _worker(name: str, home: Path) -> tuple[str, ...]:
    # They share a home, and so would share a file for their process ids.
    return (
        "celery",
        "worker",
        "--celery-hostname",
        name,
        "--pid",
        str(home / f"{name}.pid"),
        "--skip-serve-logs",
    )


def _connections(control: EmulatorControl) -> dict[str, str]:
    shared = support.flowservice_connection(control.url, control.credential, token_cache="file")
    return {
        **support.connections(control.url, control.credential),
        "AIRFLOW_CONN_FLOWSERVICE_SHARED_TOKENS": shared,
    }


def _settings(broker: str, database: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(SLOTS * len(WORKERS)),
        # Encrypts the shared tokens.
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
        # What a killed worker ran is tried again after this many seconds, or what it was about to run.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "15",
    }
