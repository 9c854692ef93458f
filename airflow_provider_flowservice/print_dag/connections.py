"""The tasks of base, source and target connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_flowservice.client import (
    CONNECTION_SPECS,
    DesiredSourceConnection,
    DesiredTargetConnection,
    FlowState,
    specs,
)
from airflow_provider_flowservice.client.flows import SCHEMA_VERSION
from airflow_provider_flowservice.client.model import (
    ConnectionSpec,
    FlowSpec,
    Frozen,
    JsonObject,
    Resource,
    SourceConnection,
)
from airflow_provider_flowservice.print_dag.accounts import account_of, is_shown
from airflow_provider_flowservice.print_dag.composition import Composition, Subject
from airflow_provider_flowservice.print_dag.model import Account, Argument, Operator
from airflow_provider_flowservice.print_dag.naming import shown_name

UPDATE, REUSE = Argument("if_exists", "update"), Argument("if_exists", "reuse")
#: What takes the place of a task for an object that no operator can take over.
_BY_ID = "It is referred to by its id, and a run neither compares nor changes it."
_GONE = "AEP does not have it any more."
_DATASET = "The dataset belongs to whoever made it; it is only referred to."
SCHEMA_NOTE = "The schema belongs to whoever made it; it is only referred to."
#: What an operator takes for a value that is missing.
NOTHING = ("", "None")


def subject_of(operator: Operator, label: str, resource: Resource) -> Subject:
    """Return an object with its label, name and id, for comments and messages."""
    return Subject(operator, resource.id, f"{label} {shown_name(resource.name)} ({resource.id})")


def has_name(resource: Resource) -> bool:
    """Whether an object has a name that an operator accepts."""
    return resource.name.strip() not in NOTHING


def common_arguments(
    composition: Composition, resource: Resource, spec: ConnectionSpec | FlowSpec | None, subject: Subject
) -> list[Argument]:
    """Return the arguments that all create operators of Flow Service have in common, except the spec."""
    arguments = [Argument("adopt_id", resource.id), Argument("name", resource.name)]
    description = resource.description
    if description and description.strip() == "None":
        composition.lost(subject, "Its description 'None' would be taken for no value.")
    elif description:
        arguments.append(Argument("description", description))
    if resource.state == FlowState.DRAFT:
        if spec is not None and spec.attributes.get("isDraftModeSupported") is True:
            arguments.append(Argument("draft", True))
        else:
            text = "It is a draft, which the operator does not create: its spec does not support drafts."
            composition.lost(subject, text)
    return arguments


def base_connection(composition: Composition, connection_id: str, variable: str) -> Any:
    """Add the task of a base connection.

    :param variable: its variable, which says what it is of.
    :returns: a reference to its id; or the id, if the operator cannot take it over.
    """
    if made := composition.made(Operator.CONNECTION, connection_id):
        return made
    found = composition.reader.base_connection(connection_id)
    if found is None:
        return _by_id(composition, Operator.CONNECTION, "Base connection", connection_id, _GONE)
    subject = subject_of(Operator.CONNECTION, "Base connection", found)
    spec = composition.reader.connection_spec(found.connection_spec)
    account: Account | str = _name_problem(found)
    if not account and spec is None:
        account = f"AEP's catalog does not have its connection spec {found.connection_spec.id}."
    elif not account and spec is not None:
        account = account_of(found, spec, subject.title)
    if isinstance(account, str):
        return _by_id(composition, Operator.CONNECTION, "Base connection", connection_id, account)
    arguments = common_arguments(composition, found, spec, subject)
    arguments.append(composition.spec(CONNECTION_SPECS, "connection_spec", found.connection_spec))
    arguments += _credentials(account)
    if account.conn_id:
        composition.accounts.append(account)
    return composition.add(Operator.CONNECTION, found.id, variable, f"connect_{variable}", arguments)


def _credentials(account: Account) -> list[Argument]:
    """Return the arguments for the credentials. Without any, an update sends nothing that does not differ."""
    arguments = [Argument("auth_conn_id", account.conn_id)] if account.conn_id else []
    arguments += [Argument("auth", dict(account.auth))] if account.auth else []
    is_secret = bool(account.conn_id)
    return [*arguments, Argument("if_exists", "reuse" if is_secret else "update", account.notes)]


def source_connection(composition: Composition, connection_id: str) -> Any:
    """Add the tasks of a source connection and its base connection.

    :returns: a reference to its id; or the id, if the operator cannot take it over.
    """
    return _end(composition, _SOURCE, connection_id, composition.reader.source_connection, "source")


def target_connection(composition: Composition, connection_id: str, *, is_destination: bool) -> Any:
    """Add the tasks of a target connection and its base connection.

    :param is_destination: whether it belongs to a flow to a destination.
    :returns: a reference to its id; or the id, if the operator cannot take it over.
    """
    base = "destination" if is_destination else "target"
    return _end(composition, _TARGET, connection_id, composition.reader.target_connection, base)


def _end(
    composition: Composition,
    end: _End,
    connection_id: str,
    read: Callable[[str], SourceConnection | None],
    base: str,
) -> Any:
    if made := composition.made(end.operator, connection_id):
        return made
    found = read(connection_id)
    if found is None:
        return _by_id(composition, end.operator, end.label, connection_id, _GONE)
    spec = composition.reader.connection_spec(found.connection_spec)
    subject = subject_of(end.operator, end.label, found)
    data, of_data = end.data(composition, found, subject)
    params, is_whole = _params(composition, found, spec, subject)
    desired = end.desired(
        name=found.name,
        spec_id=found.connection_spec.id,
        base_connection_id=found.base_connection_id,
        data=data,
        params=params,
    )
    if problem := _name_problem(found) or _unlike(desired, found):
        return _by_id(composition, end.operator, end.label, connection_id, problem)
    arguments = common_arguments(composition, found, spec, subject)
    arguments.append(composition.spec(CONNECTION_SPECS, "connection_spec", found.connection_spec))
    if found.base_connection_id:
        is_profiles = found.connection_spec.id.lower() == specs.UNIFIED_PROFILE_SERVICE
        base_id = base_connection(
            composition, found.base_connection_id, "profile_store" if is_profiles else base
        )
        arguments.append(Argument("base_connection_id", base_id))
    arguments += of_data
    if params or end.needs_params:
        notes = (_DATASET,) if params.get("dataSetId") else ()
        arguments.append(Argument(end.params, params, notes))
    arguments.append(UPDATE if is_whole else REUSE)
    return composition.add(end.operator, found.id, end.variable, f"create_{end.variable}", arguments)


def _by_id(composition: Composition, operator: Operator, label: str, object_id: str, problem: str) -> str:
    composition.lost(Subject(operator, object_id, f"{label} {object_id}"), f"{problem} {_BY_ID}")
    return object_id


def _name_problem(found: Resource) -> str:
    """Return why no operator takes the name of a connection; empty if one does."""
    return "" if has_name(found) else f"The operator needs a name, and it is named {found.name!r}."


def _unlike(desired: Any, found: Resource) -> str:
    """Return why an operator would change an object or reject it; empty if it would not."""
    differing = [*desired.fixed_differences(found), *desired.not_applied(found)]
    return f"The operator would change it: {'; '.join(map(str, differing))}." if differing else ""


def _params(
    composition: Composition, found: SourceConnection, spec: ConnectionSpec | None, subject: Subject
) -> tuple[JsonObject, bool]:
    """Return the parameters that may be printed, and whether these are all of them.

    An update sends all parameters, also those that AEP shows masked.
    """
    held = found.params or {}
    described = spec.target_spec if spec else None
    secret = {
        name
        for name, schema in (described.properties if described else {}).items()
        if schema.get("format") == "password"
    }
    shown = {name: value for name, value in held.items() if name not in secret and is_shown(name, value)}
    if missing := [name for name in held if name not in shown]:
        text = (
            f"Its parameters {', '.join(missing)} look like credentials and are not in the file. Add them before"
            " you set if_exists='update', which sends all parameters."
        )
        composition.lost(subject, text)
    return shown, not missing


def _source_data(
    composition: Composition, found: SourceConnection, subject: Subject
) -> tuple[JsonObject | None, list[Argument]]:
    """Return the ``data`` object as the operator sends it, and the arguments for it."""
    data = found.data or {}
    properties = data.get("properties")
    sent, arguments = _format(data)
    if isinstance(properties, Mapping):
        shown = {name: value for name, value in properties.items() if is_shown(name, value)}
        sent |= {"properties": shown} if shown else {}
        arguments += [Argument("data_properties", shown)] if shown else []
    _tell_rest(composition, subject, data, sent)
    return sent or None, arguments


def _target_data(
    composition: Composition, found: SourceConnection, subject: Subject
) -> tuple[JsonObject | None, list[Argument]]:
    data = found.data or {}
    schema = data.get("schema")
    if (
        isinstance(schema, Mapping)
        and isinstance(schema.get("id"), str)
        and schema.get("version") == SCHEMA_VERSION
    ):
        sent: JsonObject = {"schema": {"id": schema["id"], "version": SCHEMA_VERSION}}
        arguments = [Argument("schema_id", schema["id"], (SCHEMA_NOTE,))]
    else:
        sent, arguments = _format(data)
    _tell_rest(composition, subject, data, sent)
    return sent or None, arguments


def _format(data: JsonObject) -> tuple[JsonObject, list[Argument]]:
    """Return the part of a ``data`` object with the format, as an operator sends it, and the argument for it."""
    held = data.get("format")
    known = held if isinstance(held, str) and held.strip() not in NOTHING else None
    arguments = [] if known == "json" else [Argument("data_format", known)]
    return ({"format": known} if known else {}), arguments


def _tell_rest(composition: Composition, subject: Subject, data: JsonObject, sent: JsonObject) -> None:
    rest = sorted(name for name, value in data.items() if value not in (None, {}, sent.get(name)))
    if rest:
        text = (
            f"The operator does not set {', '.join(f'data.{name}' for name in rest)}, and leaves it as it is."
        )
        composition.lost(subject, text)


class _End(Frozen, frozen=True, kw_only=True):
    """What differs between source and target connections.

    :param data: returns the ``data`` object as the operator sends it, and the arguments for it.
    :param params: the argument for the parameters.
    :param needs_params: whether the operator requires it.
    """

    operator: Operator
    label: str
    variable: str
    desired: type[DesiredSourceConnection | DesiredTargetConnection]
    data: Callable[[Composition, SourceConnection, Subject], tuple[JsonObject | None, list[Argument]]]
    params: str
    needs_params: bool


_SOURCE = _End(
    operator=Operator.SOURCE_CONNECTION,
    label="Source connection",
    variable="source_connection",
    desired=DesiredSourceConnection,
    data=_source_data,
    params="source_params",
    needs_params=False,
)
_TARGET = _End(
    operator=Operator.TARGET_CONNECTION,
    label="Target connection",
    variable="target_connection",
    desired=DesiredTargetConnection,
    data=_target_data,
    params="target_params",
    needs_params=True,
)
