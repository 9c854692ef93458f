"""Activation on a live flow: read, compute, one guarded patch, read back."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.activation import audiences, selectors
from airflow_provider_flowservice.client.activation.segments import Segment, SegmentName
from airflow_provider_flowservice.client.activation.selectors import (
    ActivationMode,
    DesiredSelectors,
    SelectorPatch,
)
from airflow_provider_flowservice.client.errors import (
    DriftError,
    FlowServiceError,
    InvalidInputError,
    PreconditionError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.retry import delay_after
from airflow_provider_flowservice.client.http.sender import Sender
from airflow_provider_flowservice.client.model import Flow, SelectorKind

log = logging.getLogger(__name__)

#: How often the patch is computed anew because somebody else changed the flow, or its answer was lost.
ATTEMPTS = 20
#: Seconds: the longest wait between two of them.
MAX_DELAY = 10.0
#: Seconds to wait before reading again a flow that does not show its patch yet.
READ_BACKS = (0.5, 1.0)
#: What AEP supports on one flow; more may work and is slow.
MAX_SEGMENTS = 250
MAX_ATTRIBUTES = 50


@dataclass(frozen=True)
class RemovalLimits:
    """What a removal may do without being told.

    :param max_removals: segments that may be removed; None means half of what is active.
    :param allow_empty: whether no segment, or no profile attribute, may be left.
    """

    max_removals: int | None = None
    allow_empty: bool = False

    def check(self, flow: Flow, plan: SelectorPatch) -> None:
        """Let a plan pass.

        :raises DriftError: if it removes too much; the message shows the difference.
        """
        active = len(list(flow.selectors(SelectorKind.SEGMENT)))
        limit = self.max_removals if self.max_removals is not None else active // 2
        left = active - len(plan.removed) + len(plan.added)
        difference = f"removed: {', '.join(plan.removed)}; added: {', '.join(plan.added) or 'none'}"
        if plan.removed and not left and not self.allow_empty:
            raise DriftError(
                f"flow {flow.id} would have no segment left ({difference}). If that is meant, say"
                " allow_empty=True."
            )
        attributes = len(list(flow.selectors(SelectorKind.ATTRIBUTE)))
        kept = attributes - len(plan.attributes_removed) + len(plan.attributes_added)
        if plan.attributes_removed and not kept and not self.allow_empty:
            raise DriftError(
                f"flow {flow.id} would have no profile attribute left (removed:"
                f" {', '.join(plan.attributes_removed)}). If that is meant, say allow_empty=True; to leave"
                " attributes alone, say profile_attributes=None."
            )
        told = self.allow_empty and not left and self.max_removals is None
        if len(plan.removed) > limit and not told:
            raise DriftError(
                f"{len(plan.removed)} of the {active} segments of flow {flow.id} would be removed, and"
                f" {limit} may be ({difference}). If that is meant, say max_removals={len(plan.removed)}."
            )


@dataclass(frozen=True)
class ActivationResult:
    """What an activation did.

    :param patch: what the first look at the flow asked for.
    :param etag: the flow's version afterwards.
    """

    flow_id: str
    patch: SelectorPatch
    etag: str | None


def activate(
    sender: Sender,
    flow_id: str,
    wanted: DesiredSelectors,
    mode: ActivationMode,
    brakes: RemovalLimits | None = None,
) -> ActivationResult:
    """Bring a flow to what is wanted.

    Two reads and one patch when something has to change, one read when nothing has. When somebody else
    changes the flow in between (412), or the answer is lost, it reads again and computes again.

    :param brakes: None lets every removal pass.
    :raises DriftError: if a brake holds, the flow takes no selectors, or AEP says success and changes nothing.
    """
    first: SelectorPatch | None = None
    for attempt in range(1, ATTEMPTS + 1):
        flow = sender.send(request.get(request.FLOWS, flow_id))
        plan = selectors.compute_patch(flow, wanted, mode)
        if first is None:
            first = plan
            _warn_of_guardrails(flow, plan)
        if not plan.operations:
            return ActivationResult(flow.id, first, flow.etag)
        if brakes is not None:
            brakes.check(flow, plan)
        try:
            sender.send(request.patch(request.FLOWS, flow_id, flow.etag or "", plan.operations))
        except FlowServiceError as error:
            passes = isinstance(error, PreconditionError) or is_ambiguous(error)
            if not passes or attempt == ATTEMPTS:
                raise
            log.info("The patch of flow %s is computed again: %s", flow_id, error)
            clock.current().sleep(min(delay_after(error, attempt), MAX_DELAY))
        else:
            return ActivationResult(flow.id, first, _read_back(sender, flow_id, wanted, mode).etag)
    raise AssertionError("the last attempt returns or raises")


def resolve(sender: Sender, segments: tuple[Segment | SegmentName, ...]) -> tuple[Segment, ...]:
    """Look up the segments that are given by name (``GET /audiences``); the others cost nothing.

    :raises InvalidInputError: if a name is not there, or several segments have it.
    """
    return tuple(
        segment if isinstance(segment, Segment) else _look_up(sender, segment) for segment in segments
    )


def _look_up(sender: Sender, wanted: SegmentName) -> Segment:
    named = [a for a in audiences.iterate_audiences(sender, name=wanted.name) if a.name == wanted.name]
    if len(named) != 1:
        candidates = ", ".join(f"{a.id} ({a.type or 'segment'}, {a.lifecycle_state or '-'})" for a in named)
        problem = (
            f"{len(named)} are called {wanted.name!r}" if named else f"AEP has none called {wanted.name!r}"
        )
        remedy = f"Give the id of one of them: {candidates}." if named else "Check the name, or give the id."
        raise InvalidInputError("segments", problem, remedy)
    audience = named[0]
    if audience.type == "ExternalSegment" and audience.audience_id:
        origin = {"systemSegmentId": audience.id, "namespace": audience.namespace}
        return Segment(audience.audience_id, {**wanted.value, **origin})
    return Segment(audience.id, wanted.value)


def _read_back(sender: Sender, flow_id: str, wanted: DesiredSelectors, mode: ActivationMode) -> Flow:
    """Read what became of the patch; AEP finishes changes a moment later, so it looks more than once."""
    for delay in (*READ_BACKS, None):
        flow = sender.send(request.get(request.FLOWS, flow_id))
        left = selectors.compute_patch(flow, wanted, mode)
        if not left.operations:
            return flow
        if delay is not None:
            clock.current().sleep(delay)
    raise DriftError(
        f"AEP answered success to the patch of flow {flow_id}, but {left} is still to do. Destinations that use a"
        " mapping set take their attributes from profileMapping instead."
    )


def _warn_of_guardrails(flow: Flow, plan: SelectorPatch) -> None:
    segments = len(list(flow.selectors(SelectorKind.SEGMENT))) + len(plan.added) - len(plan.removed)
    if plan.added and segments > MAX_SEGMENTS:
        log.warning("Flow %s gets %d segments; AEP supports %d", flow.id, segments, MAX_SEGMENTS)
    attributes = len(list(flow.selectors(SelectorKind.ATTRIBUTE))) + len(plan.attributes_added)
    if plan.attributes_added and attributes > MAX_ATTRIBUTES:
        log.warning("Flow %s gets %d attributes; AEP supports %d", flow.id, attributes, MAX_ATTRIBUTES)
