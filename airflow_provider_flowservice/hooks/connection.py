"""The Airflow connection that a hook or a trigger uses: its extras, settings and secrets, and the hosts it may have."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException, conf
from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client.errors import InvalidInputError, MissingConnectionError
from airflow_provider_flowservice.client.settings import Settings, active_emulator, in_test, settings_from
from airflow_provider_flowservice.connection_fields import field_name

if TYPE_CHECKING:
    from airflow.sdk import Connection

CONN_TYPE = "flowservice"
#: Says what kind of process this is: Airflow's ``connections`` command sets it, too.
_PROCESS_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"


@contextmanager
def look_into_airflows_database() -> Iterator[None]:
    """Let Airflow find connections in its database, too, while the ``with`` block runs.

    It looks there only in processes that say that they are a server, as its own commands for connections do. A task
    asks its supervisor instead.
    """
    before = os.environ.get(_PROCESS_CONTEXT)
    os.environ[_PROCESS_CONTEXT] = "server"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PROCESS_CONTEXT]
        else:
            os.environ[_PROCESS_CONTEXT] = before


@contextmanager
def reporting_missing_connection(field: str, conn_id: str | None) -> Iterator[None]:
    """Report a connection that Airflow does not find.

    If a test's emulator is active, a missing connection is not an error: the value from before the block remains.

    :param field: name of the argument that contains the connection id.
    :raises MissingConnectionError: if Airflow raises ``AirflowNotFoundException``.
    """
    try:
        yield
    except AirflowNotFoundException:
        if active_emulator() is None:
            raise missing_connection(field, conn_id) from None


def missing_connection(field: str, conn_id: str | None) -> MissingConnectionError:
    """Return the error for a connection that Airflow does not find.

    It is temporary, because Airflow says the same if its secrets backend or its database has failed for a moment.
    """
    return MissingConnectionError(
        f"{field}: Airflow has found no connection {conn_id!r}. Either it does not exist: create it, or use another"
        " one. Or Airflow's secrets backend or database has failed for a moment: a retry of the task looks again."
    )


def connection_settings(connection: Connection | None, sandbox: str | None) -> Settings:
    """Read and validate the settings of an Airflow connection, and mask its secrets in Airflow's logs.

    If a test's emulator is active, the settings lead there.

    :param connection: None (Airflow has no such connection) only if a test's emulator is active.
    :param sandbox: overrides the sandbox of the connection.
    :raises InvalidInputError: if a field of the connection is missing or invalid, or one of its hosts is not allowed.
    """
    settings = _settings_of(connection, sandbox) if connection is not None else None
    emulator = active_emulator()
    if emulator is not None:
        settings = in_test(emulator, settings, sandbox)
    if settings is None:
        raise TypeError("connection must not be None without a test's emulator")
    for secret in settings.secrets:
        mask_secret(secret)
    return settings


def extras_of(connection: Connection) -> dict[str, Any]:
    """Return the extras of an Airflow connection.

    Airflow's ``extra_dejson`` also masks values that only look like secrets, in all that is logged from then on, and
    warns of those that are too short for it.

    :raises InvalidInputError: if they are not a JSON object. The message does not show them: they may be secret.
    """
    if not connection.extra:
        return {}
    try:
        extras = json.loads(connection.extra)
    except (TypeError, ValueError, RecursionError):
        extras = None
    if not isinstance(extras, dict):
        remedy = 'Write the extras as {"name": "value"}.'
        raise InvalidInputError(f"extra of connection {connection.conn_id!r}", "is not a JSON object", remedy)
    return extras


def check_host(field: str, url: str, conn_id: str) -> None:
    """Reject a host that Airflow's option ``[flowservice] allowed_hosts`` does not permit.

    :param field: name of the argument or setting that contains the URL.
    :param url: absolute URL.
    :param conn_id: id of the connection, for the error.
    :raises InvalidInputError: if the option names hosts, and the URL has another one.
    """
    option = conf.get("flowservice", "allowed_hosts", fallback="") or ""
    allowed = {name.strip().lower() for name in option.split(",")} - {""}
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = url
    if option.strip() and host not in allowed:
        # Without brackets, which Airflow's command line takes for markup and leaves out.
        problem = (
            f"the host {host!r} is not permitted by allowed_hosts in section flowservice of Airflow's options"
        )
        remedy = "Use a host that allowed_hosts names, or have it added there."
        raise InvalidInputError(f"{field} of connection {conn_id!r}", problem, remedy)


def _settings_of(connection: Connection, sandbox: str | None) -> Settings:
    where = f"connection {connection.conn_id!r}"
    if connection.conn_type != CONN_TYPE:
        remedy = f"Use one of type {CONN_TYPE!r}."
        raise InvalidInputError("flowservice_conn_id", f"{where} is of type {connection.conn_type!r}", remedy)
    host = connection.host
    if host and connection.schema in ("http", "https") and "://" not in host:
        host = f"{connection.schema}://{host}"
    settings = settings_from(
        host=host,
        port=connection.port,
        client_id=connection.login,
        client_secret=connection.password,
        extras=extras_of(connection),
        sandbox=sandbox,
        where=where,
    )
    check_host(field_name("host"), settings.gateway, connection.conn_id)
    check_host(field_name("ims_host"), settings.ims_host, connection.conn_id)
    check_host(field_name("collection_host"), settings.collection_host, connection.conn_id)
    return settings
