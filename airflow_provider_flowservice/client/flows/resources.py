"""Desired connections and flows: how they are sent, found, compared and updated."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure import Desired, Difference, compare
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, NotFoundError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.flows.fields import (
    PROFILE_MAPPING,
    mapping_params,
    named,
    patch_settings,
    profile_mapping_id,
    settings_differences,
    settings_held,
)
from airflow_provider_flowservice.client.flows.lifecycle import text_changes, text_differences
from airflow_provider_flowservice.client.flows.lookup import with_transformations
from airflow_provider_flowservice.client.flows.schedules import check_dataset_schedule
from airflow_provider_flowservice.client.flows.specs import FlowSource
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import could_be, iterate
from airflow_provider_flowservice.client.http.request import Kind, Request, Sender
from airflow_provider_flowservice.client.model import JsonObject, Operation, looks_secret, member

log = logging.getLogger(__name__)
F = TypeVar("F", bound=model.Resource)
E = TypeVar("E", bound=model.SourceConnection)

#: Media type of the schema in target connections to the data lake.
SCHEMA_VERSION = "application/vnd.adobe.xed-full+json;version=1.0"


class DesiredResource(Desired[F], frozen=True, kw_only=True):
    """A Flow Service resource that must exist exactly once.

    :param spec_id: UUID of its connection spec or flow spec.
    :param draft: whether to create it as a draft, which has no effect until it is published.
    """

    spec_id: str
    draft: bool = False

    kind: ClassVar[Kind[Any]]
    #: The member of the resource that refers to its spec.
    spec_field: ClassVar = "connectionSpec"

    @property
    @abstractmethod
    def body(self) -> JsonObject:
        """The body of the ``POST`` request that creates the resource."""

    @property
    def parent_filter(self) -> str:
        """The filter for the spec or the parent, used if the name cannot be filtered by."""
        return request.equals(f"{self.spec_field}.id", self.spec_id)

    @abstractmethod
    def updates(self, found: F) -> tuple[Operation, ...]:
        """Return the patch that changes a resource to the desired state; empty if there is nothing to change.

        :raises DriftError: if AEP cannot change a setting that differs.
        """

    @property
    def filters(self) -> tuple[str, ...]:
        """The filter for candidates; :meth:`matches` compares the name again."""
        return (request.equals("name", self.name) if request.is_plain(self.name) else self.parent_filter,)

    def candidates(self, sender: Sender) -> Iterable[F]:
        """Return the resources with this name or, if it cannot be used in a filter, this parent (``GET /{kind}``)."""
        return iterate(sender, self.kind, filters=self.filters, needed=could_be(self.name))

    def create(self) -> Request[model.Created]:
        """Return the request ``POST /{kind}``."""
        return request.create(self.kind, self.body, draft=self.draft, secrets=self.secrets)

    def read(self, found_id: str) -> Request[F]:
        """Return the request ``GET /{kind}/{id}``."""
        return request.get(self.kind, found_id)

    def update(self, found: F) -> Request[Any] | None:
        """Return the request ``PATCH /{kind}/{id}`` with ``If-Match``; None if there is nothing to change."""
        operations = self.updates(found)
        if not operations:
            return None
        return request.patch(self.kind, found.id, found.etag or "", operations, secrets=self.secrets)

    def not_applied(self, found: F) -> tuple[Difference, ...]:
        """Return the differences, including name and description, which only an update changes."""
        return (*self.differences(found), *text_differences(found, self.name, self.description))

    def delete(self, found_id: str) -> Request[None]:
        """Return the request ``DELETE /{kind}/{id}``."""
        return request.delete(self.kind, found_id)

    def _body(self) -> JsonObject:
        body: JsonObject = {"name": self.name, self.spec_field: {"id": self.spec_id, "version": "1.0"}}
        if self.description is not None:
            body["description"] = self.description
        return body


class DesiredBaseConnection(DesiredResource[model.BaseConnection], frozen=True, kw_only=True):
    """A base connection (``/connections``).

    :param auth_spec: its authentication method; None for a system that does not require credentials.
    :param auth_params: parameters of the authentication method, including credentials; never shown.
    """

    hidden: ClassVar = frozenset({"auth_params"})

    auth_spec: model.AuthSpec | None = None
    auth_params: Mapping[str, Any] = msgspec.field(default_factory=dict)

    kind: ClassVar = request.CONNECTIONS
    label: ClassVar = request.CONNECTIONS.label

    @property
    def body(self) -> JsonObject:
        """The body of the ``POST`` request."""
        body = self._body()
        if self.auth_spec is not None:
            body["auth"] = {"specName": self.auth_spec.name, "params": dict(self.auth_params)}
        return body

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of the parameters that are credentials."""
        return tuple(str(v) for k, v in self.auth_params.items() if self._is_secret(k))

    def fixed_differences(self, found: model.BaseConnection) -> tuple[Difference, ...]:
        """Return the spec if it differs."""
        return compare("connectionSpec.id", self.spec_id, found.connection_spec.id)

    def differences(self, found: model.BaseConnection) -> tuple[Difference, ...]:
        """Return the differences in the settings that AEP returns."""
        shown = found.auth.params if found.auth else {}
        comparable = {
            key: value
            for key, value in self.auth_params.items()
            if not self._is_secret(key) and key in shown and "***" not in str(shown[key])
        }
        return compare("auth.params", comparable, shown)

    def updates(self, found: model.BaseConnection) -> tuple[Operation, ...]:
        """Return the patch; differences that AEP cannot change raise :class:`DriftError`."""
        differing = self.differences(found)
        if differing and self.spec_id in specs.SOURCE_ONLY:
            raise self.cannot_change(
                found, differing, "Create a new connection and its dependent objects under other names."
            )
        operations = text_changes(found, self.name, self.description)
        # AEP does not show credentials, so it is unknown whether they differ: an update always sends all parameters.
        if differing or self.secrets:
            operations += (Operation(op="replace", path="/auth/params", value=dict(self.auth_params)),)
        return operations

    def _is_secret(self, parameter: str) -> bool:
        return self.auth_spec is None or self.auth_spec.is_secret(parameter)


class _DesiredSourceOrTarget(DesiredResource[E], frozen=True, kw_only=True):
    """A source or target connection; both have the same fields.

    :param base_connection_id: its base connection, if it has one.
    :param data: its ``data`` object, for example ``{"format": "json"}``.
    :param params: its ``params`` object, for example ``{"stream": ..., "region": ...}``.
    """

    base_connection_id: str | None = None
    data: Mapping[str, Any] | None = None
    params: Mapping[str, Any] | None = None

    @property
    def body(self) -> JsonObject:
        """The body of the ``POST`` request."""
        body = self._body()
        optional = {"baseConnectionId": self.base_connection_id, "data": self.data, "params": self.params}
        body.update({key: value for key, value in optional.items() if value is not None})
        return body

    @property
    def parent_filter(self) -> str:
        """The filter for the base connection, if there is one."""
        if self.base_connection_id:
            return request.equals("baseConnectionId", self.base_connection_id)
        return super().parent_filter

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of base connection, schema and dataset."""
        schema = (self.data or {}).get("schema") or {}
        dataset = (self.params or {}).get("dataSetId")
        found = (self.base_connection_id, schema.get("id"), dataset)
        return tuple(parent for parent in found if isinstance(parent, str))

    def fixed_differences(self, found: E) -> tuple[Difference, ...]:
        """Return spec and base connection if they differ."""
        base, base_held = self.base_connection_id or None, found.base_connection_id or None
        return (
            *compare("connectionSpec.id", self.spec_id, found.connection_spec.id),
            *compare("baseConnectionId", base, base_held),
        )

    def differences(self, found: E) -> tuple[Difference, ...]:
        """Return the differences in the settings that AEP returns."""
        return (
            *compare("data", self.data or {}, found.data or {}),
            *compare("params", self.params or {}, found.params or {}),
        )


class DesiredSourceConnection(_DesiredSourceOrTarget[model.SourceConnection], frozen=True, kw_only=True):
    """A source connection (``/sourceConnections``). AEP does not apply changes to it once a flow uses it."""

    kind: ClassVar = request.SOURCE_CONNECTIONS
    label: ClassVar = request.SOURCE_CONNECTIONS.label

    @property
    def planned_name(self) -> str:
        """The name, after the spec, which decides what a flow that does not exist yet either needs."""
        return f"{self.spec_id}:{self.name}"

    def updates(self, found: model.SourceConnection) -> tuple[Operation, ...]:
        """Return the patch; differences that AEP cannot change raise :class:`DriftError`."""
        if differing := self.differences(found):
            raise self.cannot_change(
                found, differing, "Create a new source connection and a new flow under other names."
            )
        return text_changes(found, self.name, self.description)


class DesiredTargetConnection(_DesiredSourceOrTarget[model.TargetConnection], frozen=True, kw_only=True):
    """A target connection (``/targetConnections``). AEP can change the ``params`` of destinations only."""

    kind: ClassVar = request.TARGET_CONNECTIONS
    label: ClassVar = request.TARGET_CONNECTIONS.label

    def updates(self, found: model.TargetConnection) -> tuple[Operation, ...]:
        """Return the patch; differences that AEP cannot change raise :class:`DriftError`."""
        differing = self.differences(found)
        fixed = [d for d in differing if self.spec_id in specs.SOURCE_ONLY or d.setting.startswith("data")]
        if fixed:
            remedy = "Create a new target connection and a new flow under other names."
            raise self.cannot_change(found, fixed, remedy)
        operations = text_changes(found, self.name, self.description)
        if differing:
            held, desired = found.params, self.params or {}
            if masked := [name for name in held or {} if looks_secret(name) and name not in desired]:
                raise DriftError(
                    f"{self.title(found.id)} cannot be changed: AEP replaces all of its params at once, and may mask"
                    f" {', '.join(masked)}. Add the value to the params."
                )
            operations += (_set("/params", held, desired),)
        return operations


class DesiredFlow(DesiredResource[model.Flow], frozen=True, kw_only=True):
    """A flow (``/flows``). Its selectors are managed by activation and are neither compared nor updated here.

    :param transformations: None uses the ones that its source requires: empty selectors for the profile store.
    :param settings: values for ``profileMapping``, ``mandatoryFields`` and ``primaryFields`` of a file destination,
        instead of ``transformations``; missing ones are empty in a new flow and are not compared.
    :param schedule_params: schedule of a batch flow, as in AEP's API.
    """

    source_connection_ids: Sequence[str]
    target_connection_ids: Sequence[str]
    transformations: Sequence[Mapping[str, Any]] | None = None
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    schedule_params: Mapping[str, Any] | None = None

    kind: ClassVar = request.FLOWS
    label: ClassVar = request.FLOWS.label
    spec_field: ClassVar = "flowSpec"

    @property
    def body(self) -> JsonObject:
        """The body of the ``POST`` request."""
        body = self._body()
        body["sourceConnectionIds"] = list(self.source_connection_ids)
        body["targetConnectionIds"] = list(self.target_connection_ids)
        if self.transformations is not None:
            body["transformations"] = [dict(transformation) for transformation in self.transformations]
        if self.schedule_params:
            body["scheduleParams"] = dict(self.schedule_params)
        return body

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of connections and mapping set."""
        transformations = self.transformations or ()
        mapping = (
            mapping_params(transformations).get("mappingId")
            or profile_mapping_id(transformations)
            or member(self.settings, PROFILE_MAPPING, "mappingId")
        )
        return (*self.source_connection_ids, *self.target_connection_ids, *((mapping,) if mapping else ()))

    @property
    def needs_confirmation(self) -> bool:
        """Whether settings are given: Adobe's API reference adds them after the create, which may ignore them."""
        return bool(self.settings)

    def candidates(self, sender: Sender) -> Iterator[model.Flow]:
        """Return the flows with this name or, if it cannot be used in a filter, this spec (``GET /flows``).

        Calls: ``GET /flows/{id}`` for each that matches, if the list does not show its transformations.
        """
        for found in super().candidates(sender):
            try:
                whole = with_transformations(sender, found) if self.matches(found) else found
            except NotFoundError:
                log.info("%s was deleted since it was listed", self.title(found.id))
            else:
                yield whole

    def is_as_created(self, found: model.Flow) -> bool:
        """Whether a matching flow has the desired settings, or none where AEP may have left them out."""
        shown = settings_held(found, self.settings)
        return not msgspec.structs.replace(self, settings=shown).differences(found)

    def check(self, sender: Sender) -> None:
        """Check that the destination takes the settings, as far as the flow spec tells without being read.

        :raises InvalidInputError: if it does not.
        """
        if self.settings and self.spec_id == specs.PROFILE_DESTINATION_FLOW:
            raise self._without_place(self.settings)

    def completed(self, sender: Sender) -> Self:
        """Return the flow with the transformations that its source requires, unless they are given.

        :raises InvalidInputError: if it exports datasets, and AEP would reject its schedule; or if it has settings that
            its destination does not take.
        """
        if self.transformations is not None or not self.source_connection_ids:
            return self
        source = specs.read_source(sender, self.source_connection_ids)
        if source is None:
            log.info("What flow %r requires is not known before its source connections exist", self.name)
            return self
        if source is FlowSource.PROFILES:
            required = self._with_settings(specs.required_transformation(sender, self.spec_id))
            return msgspec.structs.replace(self, transformations=[required])
        if self.settings:
            raise InvalidInputError(
                named(self.settings),
                f"is for flows from the profile store, and this one reads from: {source.value}",
                "Remove it.",
            )
        if source is FlowSource.DATASETS:
            check_dataset_schedule(self.schedule_params or {})
            return msgspec.structs.replace(self, transformations=[])
        return self

    def _with_settings(self, transformation: JsonObject) -> JsonObject:
        params = transformation["params"]
        if missing := [name for name in self.settings if name not in params]:
            raise self._without_place(missing)
        return {**transformation, "params": {**params, **self.settings}}

    def _without_place(self, settings: Iterable[str]) -> InvalidInputError:
        return InvalidInputError(
            named(settings),
            f"flow spec {self.spec_id} takes profile attributes as selectors, not from a mapping set",
            "Remove it, and give profile_attributes to FlowServiceActivateSegmentsOperator.",
        )

    def fixed_differences(self, found: model.Flow) -> tuple[Difference, ...]:
        """Return spec and connections if they differ; the order of the connections does not matter."""
        sources, sources_held = self.source_connection_ids, found.source_connection_ids
        targets, targets_held = self.target_connection_ids, found.target_connection_ids
        return (
            *compare("flowSpec.id", self.spec_id, found.flow_spec.id),
            *compare("sourceConnectionIds", _in_order(sources), _in_order(sources_held)),
            *compare("targetConnectionIds", _in_order(targets), _in_order(targets_held)),
        )

    def differences(self, found: model.Flow) -> tuple[Difference, ...]:
        """Return the differences in the settings that AEP returns."""
        return (
            *compare("scheduleParams", self.schedule_params or {}, found.schedule_params or {}),
            *compare(
                "mapping", mapping_params(self.transformations or ()), mapping_params(found.transformations)
            ),
            *settings_differences(found, self.settings),
        )

    def updates(self, found: model.Flow) -> tuple[Operation, ...]:
        """Return the patch; differences that AEP cannot change raise :class:`DriftError`."""
        operations = text_changes(found, self.name, self.description)
        differing = {difference.setting.partition(".")[0] for difference in self.differences(found)}
        if "scheduleParams" in differing:
            if FlowSource.of(*found.source_spec_ids) is FlowSource.DATASETS:
                check_dataset_schedule(self.schedule_params or {})
            operations += (_set_schedule(found.schedule_params, self.schedule_params or {}),)
        if "mapping" in differing:
            operations += (self._mapping_update(found),)
        return operations + patch_settings(found, self.settings)[0]

    def _mapping_update(self, found: model.Flow) -> Operation:
        desired = next(dict(t) for t in self.transformations or () if t.get("name") == "Mapping")
        for index, transformation in enumerate(found.transformations):
            if member(transformation, "name") == "Mapping":
                return Operation(op="replace", path=f"/transformations/{index}", value=desired)
        remedy = "Create a new flow with the mapping under another name."
        raise self.cannot_change(found, self.differences(found), remedy)


#: What AEP forbids in the schedule of a flow that runs once.
_NOT_ONCE = frozenset({"interval", "backfill"})


def _in_order(ids: Sequence[str]) -> list[str]:
    return sorted(ids, key=str.lower)


def _set(path: str, held: JsonObject | None, desired: Mapping[str, Any]) -> Operation:
    """Return the operation that sets members of an object. It has the other members too: AEP replaces all of them.

    A JSON Patch can only replace an object that exists.
    """
    value = {**(held or {}), **desired}
    return Operation(op="add" if held is None else "replace", path=path, value=value)


def _set_schedule(held: JsonObject | None, desired: Mapping[str, Any]) -> Operation:
    if held is not None and desired.get("frequency") == "once":
        held = {name: value for name, value in held.items() if name not in _NOT_ONCE}
    return _set("/scheduleParams", held, desired)
