"""Activation on an existing flow: read it, compute one conditional patch, send it, read it back."""

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
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    InvalidInputError,
    NameNotFoundError,
    retyped,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.pages import could_be
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.limits import check_removals
from airflow_provider_flowservice.client.model import Flow, Frozen, SelectorKind
from airflow_provider_flowservice.client.text import did_you_mean, plain_text

log = logging.getLogger(__name__)

#: AEP's guardrails for one flow. Larger flows work but are slow, so exceeding them only logs a warning.
MAX_SEGMENTS = 250
MAX_ATTRIBUTES = 50


class RemovalLimits(Frozen, frozen=True):
    """Limits for the removal of segments and profile attributes.

    :param max_removals: maximum number of segments to remove; None allows half of the active ones.
    :param allow_empty: whether the last segment or the last profile attribute may be removed.
    """

    max_removals: int | None = None
    allow_empty: bool = False

    def check(self, flow: Flow, patch: SelectorPatch) -> None:
        """Check that a patch does not exceed the limits.

        :raises DriftError: if it removes too much; the message lists the changes.
        """
        active = len(list(flow.selectors(SelectorKind.SEGMENT)))
        left, attributes_left = _counts_after(flow, patch)
        difference = f"removed: {', '.join(patch.removed)}; added: {', '.join(patch.added) or 'none'}"
        if patch.removed and not left and not self.allow_empty:
            raise DriftError(
                f"flow {flow.id} would have no segment left ({difference}). If that is intended, set"
                " allow_empty=True."
            )
        if patch.attributes_removed and not attributes_left and not self.allow_empty:
            raise DriftError(
                f"flow {flow.id} would have no profile attribute left (removed:"
                f" {', '.join(patch.attributes_removed)}). If that is intended, set allow_empty=True; to leave"
                " attributes alone, set profile_attributes=None."
            )
        emptied = self.allow_empty and not left and self.max_removals is None
        if not emptied:
            what = f"segments of flow {flow.id}"
            check_removals(
                len(patch.removed), active, self.max_removals, what=what, done="removed", listed=difference
            )


class ActivationResult(Frozen, frozen=True):
    """The result of an activation.

    :param patch: the changes computed from the first read of the flow.
    :param etag: the version of the flow after the activation.
    :param flow_name: the name of the flow.
    """

    flow_id: str
    patch: SelectorPatch
    etag: str | None
    flow_name: str = ""


def activate(
    sender: Sender,
    flow_id: str,
    desired: DesiredSelectors,
    mode: ActivationMode,
    limits: RemovalLimits | None = None,
) -> ActivationResult:
    """Bring the selectors of a flow to the desired state (``PATCH /flows/{id}``).

    :param limits: limits for removals; None allows every removal.
    :raises DriftError: if a limit is exceeded, the flow cannot hold selectors, or AEP confirms the change but does not
        show it.
    :raises BadRequestError: if AEP rejects the change, for example of segments without a schedule: only AEP knows which
        flows export files.
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
        hint = (
            "a destination with a mapping set takes its attributes from profile_mapping, not profile_attributes; "
            if patch.attributes_added
            else ""
        )
        return (f"{hint}not applied: {patch}",) if patch.repeats(computed[-1]) else ()

    read = request.get(request.FLOWS, flow_id)
    try:
        flow = converge(sender, read, remaining, differences, what=f"flow {flow_id}").resource
    except BadRequestError as rejected:
        added = computed[-1].added if computed else ()
        without = [each.id for each in desired.segments if each.id in added and "schedule" not in each.value]
        if not without:
            raise
        hint = f"If the flow exports files, give {', '.join(without)} an exportMode and a schedule."
        raise retyped(rejected, BadRequestError, f"{rejected} {hint}") from rejected
    return ActivationResult(flow.id, computed[0], flow.etag, flow.name)


def resolve(
    sender: Sender, segments: tuple[Segment | SegmentName, ...], field: str = "segments"
) -> tuple[Segment, ...]:
    """Look up the segments that are given by name (``GET /audiences``). The others do not need a request.

    :param field: name of the argument, for the error.
    :raises NameNotFoundError: if a name belongs to no segment; the message lists similar ones.
    :raises InvalidInputError: if it belongs to several.
    """
    return tuple(
        segment if isinstance(segment, Segment) else _look_up(sender, segment, field) for segment in segments
    )


def _look_up(sender: Sender, segment: SegmentName, field: str) -> Segment:
    containing = audiences.iterate_audiences(sender, name=segment.name, needed=could_be(segment.name))
    named = [a for a in containing if a.name == segment.name]
    if not named:
        names = (audience.name for audience in audiences.iterate_audiences(sender))
        remedy = did_you_mean(segment.name, names) or "Check the name, or give the id."
        raise NameNotFoundError(field, f"AEP has none named {segment.name!r}", remedy)
    if len(named) > 1:
        candidates = ", ".join(
            plain_text(f"{a.id} ({a.type or 'segment'}, {a.lifecycle_state or '-'})") for a in named
        )
        problem, remedy = (
            f"{len(named)} are named {segment.name!r}",
            f"Give the id of one of them: {candidates}.",
        )
        raise InvalidInputError(field, problem, remedy)
    audience = named[0]
    if audience.type == "ExternalSegment" and audience.audience_id:
        origin = {"systemSegmentId": audience.id, "namespace": audience.namespace}
        return Segment(audience.audience_id, {**segment.value, **origin})
    return Segment(audience.id, segment.value)


def _warn_of_guardrails(flow: Flow, patch: SelectorPatch) -> None:
    segments, attributes = _counts_after(flow, patch)
    if patch.added and segments > MAX_SEGMENTS:
        log.warning("Flow %s will have %d segments; AEP supports %d", flow.id, segments, MAX_SEGMENTS)
    if patch.attributes_added and attributes > MAX_ATTRIBUTES:
        log.warning("Flow %s will have %d attributes; AEP supports %d", flow.id, attributes, MAX_ATTRIBUTES)


def _counts_after(flow: Flow, patch: SelectorPatch) -> tuple[int, int]:
    """The numbers of segments and profile attributes that a flow will have."""
    segments = len(list(flow.selectors(SelectorKind.SEGMENT))) + len(patch.added) - len(patch.removed)
    held = len(list(flow.selectors(SelectorKind.ATTRIBUTE)))
    return segments, held + len(patch.attributes_added) - len(patch.attributes_removed)
