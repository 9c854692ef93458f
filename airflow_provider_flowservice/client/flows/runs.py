"""Flow runs that are started by hand: of file destinations (ad-hoc activation) and of sources scheduled once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.ensure.create import SavedState
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.http import request, response
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.retry import delay_after
from airflow_provider_flowservice.client.http.sender import Sender
from airflow_provider_flowservice.client.model import Flow, FlowRun, Page, RunState

log = logging.getLogger(__name__)

#: Audiences that one ad-hoc call takes.
MAX_AUDIENCES = 80
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


@dataclass(frozen=True)
class SegmentRun:
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

    A call whose answer was lost is sent again: what it started answers as running already, and is attached to.
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
            log.info("Segment %s is exported by run %s already", busy["segment"], busy["run"])
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


def _read_orders(answer: response.Response) -> tuple[SegmentRun, ...]:
    orders = response.decode(answer, _Orders).order
    # The URL's host is AEP's own, whatever host was asked; only the id is taken.
    return tuple(
        SegmentRun(order.segment, order.status_url.rstrip("/").rpartition("/")[2]) for order in orders
    )


@dataclass(frozen=True)
class Window:
    """What a run shall read.

    :param start: epoch seconds.
    :param end: epoch seconds.
    :param delta_column: column that tells what is new, where the source needs one.
    """

    start: int
    end: int
    delta_column: str | None = None

    def to_params(self) -> model.JsonObject:
        """The ``params`` of ``POST /runs``."""
        params: model.JsonObject = {"windowStartTime": self.start, "windowEndTime": self.end}
        if self.delta_column:
            params["deltaColumn"] = {"name": self.delta_column}
        return params


def check_can_run(flow: Flow) -> None:
    """Refuse a flow that cannot be run by hand.

    :raises DriftError: if it is no source flow that is scheduled once.
    """
    frequency = (flow.schedule_params or {}).get("frequency")
    if frequency != "once":
        raise DriftError(
            f"flow {flow.id} ({flow.name!r}) is scheduled {frequency or 'not at all'}; only a source flow that is"
            " scheduled once can be run by hand. For a file destination use FlowServiceAdHocActivationOperator;"
            " a streaming flow has no runs to start."
        )


def run_flow(sender: Sender, flow_id: str, window: Window, saved: SavedState | None = None) -> str:
    """Run a source flow over a window, once however often an interrupted attempt is repeated.

    :param saved: what an earlier attempt saved: the run that it started or, before that, the flow's runs.
    :returns: the run's id.
    :raises DriftError: if the flow cannot be run by hand.
    """
    check_can_run(sender.send(request.get(request.FLOWS, flow_id)))
    state = (saved.load() if saved is not None else None) or {}
    run_id: str | None = state.get("run")
    if run_id is None and "known" in state:
        run_id = find_started(sender, flow_id, window, frozenset(state["known"]))
    if run_id is None:
        known = sorted(run.id for run in runs_of(sender, flow_id))
        if saved is not None:
            saved.save({"known": known})
        run_id = start_run(sender, flow_id, window, frozenset(known))
    if saved is not None:
        saved.save({"run": run_id})
    return run_id


def create_run(flow_id: str, window: Window) -> Request[model.Created]:
    """Run a source flow: ``POST /runs``."""
    return Request(
        "POST",
        f"{request.FLOW_SERVICE}/runs",
        response.created,
        json={"flowId": flow_id, "params": window.to_params()},
        idempotent=False,
    )


def start_run(sender: Sender, flow_id: str, window: Window, known: frozenset[str]) -> str:
    """Start one run; after a lost answer it is looked for before another is started.

    :param known: ids of the flow's runs from before.
    :returns: the run's id.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return sender.send(create_run(flow_id, window)).id
        except FlowServiceError as error:
            if not is_ambiguous(error) or attempt == ATTEMPTS:
                raise
            clock.current().sleep(delay_after(error, attempt))
        found = find_started(sender, flow_id, window, known)
        if found is not None:
            return found
    raise AssertionError("the last attempt returns or raises")


def find_started(sender: Sender, flow_id: str, window: Window, known: frozenset[str]) -> str | None:
    """The oldest run of a flow over a window that is not among ``known``; the others are somebody else's."""
    fresh = [
        run for run in runs_of(sender, flow_id) if run.id not in known and _reads(run.params or {}, window)
    ]
    return min(fresh, key=lambda run: (run.created_at, run.id)).id if fresh else None


def _reads(params: model.JsonObject, window: Window) -> bool:
    """Whether a run may be over a window: nothing that AEP shows of it says otherwise."""
    wanted = {"windowStartTime": window.start, "windowEndTime": window.end}
    return all(str(params.get(name, value)) == str(value) for name, value in wanted.items())


def runs_of(sender: Sender, flow_id: str) -> Iterator[FlowRun]:
    """All runs of a flow (``GET /runs?property=flowId==``)."""
    return iterate(sender, request.RUNS, filters=(request.equals("flowId", flow_id),))


def newest_runs(flow_id: str) -> Request[Page[FlowRun]]:
    """The newest runs of a flow: ``GET /runs``."""
    filters = (request.equals("flowId", flow_id),)
    return request.page(request.RUNS, filters=filters, order_by="-createdAt", limit=20)


#: Which of several runs says most: one that ended well, one that still may, one that did in part, one that failed.
_TELLING = (RunState.SUCCESS, RunState.RUNNING, RunState.PARTIAL, RunState.FAILED)


def best_after(runs: Iterable[FlowRun], moment: float) -> FlowRun | None:
    """Of the runs that were made after a moment the best, of several equally good ones the newest.

    :param moment: seconds since 1970-01-01 UTC.
    """
    fresh = [run for run in runs if run.created_at >= moment * 1000]
    return min(fresh, key=lambda run: (_TELLING.index(run.state), -run.created_at, run.id), default=None)
