"""Activation on a live flow: read, compute, one conditional patch, read back."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_flowservice.client.activation import audiences, selectors
from airflow_provider_flowservice.client.activation.segments import Segment, SegmentName
from airflow_provider_flowservice.client.activation.selectors import (
    ActivationMode,
    DesiredSelectors,
    SelectorPatch,
)
from airflow_provider_flowservice.client.converge import converge
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import Flow, Frozen, SelectorKind

log = logging.getLogger(__name__)

#: Guardrails: what AEP supports on one flow. More may work and is slow, so it is only warned of.
MAX_SEGMENTS = 250
MAX_ATTRIBUTES = 50


class RemovalLimits(Frozen, frozen=True):
    """What may be removed.

    :param max_removals: segments that may be removed; None means half of what is active.
    :param allow_empty: whether no segment, or no profile attribute, may be left.
    """

    max_removals: int | None = None
    allow_empty: bool = False

    def check(self, flow: Flow, patch: SelectorPatch) -> None:
        """Let a patch pass.

        :raises DriftError: if it removes too much; the message shows the difference.
        """
        active, attributes = _counts(flow)
        limit = self.max_removals if self.max_removals is not None else active // 2
        left = active - len(patch.removed) + len(patch.added)
        difference = f"removed: {', '.join(patch.removed)}; added: {', '.join(patch.added) or 'none'}"
        if patch.removed and not left and not self.allow_empty:
            raise DriftError(
                f"flow {flow.id} would have no segment left ({difference}). If that is intended, set"
                " allow_empty=True."
            )
        kept = attributes - len(patch.attributes_removed) + len(patch.attributes_added)
        if patch.attributes_removed and not kept and not self.allow_empty:
            raise DriftError(
                f"flow {flow.id} would have no profile attribute left (removed:"
                f" {', '.join(patch.attributes_removed)}). If that is intended, set allow_empty=True; to leave"
                " attributes alone, set profile_attributes=None."
            )
        emptied = self.allow_empty and not left and self.max_removals is None
        if len(patch.removed) > limit and not emptied:
            raise DriftError(
                f"{len(patch.removed)} of the {active} segments of flow {flow.id} would be removed, and"
                f" {limit} may be ({difference}). If that is intended, set max_removals={len(patch.removed)}."
            )


class ActivationResult(Frozen, frozen=True):
    """What an activation did.

    :param patch: what the first read of the flow asked for.
    :param etag: the flow's version afterwards.
    """

    flow_id: str
    patch: SelectorPatch
    etag: str | None


def activate(
    sender: Sender,
    flow_id: str,
    desired: DesiredSelectors,
    mode: ActivationMode,
    limits: RemovalLimits | None = None,
) -> ActivationResult:
    """Bring a flow to what is desired (``PATCH /flows/{id}``).

    :param limits: None lets every removal pass.
    :raises DriftError: if a limit is exceeded, the flow takes no selectors, or AEP confirms the change and does not
        show it.
    """
    computed: list[SelectorPatch] = []

    def remaining(flow: Flow) -> Request[Any] | None:
        patch = selectors.compute_patch(flow, desired, mode)
        computed.append(patch)
        if not patch.operations:
            return None
        if len(computed) == 1:
            _warn_of_guardrails(flow, patch)
        if limits is not None:
            limits.check(flow, patch)
        return request.patch(request.FLOWS, flow_id, flow.etag or "", patch.operations)

    def differences(flow: Flow) -> tuple[str, ...]:
        patch = selectors.compute_patch(flow, desired, mode)
        hint = "A destination that uses a mapping set takes its attributes from profile_mapping"
        return (f"still to do: {patch}. {hint}",) if patch.operations else ()

    read = request.get(request.FLOWS, flow_id)
    flow = converge(sender, read, remaining, differences, what=f"flow {flow_id}").resource
    return ActivationResult(flow.id, computed[0], flow.etag)


def resolve(sender: Sender, segments: tuple[Segment | SegmentName, ...]) -> tuple[Segment, ...]:
    """Look up the segments that are given by name (``GET /audiences``); the others cost no request.

    :raises InvalidInputError: if no segment has a name, or several have it.
    """
    return tuple(
        segment if isinstance(segment, Segment) else _look_up(sender, segment) for segment in segments
    )


def _look_up(sender: Sender, segment: SegmentName) -> Segment:
    named = [a for a in audiences.iterate_audiences(sender, name=segment.name) if a.name == segment.name]
    if len(named) != 1:
        candidates = ", ".join(f"{a.id} ({a.type or 'segment'}, {a.lifecycle_state or '-'})" for a in named)
        problem = (
            f"{len(named)} are called {segment.name!r}" if named else f"AEP has none called {segment.name!r}"
        )
        remedy = f"Give the id of one of them: {candidates}." if named else "Check the name, or give the id."
        raise InvalidInputError("segments", problem, remedy)
    audience = named[0]
    if audience.type == "ExternalSegment" and audience.audience_id:
        origin = {"systemSegmentId": audience.id, "namespace": audience.namespace}
        return Segment(audience.audience_id, {**segment.value, **origin})
    return Segment(audience.id, segment.value)


def _warn_of_guardrails(flow: Flow, patch: SelectorPatch) -> None:
    active, held = _counts(flow)
    segments = active + len(patch.added) - len(patch.removed)
    if patch.added and segments > MAX_SEGMENTS:
        log.warning("Flow %s gets %d segments; AEP supports %d", flow.id, segments, MAX_SEGMENTS)
    attributes = held + len(patch.attributes_added)
    if patch.attributes_added and attributes > MAX_ATTRIBUTES:
        log.warning("Flow %s gets %d attributes; AEP supports %d", flow.id, attributes, MAX_ATTRIBUTES)


def _counts(flow: Flow) -> tuple[int, int]:
    """How many segments and profile attributes a flow sends."""
    return len(list(flow.selectors(SelectorKind.SEGMENT))), len(list(flow.selectors(SelectorKind.ATTRIBUTE)))
