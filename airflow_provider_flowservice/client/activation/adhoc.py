"""Manually started exports of file destinations (ad-hoc activation)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.converge import look
from airflow_provider_flowservice.client.ensure import NOTHING_SAVED, SavedState
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    DriftError,
    FlowServiceError,
    is_ambiguous,
)
from airflow_provider_flowservice.client.flows import MaxFailedRecords, NewestRuns, outcome_of
from airflow_provider_flowservice.client.http import response
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.http.retry import delay_after

log = logging.getLogger(__name__)

#: Maximum number of audiences in an ad-hoc request; AEP rejects more (a documented guardrail).
MAX_AUDIENCES = 80
#: Maximum number of times that a request is sent if its response is lost. Five attempts bridge brief disturbances;
#: longer ones are left to the retries of the Airflow task.
ATTEMPTS = 5

ADHOC_SERVICE = "/data/core/activation/disflowprovider"
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


def adhoc(flow_id: str, segments: Sequence[str]) -> Request[dict[str, str]]:
    """Return the request that exports segments of a file destination now: ``POST /adhocrun``, version 2.

    The response is read as the ids of the runs by segment id.
    """
    return Request(
        "POST",
        f"{ADHOC_SERVICE}/adhocrun",
        _read_orders,
        json={"activationInfo": {flow_id: list(segments)}},
        headers=_ACCEPT_V2,
        idempotent=False,
    )


def export_segments(
    sender: Sender,
    flow_id: str,
    segments: Sequence[str],
    saved: SavedState = NOTHING_SAVED,
    max_failed_records: MaxFailedRecords = 0,
) -> dict[str, str]:
    """Export segments now (``POST /adhocrun``), at most 80 per request, and only once if an attempt is repeated.

    If a segment is already being exported, the existing run is returned for it. After a lost response, the runs that it
    may have started are looked for; only what has none is sent again.

    :param saved: state of an earlier attempt: the runs that it started, and the newest runs before it.
    :param max_failed_records: how many records may fail in a run of an earlier attempt; with more, another is started.
    :returns: run ids by segment id.
    :raises DriftError: if AEP does not return a run for a segment.
    """
    if not segments:
        return {}
    state = saved.load() or {}
    runs: dict[str, str] = dict(state.get("runs", {}))
    earlier = NewestRuns.saved_in(state)
    newest = earlier or NewestRuns.read(sender, flow_id)
    saved.save({**newest.to_state(), "runs": runs})
    find = partial(_find_started, sender, flow_id, newest, max_failed_records)
    if earlier and (missing := set(segments) - set(runs)):
        runs.update(find(missing))
    pending = [segment for segment in segments if segment not in runs]
    for start in range(0, len(pending), MAX_AUDIENCES):
        for started in _activate_chunk(sender, flow_id, pending[start : start + MAX_AUDIENCES], find):
            runs.update(started)
            saved.save({**newest.to_state(), "runs": runs})
    return {segment: runs[segment] for segment in segments}


def _find_started(
    sender: Sender,
    flow_id: str,
    newest: NewestRuns,
    max_failed_records: MaxFailedRecords,
    segments: Collection[str],
) -> dict[str, str]:
    """Return which run after the newest ones exports each segment and has not ended badly; of several, the first."""
    later = newest.later(sender, flow_id)
    usable = [run for run in later if not outcome_of(run, max_failed_records).is_bad]
    found = {segment: run.id for run in reversed(usable) for segment in run.segments.intersection(segments)}
    for segment, run_id in found.items():
        log.info("Run %s of segment %s was started before; using it", run_id, segment)
    return found


def _activate_chunk(
    sender: Sender, flow_id: str, pending: list[str], find: Callable[[Collection[str]], dict[str, str]]
) -> Iterator[dict[str, str]]:
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
            yield {busy["segment"]: busy["run"]}
            pending.remove(busy["segment"])
        except FlowServiceError as error:
            failures += 1
            if not is_ambiguous(error) or failures == ATTEMPTS:
                raise
            clock.current().sleep(delay_after(error, failures))
            # AEP reports a run that is still going on as busy, but would start a second one after a short one.
            found = look(partial(find, pending), until=bool)
            yield found
            pending = [segment for segment in pending if segment not in found]
        else:
            yield started
            if left := ", ".join(sorted(set(pending) - set(started))):
                raise DriftError(
                    f"AEP started no run for segments {left} of flow {flow_id}. Check that they are active on it."
                )
            return


def _read_orders(received: response.Response) -> dict[str, str]:
    # The URL always has Adobe's host, even if the request went to another gateway, so only the id is used.
    orders = response.decode(received, _Orders).order
    runs = ((order.segment, order.status_url.rstrip("/").rpartition("/")[2]) for order in orders)
    return {segment: run_id for segment, run_id in runs if run_id}
