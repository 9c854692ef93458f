"""The settings of a connection, each with its origin. No value of a user is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.providers.common.compat.sdk import AirflowException, conf

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.errors import (
    FlowServiceError,
    InvalidInputError,
    MissingConnectionError,
)
from airflow_provider_flowservice.client.settings import Settings, active_emulator
from airflow_provider_flowservice.connection_fields import EXTRAS, STANDARD_FIELDS, field_name
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING
from airflow_provider_flowservice.hooks.connection import CONN_TYPE, extras_of, reporting_missing_connection
from airflow_provider_flowservice.hooks.token_file import default_token_files

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_flowservice.doctor.privacy import Veil
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

#: The settings by the field that has them, for which Adobe has a default.
_WITH_DEFAULT = {
    "host": "gateway",
    "ims_host": "ims_host",
    "collection_host": "collection_host",
    "scopes": "scopes",
}
_NUMBERS = ("connect_timeout", "read_timeout", "retries", "retry_budget")
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_IN_CONNECTION = "Set in the connection."


def examine_settings(hook: FlowServiceHook, veil: Veil) -> tuple[list[Finding], Settings | None]:
    """Check the settings of a connection.

    :returns: what was found, and the settings; None if they cannot be used.
    """
    veil.hide([hook.flowservice_conn_id, hook.sandbox, *_environment()])
    connection: Connection | None = None
    try:
        with reporting_missing_connection("--conn-id", hook.flowservice_conn_id):
            connection = hook.get_connection(hook.flowservice_conn_id)
        if connection is not None:
            veil.hide(_values_of(connection))
        settings = hook.settings
        veil.hide(msgspec.structs.astuple(settings))
        veil.hide(settings.secrets)
        http.ca_file(settings)
        _check_token_cache(settings)
        proxy = http.proxy_for(settings.gateway, settings)
    except MissingConnectionError:
        return [_missing()], None
    except InvalidInputError as error:
        return [_invalid(error)], None
    findings = [
        _finding("connection", _where(connection, hook.flowservice_conn_id)),
        *_of_fields(settings, _given(connection), hook.sandbox is not None),
        _finding(field_name("proxy"), _proxy(settings, proxy)),
        _finding(field_name("ca_file"), _ca_file(settings)),
        _finding("allowed_hosts (Airflow's option)", _allowed_hosts()),
    ]
    return findings, settings


def _finding(subject: str, seen: str) -> Finding:
    return Finding(area=Area.SETTINGS, subject=subject, outcome=Outcome.FINE, seen=seen)


def _broken(subject: str, seen: str, remedy: str) -> Finding:
    return Finding(
        area=Area.SETTINGS,
        subject=subject,
        outcome=Outcome.BROKEN,
        seen=seen,
        remedy=remedy,
        operators=EVERYTHING,
    )


def _missing() -> Finding:
    remedy = (
        f"In Airflow's user interface, open Admin > Connections and add one of type {CONN_TYPE}, or give the id of"
        " another one with --conn-id. If there is one, Airflow's database or secrets backend may have failed for a"
        " moment."
    )
    return _broken("connection", "Airflow has found no connection with this id.", remedy)


def _invalid(error: InvalidInputError) -> Finding:
    """Return the finding for a field, whose error names the value, too."""
    subject = error.field.partition(" of connection ")[0].partition(" '")[0]
    if subject == "flowservice_conn_id":
        return _broken("connection", "The connection is of another type.", error.remedy)
    if "allowed_hosts" in error.remedy:
        return _broken(subject, "Airflow's option allowed_hosts does not permit the host.", error.remedy)
    if subject == "extra":
        seen = "The extra has a field that is not supported, or is not a JSON object."
        return _broken(subject, seen, error.remedy)
    seen = "It is empty." if error.problem == "is empty" else "Its value cannot be used."
    return _broken(subject, seen, error.remedy)


def _check_token_cache(settings: Settings) -> None:
    """Open the files that operators share their tokens in.

    :raises InvalidInputError: if they cannot be used.
    """
    if not settings.token_cache:
        return
    try:
        default_token_files()
    except AirflowException:
        problem = "requires a valid Fernet key"
        remedy = "Set fernet_key in section core of Airflow's options to a valid key, or clear it."
        raise InvalidInputError(field_name("token_cache"), problem, remedy) from None


def _environment() -> Iterator[str | None]:
    for name in (*_PROXY_VARIABLES, *_CA_VARIABLES):
        yield os.environ.get(name)


def _values_of(connection: Connection) -> list[Any]:
    """Return the values of a connection except numbers, whether it can be used or not."""
    found: list[Any] = [connection.host, connection.login, connection.password]
    try:
        extras = extras_of(connection)
    except FlowServiceError:
        return found
    return [*found, *(value for name, value in extras.items() if name not in _NUMBERS)]


def _given(connection: Connection | None) -> set[str]:
    """Return the names of the fields that a connection has a value for."""
    if connection is None:
        return set()
    standard = {name for name in STANDARD_FIELDS if getattr(connection, name)}
    return standard | {name for name, value in extras_of(connection).items() if value not in (None, "")}


def _where(connection: Connection | None, conn_id: str) -> str:
    if active_emulator() is not None:
        return "A test's emulator takes the place of what the connection leads to."
    if connection is None:
        raise TypeError("connection must not be None without a test's emulator")
    if f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ:
        return f"Of type {CONN_TYPE}, from an environment variable AIRFLOW_CONN_..."
    return f"Of type {CONN_TYPE}, from Airflow's database or a secrets backend."


def _of_fields(settings: Settings, given: set[str], from_option: bool) -> Iterator[Finding]:
    for name in ("login", "password", "access_token", "org_id"):
        if name in given:
            yield _finding(field_name(name), _IN_CONNECTION)
    yield _finding(field_name("sandbox"), "Set by --sandbox." if from_option else _IN_CONNECTION)
    for name, setting in _WITH_DEFAULT.items():
        default = f"Not set; the default is {getattr(settings, setting).replace(',', ', ')}."
        yield _finding(field_name(name), _IN_CONNECTION if name in given else default)
    numbers = (
        f"{EXTRAS[name].lower()} {getattr(settings, name):g}"
        f" ({'from the connection' if name in given else 'the default'})"
        for name in _NUMBERS
    )
    yield _finding("timeouts in seconds, and retries", f"{', '.join(numbers).capitalize()}.")
    if "token_cache" in given:
        yield _finding(field_name("token_cache"), _IN_CONNECTION)


def _proxy(settings: Settings, proxy: str | None) -> str:
    if settings.proxy:
        return _IN_CONNECTION
    variables = [name for name in _PROXY_VARIABLES if os.environ.get(name)]
    if proxy is not None:
        return f"Set in the environment variable {variables[0] if variables else 'http_proxy'}."
    if variables:
        return f"The environment variable {variables[0]} names one, which is not used for this gateway."
    return "Not set; requests go out directly."


def _ca_file(settings: Settings) -> str:
    if settings.ca_file:
        return _IN_CONNECTION
    for name in _CA_VARIABLES:
        if os.environ.get(name):
            return f"Set in the environment variable {name}."
    return "Not set; the certificates of the package certifi are trusted."


def _allowed_hosts() -> str:
    if (conf.get("flowservice", "allowed_hosts", fallback="") or "").strip():
        return "Set; it permits the hosts of the connection."
    return "Not set; every host is permitted."
