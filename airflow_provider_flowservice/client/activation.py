"""Activation on a live flow: read, compute, one guarded patch, read back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_flowservice.client import clock, dataflow, request
from airflow_provider_flowservice.client.dataflow import Plan, Segment
from airflow_provider_flowservice.client.errors import (
    DriftError,
    FlowServiceError,
    PreconditionError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.model import Flow
from airflow_provider_flowservice.client.retry import delay_after
from airflow_provider_flowservice.client.transport import Sender

log = logging.getLogger(__name__)

#: How often the patch is computed anew because somebody else changed the flow, or its answer was lost.
ATTEMPTS = 10
#: Seconds: the longest wait between two of them.
MAX_DELAY = 10.0


@dataclass(frozen=True)
class Activation:
    """What an activation did.

    :param added: ids of the segments that this call added.
    :param already_active: ids of the wanted segments that were there before.
    :param profile_attributes_added: paths of the attributes that this call added.
    :param etag: the flow's version afterwards.
    """

    flow_id: str
    added: tuple[str, ...]
    already_active: tuple[str, ...]
    profile_attributes_added: tuple[str, ...]
    etag: str | None


def add_segments(
    sender: Sender, flow_id: str, segments: Sequence[Segment], attributes: Sequence[str]
) -> Activation:
    """Activate segments and profile attributes that a flow does not have yet.

    Two reads and one patch when something is missing, one read when nothing is. When somebody else changes
    the flow in between (412), or the answer is lost, it reads again and computes again.

    :raises DriftError: if the flow takes no selectors, or AEP answers success and changes nothing.
    """
    first: Plan | None = None
    for attempt in range(1, ATTEMPTS + 1):
        flow = sender.send(request.get(request.FLOWS, flow_id))
        plan = dataflow.plan_addition(flow, segments, attributes)
        first = first or plan
        if not plan.operations:
            return _outcome(flow, first)
        try:
            sender.send(request.patch(request.FLOWS, flow_id, flow.etag or "", plan.operations))
        except FlowServiceError as error:
            if not isinstance(error, PreconditionError) and not is_ambiguous(error):
                raise
            if attempt == ATTEMPTS:
                raise
            log.info("The patch of flow %s is computed again: %s", flow_id, error)
            clock.current().sleep(min(delay_after(error, attempt), MAX_DELAY))
            continue
        return _outcome(_read_back(sender, flow_id, segments, attributes), first)
    raise AssertionError("the last attempt returns or raises")


def _read_back(sender: Sender, flow_id: str, segments: Sequence[Segment], attributes: Sequence[str]) -> Flow:
    flow = sender.send(request.get(request.FLOWS, flow_id))
    if lacking := dataflow.missing(flow, (s.id for s in segments), attributes):
        raise DriftError(
            f"AEP answered success to the patch of flow {flow_id}, but {lacking} are not there. Destinations"
            " that use a mapping set take their attributes from profileMapping instead."
        )
    return flow


def _outcome(flow: Flow, first: Plan) -> Activation:
    return Activation(
        flow_id=flow.id,
        added=first.segments_added,
        already_active=first.segments_present,
        profile_attributes_added=first.attributes_added,
        etag=flow.etag,
    )
