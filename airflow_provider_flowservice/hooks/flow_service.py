"""The hook: an Airflow connection in front of the client."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.activation.segments import read_attributes, read_segments
from airflow_provider_flowservice.client.activation.selectors import ActivationMode, DesiredSelectors
from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Kind, Request
from airflow_provider_flowservice.client.settings import Settings, settings_from

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_flowservice.client.activation.activate import ActivationResult, RemovalLimits
    from airflow_provider_flowservice.client.activation.audiences import Audience, SegmentDefinition
    from airflow_provider_flowservice.client.ensure.create import EnsureResult, IfExists, SavedState
    from airflow_provider_flowservice.client.ensure.desired import Desired, ExistingResource
    from airflow_provider_flowservice.client.http.blocking import RequestsTransport
    from airflow_provider_flowservice.client.streaming.inlet import Inlet
    from airflow_provider_flowservice.hooks.credentials import AuthParams

T = TypeVar("T")
R = TypeVar("R", bound="ExistingResource")
SPEC = TypeVar("SPEC", model.ConnectionSpec, model.FlowSpec)


class FlowServiceHook(BaseHook):
    """Talks to AEP's Flow Service as the credential of an Airflow connection.

    Its methods raise the client's typed errors (:mod:`airflow_provider_flowservice.client.errors`), so that a
    caller can tell a missing flow from a missing permission.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: sandbox to work in instead of the connection's.
    """

    conn_name_attr = "flowservice_conn_id"
    default_conn_name = "flowservice_default"
    conn_type = "flowservice"
    hook_name = "Adobe Experience Platform Flow Service"

    def __init__(self, flowservice_conn_id: str = default_conn_name, sandbox: str | None = None) -> None:
        super().__init__()
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox

    @cached_property
    def settings(self) -> Settings:
        """The checked settings of the connection.

        :raises InvalidInputError: naming the field that is wrong.
        """
        with missing_connection_is_invalid_input("flowservice_conn_id", self.flowservice_conn_id):
            connection = self.get_connection(self.flowservice_conn_id)
        settings = connection_settings(connection, self.sandbox)
        for secret in settings.secrets:
            mask_secret(secret)
        return settings

    @cached_property
    def transport(self) -> RequestsTransport:
        """The open transport."""
        from airflow_provider_flowservice.client.http.blocking import RequestsTransport
        from airflow_provider_flowservice.hooks.token_file import default_token_files

        store = default_token_files() if self.settings.token_cache else None
        return RequestsTransport(self.settings, on_token=mask_secret, token_store=store)

    def send(self, request: Request[T]) -> T:
        """Carry a request of :mod:`airflow_provider_flowservice.client.http.request` through.

        :raises FlowServiceError: when it fails for good.
        """
        return self.transport.send(request)

    def get(self, kind: Kind[T], resource_id: str) -> T:
        """Read one resource (``GET /{kind}/{id}``).

        :param kind: such as ``request.FLOWS``.
        :raises NotFoundError: if there is none.
        """
        return self.send(request.get(kind, resource_id))

    def iterate(
        self, kind: Kind[T], *, filters: Iterable[str] = (), order_by: str | None = None
    ) -> Iterator[T]:
        """Read a whole list page by page (``GET /{kind}``).

        :param filters: ``property`` expressions such as ``request.equals("name", "x")``; all must hold.
        :param order_by: field name, with ``-`` in front for descending.
        """
        from airflow_provider_flowservice.client.http.pages import iterate

        return iterate(self, kind, filters=filters, order_by=order_by)

    def count(self, kind: Kind[Any], *, filters: Iterable[str] = ()) -> int:
        """Count resources (``GET /{kind}?count=true``)."""
        return self.send(request.count(kind, filters=filters))

    def create(self, kind: Kind[Any], body: Mapping[str, Any]) -> model.Created:
        """Create a resource (``POST /{kind}``) without looking for an earlier one; see :meth:`ensure`."""
        return self.send(request.create(kind, body))

    def patch(
        self, kind: Kind[Any], resource_id: str, etag: str, operations: Sequence[model.Operation]
    ) -> model.Created | None:
        """Change a resource (``PATCH /{kind}/{id}``) if it still has the version ``etag``.

        :returns: the new version, or None where AEP answers without a body.
        :raises PreconditionError: if it has changed.
        """
        return self.send(request.patch(kind, resource_id, etag, operations))

    def delete(self, kind: Kind[Any], resource_id: str) -> bool:
        """Delete a resource (``DELETE /{kind}/{id}``).

        :returns: whether it was there.
        """
        from airflow_provider_flowservice.client.flows.lifecycle import delete

        return delete(self, kind, resource_id)

    def action(self, kind: Kind[Any], resource_id: str, operation: str) -> model.Created | None:
        """Act on a resource (``POST /{kind}/{id}/action?op=``), such as ``enable`` or ``publish``."""
        return self.send(request.action(kind, resource_id, operation))

    def ensure(
        self, desired: Desired[R], if_exists: IfExists, saved: SavedState | None = None
    ) -> EnsureResult[R]:
        """Make sure that an object exists once; see :mod:`airflow_provider_flowservice.client.ensure`."""
        from airflow_provider_flowservice.client.ensure.create import ensure

        return ensure(self, desired, if_exists, saved)

    def activate_segments(
        self,
        flow_id: str,
        segments: Iterable[str | Mapping[str, Any]],
        profile_attributes: Iterable[str] | None = None,
        *,
        mode: ActivationMode = ActivationMode.ADD,
        brakes: RemovalLimits | None = None,
    ) -> ActivationResult:
        """Bring a flow's segments and profile attributes to what is given (``PATCH /flows/{id}``).

        :param segments: UUIDs, or mappings as ``read_segments``
            takes them.
        :param profile_attributes: paths such as ``person.name.firstName``; None leaves attributes alone.
        :param mode: add them, remove them, or leave exactly these.
        :param brakes: what a removal may do; None lets it do everything.
        """
        from airflow_provider_flowservice.client.activation.activate import activate, resolve

        attributes = None if profile_attributes is None else read_attributes(profile_attributes)
        wanted = DesiredSelectors(resolve(self, read_segments(segments)), attributes)
        return activate(self, flow_id, wanted, mode, brakes)

    def iterate_segments(self) -> Iterator[SegmentDefinition]:
        """Read all segment definitions (``GET /segment/definitions``)."""
        from airflow_provider_flowservice.client.activation.audiences import iterate_segments

        return iterate_segments(self)

    def iterate_audiences(self, *, name: str | None = None) -> Iterator[Audience]:
        """Read all audiences, those that came from elsewhere included (``GET /audiences``).

        :param name: only audiences whose name contains this.
        """
        from airflow_provider_flowservice.client.activation.audiences import iterate_audiences

        return iterate_audiences(self, name=name)

    def inlet(self, connection_id: str) -> Inlet:
        """The inlet that a base connection of spec ``HTTP API`` opened (``GET /connections/{id}``).

        :raises DriftError: if it opened none.
        """
        from airflow_provider_flowservice.client.streaming.inlet import inlet_of

        return inlet_of(self.get(request.CONNECTIONS, connection_id))

    def find_connection_spec(self, name_or_id: str) -> model.ConnectionSpec:
        """Look up a connection spec by name or id (``GET /connectionSpecs``).

        :raises InvalidInputError: if there is none, with near matches, or if the name is ambiguous.
        """
        return self._find_spec("connection_spec", request.CONNECTION_SPECS, name_or_id)

    def connection_spec_id(self, name_or_id: str) -> str:
        """The id of a connection spec; only a name is looked up (``GET /connectionSpecs``).

        :raises InvalidInputError: as :meth:`find_connection_spec`.
        """
        return name_or_id if _is_uuid(name_or_id) else self.find_connection_spec(name_or_id).id

    def find_flow_spec(self, name_or_id: str) -> model.FlowSpec:
        """Look up a flow spec by name or id (``GET /flowSpecs``).

        :raises InvalidInputError: if there is none, with near matches, or if the name is ambiguous.
        """
        return self._find_spec("flow_spec", request.FLOW_SPECS, name_or_id)

    def flow_spec_id(self, name_or_id: str) -> str:
        """The id of a flow spec; only a name is looked up (``GET /flowSpecs``).

        :raises InvalidInputError: as :meth:`find_flow_spec`.
        """
        return name_or_id if _is_uuid(name_or_id) else self.find_flow_spec(name_or_id).id

    def auth_params(
        self, spec: model.ConnectionSpec, auth_conn_id: str | None, auth: Mapping[str, Any] | None
    ) -> AuthParams:
        """Fill the authentication of a connection spec from an Airflow connection.

        :param auth_conn_id: Airflow connection with the credentials.
        :param auth: parameters that are no secret.
        :raises InvalidInputError: if something is missing or does not fit.
        """
        from airflow_provider_flowservice.hooks.credentials import auth_params

        with missing_connection_is_invalid_input("auth_conn_id", auth_conn_id):
            connection = self.get_connection(auth_conn_id) if auth_conn_id else None
        found = auth_params(spec, connection, auth)
        for name, value in found.params.items():
            if found.spec is not None and found.spec.is_secret(name):
                mask_secret(str(value))
        return found

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection with one cheap read (``GET /flows?limit=1``).

        :returns: whether it works, and what it is connected to or what is likely wrong.
        """
        try:
            self.send(request.page(request.FLOWS, limit=1))
        except FlowServiceError as error:
            return False, error.message
        return True, f"Connected to {self.settings.org_id}, sandbox {self.settings.sandbox}."

    def close(self) -> None:
        """Close the open connections; a later call opens new ones."""
        if transport := self.__dict__.pop("transport", None):
            transport.close()

    def _find_spec(self, argument: str, kind: Kind[SPEC], name_or_id: str) -> SPEC:
        if _is_uuid(name_or_id):
            return self.get(kind, name_or_id)
        filters = (request.equals("name", name_or_id),) if request.is_plain(name_or_id) else ()
        found = [spec for spec in self.iterate(kind, filters=filters) if spec.name == name_or_id]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(spec.id for spec in found)
            raise InvalidInputError(
                argument, f"{len(found)} are called {name_or_id!r}", f"Give an id: {ids}."
            )
        names = sorted({spec.name for spec in self.iterate(kind)})
        near = difflib.get_close_matches(name_or_id, names, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"There are: {', '.join(names)}."
        raise InvalidInputError(argument, f"AEP has no {kind.label} {name_or_id!r}", hint)


@contextmanager
def missing_connection_is_invalid_input(field: str, conn_id: str | None) -> Iterator[None]:
    """Say what is wrong when Airflow has no such connection: a retry would not find it either.

    :param field: the argument that names it.
    :raises InvalidInputError: instead of Airflow's exception.
    """
    try:
        yield
    except AirflowNotFoundException:
        raise InvalidInputError(
            field, f"Airflow has no connection {conn_id!r}", "Create it, or name another."
        ) from None


def connection_settings(connection: Connection, sandbox: str | None) -> Settings:
    """Check an Airflow connection and read the settings from it.

    :param sandbox: sandbox to use instead of the connection's.
    :raises InvalidInputError: naming the field that is wrong and the remedy.
    """
    where = f"connection {connection.conn_id!r}"
    if connection.conn_type != FlowServiceHook.conn_type:
        raise InvalidInputError(
            "flowservice_conn_id",
            f"{where} is of type {connection.conn_type!r}",
            f"Name one of type {FlowServiceHook.conn_type!r}.",
        )
    host = connection.host
    if host and connection.schema in ("http", "https") and "://" not in host:
        host = f"{connection.schema}://{host}"
    if host and connection.port:
        host = f"{host}:{connection.port}"
    return settings_from(
        host=host,
        client_id=connection.login,
        client_secret=connection.password,
        extras=connection.extra_dejson,
        sandbox=sandbox,
        where=where,
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
