"""The hook, which uses the client with the credentials of an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_flowservice.client import (
    CONNECTION_SPECS,
    CONNECTIONS,
    FLOW_SPECS,
    FLOWS,
    ActivationMode,
    IfExists,
    activation,
    clock,
    ensure,
    flows,
    http,
    model,
    waits,
)
from airflow_provider_flowservice.client.ensure import NOTHING_SAVED
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError
from airflow_provider_flowservice.client.settings import active_emulator
from airflow_provider_flowservice.client.streaming import Inlet, Poster, each_message, inlet_of
from airflow_provider_flowservice.hooks.connection import (
    CONN_TYPE,
    check_host,
    connection_settings,
    reporting_missing_connection,
)
from airflow_provider_flowservice.hooks.credentials import AuthParams, auth_params, dummy_connection
from airflow_provider_flowservice.hooks.token_file import default_token_files

if TYPE_CHECKING:
    from airflow_provider_flowservice.client import FlowState, RemovalLimits, Window
    from airflow_provider_flowservice.client.activation import (
        ActivationResult,
        DesiredSelectors,
        SelectorPatch,
    )
    from airflow_provider_flowservice.client.ensure import Desired, EnsureResult, PlannedCreate, SavedState
    from airflow_provider_flowservice.client.http import Kind, Request, RequestsTransport
    from airflow_provider_flowservice.client.settings import Settings
    from airflow_provider_flowservice.client.streaming import InputRecord, PostSummary, UnreadableRecord
    from airflow_provider_flowservice.client.waits import Wait

T = TypeVar("T")
R = TypeVar("R", bound=ensure.ExistingResource)


class FlowServiceHook(BaseHook):
    """Interact with AEP's Flow Service, with the credentials of an Airflow connection.

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
    def transport(self) -> RequestsTransport:
        """The open transport of this hook."""
        store = default_token_files() if self.settings.token_cache else None
        return http.RequestsTransport(self.settings, on_token=mask_secret, token_store=store)

    def get_conn(self) -> RequestsTransport:
        """Return the open transport, which sends requests with a token and with retries."""
        return self.transport

    def send(self, request: Request[T]) -> T:
        """Send a request created with :mod:`airflow_provider_flowservice.client.http`.

        :returns: the response, parsed into a typed record.
        :raises FlowServiceError: if the last attempt fails.
        """
        return self.transport.send(request)

    # --- reading -----------------------------------------------------------------------------------------

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

    def runs(self, flow_id: str) -> Iterator[model.FlowRun]:
        """Yield all runs of a flow with their metrics and errors (``GET /runs?property=flowId==``)."""
        return flows.runs_of(self, flow_id)

    def iterate_segments(self) -> Iterator[activation.SegmentDefinition]:
        """Yield all segment definitions (``GET /segment/definitions``)."""
        return activation.iterate_segments(self)

    def iterate_audiences(self, *, name: str | None = None) -> Iterator[activation.Audience]:
        """Yield all audiences, including external ones (``GET /audiences``).

        :param name: return only audiences whose name contains this string.
        """
        return activation.iterate_audiences(self, name=name)

    def inlet(self, connection_id: str) -> Inlet:
        """Return the inlet of a base connection with the spec ``HTTP API`` (``GET /connections/{id}``).

        :raises DriftError: if the connection has no inlet.
        """
        return inlet_of(self.get(CONNECTIONS, connection_id))

    def checked_inlet(self, target: Inlet) -> Inlet:
        """Return an inlet, if records and a token may be sent to its host.

        :raises InvalidInputError: if the host is not allowed, or not the connection's ``collection_host``.
        """
        if active_emulator() is None:
            check_host("inlet_url", target.url, self.flowservice_conn_id)
        return target.checked(self.settings.collection_host)

    def find_connection_spec(self, name_or_id: str) -> model.ConnectionSpec:
        """Look up a connection spec by name or id (``GET /connectionSpecs``).

        :raises InvalidInputError: if the name is unknown (the message lists similar names) or ambiguous.
        """
        return flows.find_spec(self, CONNECTION_SPECS, name_or_id)

    def find_flow_spec(self, name_or_id: str) -> model.FlowSpec:
        """Look up a flow spec by name or id (``GET /flowSpecs``).

        :raises InvalidInputError: if the name is unknown (the message lists similar names) or ambiguous.
        """
        return flows.find_spec(self, FLOW_SPECS, name_or_id)

    def auth_params(
        self, spec: model.ConnectionSpec, auth_conn_id: str | None, auth: Mapping[str, Any] | None
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

    # --- connections and flows ---------------------------------------------------------------------------

    def ensure(
        self, desired: Desired[R], if_exists: IfExists = IfExists.REUSE, saved: SavedState = NOTHING_SAVED
    ) -> EnsureResult[R]:
        """Make sure that an object exists exactly once, no matter how often this runs.

        :param desired: the object, for example a ``DesiredFlow``.
        :param if_exists: what to do if the object already exists.
        :param saved: state of an earlier, interrupted attempt.
        :raises DriftError: if the object exists with other settings, or several different ones exist.
        """
        return ensure.ensure(self, desired, if_exists, saved)

    def plan(self, desired: Desired[R], if_exists: IfExists = IfExists.REUSE) -> PlannedCreate[R]:
        """Return what :meth:`ensure` would send, without sending it.

        :raises DriftError: if :meth:`ensure` would raise it.
        """
        return ensure.plan_create(self, desired, if_exists)

    def set_flow_state(self, flow_id: str, state: FlowState) -> model.Flow:
        """Enable or disable a flow (``POST /flows/{id}/action``). Nothing is sent if it already has the state.

        :raises DriftError: if AEP confirms the change but does not show it.
        """
        return flows.set_state(self, flow_id, state)

    def update_flow(
        self, flow_id: str, *, name: str | None = None, description: str | None = None
    ) -> model.Flow:
        """Change the name or description of a flow (``PATCH /flows/{id}``); None leaves a value unchanged.

        :raises DriftError: if AEP confirms the change but does not show it.
        """
        return flows.rename(self, flow_id, name, description)

    def publish_flow(self, flow_id: str) -> None:
        """Publish a draft flow and its connections (``POST /{kind}/{id}/action?op=publish``); the flow comes last."""
        flows.publish_flow(self, flow_id)

    def flow_resources(self, flow_id: str) -> flows.FlowResources | None:
        """Return the ids of a flow and its connections (``GET /flows/{id}``); None if the flow does not exist."""
        return flows.flow_resources(self, flow_id)

    def delete_flow(
        self, resources: flows.FlowResources, *, with_connections: bool = False
    ) -> flows.DeleteResult:
        """Delete a flow (``DELETE /flows/{id}``).

        :param resources: the return value of :meth:`flow_resources`.
        :param with_connections: whether to delete its connections too, except those that another resource uses.
        """
        return flows.delete_flow(self, resources, with_connections=with_connections)

    def delete_connection(self, kind: Kind[Any], connection_id: str) -> bool:
        """Delete a connection (``DELETE /{kind}/{id}``), unless another resource uses it.

        :param kind: ``CONNECTIONS``, ``SOURCE_CONNECTIONS`` or ``TARGET_CONNECTIONS``.
        :returns: whether it no longer exists.
        """
        return flows.delete_unshared(self, kind, connection_id)

    def run_flow(
        self,
        flow_id: str,
        window: Window,
        saved: SavedState = NOTHING_SAVED,
        max_failed_records: flows.MaxFailedRecords = 0,
    ) -> str:
        """Run a source flow with the schedule ``once`` over a time window (``POST /runs``).

        :param saved: state of an earlier, interrupted attempt, which may have started the run.
        :param max_failed_records: how many records may fail in that run; if more have, another one is started.
        :returns: the run's id.
        :raises DriftError: if the flow cannot be run manually.
        """
        return flows.run_flow(self, flow_id, window, saved, max_failed_records)

    def wait(self, wait: Wait, *, timeout: float, poll_interval: float = 60) -> Any:
        """Wait for a condition in this thread.

        :param wait: the condition, for example ``waits.FlowInState``.
        :param timeout: maximum time to wait, in seconds.
        :param poll_interval: seconds between two polls.
        :returns: the observed state of the last poll; see the wait's ``look`` method.
        :raises DriftError: if the condition is not met in time.
        """
        deadline = clock.current().wall() + timeout
        judged = waits.drive(waits.polling(wait, interval=poll_interval, deadline=deadline), self)
        if not judged.done:
            raise DriftError(waits.timeout_message(wait, judged.seen, timeout))
        return judged.seen

    # --- activation --------------------------------------------------------------------------------------

    def activate(
        self,
        flow_id: str,
        desired: DesiredSelectors,
        activation_mode: ActivationMode = ActivationMode.ADD,
        limits: RemovalLimits | None = None,
    ) -> ActivationResult:
        """Bring the segments and profile attributes of a flow to the desired state (``PATCH /flows/{id}``).

        :param desired: the return value of :meth:`desired_selectors`.
        :param activation_mode: add them, remove them, or remove all others.
        :param limits: limits for removals; None means no limit.
        :raises DriftError: if a limit is exceeded, or AEP confirms the change but does not show it.
        """
        return activation.activate(self, flow_id, desired, activation_mode, limits)

    def activate_segments(
        self,
        flow_id: str,
        segments: Iterable[str | Mapping[str, Any]],
        profile_attributes: Iterable[str] | None = None,
        **options: Any,
    ) -> ActivationResult:
        """Activate segments and profile attributes on a flow (``PATCH /flows/{id}``).

        :param segments: UUIDs, or mappings as for the activation operator.
        :param profile_attributes: paths such as ``person.name.firstName``; None leaves attributes unchanged.
        :param options: ``activation_mode`` and ``limits``, as for :meth:`activate`.
        """
        return self.activate(flow_id, self.desired_selectors(segments, profile_attributes), **options)

    def plan_activation(
        self,
        flow: model.Flow,
        desired: DesiredSelectors,
        activation_mode: ActivationMode = ActivationMode.ADD,
        limits: RemovalLimits | None = None,
    ) -> SelectorPatch:
        """Return the patch that :meth:`activate` would send for a flow, without sending it.

        :param desired: the return value of :meth:`desired_selectors`.
        """
        patch = activation.compute_patch(flow, desired, activation_mode)
        if limits is not None:
            limits.check(flow, patch)
        return patch

    def desired_selectors(
        self,
        segments: Iterable[str | Mapping[str, Any]],
        profile_attributes: Iterable[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> DesiredSelectors:
        """Validate desired selectors, and look up segments that are given by name (``GET /audiences``).

        :param segments: UUIDs, or mappings as for the activation operator.
        :param profile_attributes: paths such as ``person.name.firstName``; None leaves attributes unchanged.
        :param settings: ``profileMapping``, ``mandatoryFields`` and ``primaryFields`` of a file destination.
        :raises InvalidInputError: if a segment or attribute is invalid, or a name is unknown or ambiguous.
        """
        return activation.DesiredSelectors(
            segments=self.find_segments(segments),
            attributes=None if profile_attributes is None else activation.read_attributes(profile_attributes),
            settings=settings or {},
        )

    def find_segments(self, segments: Iterable[str | Mapping[str, Any]]) -> tuple[activation.Segment, ...]:
        """Validate segments, and look up those that are given by name (``GET /audiences``).

        :raises InvalidInputError: if a segment is invalid, or its name is unknown or ambiguous.
        """
        return activation.resolve(self, activation.read_segments(segments))

    def export_segments(
        self,
        flow_id: str,
        segments: Sequence[str],
        saved: SavedState = NOTHING_SAVED,
        max_failed_records: flows.MaxFailedRecords = 0,
    ) -> dict[str, str]:
        """Export segments of a file destination now (``POST /adhocrun``), at most 80 per request.

        :param segments: AEP's ids of the segments (UUIDs).
        :param saved: state of an earlier, interrupted attempt, which may have started runs.
        :param max_failed_records: how many records may fail in such a run; if more have, another one is started.
        :returns: run ids by segment id; if a segment is already being exported, the id of the existing run.
        """
        return activation.export_segments(self, flow_id, segments, saved, max_failed_records)

    # --- streaming ---------------------------------------------------------------------------------------

    def post(
        self,
        target: Inlet,
        records: Iterable[Mapping[str, Any] | InputRecord | UnreadableRecord],
        *,
        flow_id: str | None = None,
        sync_validation: bool = False,
        **options: Any,
    ) -> PostSummary:
        """Post records to an inlet (``POST /collection/batch/{inlet}``), and track the result of each record.

        :param target: the inlet, for example from :meth:`inlet`.
        :param records: the records, as JSON objects.
        :param flow_id: id of the flow that ingests the records. Default: the one in the URL of the inlet, if any.
        :param sync_validation: validate each record against the schema. Default: if the URL of the inlet asks for it.
        :param options: other options of :class:`~airflow_provider_flowservice.client.streaming.Poster`.
        :raises InvalidInputError: if ``flow_id`` differs from the flow in the URL.
        :raises FlowServiceError: if the inlet rejects a request or the last attempt fails.
        """
        options |= {
            "flow_id": target.flow_for(flow_id),
            "sync_validation": sync_validation or target.validates,
        }
        return Poster(self, target, **options).post(each_message(records))

    # --- raw requests ------------------------------------------------------------------------------------

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

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with one small request (``GET /flows?limit=1``).

        :returns: whether it works, and a message with the organization and sandbox or with the likely cause.
        """
        try:
            self.send(http.page(FLOWS, limit=1))
        except FlowServiceError as error:
            return False, error.message
        return True, f"Connected to {self.settings.org_id}, sandbox {self.settings.sandbox}."

    def close(self) -> None:
        """Close the open connections. A later call opens new ones."""
        if transport := self.__dict__.pop("transport", None):
            transport.close()
