"""Runs of source flows that are scheduled once, started by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.converge import look
from airflow_provider_flowservice.client.ensure import NOTHING_SAVED, SavedState, compare
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError, is_ambiguous
from airflow_provider_flowservice.client.http import request, response
from airflow_provider_flowservice.client.http.pages import iterate
from airflow_provider_flowservice.client.http.request import Request, Sender
from airflow_provider_flowservice.client.model import Flow, FlowRun, Frozen, Page, RunState

#: How often a run is started when the response is lost and no run appears; Airflow's retries come on top.
ATTEMPTS = 5


class Window(Frozen, frozen=True):
    """What a run must read.

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

    :raises DriftError: if it is not a source flow that is scheduled once.
    """
    frequency = (flow.schedule_params or {}).get("frequency")
    if frequency != "once":
        raise DriftError(
            f"flow {flow.id} ({flow.name!r}) is scheduled {frequency or 'not at all'}; only a source flow that is"
            " scheduled once can be run by hand. For a file destination use FlowServiceAdHocActivationOperator;"
            " a streaming flow has no runs to start."
        )


def run_flow(sender: Sender, flow_id: str, window: Window, saved: SavedState = NOTHING_SAVED) -> str:
    """Run a source flow over a window, once however often an interrupted attempt is repeated.

    :param saved: what an earlier attempt saved: the run that it started or, before that, the flow's runs.
    :returns: the run's id.
    :raises DriftError: if the flow cannot be run by hand.
    """
    check_can_run(sender.send(request.get(request.FLOWS, flow_id)))
    state = saved.load() or {}
    run_id: str | None = state.get("run")
    if run_id is None and "known" in state:
        run_id = find_started(sender, flow_id, window, frozenset(state["known"]))
    if run_id is None:
        known = sorted(run.id for run in runs_of(sender, flow_id))
        saved.save({"known": known})
        run_id = start_run(sender, flow_id, window, frozenset(known))
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
    """Start one run; after a lost response it is looked for before another is started.

    :param known: ids of the flow's runs from before.
    :returns: the run's id.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return sender.send(create_run(flow_id, window)).id
        except FlowServiceError as error:
            if not is_ambiguous(error) or attempt == ATTEMPTS:
                raise
        if found := look(lambda: find_started(sender, flow_id, window, known), until=bool):
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
    desired = {"windowStartTime": window.start, "windowEndTime": window.end}
    return not compare("", desired, {**desired, **params})


def runs_of(sender: Sender, flow_id: str) -> Iterator[FlowRun]:
    """All runs of a flow (``GET /runs?property=flowId==``)."""
    return iterate(sender, request.RUNS, filters=(request.equals("flowId", flow_id),))


def newest_runs(flow_id: str) -> Request[Page[FlowRun]]:
    """The newest runs of a flow: ``GET /runs``."""
    filters = (request.equals("flowId", flow_id),)
    return request.page(request.RUNS, filters=filters, order_by="-createdAt", limit=20)


#: Which of several runs counts: one that succeeded, one that still may, one that did in part, one that failed.
_PRECEDENCE = (RunState.SUCCESS, RunState.RUNNING, RunState.PARTIAL, RunState.FAILED)


def best_after(runs: Iterable[FlowRun], moment: float) -> FlowRun | None:
    """The best of the runs that were created after a moment; of several equally good ones, the newest.

    :param moment: seconds since 1970-01-01 UTC.
    """
    fresh = [run for run in runs if run.created_at >= moment * 1000]
    return min(fresh, key=lambda run: (_PRECEDENCE.index(run.state), -run.created_at, run.id), default=None)
