"""Parts of Airflow that fail, or answer late: its secrets backend, and what keeps state and XComs of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from airflow.secrets.environment_variables import EnvironmentVariablesBackend


class SecretsBackend:
    """The backend that has the connections of tests, with something in its way.

    :param hinder: called with the number of a look-up, from 1, and the id of the connection, before it is answered.
    """

    def __init__(self, hinder: Callable[[int, str], object]) -> None:
        self.hinder = hinder
        self.lookups = 0
        self._answer = EnvironmentVariablesBackend.get_conn_value

    def get_conn_value(self, backend: Any, conn_id: str, *more: Any, **options: Any) -> str | None:
        """Look up a connection, if nothing is in the way."""
        self.lookups += 1
        self.hinder(self.lookups, conn_id)
        return self._answer(backend, conn_id, *more, **options)


def refuse(reason: str = "the backend is down") -> None:
    """Fail as a backend that cannot be reached does."""
    raise ConnectionError(reason)


class Database:
    """Airflow's database behind a task, which fails once.

    :param fails_at: number of the call that fails, from 1.
    """

    def __init__(self, fails_at: int) -> None:
        self.fails_at = fails_at
        self.calls = 0

    def behind(self, context: dict[str, Any]) -> dict[str, Any]:
        """A task's context whose XComs and state are kept here."""
        return {name: _Kept(self, each) for name, each in context.items()}

    def call(self) -> None:
        """Count a call, and fail if it is the one."""
        self.calls += 1
        if self.calls == self.fails_at:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status": 503}))


class _Kept:
    def __init__(self, database: Database, what: Any) -> None:
        self._database = database
        self._what = what

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._what, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._database.call()
            return found(*arguments, **options)

        return call
