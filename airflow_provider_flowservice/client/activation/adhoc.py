"""Exports of a file destination that are started by hand (ad-hoc activation)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.http.retry import delay_after
from airflow_provider_flowservice.client.model import Frozen

log = logging.getLogger(__name__)

#: Audiences that one ad-hoc call takes; more are refused, a guardrail of AEP.
MAX_AUDIENCES = 80
#: How often a call is sent when its response is lost. What it started is then attached to, so that a few are
#: enough; Airflow's retries come on top.
ATTEMPTS = 5

_ADHOC = "/data/core/activation/disflowprovider/adhocrun"
#: Without this header the first version applies, which needs the ids of profile exports.
_ACCEPT_V2 = (("Accept", "application/vnd.adobe.adhoc.activation+json; version=2"),)
_BUSY = re.compile(
    r"Run already going on for audience (?P<segment>\S+) for order (?P<flow>\S+) with run id (?P<run>[\w-]+)"
)


class _Order(model.Record, frozen=True, kw_only=True):
    segment: str
    status_url: str = msgspec.field(name="statusURL", default="")


class _Orders(model.Record, frozen=True, kw_only=True):
    order: tuple[_Order, ...] = ()


class SegmentRun(Frozen, frozen=True):
    """The run that exports a segment.

    :param attached: whether it was running already.
    """

    segment: str
    run_id: str
    attached: bool = False


def adhoc(flow_id: str, segments: Sequence[str]) -> Request[tuple[SegmentRun, ...]]:
    """Export segments of a file destination now: ``POST /adhocrun``, version 2."""
    return Request(
        "POST",
        _ADHOC,
        _read_orders,
        json={"activationInfo": {flow_id: list(segments)}},
        headers=_ACCEPT_V2,
        idempotent=False,
    )


def activate_adhoc(sender: Sender, flow_id: str, segments: Sequence[str]) -> Iterator[SegmentRun]:
    """Export segments now, 80 a call; a segment that is being exported already is attached to its run.

    A call whose response was lost is sent again: what it started is reported as running already, and attached to.
    """
    for start in range(0, len(segments), MAX_AUDIENCES):
        yield from _activate_chunk(sender, flow_id, list(segments[start : start + MAX_AUDIENCES]))


def _activate_chunk(sender: Sender, flow_id: str, pending: list[str]) -> Iterator[SegmentRun]:
    failures = 0
    while pending:
        try:
            started = sender.send(adhoc(flow_id, pending))
        except BadRequestError as refusal:
            busy = _BUSY.search(refusal.message)
            if busy is None or busy["segment"] not in pending:
                raise
            log.info(
                "Segment %s is exported by run %s already; attaching to it", busy["segment"], busy["run"]
            )
            yield SegmentRun(busy["segment"], busy["run"], attached=True)
            pending.remove(busy["segment"])
        except FlowServiceError as error:
            failures += 1
            if not is_ambiguous(error) or failures == ATTEMPTS:
                raise
            clock.current().sleep(delay_after(error, failures))
        else:
            yield from started
            left = sorted(set(pending) - {run.segment for run in started if run.run_id})
            if left:
                raise DriftError(f"AEP names no run for the segments {', '.join(left)} of flow {flow_id}")
            return


def _read_orders(received: response.Response) -> tuple[SegmentRun, ...]:
    orders = response.decode(received, _Orders).order
    # The URL's host is AEP's own, whatever host was asked; only the id is taken.
    return tuple(
        SegmentRun(order.segment, order.status_url.rstrip("/").rpartition("/")[2]) for order in orders
    )
