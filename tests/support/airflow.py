"""A small real Airflow: a database in a folder, connections from the environment, DAGs run in process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_provider_flowservice.emulator.control import EmulatorCredential

EXAMPLE_DAGS = Path(__file__).parents[2] / "example_dags"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYplanted"
SAS_KEY = "c2FzLWtleS1wbGFudGVkLWZvci10ZXN0cw=="


def environment(home: Path, *, log_level: str = "WARNING") -> dict[str, str]:
    """The variables that make Airflow live in ``home``. Set them before it is imported."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": log_level,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }


def connections(url: str, credential: EmulatorCredential) -> dict[str, str]:
    """The Airflow connections of the example DAGs, as environment variables."""
    return {
        "AIRFLOW_CONN_FLOWSERVICE_DEFAULT": flowservice_connection(url, credential),
        "AIRFLOW_CONN_KINESIS_DESTINATION": json.dumps(
            {
                "conn_type": "aws",
                "login": "AKIAIOSFODNN7EXAMPLE",
                "password": AWS_SECRET,
                "extra": {"region_name": "us-east-1"},
            }
        ),
        "AIRFLOW_CONN_EVENT_HUBS_DESTINATION": json.dumps(
            {"conn_type": "generic", "login": "send-policy", "password": SAS_KEY, "host": "acme-hubs"}
        ),
        "AIRFLOW_CONN_S3_DESTINATION": json.dumps(
            {"conn_type": "aws", "login": "AKIAIOSFODNN7EXAMPLE", "password": AWS_SECRET}
        ),
    }


def flowservice_connection(url: str, credential: EmulatorCredential, **changes: Any) -> str:
    """A ``flowservice`` connection to an emulator, as JSON; ``changes`` go to its fields or extras."""
    extra = {
        "org_id": credential.org_id,
        "sandbox": credential.sandbox,
        "ims_host": url,
        "collection_host": url,
    }
    fields: dict[str, Any] = {
        "conn_type": "flowservice",
        "host": url,
        "login": credential.client_id,
        "password": credential.client_secret,
    }
    for key, value in changes.items():
        (fields if key in ("conn_type", "host", "port", "login", "password") else extra)[key] = value
    return json.dumps({**fields, "extra": {k: v for k, v in extra.items() if v is not None}})


@contextmanager
def stored_connection(conn_id: str, content: str) -> Iterator[None]:
    """Keep a connection in Airflow's database while the ``with`` block runs.

    :param content: what :func:`flowservice_connection` returns.
    """
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    kept = Connection(conn_id=conn_id)
    fields = json.loads(content)
    for name in ("conn_type", "host", "login", "password"):
        setattr(kept, name, fields[name])
    kept.extra = json.dumps(fields["extra"])
    with create_session() as session:
        session.add(kept)
    try:
        yield
    finally:
        with create_session() as session:
            session.delete(session.merge(kept))


def migrate() -> None:
    """Create the database."""
    from airflow.utils.db import initdb

    initdb()


def load_dag(dag_id: str) -> DAG:
    """An example DAG, parsed from its file."""
    from tests.support.moved import DagBag

    bag = DagBag(str(EXAMPLE_DAGS / f"{dag_id}.py"))
    if bag.import_errors:
        raise AssertionError(next(iter(bag.import_errors.values())))
    return bag.dags[dag_id]


def run_dag(dag_id: str, conf: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """Run an example DAG in this process to its end and return its DAG run."""
    return load_dag(dag_id).test(run_conf=conf, **arguments)


def task_states(dag_run: Any) -> dict[str, str]:
    """State by task id."""
    return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}
