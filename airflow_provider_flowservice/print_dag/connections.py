"""The tasks of base, source and target connections."""

from __future__ import annotations

from collections.abc import Mapping
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
    BaseConnection,
    ConnectionSpec,
    FlowSpec,
    JsonObject,
    Resource,
    SourceConnection,
)
from airflow_provider_flowservice.print_dag.accounts import account_of, is_shown
from airflow_provider_flowservice.print_dag.composition import Composition
from airflow_provider_flowservice.print_dag.model import Account, Argument, Operator, Reference
from airflow_provider_flowservice.print_dag.naming import shown_name

UPDATE, REUSE = Argument("if_exists", "update"), Argument("if_exists", "reuse")
#: What takes the place of a task for an object that no operator can take over.
_BY_ID = "It is referred to by its id, and a run neither compares nor changes it."
#: What an operator takes for a value that is missing.
_NOTHING = ("", "None")


def title_of(label: str, resource: Resource) -> str:
    """Return label, name and id of an object, for comments and messages."""
    return f"{label} {shown_name(resource.name)} ({resource.id})"


def has_name(resource: Resource) -> bool:
    """Whether an object has a name that an operator accepts."""
    return resource.name.strip() not in _NOTHING


def common_arguments(
    composition: Composition, resource: Resource, spec: ConnectionSpec | FlowSpec | None, title: str
) -> list[Argument]:
    """Return the arguments that all create operators of Flow Service have in common, except the spec."""
    arguments = [Argument("adopt_id", resource.id), Argument("name", resource.name)]
    description = resource.description
    if description and description.strip() == "None":
        composition.notes.append(composition.lost(title, "Its description 'None' would be taken for no value."))
    elif description:
        arguments.append(Argument("description", description))
    if resource.state == FlowState.DRAFT:
        if spec is not None and spec.attributes.get("isDraftModeSupported") is True:
            arguments.append(Argument("draft", True))
        else:
            text = "It is a draft, which the operator does not create: its spec does not support drafts."
            composition.notes.append(composition.lost(title, text))
    return arguments


def base_connection(composition: Composition, connection_id: str, variable: str, task_id: str) -> Any:
    """Add the task of a base connection.

    :returns: a reference to its id; or the id, if the operator cannot take it over.
    """
    if made := composition.made(Operator.CONNECTION, connection_id):
        return made
    found = composition.reader.base_connection(connection_id)
    if found is None:
        return _by_id(composition, "base connection", connection_id, "AEP does not have it any more.")
    title = title_of("Base connection", found)
    spec = composition.reader.connection_spec(found.connection_spec)
    if problem := _problem_of(found, spec):
        return _by_id(composition, "base connection", connection_id, problem)
    assert spec is not None  # noqa: S101 (_problem_of has looked)
    account = account_of(found, spec, title)
    if isinstance(account, str):
        return _by_id(composition, "base connection", connection_id, f"The operator would reject it: {account}.")
    arguments = common_arguments(composition, found, spec, title)
    arguments.append(composition.spec(CONNECTION_SPECS, "connection_spec", found.connection_spec))
    arguments += _credentials(account)
    if account.conn_id:
        composition.accounts.append(account)
    return composition.add(Operator.CONNECTION, found.id, variable, task_id, arguments)


def _credentials(account: Account) -> list[Argument]:
    """Return the arguments for the credentials. Without any, an update sends nothing that does not differ."""
    arguments = [Argument("auth_conn_id", account.conn_id)] if account.conn_id else []
    arguments += [Argument("auth", dict(account.auth))] if account.auth else []
    is_secret = bool(account.conn_id)
    return [*arguments, Argument("if_exists", "reuse" if is_secret else "update", account.notes)]


def source_connection(composition: Composition, connection_id: str, *, is_destination: bool) -> Any:
    """Add the tasks of a source connection and its base connection.

    :param is_destination: whether it belongs to a flow to a destination.
    :returns: a reference to its id; or the id, if the operator cannot take it over.
    """
    if made := composition.made(Operator.SOURCE_CONNECTION, connection_id):
        return made
    found = composition.reader.source_connection(connection_id)
    if found is None:
        return _by_id(composition, "source connection", connection_id, "AEP does not have it any more.")
    spec = composition.reader.connection_spec(found.connection_spec)
    if problem := _problem_of(found, spec):
        return _by_id(composition, "source connection", connection_id, problem)
    title = title_of("Source connection", found)
    data, extra = _source_data(composition, found, title)
    params, is_whole = _params(composition, found, spec, title)
    desired = DesiredSourceConnection(
        name=found.name,
        spec_id=found.connection_spec.id,
        base_connection_id=found.base_connection_id,
        data=data,
        params=params,
    )
    if problem := _unlike(desired, found):
        return _by_id(composition, "source connection", connection_id, problem)
    arguments = common_arguments(composition, found, spec, title)
    arguments.append(composition.spec(CONNECTION_SPECS, "connection_spec", found.connection_spec))
    is_profiles = found.connection_spec.id.lower() == specs.UNIFIED_PROFILE_SERVICE
    place = ("profile_store", "connect_profile_store") if is_profiles else ("source", "connect_source")
    arguments += _base_argument(composition, found, *place)
    arguments += extra
    if params:
        arguments.append(Argument("source_params", params))
    arguments.append(UPDATE if is_whole else REUSE)
    return composition.add(
        Operator.SOURCE_CONNECTION, found.id, "source_connection", "create_source_connection", arguments
    )


def target_connection(composition: Composition, connection_id: str, *, is_destination: bool) -> Any:
    """Add the tasks of a target connection and its base connection.

    :param is_destination: whether it belongs to a flow to a destination.
    :returns: a reference to its id; or the id, if the operator cannot take it over.
    """
    if made := composition.made(Operator.TARGET_CONNECTION, connection_id):
        return made
    found = composition.reader.target_connection(connection_id)
    if found is None:
        return _by_id(composition, "target connection", connection_id, "AEP does not have it any more.")
    spec = composition.reader.connection_spec(found.connection_spec)
    if problem := _problem_of(found, spec):
        return _by_id(composition, "target connection", connection_id, problem)
    title = title_of("Target connection", found)
    data, extra = _target_data(composition, found, title)
    params, is_whole = _params(composition, found, spec, title)
    desired = DesiredTargetConnection(
        name=found.name,
        spec_id=found.connection_spec.id,
        base_connection_id=found.base_connection_id,
        data=data,
        params=params,
    )
    if problem := _unlike(desired, found):
        return _by_id(composition, "target connection", connection_id, problem)
    arguments = common_arguments(composition, found, spec, title)
    arguments.append(composition.spec(CONNECTION_SPECS, "connection_spec", found.connection_spec))
    place = ("destination", "connect_destination") if is_destination else ("target", "connect_target")
    arguments += _base_argument(composition, found, *place)
    notes = ("The dataset belongs to whoever made it; it is only referred to.",) if params.get("dataSetId") else ()
    arguments += [*extra, Argument("target_params", params, notes), UPDATE if is_whole else REUSE]
    return composition.add(
        Operator.TARGET_CONNECTION, found.id, "target_connection", "create_target_connection", arguments
    )


def _by_id(composition: Composition, label: str, object_id: str, problem: str) -> str:
    note = composition.lost(f"{label} {object_id}", f"{problem} {_BY_ID}")
    composition.notes.append(f"The {label} {object_id}: {note}")
    return object_id


def _problem_of(found: Resource, spec: ConnectionSpec | None) -> str:
    """Return why no operator can take over a connection, whatever it holds; empty if that is possible."""
    if not has_name(found):
        return f"The operator needs a name, and it is named {found.name!r}."
    if spec is None and isinstance(found, BaseConnection):
        return f"AEP's catalog does not have its connection spec {found.connection_spec.id}."
    return ""


def _unlike(desired: Any, found: Resource) -> str:
    """Return why an operator would change an object or reject it; empty if it would not."""
    differing = [*desired.fixed_differences(found), *desired.not_applied(found)]
    return f"The operator would change it: {'; '.join(map(str, differing))}." if differing else ""


def _base_argument(composition: Composition, found: SourceConnection, variable: str, task_id: str) -> list[Argument]:
    if not found.base_connection_id:
        return []
    return [
        Argument(
            "base_connection_id", base_connection(composition, found.base_connection_id, variable, task_id)
        )
    ]


def _params(
    composition: Composition, found: SourceConnection, spec: ConnectionSpec | None, title: str
) -> tuple[JsonObject, bool]:
    """Return the parameters that may be printed, and whether these are all of them.

    An update replaces all parameters, so it would delete those that are missing in the file.
    """
    held = found.params or {}
    described = spec.target_spec if spec else None
    secret = {
        name for name, schema in (described.properties if described else {}).items()
        if schema.get("format") == "password"
    }
    shown = {name: value for name, value in held.items() if name not in secret and is_shown(name, value)}
    if missing := [name for name in held if name not in shown]:
        text = (
            f"Its parameters {', '.join(missing)} look like credentials and are not in the file. An update replaces"
            " all parameters, so add them before you set if_exists='update'."
        )
        composition.notes.append(f"{title}: {composition.lost(title, text)}")
    return shown, not missing


def _source_data(
    composition: Composition, found: SourceConnection, title: str
) -> tuple[JsonObject | None, list[Argument]]:
    """Return the ``data`` object as the operator sends it, and the arguments for it."""
    data = found.data or {}
    properties = data.get("properties")
    file_format = data.get("format")
    sent: JsonObject = {}
    arguments = [_format_argument(file_format)] if file_format != "json" else []
    if isinstance(file_format, str) and file_format.strip() not in _NOTHING:
        sent["format"] = file_format
    if isinstance(properties, Mapping):
        shown = {name: value for name, value in properties.items() if is_shown(name, value)}
        sent |= {"properties": shown} if shown else {}
        arguments += [Argument("data_properties", shown)] if shown else []
    _tell_rest(composition, title, data, sent)
    return sent or None, arguments


def _target_data(
    composition: Composition, found: SourceConnection, title: str
) -> tuple[JsonObject | None, list[Argument]]:
    data = found.data or {}
    schema, file_format = data.get("schema"), data.get("format")
    if isinstance(schema, Mapping) and isinstance(schema.get("id"), str) and schema.get("version") == SCHEMA_VERSION:
        sent: JsonObject = {"schema": {"id": schema["id"], "version": SCHEMA_VERSION}}
        note = "The schema belongs to whoever made it; it is only referred to."
        _tell_rest(composition, title, data, sent)
        return sent, [Argument("schema_id", schema["id"], (note,))]
    sent = {}
    if isinstance(file_format, str) and file_format.strip() not in _NOTHING:
        sent["format"] = file_format
    _tell_rest(composition, title, data, sent)
    return sent or None, [_format_argument(file_format)] if file_format != "json" else []


def _format_argument(file_format: Any) -> Argument:
    known = isinstance(file_format, str) and file_format.strip() not in _NOTHING
    return Argument("data_format", file_format if known else None)


def _tell_rest(composition: Composition, title: str, data: JsonObject, sent: JsonObject) -> None:
    rest = sorted(name for name, value in data.items() if value not in (None, {}, sent.get(name)))
    if rest:
        text = f"The operator does not set {', '.join(f'data.{name}' for name in rest)}, and leaves it as it is."
        composition.notes.append(f"{title}: {composition.lost(title, text)}")
