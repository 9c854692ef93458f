"""The part of the hook that posts records to the inlets of streaming sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import CONNECTIONS, FLOWS, flows
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.settings import active_emulator
from airflow_provider_flowservice.client.streaming import Inlet, Plan, Poster, from_messages, inlet_of
from airflow_provider_flowservice.hooks.base import FlowServiceBaseHook
from airflow_provider_flowservice.hooks.connection import check_host

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.streaming import InputRecord, PostSummary, UnreadableRecord


class FlowServiceStreamingHook(FlowServiceBaseHook):
    """The part of :class:`~airflow_provider_flowservice.hooks.flow_service.FlowServiceHook` for inlets.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    def inlet(self, connection_id: str) -> Inlet:
        """Return the inlet of a base connection with the spec ``HTTP API`` (``GET /connections/{id}``).

        :raises DriftError: if the connection has no inlet.
        """
        return inlet_of(self.get(CONNECTIONS, connection_id))

    def inlet_of_flow(self, flow_id: str) -> Inlet:
        """Return the inlet that a source flow reads (``GET /flows/{id}`` and ``GET /connections/{id}``).

        :raises DriftError: if the flow reads no inlet, or several base connections.
        """
        found = flows.resources_of(self, self.get(FLOWS, flow_id)).bases
        if len(found) != 1:
            raise DriftError(
                f"flow {flow_id} has {len(found)} base connections, so its inlet is not known. Give connection_id."
            )
        return self.inlet(found[0])

    def checked_inlet(self, target: Inlet) -> Inlet:
        """Return an inlet, if records and a token may be sent to its host.

        :raises InvalidInputError: if the host is not allowed, or not the connection's ``collection_host``.
        """
        if active_emulator() is None:
            check_host("inlet_url", target.url, self.flowservice_conn_id)
        return target.checked(self.settings.collection_host)

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
        :param options: other options of :class:`~airflow_provider_flowservice.client.streaming.Plan`.
        :raises InvalidInputError: if ``flow_id`` differs from the flow in the URL.
        :raises FlowServiceError: if the inlet rejects a request or the last attempt fails.
        """
        plan = Plan.of(target, flow_id=flow_id, sync_validation=sync_validation, **options)
        return self.poster(plan).post(from_messages(records))

    def poster(self, plan: Plan, **callbacks: Any) -> Poster:
        """Return what posts one input to an inlet, and can go on where an interrupted attempt has stopped.

        :param plan: how the records are posted.
        :param callbacks: arguments of :class:`~airflow_provider_flowservice.client.streaming.Poster`.
        """
        # What is wrong with the connection is an error of this thread, not of the one that sends. Only this one can
        # share tokens with the other tasks of the machine.
        _ = self.settings, self.caller
        if plan.target.authenticated:
            self.transport.authorize()
        connect = partial(self.connect_in_loop, connections=plan.concurrency)
        return Poster(connect, plan, **callbacks)
