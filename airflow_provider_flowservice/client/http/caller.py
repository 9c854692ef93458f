"""Who sends requests, as servers are told."""

from __future__ import annotations

from urllib.parse import quote

from airflow_provider_flowservice import __version__
from airflow_provider_flowservice.client.model import Frozen

#: What ids of DAGs, runs and tasks usually have besides letters and digits. All else is percent-encoded, so that a
#: header can carry it.
_PLAIN = "+:[]"


class Caller(Frozen, frozen=True, omit_defaults=True):
    """The program that sends requests, and the task of it that they are for.

    :param program: name and version of the program that uses the client, such as ``Airflow/3.3.2``.
    :param dag_id: DAG of the task; empty if it is not known, as are the next two.
    :param run_id: run of the DAG.
    :param task_id: the task, with the index of a mapped one, such as ``activate[3]``.
    """

    program: str = ""
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""

    @property
    def user_agent(self) -> str:
        """Value of the header ``User-Agent``."""
        return f"airflow-provider-flowservice/{__version__} {self.program}".rstrip()

    @property
    def task_headers(self) -> dict[str, str]:
        """Headers for an emulator, whose journal shows which task has sent a request."""
        given = {
            "x-airflow-dag-id": self.dag_id,
            "x-airflow-run-id": self.run_id,
            "x-airflow-task-id": self.task_id,
        }
        return {name: quote(value, safe=_PLAIN) for name, value in given.items() if value}

    def and_also(self, other: Caller) -> Caller:
        """Return whom a request is for that serves two tasks: what both have in common.

        Tasks of different DAGs have nothing in common, even if they have the same name.
        """
        if self.dag_id != other.dag_id:
            return Caller(self.program)
        return Caller(
            self.program,
            self.dag_id,
            self.run_id if self.run_id == other.run_id else "",
            self.task_id if self.task_id == other.task_id else "",
        )


#: The client alone.
UNKNOWN_CALLER = Caller()
