"""Manually started exports of file destinations (ad-hoc activation)."""

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

#: Maximum number of audiences in an ad-hoc request; AEP rejects more (a documented guardrail).
MAX_AUDIENCES = 80
#: Maximum number of times that a request is sent if its response is lost. The next attempt attaches to the runs that a
#: lost one has started, so repeating is safe. Five attempts bridge brief disturbances; longer ones are left to the
#: retries of the Airflow task.
ATTEMPTS = 5

_ADHOC = "/data/core/activation/disflowprovider/adhocrun"
#: Without this header AEP uses version 1, which requires the ids of profile exports instead of segment ids.
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
    """A run that exports a segment.

    :param attached: whether it was already running and was not started by this call.
    """

    segment: str
    run_id: str
    attached: bool = False


def adhoc(flow_id: str, segments: Sequence[str]) -> Request[tuple[SegmentRun, ...]]:
    """Return the request that exports segments of a file destination now: ``POST /adhocrun``, version 2."""
    return Request(
        "POST",
        _ADHOC,
        _read_orders,
        json={"activationInfo": {flow_id: list(segments)}},
        headers=_ACCEPT_V2,
        idempotent=False,
    )


def activate_adhoc(sender: Sender, flow_id: str, segments: Sequence[str]) -> Iterator[SegmentRun]:
    """Export segments now (``POST /adhocrun``), at most 80 per request.

    If a segment is already being exported, the existing run is returned for it. A request whose response was lost is
    sent again: AEP then reports the runs that it has started as already running.

    :returns: the run of each segment.
    :raises DriftError: if AEP does not return a run for a segment.
    """
    for start in range(0, len(segments), MAX_AUDIENCES):
        yield from _activate_chunk(sender, flow_id, list(segments[start : start + MAX_AUDIENCES]))


def _activate_chunk(sender: Sender, flow_id: str, pending: list[str]) -> Iterator[SegmentRun]:
    failures = 0
    while pending:
        try:
            started = sender.send(adhoc(flow_id, pending))
        except BadRequestError as rejection:
            busy = _BUSY.search(rejection.message)
            if busy is None or busy["segment"] not in pending:
                raise
            log.info(
                "Segment %s is already exported by run %s; attaching to it", busy["segment"], busy["run"]
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
            if left := ", ".join(sorted(set(pending) - {run.segment for run in started if run.run_id})):
                raise DriftError(
                    f"AEP started no run for segments {left} of flow {flow_id}. Check that they are active on it."
                )
            return


def _read_orders(received: response.Response) -> tuple[SegmentRun, ...]:
    orders = response.decode(received, _Orders).order
    # The URL always has Adobe's host, even if the request went to another gateway, so only the id is used.
    return tuple(
        SegmentRun(order.segment, order.status_url.rstrip("/").rpartition("/")[2]) for order in orders
    )
