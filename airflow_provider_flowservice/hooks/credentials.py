"""From an Airflow connection to the parameters that AEP needs to log in somewhere. Nothing is sent here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import AuthSpec, ConnectionSpec, Frozen

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: Which parameter a field of an Airflow connection fills, by what the auth spec calls it.
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
#: What Airflow's own connection types call an extra that fills a parameter.
_EXTRAS = {
    "region": "region_name",
    "connectionString": "connection_string",
    "tenant": "tenant_id",
    "sshKey": "private_key",
    "privateKeyContent": "private_key",
    "passPhrase": "private_key_passphrase",
    "projectId": "project",
}
#: Where a person finds the field that fills a parameter.
_FIELDS = {
    **dict.fromkeys(_LOGIN, "login"),
    **dict.fromkeys(_PASSWORD, "password"),
    **dict.fromkeys(_HOST, "host"),
    **dict.fromkeys(_PORT, "port"),
}
#: Temporary or indirect AWS credentials, which AEP cannot use.
_SHORT_LIVED = ("role_arn", "profile_name", "profile", "aws_session_token", "assume_role_method")
#: Of these parameters one is enough, whatever the spec's schema says.
_ALTERNATIVES = ("region", "connectionUrl")


class AuthParams(Frozen, frozen=True):
    """How a base connection logs in.

    :param spec: the way to authenticate that was chosen from the connection spec; None for no credentials.
    :param params: its parameters; never shown.
    """

    hidden: ClassVar = frozenset({"params"})

    spec: AuthSpec | None
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)


def auth_params(
    spec: ConnectionSpec, connection: Connection | None, auth: Mapping[str, Any] | None
) -> AuthParams:
    """Fill the authentication of a connection spec.

    :param spec: what is connected to.
    :param connection: Airflow connection with the credentials, or None.
    :param auth: parameters that are not secret.
    :raises InvalidInputError: naming what is missing, superfluous or of the wrong kind, and the remedy.
    """
    if not spec.auth_spec:
        if connection is not None or auth:
            raise InvalidInputError(
                "auth_conn_id" if connection is not None else "auth",
                f"{spec.name} does not take credentials",
                "Leave it out.",
            )
        return AuthParams(None)
    _reject_secrets(spec, auth or {})
    given: dict[str, Any] = {}
    if connection is not None:
        _check_type(spec, connection)
        given.update(_from_connection(spec, connection))
    given.update(auth or {})
    chosen = _choose(spec, given, connection)
    known = {k: v for k, v in given.items() if k in chosen.properties or k in (auth or {})}
    if isinstance(known.get("port"), int) and chosen.properties.get("port", {}).get("type") == "string":
        known["port"] = str(known["port"])
    return AuthParams(chosen, known)


def _reject_secrets(spec: ConnectionSpec, auth: Mapping[str, Any]) -> None:
    for key in auth:
        if any(a.is_secret(key) for a in spec.auth_spec):
            raise InvalidInputError(
                f"auth[{key!r}]",
                "is a credential, which does not belong in a DAG",
                "Put it into an Airflow connection and name that in auth_conn_id.",
            )


def _check_type(spec: ConnectionSpec, connection: Connection) -> None:
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
    if connection.conn_type not in allowed:
        raise InvalidInputError(
            "auth_conn_id",
            f"connection {connection.conn_id!r} is of type {connection.conn_type!r}, which does not fit"
            f" {spec.name}",
            f"Name one of type {' or '.join(sorted(allowed))}.",
        )


def _from_connection(spec: ConnectionSpec, connection: Connection) -> dict[str, Any]:
    extras = connection.extra_dejson
    if short_lived := [key for key in _SHORT_LIVED if extras.get(key)]:
        raise InvalidInputError(
            "auth_conn_id",
            f"connection {connection.conn_id!r} has {short_lived[0]!r} in its extras",
            "AEP needs long-lived keys: put an access key id into login and its secret into password.",
        )
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
    return {name: _in_form(name, value) for name, value in given.items()}


def _in_form(name: str, value: Any) -> Any:
    """A value of an Airflow connection as AEP takes it."""
    if name == "sshKey" and str(value).lstrip().startswith("-----BEGIN"):
        return base64.b64encode(str(value).strip().encode()).decode()
    if name == "url" and "." not in str(value):
        # Airflow's connections to Azure Data Lake hold the bare name of the storage account.
        return f"https://{value}.dfs.core.windows.net"
    return value


def _choose(spec: ConnectionSpec, given: Mapping[str, Any], connection: Connection | None) -> AuthSpec:
    """The first way to authenticate for which nothing is missing."""
    lacking = [(_lacking(a, given), a) for a in spec.auth_spec]
    complete = [a for missing, a in lacking if not missing]
    if complete:
        return max(complete, key=lambda a: len(a.required))
    missing, closest = min(lacking, key=lambda pair: len(pair[0]))
    raise _incomplete(spec, closest, missing, connection)


def _lacking(auth_spec: AuthSpec, given: Mapping[str, Any]) -> list[str]:
    alternatives = [name for name in _ALTERNATIVES if name in auth_spec.properties]
    required = sorted(auth_spec.required - set(alternatives if len(alternatives) > 1 else ()))
    missing = [name for name in required if given.get(name) in (None, "")]
    if len(alternatives) > 1 and not any(given.get(name) for name in alternatives):
        missing.append(" or ".join(alternatives))
    return missing


def _incomplete(
    spec: ConnectionSpec, auth_spec: AuthSpec, missing: Sequence[str], connection: Connection | None
) -> InvalidInputError:
    first = missing[0]
    if connection is None:
        secret = any(auth_spec.is_secret(name) for name in missing)
        remedy = "Name an Airflow connection with the credentials in auth_conn_id."
        if not secret:
            remedy = f"Give it in auth={{{first!r}: ...}}."
        return InvalidInputError("auth_conn_id" if secret else "auth", f"{spec.name} needs {first}", remedy)
    place = _FIELDS.get(first) or f"extra {_EXTRAS.get(first.partition(' ')[0], first)!r}"
    return InvalidInputError(
        "auth_conn_id",
        f"connection {connection.conn_id!r} gives no {first}, which {spec.name} needs",
        f"Put it into the {place} of that connection.",
    )
