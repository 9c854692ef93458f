"""The base class of the hook: the connection, the transport, single requests, and specs with their credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client import CONNECTION_SPECS, FLOW_SPECS, FLOWS, flows, http
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.model import Flow
from airflow_provider_flowservice.client.settings import active_emulator
from airflow_provider_flowservice.hooks.caller import current_caller
from airflow_provider_flowservice.hooks.connection import (
    CONN_TYPE,
    connection_settings,
    reporting_missing_connection,
)
from airflow_provider_flowservice.hooks.credentials import AuthParams, auth_params, dummy_connection
from airflow_provider_flowservice.hooks.token_file import default_token_files

if TYPE_CHECKING:
    from airflow_provider_flowservice.client import model
    from airflow_provider_flowservice.client.http import (
        AiohttpTransport,
        Caller,
        Kind,
        Request,
        RequestsTransport,
    )
    from airflow_provider_flowservice.client.model import ConnectionSpec, FlowSpec
    from airflow_provider_flowservice.client.settings import Settings

T = TypeVar("T")


class FlowServiceBaseHook(BaseHook):
    """Base class of the hook: its connection, its transport, and the requests that every kind of resource has.

    Methods raise the client's exceptions (:mod:`airflow_provider_flowservice.client.errors`), so that callers can
    distinguish, for example, a missing flow from a missing permission.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    conn_name_attr = "flowservice_conn_id"
    default_conn_name = "flowservice_default"
    conn_type = CONN_TYPE
    hook_name = "Adobe Experience Platform Flow Service"

    def __init__(self, flowservice_conn_id: str = default_conn_name, sandbox: str | None = None) -> None:
        super().__init__()
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox
        #: The flow that was read last by its id.
        self.flow_read: model.Flow | None = None

    @cached_property
    def settings(self) -> Settings:
        """The validated settings of the connection.

        :raises InvalidInputError: if a field of the connection is missing or invalid, or a host is not allowed.
        """
        connection = None
        with reporting_missing_connection("flowservice_conn_id", self.flowservice_conn_id):
            connection = self.get_connection(self.flowservice_conn_id)
        return connection_settings(connection, self.sandbox)

    @cached_property
    def caller(self) -> Caller:
        """Who sends the requests of this hook: Airflow, and the task that was running when the hook was first used."""
        return current_caller()

    @cached_property
    def transport(self) -> RequestsTransport:
        """The open transport of this hook."""
        store = default_token_files() if self.settings.token_cache else None
        return http.RequestsTransport(
            self.settings, on_token=mask_secret, token_store=store, caller=self.caller
        )

    def connect_in_loop(
        self, in_main: Callable[[Callable[[], object]], None], *, connections: int
    ) -> AiohttpTransport:
        """Return a transport for the running event loop, with the settings that were read in the main thread.

        :param in_main: has a function called in the main thread. Airflow masks a token by a call to its supervisor,
            which no other thread may make.
        :param connections: maximum number of connections.
        """
        return http.AiohttpTransport(
            self.settings,
            on_token=lambda token: in_main(lambda: mask_secret(token)),
            connections=connections,
            caller=self.caller,
        )

    @property
    def is_configured(self) -> bool:
        """Whether the settings of the connection have been read, so that nothing has to be looked up for them."""
        return "settings" in self.__dict__

    @cached_property
    def console(self) -> flows.Console:
        """The pages of the objects behind the connection."""
        return flows.Console(self.settings)

    def get_conn(self) -> RequestsTransport:
        """Return the open transport, which sends requests with a token and with retries."""
        return self.transport

    def send(self, request: Request[T]) -> T:
        """Send a request created with ``client.http``.

        :returns: the response, parsed into a typed record.
        :raises FlowServiceError: if the last attempt fails.
        """
        answer = self.transport.send(request)
        self.console.learn(answer)
        if isinstance(answer, Flow):
            self.flow_read = answer
        return answer

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with one small request (``GET /flows?limit=1``).

        :returns: whether it works, and a message with the organization and sandbox or with the likely cause.
        """
        try:
            self.send(http.page(FLOWS, limit=1))
        except FlowServiceError as error:
            # The form tests a copy of the connection, which has a random id.
            place = f"of connection {self.flowservice_conn_id!r}"
            return False, error.message.replace(place, "of the connection")
        return True, f"Connected to {self.settings.org_id}, sandbox {self.settings.sandbox}."

    def close(self) -> None:
        """Close the open connections. A later call opens new ones."""
        if transport := self.__dict__.pop("transport", None):
            transport.close()

    # --- single requests ---------------------------------------------------------------------------------

    def get(self, kind: Kind[T], resource_id: str) -> T:
        """Get a resource (``GET /{kind}/{id}``).

        :param kind: type of the resource, for example ``FLOWS``.
        :raises NotFoundError: if it does not exist.
        """
        return self.send(http.get(kind, resource_id))

    def iterate(
        self, kind: Kind[T], *, filters: Iterable[str] = (), order_by: str | None = None
    ) -> Iterator[T]:
        """Yield all resources of a kind, page by page (``GET /{kind}``).

        :param filters: ``property`` expressions such as ``equals("name", "x")``; resources must match all of them.
        :param order_by: field name, prefixed with ``-`` for descending order.
        """
        return http.iterate(self, kind, filters=filters, order_by=order_by)

    def count(self, kind: Kind[Any], *, filters: Iterable[str] = ()) -> int:
        """Count resources (``GET /{kind}?count=true``)."""
        return self.send(http.count(kind, filters=filters))

    def create(self, kind: Kind[Any], body: Mapping[str, Any]) -> model.Created:
        """Create a resource (``POST /{kind}``) without checking whether it exists; see :meth:`ensure`."""
        return self.send(http.create(kind, body))

    def patch(
        self, kind: Kind[Any], resource_id: str, etag: str, operations: Sequence[model.Operation]
    ) -> model.Created | None:
        """Change a resource (``PATCH /{kind}/{id}``) if it still has the version ``etag``.

        :returns: the new version, or None if AEP's response has no body.
        :raises PreconditionError: if the resource has changed.
        """
        return self.send(http.patch(kind, resource_id, etag, operations))

    def action(self, kind: Kind[Any], resource_id: str, operation: str) -> model.Created | None:
        """Perform an action such as ``enable`` or ``publish`` on a resource (``POST /{kind}/{id}/action?op=``)."""
        return self.send(http.action(kind, resource_id, operation))

    def delete(self, kind: Kind[Any], resource_id: str) -> bool:
        """Delete a resource (``DELETE /{kind}/{id}``) without checking whether it is in use.

        :returns: whether it existed.
        """
        return flows.delete(self, kind, resource_id)

    # --- specs and the credentials that they require -----------------------------------------------------

    def find_connection_spec(self, name_or_id: str) -> ConnectionSpec:
        """Look up a connection spec by name or id (``GET /connectionSpecs``).

        :raises InvalidInputError: if the name is unknown (the message lists similar names) or ambiguous.
        """
        return flows.find_spec(self, CONNECTION_SPECS, name_or_id)

    def find_flow_spec(self, name_or_id: str) -> FlowSpec:
        """Look up a flow spec by name or id (``GET /flowSpecs``).

        :raises InvalidInputError: if the name is unknown (the message lists similar names) or ambiguous.
        """
        return flows.find_spec(self, FLOW_SPECS, name_or_id)

    def auth_params(
        self, spec: ConnectionSpec, auth_conn_id: str | None, auth: Mapping[str, Any] | None
    ) -> AuthParams:
        """Get the authentication parameters of a connection spec from an Airflow connection.

        :param auth_conn_id: Airflow connection that contains the credentials; None if the spec requires none.
        :param auth: parameters that are not credentials.
        :raises InvalidInputError: if a parameter is missing, or the connection is unsuitable for the spec.
        """
        connection = dummy_connection(spec) if auth_conn_id and active_emulator() else None
        with reporting_missing_connection("auth_conn_id", auth_conn_id):
            connection = self.get_connection(auth_conn_id) if auth_conn_id else None
        found = auth_params(spec, connection, auth)
        for name, value in found.params.items():
            if found.spec is not None and found.spec.is_secret(name):
                mask_secret(str(value))
        return found
