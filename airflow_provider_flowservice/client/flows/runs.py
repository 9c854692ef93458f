"""Manually started runs of source flows that are scheduled once."""

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
            f"flow {flow.id} ({flow.name!r}) has the schedule {frequency or 'none'}; only a source flow that is"
            " scheduled once can be run manually. For a file destination, use FlowServiceAdHocActivationOperator;"
            " a streaming flow has no runs to start."
        )


def run_flow(sender: Sender, flow_id: str, window: Window, saved: SavedState = NOTHING_SAVED) -> str:
    """Run a source flow over a window (``POST /runs``), only once even if an interrupted attempt is repeated.

    :param saved: state of an earlier attempt: the run that it started or, if none, the runs that existed before.
    :returns: the run's id.
    :raises DriftError: if the flow cannot be run manually.
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
    """Return the request that runs a source flow: ``POST /runs``."""
    return Request(
        "POST",
        f"{request.FLOW_SERVICE}/runs",
        response.created,
        json={"flowId": flow_id, "params": window.to_params()},
        idempotent=False,
    )


def start_run(sender: Sender, flow_id: str, window: Window, known: frozenset[str]) -> str:
    """Start one run. After a lost response, search for it before starting another one.

    :param known: ids of the runs that existed before.
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
    """Return the oldest run over a window that is not in ``known``; newer ones belong to other tasks."""
    fresh = [
        run for run in runs_of(sender, flow_id) if run.id not in known and _reads(run.params or {}, window)
    ]
    return min(fresh, key=lambda run: (run.created_at, run.id)).id if fresh else None


def _reads(params: model.JsonObject, window: Window) -> bool:
    """Whether a run may be over a window: AEP shows no other times for it."""
    desired = {"windowStartTime": window.start, "windowEndTime": window.end}
    return not compare("", desired, {**desired, **params})


def runs_of(sender: Sender, flow_id: str) -> Iterator[FlowRun]:
    """Yield all runs of a flow (``GET /runs?property=flowId==``)."""
    return iterate(sender, request.RUNS, filters=(request.equals("flowId", flow_id),))


def newest_runs(flow_id: str) -> Request[Page[FlowRun]]:
    """Return the request for the newest 20 runs of a flow: ``GET /runs``."""
    filters = (request.equals("flowId", flow_id),)
    return request.page(request.RUNS, filters=filters, order_by="-createdAt", limit=20)


#: The run that counts if there are several: a successful one, else one that may still succeed, else a partial success.
_PRECEDENCE = (RunState.SUCCESS, RunState.RUNNING, RunState.PARTIAL, RunState.FAILED)


def best_after(runs: Iterable[FlowRun], moment: float) -> FlowRun | None:
    """Return the best run created at or after a given time; of several equally good ones, the newest.

    :param moment: the time, in seconds since 1970-01-01 UTC.
    """
    fresh = [run for run in runs if run.created_at >= moment * 1000]
    return min(fresh, key=lambda run: (_PRECEDENCE.index(run.state), -run.created_at, run.id), default=None)
