"""The hook, which uses the client with the credentials of an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_flowservice.client import (
    FLOWS,
    ActivationMode,
    IfExists,
    PruneAction,
    activation,
    clock,
    ensure,
    flows,
    waits,
)
from airflow_provider_flowservice.client.ensure import NOTHING_SAVED
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.flows import report_runs
from airflow_provider_flowservice.client.values import enum_member
from airflow_provider_flowservice.hooks.streaming import FlowServiceStreamingHook

if TYPE_CHECKING:
    from airflow_provider_flowservice.client import FlowState, RemovalLimits, RunState, Window
    from airflow_provider_flowservice.client.activation import (
        ActivationResult,
        ActiveSegment,
        DesiredSelectors,
        SelectorPatch,
    )
    from airflow_provider_flowservice.client.ensure import Desired, EnsureResult, PlannedCreate, SavedState
    from airflow_provider_flowservice.client.flows import (
        DeleteResult,
        FlowResources,
        MaxFailedRecords,
        PruneReport,
        ReportedRun,
        Time,
    )
    from airflow_provider_flowservice.client.http import Kind
    from airflow_provider_flowservice.client.model import Flow, FlowKind, FlowRun
    from airflow_provider_flowservice.client.waits import Wait

R = TypeVar("R", bound=ensure.ExistingResource)


class FlowServiceHook(FlowServiceStreamingHook):
    """Interact with AEP's Flow Service, with the credentials of an Airflow connection.

    Methods raise the client's exceptions (:mod:`airflow_provider_flowservice.client.errors`), so that callers can
    distinguish, for example, a missing flow from a missing permission.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    # --- looking for flows and runs ----------------------------------------------------------------------

    def flows(
        self,
        name: str | None = None,
        state: FlowState | str | None = None,
        kind: FlowKind | str | None = None,
    ) -> Iterator[Flow]:
        """Yield the flows that have a name, a state and a kind (``GET /flows``, one call per 100 flows).

        Flows that AEP returns in a shape that is not documented are skipped with a warning. AEP may leave
        transformations out of lists: unless ``flow.shows_transformations``, ``get(FLOWS, flow.id)`` reads them.

        :param name: exact name; None for any.
        :param state: ``enabled``, ``disabled`` or ``draft``; None for any.
        :param kind: ``destination`` or ``source``; None for any. It takes a call ``GET /sourceConnections/{id}`` for
            each flow whose kind AEP does not show, which are usually none.
        :raises InvalidInputError: if an argument is invalid.
        :raises InvalidResponseError: if a flow that cannot be read could have the name.
        """
        return flows.iterate_flows(self, name, state, kind)

    def find_flow(
        self, name: str, flow_spec: str | None = None, state: FlowState | str | None = None
    ) -> Flow:
        """Return the flow that has a name (``GET /flows``, usually one call).

        One more call is made if ``flow_spec`` is a name (``GET /flowSpecs``) and, if no flow has the name, one per 100
        flows, to find similar names. AEP may list a new flow only some seconds after it was created: code that has just
        created it uses the id that the create returned.

        :param flow_spec: name or id of the flow spec that it must have; None for any.
        :param state: ``enabled``, ``disabled`` or ``draft``; None for any.
        :raises NameNotFoundError: if there is none; the message lists similar names, or the flows that have the name
            with another flow spec or state.
        :raises InvalidInputError: if there are several (the message lists them, the oldest first), an argument is
            invalid, or the flow spec is unknown.
        :raises InvalidResponseError: if a flow that cannot be read could have the name.
        """
        return flows.find_flow(self, name, flow_spec, state)

    def flow_connections(self, flow: Flow) -> FlowResources:
        """Return the ids of a flow's connections.

        No call is made if AEP shows all base connections with the flow; otherwise, one for each source and target
        connection without one (``GET /sourceConnections/{id}``, ``GET /targetConnections/{id}``).
        """
        return flows.resources_of(self, flow)

    def active_segments(self, flow: Flow | str) -> tuple[ActiveSegment, ...]:
        """Return the segments that are active on a flow, with their names, in the order of the flow.

        No call is made if AEP keeps all names in the flow, unless it left the segments out of the list that the flow is
        from (``GET /flows/{id}``). Otherwise all of them are looked up together
        (``GET /audiences``, one call per 100 audiences, until all are found).

        :param flow: a flow, or the id of one, which is read first (``GET /flows/{id}``).
        :raises NotFoundError: if the flow does not exist.
        """
        return activation.active_segments(self, self.get(FLOWS, flow) if isinstance(flow, str) else flow)

    def runs(
        self, flow_id: str | None = None, since: Time | None = None, states: Iterable[RunState | str] = ()
    ) -> Iterator[FlowRun]:
        """Yield runs with their counts and errors, the newest first (``GET /runs``, one call per 100 runs).

        :param flow_id: id of their flow, which is not checked: a flow that does not exist has no runs. None for the
            runs of all flows.
        :param since: only runs that were created at this time or later: a datetime or ISO 8601 string with a time zone,
            or seconds since 1970-01-01 UTC. Older runs are not read. None for no limit. A run whose time AEP does not
            show is not left out.
        :param states: only runs in one of these states, for example ``["failed"]``; empty for all.
        :raises InvalidInputError: if an argument is invalid.
        :raises InvalidResponseError: if a run cannot be read: it could be one that failed.
        """
        return flows.iterate_runs(self, flow_id, since, states)

    def run_report(
        self, since: Time, until: Time | None = None, flows: Iterable[str] | None = None
    ) -> Iterator[ReportedRun]:
        """Yield the runs that were created in a window of time, with the names of their flows, the newest first.

        It takes one call ``GET /runs`` for each 100 runs that were created since the beginning of the window, or for
        each of up to 20 given flows, and at most one call ``GET /flows`` for each 100 flows.

        :param since: beginning of the window: a datetime or ISO 8601 string with a time zone, or seconds since
            1970-01-01 UTC. A run whose time AEP does not show is not left out.
        :param until: end of the window, which is not a part of it; None for now.
        :param flows: ids of the flows, which are not checked: a flow that does not exist has no runs. None for all.
        :raises InvalidInputError: if an argument is invalid.
        :raises InvalidResponseError: if a run cannot be read: it could be one that failed.
        """
        return report_runs(self, since, until, flows)

    def last_run(self, flow_id: str) -> FlowRun | None:
        """Return the run of a flow that was created last (``GET /runs?limit=1``); None if it has none.

        It may be running. A file destination can have several runs for one time of its schedule; this is one of them.

        :raises InvalidResponseError: if it cannot be read.
        """
        return flows.last_run(self, flow_id)

    def iterate_segments(self) -> Iterator[activation.SegmentDefinition]:
        """Yield all segment definitions (``GET /segment/definitions``)."""
        return activation.iterate_segments(self)

    def iterate_audiences(self, *, name: str | None = None) -> Iterator[activation.Audience]:
        """Yield all audiences, including external ones (``GET /audiences``).

        :param name: return only audiences whose name contains this string.
        """
        return activation.iterate_audiences(self, name=name)

    # --- connections and flows ---------------------------------------------------------------------------

    def ensure(
        self,
        desired: Desired[R],
        if_exists: IfExists | str = IfExists.REUSE,
        saved: SavedState = NOTHING_SAVED,
        adopt_id: str | None = None,
    ) -> EnsureResult[R]:
        """Make sure that an object exists exactly once, no matter how often this runs.

        :param desired: the object, for example a ``DesiredFlow``.
        :param if_exists: what to do if the object already exists: ``reuse``, ``update``, ``fail`` or ``create``.
        :param saved: state of an earlier, interrupted attempt.
        :param adopt_id: id of the object, which is then neither searched for nor created; its name may differ, too.
        :raises InvalidInputError: if ``if_exists`` is something else, or contradicts ``adopt_id``.
        :raises NotFoundError: if no object has the id ``adopt_id``.
        :raises DriftError: if the object exists with other settings, or several different ones exist.
        """
        return ensure.ensure(self, desired, enum_member("if_exists", if_exists, IfExists), saved, adopt_id)

    def plan(
        self, desired: Desired[R], if_exists: IfExists | str = IfExists.REUSE, adopt_id: str | None = None
    ) -> PlannedCreate[R]:
        """Return what :meth:`ensure` would send, without sending it; it raises the same errors."""
        return ensure.plan_create(self, desired, enum_member("if_exists", if_exists, IfExists), adopt_id)

    def set_flow_state(self, flow_id: str, state: FlowState | str) -> Flow:
        """Enable or disable a flow (``POST /flows/{id}/action``). Nothing is sent if it already has the state.

        :param state: ``enabled`` or ``disabled``.
        :raises NotFoundError: if the flow does not exist.
        :raises InvalidInputError: if ``state`` is another state.
        :raises DriftError: if AEP confirms the change but does not show it.
        """
        return flows.set_state(self, flow_id, state)

    def update_flow(self, flow_id: str, *, name: str | None = None, description: str | None = None) -> Flow:
        """Change the name or description of a flow (``PATCH /flows/{id}``); None leaves a value unchanged.

        :raises DriftError: if AEP confirms the change but does not show it.
        """
        return flows.rename(self, flow_id, name, description)

    def publish_flow(self, flow_id: str) -> None:
        """Publish a draft flow and its connections (``POST /{kind}/{id}/action?op=publish``); the flow comes last."""
        flows.publish_flow(self, flow_id)

    def flow_resources(self, flow_id: str) -> FlowResources | None:
        """Return the ids of a flow and its connections (``GET /flows/{id}``); None if the flow does not exist."""
        return flows.flow_resources(self, flow_id)

    def delete_flow(self, resources: FlowResources, *, with_connections: bool = False) -> DeleteResult:
        """Delete a flow (``DELETE /flows/{id}``).

        :param resources: the return value of :meth:`flow_resources`.
        :param with_connections: whether to delete its connections too, except those that another resource uses.
        """
        return flows.delete_flow(self, resources, with_connections=with_connections)

    def prune_flows(
        self,
        keep: Iterable[str],
        name_prefix: str,
        action: PruneAction | str = PruneAction.REPORT,
        *,
        max_removals: int | None = None,
        with_connections: bool = False,
        plan_only: bool = False,
        saved: SavedState = NOTHING_SAVED,
    ) -> PruneReport:
        """Report, disable or delete the flows of this credential that are not kept (``GET /flows``).

        :param keep: ids and exact names of the flows to keep; both can be mixed.
        :param name_prefix: beginning of the names of the flows to look at; three characters or more.
        :param action: what happens to the others: ``report``, ``disable``, or ``delete``, which deletes only those that
            are disabled.
        :param max_removals: maximum number of flows to disable or delete; None allows half of those looked at.
        :param with_connections: whether to delete the connections of a flow, too, unless another resource uses them or
            another credential created them.
        :param plan_only: whether to only log and return what would be done.
        :param saved: state of an earlier, interrupted attempt.
        :raises InvalidInputError: if ``keep`` is empty, the prefix is too short, or the action is something else.
        :raises DriftError: if flows would be disabled or deleted, and they are too many, or an entry of ``keep``
            matches no flow.
        """
        pruning = flows.Pruning(
            client_id=self.settings.client_id,
            name_prefix=name_prefix,
            keep=tuple(keep),
            action=enum_member("action", action, PruneAction),
            max_removals=max_removals,
            with_connections=with_connections,
        )
        return flows.prune(self, pruning, saved, plan_only=plan_only)

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
        max_failed_records: MaxFailedRecords = 0,
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
        activation_mode: ActivationMode | str = ActivationMode.ADD,
        limits: RemovalLimits | None = None,
    ) -> ActivationResult:
        """Bring the segments and profile attributes of a flow to the desired state (``PATCH /flows/{id}``).

        :param desired: the return value of :meth:`desired_selectors`.
        :param activation_mode: ``add`` them, ``remove`` them, or ``sync``: add them and remove all others.
        :param limits: limits for removals; None means no limit.
        :raises InvalidInputError: if the mode is something else.
        :raises DriftError: if a limit is exceeded, or AEP confirms the change but does not show it.
        """
        mode = enum_member("activation_mode", activation_mode, ActivationMode)
        return activation.activate(self, flow_id, desired, mode, limits)

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
        flow: Flow,
        desired: DesiredSelectors,
        activation_mode: ActivationMode | str = ActivationMode.ADD,
        limits: RemovalLimits | None = None,
    ) -> SelectorPatch:
        """Return the patch that :meth:`activate` would send for a flow, without sending it.

        :param desired: the return value of :meth:`desired_selectors`.
        """
        mode = enum_member("activation_mode", activation_mode, ActivationMode)
        patch = activation.compute_patch(flow, desired, mode)
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

    def find_segments(
        self, segments: Iterable[str | Mapping[str, Any]], field: str = "segments"
    ) -> tuple[activation.Segment, ...]:
        """Validate segments, and look up those that are given by name (``GET /audiences``).

        :param field: name of the argument, for the error.
        :raises InvalidInputError: if a segment is invalid, or its name is unknown or ambiguous.
        """
        return activation.resolve(self, activation.read_segments(segments, field), field)

    def export_segments(
        self,
        flow_id: str,
        segments: Sequence[str],
        saved: SavedState = NOTHING_SAVED,
        max_failed_records: MaxFailedRecords = 0,
    ) -> dict[str, str]:
        """Export segments of a file destination now (``POST /adhocrun``), at most 80 per request.

        :param segments: AEP's ids of the segments (UUIDs).
        :param saved: state of an earlier, interrupted attempt, which may have started runs.
        :param max_failed_records: how many records may fail in such a run; if more have, another one is started.
        :returns: run ids by segment id; if a segment is already being exported, the id of the existing run.
        """
        return activation.export_segments(self, flow_id, segments, saved, max_failed_records)
