"""Operators for base, source and target connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind
from airflow_provider_flowservice.client.streaming.inlet import inlet_of
from airflow_provider_flowservice.operators.base import (
    FlowServiceChangeOperator,
    given_text,
    optional_mapping,
    required_text,
)
from airflow_provider_flowservice.operators.create import FlowServiceCreateResourceOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.ensure.create import EnsureResult
    from airflow_provider_flowservice.client.flows.resources import (
        DesiredBaseConnection,
        DesiredSourceConnection,
        DesiredTargetConnection,
    )

#: The form of a schema that a target connection of the data lake names.
SCHEMA_VERSION = "application/vnd.adobe.xed-full+json;version=1.0"


class FlowServiceCreateConnectionOperator(FlowServiceCreateResourceOperator):
    """Create a base connection: the credentials for a system (``POST /connections``).

    :param connection_spec: name as AEP shows it, such as ``Amazon Kinesis``, or id; templated.
    :param auth_conn_id: Airflow connection with the credentials; templated. Type ``aws`` for Amazon Kinesis
        (login, password, and ``region_name`` or ``connectionUrl`` in the extras), ``generic`` for Azure Event
        Hubs (login = SAS key name, password = SAS key, host = namespace).
    :param auth: parameters that are no secret, such as ``{"dataType": "xdm"}`` for ``HTTP API``; templated.
        The URL of the inlet that such a connection opens goes to the XCom key ``inlet_url``.
    """

    template_fields: Sequence[str] = (
        *FlowServiceCreateResourceOperator.template_fields,
        "connection_spec",
        "auth_conn_id",
        "auth",
    )

    def __init__(
        self,
        *,
        connection_spec: str,
        auth_conn_id: str | None = None,
        auth: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connection_spec = connection_spec
        self.auth_conn_id = auth_conn_id
        self.auth = auth

    def desired(self) -> DesiredBaseConnection:
        """The base connection, with the name of its auth spec read from AEP."""
        from airflow_provider_flowservice.client.flows.resources import DesiredBaseConnection

        auth = optional_mapping("auth", self.auth)
        spec = self.hook.find_connection_spec(required_text("connection_spec", self.connection_spec))
        self.check_draft(spec)
        found = self.hook.auth_params(spec, self.auth_conn_id, auth)
        return DesiredBaseConnection(
            name=self.name,
            spec_id=spec.id,
            description=self.description,
            draft=self.draft,
            auth_spec=found.spec,
            auth_params=found.params,
        )

    def extra_xcoms(self, desired: DesiredBaseConnection, ensured: EnsureResult[Any]) -> dict[str, Any]:
        """The inlet's URL, where the connection opened one."""
        if desired.spec_id != specs.HTTP_API:
            return {}
        inlet = inlet_of(ensured.resource) if ensured.resource else self.hook.inlet(ensured.id)
        return {"inlet_url": inlet.url}

    def planned_xcoms(self, desired: DesiredBaseConnection, planned_id: str) -> dict[str, Any]:
        """What stands for the URL of an inlet that is not open yet."""
        return {"inlet_url": planned_id} if desired.spec_id == specs.HTTP_API else {}


class _CreateEndOperator(FlowServiceCreateResourceOperator):
    """What source and target connections share.

    :param connection_spec: name as AEP shows it, or id; templated.
    :param base_connection_id: the base connection it hangs on, where it has one; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceCreateResourceOperator.template_fields,
        "connection_spec",
        "base_connection_id",
    )

    def __init__(self, *, connection_spec: str, base_connection_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection_spec = connection_spec
        self.base_connection_id = base_connection_id
        self._has_base = base_connection_id is not None

    def base_id(self) -> str | None:
        """The base connection's id, if one was given."""
        return given_text("base_connection_id", self.base_connection_id, given=self._has_base)

    def spec_id(self) -> str:
        """The connection spec's id; a draft costs a look at the spec."""
        wanted = required_text("connection_spec", self.connection_spec)
        if not self.draft:
            return self.hook.connection_spec_id(wanted)
        spec = self.hook.find_connection_spec(wanted)
        self.check_draft(spec)
        return spec.id


class FlowServiceCreateSourceConnectionOperator(_CreateEndOperator):
    """Create a source connection: where a flow reads (``POST /sourceConnections``).

    :param connection_spec: name as AEP shows it, or id; templated.
    :param base_connection_id: the base connection it hangs on, where it has one; templated.
    :param data_format: such as ``json``; None sends no ``data``; templated.
    :param source_params: the spec's own parameters; templated.
    """

    template_fields: Sequence[str] = (
        *_CreateEndOperator.template_fields,
        "data_format",
        "source_params",
    )

    def __init__(
        self,
        *,
        data_format: str | None = "json",
        source_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format
        self.source_params = source_params

    def desired(self) -> DesiredSourceConnection:
        """The source connection."""
        from airflow_provider_flowservice.client.flows.resources import DesiredSourceConnection

        params = optional_mapping("source_params", self.source_params)
        return DesiredSourceConnection(
            name=self.name,
            spec_id=self.spec_id(),
            draft=self.draft,
            description=self.description,
            base_connection_id=self.base_id(),
            data={"format": self.data_format} if self.data_format else None,
            params=params,
        )


class FlowServiceCreateTargetConnectionOperator(_CreateEndOperator):
    """Create a target connection: where a flow writes (``POST /targetConnections``).

    :param connection_spec: name as AEP shows it, or id; templated.
    :param base_connection_id: the base connection it hangs on, where it has one; templated.
    :param target_params: the spec's own parameters, such as ``{"stream": ..., "region": ...}`` for Amazon
        Kinesis or ``{"eventHubName": ...}`` for Azure Event Hubs; templated.
    :param schema_id: ``$id`` of the schema, where the data lake is written; templated.
    :param data_format: such as ``json``, where there is no schema; None sends no ``data``; templated.
    """

    template_fields: Sequence[str] = (
        *_CreateEndOperator.template_fields,
        "target_params",
        "schema_id",
        "data_format",
    )

    def __init__(
        self,
        *,
        target_params: Mapping[str, Any],
        schema_id: str | None = None,
        data_format: str | None = "json",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target_params = target_params
        self.schema_id = schema_id
        self._has_schema = schema_id is not None
        self.data_format = data_format

    def desired(self) -> DesiredTargetConnection:
        """The target connection."""
        from airflow_provider_flowservice.client.flows.resources import DesiredTargetConnection

        params = optional_mapping("target_params", self.target_params)
        return DesiredTargetConnection(
            name=self.name,
            spec_id=self.spec_id(),
            draft=self.draft,
            description=self.description,
            base_connection_id=self.base_id(),
            data=self._data(),
            params=params,
        )

    def _data(self) -> dict[str, Any] | None:
        if schema_id := given_text("schema_id", self.schema_id, given=self._has_schema):
            return {"schema": {"id": schema_id, "version": SCHEMA_VERSION}}
        return {"format": self.data_format} if self.data_format else None


_KINDS: dict[str, Kind[Any]] = {
    "base": request.CONNECTIONS,
    "source": request.SOURCE_CONNECTIONS,
    "target": request.TARGET_CONNECTIONS,
}


class FlowServiceDeleteConnectionOperator(FlowServiceChangeOperator):
    """Delete a connection by its id (``DELETE /connections/{id}`` and so on). One that is gone is a success.

    A connection that something still uses is left alone, with a warning that names the users.

    :param connection_id: the connection; templated. Ids only: a name may be another's.
    :param kind: ``base``, ``source`` or ``target``.
    """

    template_fields: Sequence[str] = (*FlowServiceChangeOperator.template_fields, "connection_id")

    def __init__(self, *, connection_id: str, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in _KINDS:
            raise InvalidInputError("kind", f"{kind!r} is not known", f"Known are {', '.join(_KINDS)}.")
        self.connection_id = connection_id
        self.kind = kind

    def change(self, context: Context) -> bool:
        """Delete it.

        :returns: whether it is gone.
        """
        from airflow_provider_flowservice.client.flows.lifecycle import delete_unshared

        connection_id = self.existing_id("connection_id", self.connection_id)
        return delete_unshared(self.hook, _KINDS[self.kind], connection_id)

    def plan(self, context: Context) -> bool:
        """Say that it would be deleted."""
        self.log.info("Would delete %s connection %s, if nothing uses it", self.kind, self.connection_id)
        return False
