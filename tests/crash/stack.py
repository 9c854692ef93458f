"""A whole Airflow on loopback: all its servers, of which the scheduler, by default, runs the tasks (LocalExecutor)."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.support import airflow as support
from tests.support import processes
from tests.support.loopback import HOST, free_port

_ROOT = Path(__file__).parents[2]
#: The servers, each with what starts it. Logs are read from files; a server for them would listen on all addresses.
_SERVERS = {
    "api-server": ("api-server", "--host", HOST, "--workers", "1"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_START_SECONDS = 240
_STOP_SECONDS = 30
_LOOK_SECONDS = 0.5


class Stack:
    """A running Airflow.

    :param url: of its API server.
    :param servers: their names.
    :param start_server: starts one of them.
    :param environment: of its servers.
    """

    def __init__(
        self,
        url: str,
        servers: Iterable[str],
        start_server: Callable[[str], subprocess.Popen[str]],
        environment: Mapping[str, str],
    ) -> None:
        self.url = url
        self._start_server = start_server
        self._servers = {name: start_server(name) for name in servers}
        self._environment = dict(environment)
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def kill(self, server: str) -> int:
        """Send SIGKILL to a server and its children, and wait for their end. Return how many processes it had."""
        process = self._servers.pop(server)
        members = processes.session(process.pid)
        processes.kill(process)
        return len(members)

    def start(self, server: str) -> None:
        """Start a server that was killed."""
        self._servers[server] = self._start_server(server)

    def until(self, condition: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        """Return when a condition holds. Looks again and again: neither Airflow nor AEP has events for this.

        Fails as soon as a server has ended that was not killed.
        """
        pause = threading.Event()
        for _ in range(int(seconds / _LOOK_SECONDS)):
            if condition():
                return
            if dead := [name for name, server in self._servers.items() if server.poll() is not None]:
                raise AssertionError(f"{dead} ended")
            pause.wait(_LOOK_SECONDS)
        raise AssertionError(f"not within {seconds:.0f} seconds")

    def wait_until_healthy(self) -> None:
        """Return when each server reports itself healthy."""
        self.until(lambda: all(self._health().get(name) == "healthy" for name in _MONITORED))
        token = self._call("GET", "/auth/token").json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def wait_for_dag(self, dag_id: str) -> None:
        """Return when the DAG processor has put a DAG into the database."""
        self.until(lambda: self._session.get(f"{self.url}/api/v2/dags/{dag_id}", timeout=30).ok)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Queue a DAG run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler start the runs of a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def command(self, *arguments: str) -> str:
        """Run ``airflow`` with these arguments; what it printed."""
        done = subprocess.run(
            _airflow(*arguments),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(arguments)}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout

    def wait_for_backfills(self, dag_id: str, seconds: float) -> None:
        """Return when the scheduler has ended every backfill of a DAG."""
        self.until(lambda: all(each["completed_at"] for each in self._backfills(dag_id)), seconds)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, at most 100."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"limit": 100}).json()
        return list(found["dag_runs"])

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float) -> str:
        """Wait for the end of a DAG run and return its state."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        self.until(lambda: self._run_state(path) in ("success", "failed"), seconds)
        return self._run_state(path)

    def tries(self, dag_id: str, run_id: str) -> dict[str, tuple[str, int]]:
        """State and number of tries of each task instance."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()
        return {ti["task_id"]: (ti["state"], ti["try_number"]) for ti in found["task_instances"]}

    def returned(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._call("GET", path, params={"deserialize": "true"}).json()["value"]

    def get(self, path: str, **params: Any) -> Any:
        """What the public API answers to a GET.

        :param path: below ``/api/v2``.
        """
        return self._call("GET", f"/api/v2{path}", params=params).json()

    def delete(self, path: str) -> None:
        """Delete something through the public API.

        :param path: below ``/api/v2``.
        """
        self._call("DELETE", f"/api/v2{path}")

    def _backfills(self, dag_id: str) -> list[dict[str, Any]]:
        return list(self._call("GET", "/api/v2/backfills", params={"dag_id": dag_id}).json()["backfills"])

    def _run_state(self, path: str) -> str:
        return str(self._call("GET", path).json()["state"])

    def _health(self) -> dict[str, str]:
        try:
            answer = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=30)
        except (requests.ConnectionError, requests.Timeout):
            return {}
        return {name: part["status"] for name, part in answer.json().items()} if answer.ok else {}

    def _call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        answer = self._session.request(method, f"{self.url}{path}", timeout=60, **arguments)
        if not answer.ok:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer


_MONITORED = ("metadatabase", "scheduler", "dag_processor", "triggerer")


@contextmanager
def running(
    home: Path,
    parts: Path,
    database: str,
    variables: Mapping[str, str],
    further: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Stack]:
    """Start Airflow in a folder; each server ends with the block, and its workers and tasks with it.

    :param home: gets all logs.
    :param parts: folder with ``dags``, and ``python`` for modules that go before all others.
    :param database: SQLAlchemy's URL of an empty database.
    :param variables: for the environment of every server.
    :param further: names of further servers, each with the arguments of ``airflow`` that start it.
    """
    port = free_port()
    servers = {**_SERVERS, **(further or {})}
    environment = {
        **_environment(home, parts, port),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        # By itself, Airflow would take asyncpg here; psycopg does both.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database,
        **variables,
    }
    with (home / "migrate.log").open("wb") as log:
        subprocess.run(
            _airflow("db", "migrate"), env=environment, check=True, stdout=log, stderr=log, timeout=300
        )
    with ExitStack() as stack:

        def start(name: str) -> subprocess.Popen[str]:
            options = ("--port", str(port)) if name == "api-server" else ()
            return stack.enter_context(
                _server(_airflow(*servers[name], *options), home / f"{name}.log", environment)
            )

        airflow = Stack(f"http://{HOST}:{port}", servers, start, environment)
        stack.callback(airflow.close)
        airflow.wait_until_healthy()
        yield airflow


@contextmanager
def _server(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    with (
        log.open("ab") as file,
        processes.running(command, _STOP_SECONDS, env=dict(environment), stdout=file, stderr=file) as process,
    ):
        yield process


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _environment(home: Path, parts: Path, port: int) -> dict[str, str]:
    url = f"http://{HOST}:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **kept,
        **support.environment(home, log_level="INFO"),
        "PYTHONPATH": os.pathsep.join(map(str, (parts / "python", _ROOT))),
        "AIRFLOW__CORE__DAGS_FOLDER": str(parts / "dags"),
        "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
    }
