"""Manually started runs of source flows that are scheduled once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from itertools import takewhile
from typing import Self

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.converge import look
from airflow_provider_flowservice.client.ensure import NOTHING_SAVED, SavedState, compare
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError, is_ambiguous
from airflow_provider_flowservice.client.flows.outcomes import MaxFailedRecords, outcome_of
from airflow_provider_flowservice.client.http import request, response
from airflow_provider_flowservice.client.http.pages import Reading, could_be_any, iterate, send_for_page
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import Flow, FlowRun, Frozen, Page
from airflow_provider_flowservice.client.text import plain_text, titled
from airflow_provider_flowservice.client.times import iso

log = logging.getLogger(__name__)

#: Order of a list of runs.
NEWEST_FIRST = "-createdAt"
#: Maximum number of times that a run is started if the response is lost and no run appears. Each attempt is followed by
#: a search of up to 15.5 s, so five attempts already take more than a minute; Airflow's retries follow.
ATTEMPTS = 5


class Window(Frozen, frozen=True):
    """The time window of a run.

    :param start: beginning, in seconds since 1970-01-01 UTC.
    :param end: end, in seconds since 1970-01-01 UTC.
    :param delta_column: timestamp column that identifies new data, if the source requires one.
    """

    start: int
    end: int
    delta_column: str | None = None

    def __str__(self) -> str:
        return f"{iso(self.start)} to {iso(self.end)}"

    def to_params(self) -> model.JsonObject:
        """Return the ``params`` of ``POST /runs``."""
        params: model.JsonObject = {"windowStartTime": self.start, "windowEndTime": self.end}
        if self.delta_column:
            params["deltaColumn"] = {"name": self.delta_column}
        return params


def check_can_run(flow: Flow) -> None:
    """Reject a flow that cannot be run manually.

    :raises DriftError: if the flow is not a source flow that is scheduled once.
    """
    frequency = (flow.schedule_params or {}).get("frequency")
    if frequency != "once":
        raise DriftError(
            f"flow {flow.id} ({flow.name!r}) has the schedule {plain_text(str(frequency or 'none'))}; only a source"
            " flow that is scheduled once can be run manually. For a file destination, use"
            " FlowServiceAdHocActivationOperator; a streaming flow has no runs to start."
        )


class NewestRuns(Frozen, frozen=True):
    """The newest runs that a flow had before an attempt started one. All others are older, or were started later.

    :param created_at: when they were created by AEP's clock, in milliseconds since 1970-01-01 UTC; 0 without runs.
    :param ids: their ids; more than one only if they were created in the same millisecond.
    """

    created_at: int = 0
    ids: tuple[str, ...] = ()

    @classmethod
    def read(cls, sender: Sender, flow_id: str) -> Self:
        """Read them from AEP (``GET /runs``)."""
        runs = send_for_page(sender, newest_runs(flow_id), could_be_any).items
        created_at = max((run.created_at for run in runs), default=0)
        return cls(created_at, tuple(run.id for run in runs if run.created_at == created_at))

    @classmethod
    def saved_in(cls, state: model.JsonObject) -> Self | None:
        """Return what :meth:`to_state` gave to a saved state, or None."""
        return cls.from_json(state["newest_runs"]) if "newest_runs" in state else None

    def to_state(self) -> model.JsonObject:
        """Return a state to save, as JSON values."""
        return {"newest_runs": self.to_json()}

    def later(self, sender: Sender, flow_id: str) -> list[FlowRun]:
        """Return the runs of the flow that were started later, the oldest first (``GET /runs``)."""
        newest_first = iterate(
            sender, request.RUNS, filters=of_flow(flow_id), order_by=NEWEST_FIRST, needed=could_be_any
        )
        later = takewhile(lambda run: run.created_at >= self.created_at, newest_first)
        fresh = (run for run in later if run.id not in self.ids)
        return sorted(fresh, key=lambda run: (run.created_at, run.id))


def run_flow(
    sender: Sender,
    flow_id: str,
    window: Window,
    saved: SavedState = NOTHING_SAVED,
    max_failed_records: MaxFailedRecords = 0,
) -> str:
    """Run a source flow over a window (``POST /runs``), only once even if an interrupted attempt is repeated.

    :param saved: state of an earlier attempt: the run that it started or, if none, the newest runs before it.
    :param max_failed_records: how many records may fail in a run of an earlier attempt; with more, another is started.
    :returns: the run's id.
    :raises DriftError: if the flow cannot be run manually.
    """
    flow = sender.send(request.get(request.FLOWS, flow_id))
    check_can_run(flow)
    state = saved.load() or {}
    run_id: str | None = state.get("run")
    if run_id is None:
        earlier = NewestRuns.saved_in(state)
        newest = earlier or NewestRuns.read(sender, flow_id)
        saved.save(newest.to_state())
        if earlier:
            if run_id := look_for_started(
                sender, flow_id, window, newest, lambda run: not outcome_of(run, max_failed_records).is_bad
            ):
                log.info("An earlier attempt started run %s of flow %s; using it", run_id, flow_id)
            else:
                # The runs of earlier attempts, which ended badly, must not be taken for the one that is started now.
                newest = NewestRuns.read(sender, flow_id)
        run_id = run_id or start_run(sender, flow_id, window, newest)
    saved.save({"run": run_id})
    log.info("Run %s of %s covers %s", run_id, titled("flow", flow.name, flow_id), window)
    return run_id


def create_run(flow_id: str, window: Window) -> Request[model.Created]:
    """Return the request that runs a source flow: ``POST /runs``."""
    return Request(
        "POST",
        f"{request.FLOW_SERVICE}/runs",
        response.created,
        json={"flowId": flow_id, "params": window.to_params()},
        idempotent=False,
    )


def start_run(sender: Sender, flow_id: str, window: Window, newest: NewestRuns) -> str:
    """Start one run. After a lost response, search for it before starting another one.

    :param newest: the flow's newest runs before.
    :returns: the run's id.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return sender.send(create_run(flow_id, window)).id
        except FlowServiceError as error:
            if not is_ambiguous(error) or attempt == ATTEMPTS:
                raise
        if found := look_for_started(sender, flow_id, window, newest):
            return found
    raise AssertionError("the last attempt returns or raises")


def look_for_started(
    sender: Sender,
    flow_id: str,
    window: Window,
    newest: NewestRuns,
    is_usable: Callable[[FlowRun], bool] = lambda _: True,
) -> str | None:
    """Search, for up to 15.5 s, for the oldest run over a window that was started after ``newest``.

    Newer ones belong to other tasks.

    :param is_usable: whether a run may be returned; any may by default.
    """

    def find() -> str | None:
        later = filter(is_usable, newest.later(sender, flow_id))
        return next((run.id for run in later if _reads(run.params or {}, window)), None)

    return look(find, until=bool)


def _reads(params: model.JsonObject, window: Window) -> bool:
    """Whether a run may be over a window: AEP shows no other times for it."""
    desired = {"windowStartTime": window.start, "windowEndTime": window.end}
    return not compare("", desired, {**desired, **params})


def newest_runs(
    flow_id: str, since: float = 0, continuation_token: str | None = None
) -> Request[Page[FlowRun]]:
    """Return the request for the newest 20 runs of a flow: ``GET /runs``.

    :param since: runs that were created before are not needed; seconds since 1970-01-01 UTC.
    :param continuation_token: cursor of a later page.
    """
    runs = request.Member(request.RUNS, "flowId", flow_id, since=int(since * 1000))
    return request.page(
        request.RUNS,
        filters=of_flow(flow_id),
        order_by=NEWEST_FIRST,
        limit=20,
        continuation_token=continuation_token,
        member=runs if continuation_token is None else None,
    )


def of_flow(flow_id: str) -> tuple[str]:
    """Return the filter for the runs of a flow."""
    return (request.equals("flowId", flow_id),)


def runs_since(flow_id: str, since: float) -> Generator[Request[Page[FlowRun]], Page[FlowRun], list[FlowRun]]:
    """Read the runs of a flow that were created since a time, the newest first (``GET /runs``).

    It is a generator of requests without input or output. A run whose time AEP does not show is not left out.

    :param since: seconds since 1970-01-01 UTC.
    :raises InvalidResponseError: if the end of the list cannot be reached.
    """
    reading: Reading[FlowRun] = Reading(
        f"{request.RUNS.label}s", lambda cursor: newest_runs(flow_id, since, continuation_token=cursor)
    )
    found: list[FlowRun] = []
    while asked := reading.next():
        for run in reading.take((yield asked)):
            if 0 < run.created_at < since * 1000:
                return found
            found.append(run)
    return found
