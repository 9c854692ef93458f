"""Operators for base, source and target connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import (
    CONNECTIONS,
    SOURCE_CONNECTIONS,
    TARGET_CONNECTIONS,
    DesiredBaseConnection,
    DesiredSourceConnection,
    DesiredTargetConnection,
    specs,
)
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import SCHEMA_VERSION, Shown
from airflow_provider_flowservice.client.model import is_number
from airflow_provider_flowservice.client.streaming import inlet_of
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator
from airflow_provider_flowservice.operators.create import FlowServiceCreateResourceOperator
from airflow_provider_flowservice.operators.kinds import choice, mapping, resource_id, string, text

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure import EnsureResult
    from airflow_provider_flowservice.client.flows import Console
    from airflow_provider_flowservice.client.http import Kind
    from airflow_provider_flowservice.client.model import ConnectionSpec, ParameterSpec
    from airflow_provider_flowservice.openlineage import Lineage


class FlowServiceCreateConnectionOperator(FlowServiceCreateResourceOperator):
    """Create a base connection, which contains the credentials for a system (``POST /connections``).

    :param name: name of the resource.
    :param connection_spec: name or id of the connection spec, for example ``Amazon Kinesis``.
    :param auth_conn_id: Airflow connection that contains the credentials. For Amazon Kinesis of type ``aws``, or
        ``generic`` without the Amazon provider (login, password, and ``region_name`` or ``connectionUrl`` in the
        extras); for Azure Event Hubs of type ``generic`` (login = SAS key name, password = SAS key, host = namespace;
        or the connection string alone, as the password).
    :param auth: parameters that are not credentials, for example ``{"dataType": "xdm"}`` for ``HTTP API``. The URL of
        the inlet of such a connection is pushed to the XCom key ``inlet_url``.
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param adopt_id: id of an existing resource to use, instead of searching for one by name. It must have the same spec
        and parents and, as a schema or dataset, the same name. If anything else differs, ``if_exists="update"`` changes
        it, and ``"reuse"`` fails.
    :param draft: whether to create a draft, which has no effect until ``FlowServicePublishFlowOperator`` publishes it.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Create base connection"
    _shown = Shown.BASE_CONNECTION
    connection_spec = required(string)
    auth_conn_id = optional(string)
    auth = optional(mapping)

    def __init__(
        self,
        *,
        name: str,
        connection_spec: str,
        auth_conn_id: str | None = None,
        auth: Mapping[str, Any] | None = None,
        description: str | None = None,
        if_exists: str = "reuse",
        adopt_id: str | None = None,
        draft: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def desired(self) -> DesiredBaseConnection:
        """Return the base connection, with the name of its auth spec from AEP."""
        spec = self.hook.find_connection_spec(self.connection_spec)
        self.check_draft(spec)
        found = self.hook.auth_params(spec, self.auth_conn_id, self.auth)
        return DesiredBaseConnection(
            name=self.name,
            spec_id=spec.id,
            description=self.description,
            draft=self.draft,
            auth_spec=found.spec,
            auth_params=found.params,
        )

    def extra_xcoms(self, desired: DesiredBaseConnection, result: EnsureResult[Any]) -> dict[str, Any]:
        """Return the URL of the inlet, if the connection has one."""
        if desired.spec_id != specs.HTTP_API:
            return {}
        inlet = inlet_of(result.resource) if result.resource else self.hook.inlet(result.id)
        return {"inlet_url": inlet.url}

    def planned_xcoms(self, desired: DesiredBaseConnection, planned_id: str) -> dict[str, Any]:
        """Return a placeholder for the URL of the inlet, if the connection would have one."""
        return {"inlet_url": planned_id} if desired.spec_id == specs.HTTP_API else {}


class _CreateSourceOrTargetOperator(FlowServiceCreateResourceOperator):
    """Base class of the operators that create source and target connections."""

    connection_spec = required(string)
    base_connection_id = optional(resource_id)
    # Unlike None, an empty string can be given in a mapped task.
    data_format = optional(text)
    _found_spec_id = ""

    def settings(self) -> dict[str, Any]:
        """Return the settings that both types of connections have."""
        self._found_spec_id = self.spec_id(self.connection_spec, self.hook.find_connection_spec)
        return {
            "name": self.name,
            "spec_id": self._found_spec_id,
            "draft": self.draft,
            "description": self.description,
            "base_connection_id": self.base_connection_id,
            "data": self.data(),
        }

    def with_strings(
        self, params: Mapping[str, Any], of: Callable[[ConnectionSpec], ParameterSpec | None]
    ) -> Mapping[str, Any]:
        """Return the parameters, with strings where the connection spec requires them.

        The spec is only looked up if there is a number, which native rendering may have created from a string.

        :param of: returns the part of the spec that describes the parameters.
        """
        if not any(map(is_number, params.values())):
            return params
        found = of(self.hook.find_connection_spec(self.connection_spec))
        return found.with_strings(params) if found else params

    def data(self) -> dict[str, Any] | None:
        """Return the ``data`` object."""
        return {"format": self.data_format} if self.data_format else None


class FlowServiceCreateSourceConnectionOperator(_CreateSourceOrTargetOperator):
    """Create a source connection, which defines the data that a flow reads (``POST /sourceConnections``).

    :param name: name of the resource.
    :param connection_spec: name or id of the connection spec.
    :param base_connection_id: id of its base connection, if it has one.
    :param data_format: format of the data, for example ``json``; None sends no ``data`` object, nor does an empty
        string, which a mapped task can be given.
    :param source_params: parameters of the connection spec.
    :param data_properties: properties of files, for example ``{"columnDelimiter": ";", "encoding": "ISO-8859-1"}``.
    :param compression_type: compression of files, for example ``gzip``.
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param adopt_id: id of an existing resource to use, instead of searching for one by name. It must have the same spec
        and parents and, as a schema or dataset, the same name. If anything else differs, ``if_exists="update"`` changes
        it, and ``"reuse"`` fails.
    :param draft: whether to create a draft, which has no effect until ``FlowServicePublishFlowOperator`` publishes it.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Create source connection"
    _shown = Shown.SOURCE_CONNECTION
    source_params = optional(mapping)
    data_properties = optional(mapping)
    compression_type = optional(string)

    def __init__(
        self,
        *,
        name: str,
        connection_spec: str,
        base_connection_id: str | None = None,
        data_format: str | None = "json",
        source_params: Mapping[str, Any] | None = None,
        data_properties: Mapping[str, Any] | None = None,
        compression_type: str | None = None,
        description: str | None = None,
        if_exists: str = "reuse",
        adopt_id: str | None = None,
        draft: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Also reject a compression that is given twice."""
        super().check_arguments()
        if (
            self.compression_type is not None
            and isinstance(self.data_properties, Mapping)
            and "compressionType" in self.data_properties
        ):
            raise InvalidInputError(
                "compression_type", "is also in data_properties, as compressionType", "Give one of them."
            )

    def data(self) -> dict[str, Any] | None:
        """Return the ``data`` object. Adobe's current pages have all properties of files in ``data.properties``."""
        # All of them are strings, of which native rendering may have made a number.
        given = (self.data_properties or {}).items()
        properties = {name: str(value) if is_number(value) else value for name, value in given}
        if self.compression_type is not None:
            properties["compressionType"] = self.compression_type
        return {**(super().data() or {}), "properties": properties} if properties else super().data()

    def desired(self) -> DesiredSourceConnection:
        """Return the source connection."""
        params = self.source_params and self.with_strings(self.source_params, attrgetter("source_spec"))
        return DesiredSourceConnection(**self.settings(), params=params)

    def add_lineage(self, lineage: Lineage) -> None:
        """Add what the connection reads, as far as its arguments tell, and the connection, which flows read."""
        lineage.read_from_source(self._found_spec_id, self.base_connection_id, self.source_params or {})
        lineage.write(self._shown, [self._object_id])


class FlowServiceCreateTargetConnectionOperator(_CreateSourceOrTargetOperator):
    """Create a target connection, which defines the place that a flow writes to (``POST /targetConnections``).

    :param name: name of the resource.
    :param connection_spec: name or id of the connection spec.
    :param base_connection_id: id of its base connection, if it has one.
    :param data_format: format of the data, for example ``json``; None sends no ``data`` object, nor does an empty
        string, which a mapped task can be given.
    :param target_params: parameters of the connection spec, for example ``{"stream": ..., "region": ...}`` for Amazon
        Kinesis or ``{"eventHubName": ...}`` for Azure Event Hubs.
    :param schema_id: ``$id`` of the schema, for connections to the data lake; overrides ``data_format``.
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param adopt_id: id of an existing resource to use, instead of searching for one by name. It must have the same spec
        and parents and, as a schema or dataset, the same name. If anything else differs, ``if_exists="update"`` changes
        it, and ``"reuse"`` fails.
    :param draft: whether to create a draft, which has no effect until ``FlowServicePublishFlowOperator`` publishes it.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Create target connection"
    _shown = Shown.TARGET_CONNECTION
    target_params = required(mapping)
    schema_id = optional(resource_id)

    def __init__(
        self,
        *,
        name: str,
        connection_spec: str,
        base_connection_id: str | None = None,
        data_format: str | None = "json",
        target_params: Mapping[str, Any],
        schema_id: str | None = None,
        description: str | None = None,
        if_exists: str = "reuse",
        adopt_id: str | None = None,
        draft: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def desired(self) -> DesiredTargetConnection:
        """Return the target connection."""
        params = self.with_strings(self.target_params, attrgetter("target_spec"))
        return DesiredTargetConnection(**self.settings(), params=params)

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the connection, which flows write to, and where it leads, as far as its arguments tell."""
        lineage.read(self._shown, [self._object_id])
        lineage.write_to_target(self._found_spec_id, self.target_params)

    def data(self) -> dict[str, Any] | None:
        """Return the ``data`` object, with the schema or the format."""
        if self.schema_id is None:
            return super().data()
        return {"schema": {"id": self.schema_id, "version": SCHEMA_VERSION}}


class ConnectionKind(StrEnum):
    """The types of connections of a flow."""

    BASE = "base"
    SOURCE = "source"
    TARGET = "target"


_COLLECTIONS: tuple[Kind[Any], ...] = (CONNECTIONS, SOURCE_CONNECTIONS, TARGET_CONNECTIONS)
_KINDS = dict(zip(ConnectionKind, _COLLECTIONS, strict=True))
_PAGES = dict(
    zip(
        ConnectionKind, (Shown.BASE_CONNECTION, Shown.SOURCE_CONNECTION, Shown.TARGET_CONNECTION), strict=True
    )
)


class FlowServiceDeleteConnectionOperator(FlowServiceChangeOperator):
    """Delete a connection (``DELETE /{kind}/{id}``). A connection that does not exist is a success.

    A connection that another resource uses is not deleted; a warning names the resources.

    :param connection_id: id of the connection. Names are not accepted, because they are not unique.
    :param kind: ``base``, ``source`` or ``target``.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Delete connection"
    connection_id = required(resource_id)
    kind = required(choice(ConnectionKind))

    def __init__(
        self,
        *,
        connection_id: str,
        kind: str,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def page_in(self, console: Console) -> str:
        """Return the URL of the list from which the connection has gone."""
        return console.page(_PAGES[self.kind])

    def change(self, context: Context) -> bool:
        """Delete the connection.

        :returns: whether the connection no longer exists.
        """
        return self.hook.delete_connection(_KINDS[self.kind], self.connection_id)

    def plan(self, context: Context) -> bool:
        """Log that the connection would be deleted."""
        title = f"{self.kind.value} connection {self.connection_id}"
        self.log.info("%s would be deleted, unless it is in use", title)
        return False
