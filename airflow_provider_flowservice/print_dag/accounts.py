"""The Airflow connection that a base connection needs: it has the credentials, which AEP does not show."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_provider_flowservice.client import DesiredBaseConnection
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import (
    AuthSpec,
    BaseConnection,
    ConnectionSpec,
    without_secrets,
)
from airflow_provider_flowservice.hooks.credentials import (
    alternatives_in,
    auth_params,
    connection_types,
    field_of,
)
from airflow_provider_flowservice.print_dag.model import Account
from airflow_provider_flowservice.print_dag.naming import comment_text, conn_id_of

#: A URL with a password or a signature.
_SECRET_URL = re.compile(r"://[^/?#\s]*@|[?&](sig|signature|token|key)=", re.IGNORECASE)
#: What AEP adds to the parameters: of HTTP API, and of destinations.
_ADDED = {"inletId", "inletUrl", "authorizedDate"}
_PLACEHOLDER = "placeholder"


def is_shown(name: str, value: Any) -> bool:
    """Whether AEP shows a value in full and it may be printed: it is neither a credential nor a mask."""
    text = json.dumps(value, default=str)
    return (
        without_secrets({name: value}) == {name: value} and "***" not in text and not _SECRET_URL.search(text)
    )


def account_of(base: BaseConnection, spec: ConnectionSpec, title: str) -> Account | str:
    """Return what a base connection needs; or, if the operator cannot take it over, the reason.

    :param title: the base connection in comments.
    """
    if base.auth is None:
        if any(each.required for each in spec.auth_spec):
            return "AEP does not show how it authenticates."
        return Account(title)
    chosen = next((each for each in spec.auth_spec if each.name == base.auth.spec_name), None)
    if chosen is None:
        return f"Its authentication {base.auth.spec_name!r} is not among those of its connection spec."
    shown = base.auth.params
    auth = {
        name: value
        for name, value in shown.items()
        if name in chosen.properties
        and is_shown(name, value)
        and not any(each.is_secret(name) for each in spec.auth_spec)
        and value not in (None, "")
    }
    needed = _needed(chosen, shown, auth)
    account = Account(
        title,
        conn_id_of(base.name, base.id) if needed else "",
        connection_types(spec) if needed else (),
        tuple((field_of(name), name) for name in needed),
        auth,
        tuple(_notes(needed, shown.keys() - chosen.properties.keys() - _ADDED)),
    )
    return _problem(base, spec, account) or account


def _needed(chosen: AuthSpec, shown: Mapping[str, Any], auth: Mapping[str, Any]) -> list[str]:
    """Return the parameters that AEP does not show, in the order of the spec: required ones, and masked ones."""
    alternatives = alternatives_in(chosen)
    has_alternative = any(shown.get(name) for name in alternatives)
    needed = [
        name
        for name in chosen.properties
        if name not in auth
        and (name in chosen.required or shown.get(name))
        and not (name in alternatives and has_alternative and not shown.get(name))
    ]
    return needed + ([] if has_alternative else alternatives[:1])


def _notes(needed: Collection[str], unknown: Collection[str]) -> Iterator[str]:
    if unknown:
        listed = comment_text(", ".join(sorted(unknown)))
        yield f"AEP also has {listed}, which its connection spec does not describe, so it is not here."
    if needed:
        yield (
            f"AEP does not show {', '.join(needed)}: if_exists='update' sends what the Airflow connection has, each"
            " time. To rotate the credentials, change that connection and set it for one run."
        )


def _problem(base: BaseConnection, spec: ConnectionSpec, account: Account) -> str:
    """Return why the operator would reject the account, or change something; empty if it would not."""
    from airflow.sdk import Connection

    connection = None
    if account.conn_id:
        fields: dict[str, Any] = {}
        extra: dict[str, str] = {}
        for place, name in account.fields:
            if place.startswith("extra"):
                extra[name] = _PLACEHOLDER
            else:
                fields[place] = 1 if place == "port" else _PLACEHOLDER
        connection = Connection(
            conn_id=account.conn_id, conn_type="generic", extra=json.dumps(extra) if extra else None, **fields
        )
    try:
        found = auth_params(spec, connection, account.auth or None)
    except InvalidInputError as error:
        return f"The operator would reject it: {error.message}"
    if base.auth and (found.spec is None or found.spec.name != base.auth.spec_name):
        return f"The parameters that AEP shows do not lead to its authentication {base.auth.spec_name!r}."
    desired = DesiredBaseConnection(
        name=base.name, spec_id=spec.id, auth_spec=found.spec, auth_params=found.params
    )
    differing = desired.differences(base)
    # A value that AEP shows and the user has to give, such as one that could be a credential, is the user's business.
    given = {name for _, name in account.fields}
    changed = [each.setting for each in differing if each.setting.rpartition(".")[2] not in given]
    return f"The operator would give {', '.join(changed)} another form." if changed else ""
