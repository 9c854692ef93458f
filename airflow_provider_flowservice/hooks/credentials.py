"""Conversion of an Airflow connection to AEP's authentication parameters. Nothing is sent to AEP here."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import AuthSpec, ConnectionSpec, Frozen
from airflow_provider_flowservice.hooks.connection import extras_of

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: The parameters of AEP's auth specs that the fields of an Airflow connection correspond to.
_LOGIN = ("accessKeyId", "s3AccessKey", "sasKeyName", "username", "userName", "servicePrincipalId")
_PASSWORD = (
    "secretKey",
    "s3SecretKey",
    "secretAccessKey",
    "sasKey",
    "password",
    "connectionString",
    "servicePrincipalKey",
)
_HOST = ("namespace", "host", "domain", "url")
_PORT = ("port",)
#: Names that Airflow's own connection types use for the extras that correspond to a parameter.
_EXTRAS = {
    "region": "region_name",
    "connectionString": "connection_string",
    "tenant": "tenant_id",
    "sshKey": "private_key",
    "privateKeyContent": "private_key",
    "passPhrase": "private_key_passphrase",
    "projectId": "project",
}
#: The field of an Airflow connection for each parameter, for error messages.
_FIELDS = {
    **dict.fromkeys(_LOGIN, "login"),
    **dict.fromkeys(_PASSWORD, "password"),
    **dict.fromkeys(_HOST, "host"),
    **dict.fromkeys(_PORT, "port"),
}
#: Temporary or indirect AWS credentials, which AEP cannot use.
_SHORT_LIVED = ("role_arn", "profile_name", "profile", "aws_session_token", "assume_role_method")
_EVENT_HUBS_DOMAIN = ".servicebus.windows.net"
#: The parts of a connection string of Azure Event Hubs, and the parameters that they correspond to.
_SAS_PARTS = {"endpoint": "namespace", "sharedaccesskeyname": "sasKeyName", "sharedaccesskey": "sasKey"}
#: AEP accepts either of these parameters, even if the schema of the auth spec requires both.
_ALTERNATIVES = ("region", "connectionUrl")


class AuthParams(Frozen, frozen=True):
    """The authentication of a base connection.

    :param spec: the selected authentication method of the connection spec; None if no credentials are required.
    :param params: parameters of the authentication method, including credentials; never shown.
    """

    hidden: ClassVar = frozenset({"params"})

    spec: AuthSpec | None
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)


def auth_params(
    spec: ConnectionSpec, connection: Connection | None, auth: Mapping[str, Any] | None
) -> AuthParams:
    """Select an authentication method of a connection spec, and get its parameters.

    :param spec: connection spec of the system.
    :param connection: Airflow connection with the credentials, or None.
    :param auth: parameters that are not credentials.
    :raises InvalidInputError: if a parameter is missing, superfluous or of the wrong type.
    """
    if not spec.auth_spec:
        if connection is not None or auth:
            problem = f"{spec.name} does not take credentials"
            remedy = "Remove the argument."
            raise InvalidInputError("auth_conn_id" if connection is not None else "auth", problem, remedy)
        return AuthParams(None)
    _reject_secrets(spec, auth or {})
    given: dict[str, Any] = {}
    if connection is not None:
        _check_type(spec, connection)
        given.update(_from_connection(spec, connection))
    given.update(auth or {})
    chosen = _choose(spec, given, connection)
    known = {
        k: _as_aep_expects(k, v) for k, v in given.items() if k in chosen.properties or k in (auth or {})
    }
    return AuthParams(chosen, chosen.with_strings(known))


def dummy_connection(spec: ConnectionSpec) -> Connection:
    """Return an Airflow connection with a dummy value for each parameter that a login of ``spec`` requires.

    It replaces a missing connection if a test's emulator is active.
    """
    from airflow.sdk import Connection

    values: dict[str, Any] = {}
    for each in spec.auth_spec:
        alternatives = [name for name in _ALTERNATIVES if name in each.properties][:1]
        for name in (*sorted(each.required), *alternatives):
            values[name] = _dummy(name, each.properties.get(name, {}))
    return Connection(conn_id="dummy", conn_type="generic", extra=json.dumps(values))


def _dummy(name: str, schema: Mapping[str, Any]) -> Any:
    choices = schema.get("enum")
    if choices and isinstance(choices, list):
        return choices[0]
    return {"integer": 1, "number": 1, "boolean": True}.get(str(schema.get("type")), f"test-{name}")


def _reject_secrets(spec: ConnectionSpec, auth: Mapping[str, Any]) -> None:
    for key in auth:
        if any(a.is_secret(key) for a in spec.auth_spec):
            problem = "is a credential, which does not belong in a DAG"
            remedy = "Put it into an Airflow connection, and set auth_conn_id to that connection."
            raise InvalidInputError(f"auth[{key!r}]", problem, remedy)


def connection_types(spec: ConnectionSpec) -> tuple[str, ...]:
    """Return the types that an Airflow connection with credentials for a connection spec may have."""
    parameters = {name for a in spec.auth_spec for name in a.properties}
    allowed = {"generic"}
    if parameters & {"accessKeyId", "s3AccessKey"}:
        allowed.add("aws")
    if parameters & {"sshKey", "username", "userName"}:
        allowed |= {"sftp", "ssh"}
    if "connectionString" in parameters:
        allowed.add("wasb")
    if "servicePrincipalId" in parameters:
        allowed |= {"adls", "azure_data_lake"}
    return tuple(sorted(allowed))


def field_of(parameter: str) -> str:
    """Return the field or extra of an Airflow connection that a parameter of AEP's is read from, for messages."""
    return _FIELDS.get(parameter) or f"extra {_EXTRAS.get(parameter, parameter)!r}"


def _check_type(spec: ConnectionSpec, connection: Connection) -> None:
    allowed = connection_types(spec)
    if connection.conn_type not in allowed:
        raise InvalidInputError(
            "auth_conn_id",
            f"connection {connection.conn_id!r} is of type {connection.conn_type!r}, which does not fit"
            f" {spec.name}",
            f"Use one of type {' or '.join(allowed)}.",
        )


def _from_connection(spec: ConnectionSpec, connection: Connection) -> dict[str, Any]:
    extras = extras_of(connection)
    if short_lived := [key for key in _SHORT_LIVED if extras.get(key)]:
        problem = f"connection {connection.conn_id!r} has the extra {short_lived[0]!r}, which AEP cannot use"
        remedy = "AEP needs long-lived keys: set login to an access key id and password to its secret."
        raise InvalidInputError("auth_conn_id", problem, remedy)
    parameters = {name for a in spec.auth_spec for name in a.properties}
    given: dict[str, Any] = {}
    for names, value in (
        (_LOGIN, connection.login),
        (_PASSWORD, connection.password),
        (_HOST, connection.host),
        (_PORT, connection.port),
    ):
        given.update({name: value for name in names if name in parameters and value})
    for name in parameters:
        value = extras.get(name) or extras.get(_EXTRAS.get(name, name))
        if value:
            given[name] = value
    return _split_connection_string(given, connection)


def _split_connection_string(given: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    """Return the parameters, with the parts of a connection string of Azure Event Hubs that was given as the SAS key.

    :raises InvalidInputError: if the connection string lacks a part, is in another field, or is contradicted by one.
    """
    title = f"connection {connection.conn_id!r}"
    for name in ("sasKeyName", "namespace"):
        if _is_connection_string(given.get(name)):
            problem = f"{title} contains a connection string as {_FIELDS[name]}"
            raise InvalidInputError(
                "auth_conn_id", problem, "Set it as the password, and clear login and host."
            )
    if not _is_connection_string(given.get("sasKey")):
        return dict(given)
    pairs = (part.partition("=") for part in str(given["sasKey"]).strip(" \n\"'").split(";"))
    found = {name.strip().lower(): value.strip() for name, _, value in pairs}
    parts = {parameter: found.get(name, "") for name, parameter in _SAS_PARTS.items()}
    missing = [name for name, value in parts.items() if not value]
    if missing:
        problem = f"the password of {title} is a connection string without {missing[0]}"
        remedy = "Give one with Endpoint, SharedAccessKeyName and SharedAccessKey, or the key alone."
        raise InvalidInputError("auth_conn_id", problem, remedy)
    for name in ("sasKeyName", "namespace"):
        texts = (
            str(_as_aep_expects(name, value)).lower() for value in (given.get(name), parts[name]) if value
        )
        if len(set(texts)) > 1:
            problem = f"{title} has another {name} than the connection string in its password"
            raise InvalidInputError("auth_conn_id", problem, f"Clear the {_FIELDS[name]} of that connection.")
    return {**given, **parts}


def _is_connection_string(value: Any) -> bool:
    text = str(value).lower()
    return "endpoint=sb://" in text or "sharedaccesskey=" in text


def _as_aep_expects(name: str, value: Any) -> Any:
    """Convert a value of an Airflow connection to the format that AEP requires."""
    if name == "sshKey" and str(value).lstrip().startswith("-----BEGIN"):
        return base64.b64encode(str(value).strip().encode()).decode()
    if name == "url" and "." not in str(value):
        # Airflow's connections to Azure Data Lake contain only the name of the storage account.
        return f"https://{value}.dfs.core.windows.net"
    if name == "namespace":
        # Azure's portal shows the host name; AEP needs only the name of the namespace.
        host = str(value).strip().rpartition("://")[2].partition("/")[0].partition(":")[0]
        return host[: -len(_EVENT_HUBS_DOMAIN)] if host.lower().endswith(_EVENT_HUBS_DOMAIN) else host
    return value


def _choose(spec: ConnectionSpec, given: Mapping[str, Any], connection: Connection | None) -> AuthSpec:
    """Return the authentication method with the most required parameters, none of which is missing."""
    lacking = [(_missing_parameters(a, given), a) for a in spec.auth_spec]
    complete = [a for missing, a in lacking if not missing]
    if complete:
        return max(complete, key=lambda a: len(a.required))
    missing, closest = min(lacking, key=lambda pair: len(pair[0]))
    raise _incomplete(spec, closest, missing, connection)


def alternatives_in(auth_spec: AuthSpec) -> list[str]:
    """Return the parameters of which AEP needs one, no matter which; empty if the auth spec leaves no choice."""
    found = [name for name in _ALTERNATIVES if name in auth_spec.properties]
    return found if len(found) > 1 else []


def _missing_parameters(auth_spec: AuthSpec, given: Mapping[str, Any]) -> list[str]:
    alternatives = alternatives_in(auth_spec)
    required = sorted(auth_spec.required - set(alternatives))
    missing = [name for name in required if given.get(name) in (None, "")]
    if alternatives and not any(given.get(name) for name in alternatives):
        missing.append(" or ".join(alternatives))
    return missing


def _incomplete(
    spec: ConnectionSpec, auth_spec: AuthSpec, missing: Sequence[str], connection: Connection | None
) -> InvalidInputError:
    first = missing[0]
    if connection is None:
        secret = any(auth_spec.is_secret(name) for name in missing)
        remedy = "Set auth_conn_id to an Airflow connection with the credentials."
        if not secret:
            remedy = f"Pass it in auth={{{first!r}: ...}}."
        return InvalidInputError("auth_conn_id" if secret else "auth", f"{spec.name} needs {first}", remedy)
    return InvalidInputError(
        "auth_conn_id",
        f"connection {connection.conn_id!r} does not contain {first}, which {spec.name} needs",
        f"Set the {field_of(first.partition(' ')[0])} of that connection.",
    )
