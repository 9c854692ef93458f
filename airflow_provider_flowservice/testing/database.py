"""Airflow's database in a test: a temporary one, unless the user has configured one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from sqlalchemy.engine import URL

_CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
#: If one of these is set, the user has configured a database.
_CONFIGURED_BY = (
    "AIRFLOW_HOME",
    "AIRFLOW_CONFIG",
    _CONNECTION,
    f"{_CONNECTION}_CMD",
    f"{_CONNECTION}_SECRET",
)


@contextmanager
def airflow_database(home: Path) -> Iterator[None]:
    """Provide a migrated database until the block ends.

    If the environment configures one, it is used as it is. Otherwise it is a SQLite database in ``home``, which is
    created when it does not exist; ``dag.test()`` then works for every DAG, wherever it is defined.

    :param home: folder of the temporary ``AIRFLOW_HOME``.
    :raises RuntimeError: if the configured database is not migrated.
    """
    configured_by = [name for name in _CONFIGURED_BY if os.environ.get(name)]
    if configured_by:
        _check_migrated(configured_by)
        share_api_server()
        yield
        return
    try:
        with _environment(_variables_of(home)):
            _reconfigure()
            if not (home / "airflow.db").exists():
                from airflow.utils.db import initdb

                initdb()
            share_api_server()
            with _tested_dags_registered():
                yield
    finally:
        _reconfigure()


def _variables_of(home: Path) -> dict[str, str]:
    variables = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        _CONNECTION: f"sqlite:///{home}/airflow.db",
    }
    return {name: value for name, value in variables.items() if name not in os.environ}


def share_api_server() -> None:
    """Let all tasks that run in this process use one API server, as Airflow itself does from 3.3 on.

    Before, each task creates one: that takes seconds, and its threads stay and slow down all that follows.
    """
    from airflow.sdk.execution_time import supervisor

    if not hasattr(supervisor.in_process_api_server, "cache_info"):
        supervisor.in_process_api_server = cache(supervisor.in_process_api_server)


def register(dag: DAG) -> None:
    """Write a DAG to the database, as Airflow does with the DAGs of its DAGs folder."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session

    with create_session() as session:
        bundles = DagBundlesManager()
        bundles.sync_bundles_to_db(session=session)
        session.flush()
        update_dag_parsing_results_in_db(
            next(iter(bundles.get_all_dag_bundles())).name,
            None,
            [LazyDeserializedDAG.from_dag(dag)],
            import_errors={},
            parse_duration=None,
            warnings=set(),
            session=session,
        )


@contextmanager
def _tested_dags_registered() -> Iterator[None]:
    """Let ``dag.test()`` register the DAG first: Airflow itself runs only what it finds in its DAGs folder."""
    from airflow.sdk import DAG

    original = DAG.test

    def test(self: DAG, *args: Any, **kwargs: Any) -> Any:
        register(self)
        return original(self, *args, **kwargs)

    DAG.test = test  # type: ignore[method-assign]
    try:
        yield
    finally:
        DAG.test = original  # type: ignore[method-assign]


def _check_migrated(configured_by: list[str]) -> None:
    from airflow import settings
    from sqlalchemy.engine import make_url

    url = make_url(settings.SQL_ALCHEMY_CONN or "")
    if problem := _problem_of(url):
        names = ", ".join(configured_by)
        raise RuntimeError(
            f"Airflow's database {url.render_as_string(hide_password=True)}, which is configured by {names}, {problem}."
            f" Run `airflow db migrate`, or unset {names}: the tests then use a temporary database."
        )


def _problem_of(url: URL) -> str | None:
    from airflow import settings
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    engine = settings.engine or create_engine(url)
    if url.get_backend_name() == "sqlite":
        # SQLite would create a missing file, and Airflow's own engine changes the journal mode of an existing one.
        if not Path(url.database or "").exists():
            return "does not exist"
        engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_heads()
    except SQLAlchemyError as problem:
        return f"cannot be used ({problem})"
    wanted = ScriptDirectory(str(Path(settings.__file__).parent / "migrations")).get_heads()
    return None if set(found) == set(wanted) else "is not migrated"


def _reconfigure() -> None:
    """Let an Airflow that is already imported read the environment again."""
    if "airflow.settings" in sys.modules:
        from airflow import settings

        settings.dispose_orm(do_log=False)
        settings.configure_vars()
        settings.configure_orm()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
