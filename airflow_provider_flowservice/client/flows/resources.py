"""Connections and flows as desired objects: how they are sent, found, compared and updated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure import Desired, Difference, compare
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.lifecycle import describe_flow_changes, text_differences
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender
from airflow_provider_flowservice.client.model import JsonObject, Operation, member

F = TypeVar("F", bound=model.Resource)
E = TypeVar("E", bound=model.SourceConnection)


class DesiredResource(Desired[F], frozen=True, kw_only=True):
    """A Flow Service resource that must exist once.

    :param spec_id: UUID of its connection spec or flow spec.
    :param draft: create it as a draft, to be published later.
    """

    spec_id: str
    draft: bool = False

    kind: ClassVar[Kind[Any]]

    @property
    @abstractmethod
    def body(self) -> JsonObject:
        """What ``POST`` sends to create it."""

    @property
    @abstractmethod
    def parent_filter(self) -> str:
        """A filter on spec or parent that finds it whatever its name."""

    @abstractmethod
    def updates(self, found: F) -> tuple[Operation, ...]:
        """The patch that changes a resource to what is desired; empty if there is nothing to change.

        :raises DriftError: if AEP cannot change what differs.
        """

    @property
    def filters(self) -> tuple[str, ...]:
        """The filter that finds candidates; the name is compared again on our side."""
        return (request.equals("name", self.name) if request.is_plain(self.name) else self.parent_filter,)

    def candidates(self, sender: Sender) -> Iterable[F]:
        """Resources of this name, or of the same spec or parent if a filter cannot carry the name (``GET /{kind}``)."""
        return iterate(sender, self.kind, filters=self.filters)

    def create(self) -> Request[model.Created]:
        """``POST /{kind}``."""
        return request.create(self.kind, self.body, draft=self.draft, secrets=self.secrets)

    def read(self, found_id: str) -> Request[F]:
        """``GET /{kind}/{id}``."""
        return request.get(self.kind, found_id)

    def update(self, found: F) -> Request[Any] | None:
        """``PATCH /{kind}/{id}`` with ``If-Match``."""
        operations = self.updates(found)
        if not operations:
            return None
        return request.patch(self.kind, found.id, found.etag or "", operations, secrets=self.secrets)

    def unmet(self, found: F) -> tuple[Difference, ...]:
        """The differences, and the description, which only an update changes."""
        return (*self.differences(found), *text_differences(found, None, self.description))

    def delete(self, found_id: str) -> Request[None]:
        """``DELETE /{kind}/{id}``."""
        return request.delete(self.kind, found_id)

    def _body(self, spec_field: str) -> JsonObject:
        body: JsonObject = {"name": self.name, spec_field: {"id": self.spec_id, "version": "1.0"}}
        if self.description is not None:
            body["description"] = self.description
        return body


class DesiredBaseConnection(DesiredResource[model.BaseConnection], frozen=True, kw_only=True):
    """A base connection (``/connections``).

    :param auth_spec: how it authenticates; None for a system that needs no credentials.
    :param auth_params: parameters for ``auth_spec``, credentials among them; never shown.
    """

    hidden: ClassVar = frozenset({"auth_params"})

    auth_spec: model.AuthSpec | None = None
    auth_params: Mapping[str, Any] = msgspec.field(default_factory=dict)

    kind: ClassVar = request.CONNECTIONS
    label: ClassVar = request.CONNECTIONS.label

    @property
    def body(self) -> JsonObject:
        """The whole of ``POST``'s body."""
        body = self._body("connectionSpec")
        if self.auth_spec is not None:
            body["auth"] = {"specName": self.auth_spec.name, "params": dict(self.auth_params)}
        return body

    @property
    def parent_filter(self) -> str:
        """By spec or base connection."""
        return request.equals("connectionSpec.id", self.spec_id)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The credentials."""
        return tuple(str(v) for k, v in self.auth_params.items() if self._is_secret(k))

    def is_ours(self, found: model.BaseConnection) -> bool:
        """Name, spec and what it is connected to agree."""
        return found.name == self.name and found.connection_spec.id == self.spec_id

    def differences(self, found: model.BaseConnection) -> tuple[Difference, ...]:
        """What AEP shows and an update may change."""
        shown = found.auth.params if found.auth else {}
        comparable = {
            key: value
            for key, value in self.auth_params.items()
            if not self._is_secret(key) and key in shown and "***" not in str(shown[key])
        }
        return compare("auth.params", comparable, shown)

    def updates(self, found: model.BaseConnection) -> tuple[Operation, ...]:
        """Only what AEP can change; the rest raises an error that names the remedy."""
        differing = self.differences(found)
        if differing and self.spec_id in specs.SOURCE_ONLY:
            raise self.cannot_change(
                found, differing, "Create a connection, and what follows it, under new names."
            )
        operations = describe_flow_changes(found, None, self.description)
        # Whether a credential changed cannot be seen, so an update always sends it, as a whole.
        if differing or self.secrets:
            operations += (Operation(op="replace", path="/auth/params", value=dict(self.auth_params)),)
        return operations

    def _is_secret(self, parameter: str) -> bool:
        return self.auth_spec is None or self.auth_spec.is_secret(parameter)


class _DesiredEnd(DesiredResource[E], frozen=True, kw_only=True):
    """A source or target connection: one shape in two collections.

    :param base_connection_id: its base connection, if it has one.
    :param data: its ``data`` object, such as ``{"format": "json"}``.
    :param params: its ``params`` object, such as ``{"stream": ..., "region": ...}``.
    """

    base_connection_id: str | None = None
    data: Mapping[str, Any] | None = None
    params: Mapping[str, Any] | None = None

    @property
    def body(self) -> JsonObject:
        """The whole of ``POST``'s body."""
        body = self._body("connectionSpec")
        optional = {"baseConnectionId": self.base_connection_id, "data": self.data, "params": self.params}
        body.update({key: value for key, value in optional.items() if value is not None})
        return body

    @property
    def parent_filter(self) -> str:
        """By spec or base connection."""
        if self.base_connection_id:
            return request.equals("baseConnectionId", self.base_connection_id)
        return request.equals("connectionSpec.id", self.spec_id)

    @property
    def parents(self) -> tuple[str, ...]:
        """Connections, schema, dataset and mapping set."""
        schema = (self.data or {}).get("schema") or {}
        dataset = (self.params or {}).get("dataSetId")
        found = (self.base_connection_id, schema.get("id"), dataset)
        return tuple(parent for parent in found if isinstance(parent, str))

    def is_ours(self, found: E) -> bool:
        """Name, spec and what it is connected to agree."""
        same_parent = (found.base_connection_id or None) == (self.base_connection_id or None)
        return found.name == self.name and found.connection_spec.id == self.spec_id and same_parent

    def differences(self, found: E) -> tuple[Difference, ...]:
        """What AEP shows and an update may change."""
        return (
            *compare("data", self.data or {}, found.data or {}),
            *compare("params", self.params or {}, found.params or {}),
        )


class DesiredSourceConnection(_DesiredEnd[model.SourceConnection], frozen=True, kw_only=True):
    """A source connection (``/sourceConnections``). AEP changes none once a flow uses it."""

    kind: ClassVar = request.SOURCE_CONNECTIONS
    label: ClassVar = request.SOURCE_CONNECTIONS.label

    def updates(self, found: model.SourceConnection) -> tuple[Operation, ...]:
        """Only what AEP can change; the rest raises an error that names the remedy."""
        if differing := self.differences(found):
            raise self.cannot_change(
                found, differing, "Create a source connection and a flow under new names."
            )
        return describe_flow_changes(found, None, self.description)


class DesiredTargetConnection(_DesiredEnd[model.TargetConnection], frozen=True, kw_only=True):
    """A target connection (``/targetConnections``); of a destination, AEP can change ``params``."""

    kind: ClassVar = request.TARGET_CONNECTIONS
    label: ClassVar = request.TARGET_CONNECTIONS.label

    def updates(self, found: model.TargetConnection) -> tuple[Operation, ...]:
        """Only what AEP can change; the rest raises an error that names the remedy."""
        differing = self.differences(found)
        fixed = [d for d in differing if self.spec_id in specs.SOURCE_ONLY or d.setting.startswith("data")]
        if fixed:
            raise self.cannot_change(found, fixed, "Create a target connection and a flow under new names.")
        operations = describe_flow_changes(found, None, self.description)
        if differing:
            verb = "add" if found.params is None else "replace"
            operations += (Operation(op=verb, path="/params", value=dict(self.params or {})),)
        return operations


class DesiredFlow(DesiredResource[model.Flow], frozen=True, kw_only=True):
    """A flow (``/flows``). Its selectors belong to activation: they are neither compared nor updated.

    :param transformations: None takes what the flow spec needs: empty selectors for profile destinations.
    :param schedule_params: when a batch flow runs.
    """

    source_connection_ids: Sequence[str]
    target_connection_ids: Sequence[str]
    transformations: Sequence[Mapping[str, Any]] | None = None
    schedule_params: Mapping[str, Any] | None = None

    kind: ClassVar = request.FLOWS
    label: ClassVar = request.FLOWS.label

    @property
    def body(self) -> JsonObject:
        """The whole of ``POST``'s body."""
        body = self._body("flowSpec")
        body["sourceConnectionIds"] = list(self.source_connection_ids)
        body["targetConnectionIds"] = list(self.target_connection_ids)
        if self._transformations:
            body["transformations"] = self._transformations
        if self.schedule_params:
            body["scheduleParams"] = dict(self.schedule_params)
        return body

    @property
    def parent_filter(self) -> str:
        """By spec or base connection."""
        return request.equals("flowSpec.id", self.spec_id)

    @property
    def parents(self) -> tuple[str, ...]:
        """Connections, schema, dataset and mapping set."""
        mapping = _mapping(self._transformations).get("mappingId") or _profile_mapping(self._transformations)
        return (*self.source_connection_ids, *self.target_connection_ids, *((mapping,) if mapping else ()))

    def is_ours(self, found: model.Flow) -> bool:
        """Name, spec and what it is connected to agree."""
        return (
            found.name == self.name
            and found.flow_spec.id == self.spec_id
            and sorted(found.source_connection_ids) == sorted(self.source_connection_ids)
            and sorted(found.target_connection_ids) == sorted(self.target_connection_ids)
        )

    def differences(self, found: model.Flow) -> tuple[Difference, ...]:
        """What AEP shows and an update may change."""
        return (
            *compare("scheduleParams", self.schedule_params or {}, found.schedule_params or {}),
            *compare("mapping", _mapping(self._transformations), _mapping(found.transformations)),
        )

    def updates(self, found: model.Flow) -> tuple[Operation, ...]:
        """Only what AEP can change; the rest raises an error that names the remedy."""
        operations = describe_flow_changes(found, None, self.description)
        differing = {difference.setting.partition(".")[0] for difference in self.differences(found)}
        if "scheduleParams" in differing:
            verb = "add" if found.schedule_params is None else "replace"
            operations += (
                Operation(op=verb, path="/scheduleParams", value=dict(self.schedule_params or {})),
            )
        if "mapping" in differing:
            operations += (self._mapping_update(found),)
        return operations

    @property
    def _transformations(self) -> list[JsonObject]:
        if self.transformations is not None:
            return [dict(transformation) for transformation in self.transformations]
        if self.spec_id == specs.PROFILE_DESTINATION_FLOW:
            return [specs.EMPTY_GENERAL_TRANSFORM]
        return [specs.EMPTY_FILE_TRANSFORM] if self.spec_id in specs.FILE_DESTINATION_FLOWS else []

    def _mapping_update(self, found: model.Flow) -> Operation:
        desired = next(t for t in self._transformations if t.get("name") == "Mapping")
        for index, transformation in enumerate(found.transformations):
            if member(transformation, "name") == "Mapping":
                return Operation(op="replace", path=f"/transformations/{index}", value=desired)
        remedy = "Create a flow with the mapping under a new name."
        raise self.cannot_change(found, self.differences(found), remedy)


def _mapping(transformations: Sequence[Any]) -> Mapping[str, Any]:
    """The parameters of the ``Mapping`` transformation, which names a mapping set."""
    named = (each for each in transformations if member(each, "name") == "Mapping")
    params = member(next(named, None), "params")
    return params if isinstance(params, Mapping) else {}


def _profile_mapping(transformations: Sequence[Any]) -> str | None:
    """The mapping set that a flow to a file destination takes its attributes from."""
    found = (member(each, "params", "profileMapping", "mappingId") for each in transformations)
    return next((str(mapping_id) for mapping_id in found if mapping_id), None)
