"""Triggers that watch flow runs and the state of flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.flows import runs
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import RunState
from airflow_provider_flowservice.triggers.base import PollingTrigger

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport


class FlowRunsTrigger(PollingTrigger):
    """Waits until flow runs have ended, however they end (``GET /runs/{id}``).

    The detail of its event is the state of each run by its id.

    :param run_ids: the runs.
    """

    def __init__(self, *, run_ids: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_ids = run_ids
        self._states: dict[str, RunState] = {}

    def arguments(self) -> dict[str, Any]:
        """The runs."""
        return {"run_ids": self.run_ids}

    async def poll(self, transport: AiohttpTransport) -> tuple[bool, dict[str, str]]:
        """Read the runs that have not ended yet."""
        for run_id in self.run_ids:
            if not self._states.get(run_id, RunState.RUNNING).is_terminal:
                run = await transport.send(request.get(request.RUNS, run_id))
                self._states[run_id] = run.state
        ended = all(state.is_terminal for state in self._states.values())
        return ended, {run_id: state.value for run_id, state in self._states.items()}


class FlowStateTrigger(PollingTrigger):
    """Waits until a flow has a state (``GET /flows/{id}``). The detail of its event is the state that it has.

    :param flow_id: the flow.
    :param state: such as ``enabled``.
    """

    def __init__(self, *, flow_id: str, state: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.state = state

    def arguments(self) -> dict[str, Any]:
        """The flow and the state."""
        return {"flow_id": self.flow_id, "state": self.state}

    async def poll(self, transport: AiohttpTransport) -> tuple[bool, str | None]:
        """Read the flow."""
        flow = await transport.send(request.get(request.FLOWS, self.flow_id))
        return flow.state == self.state, flow.state


class LatestRunTrigger(PollingTrigger):
    """Waits until a flow has a run that began after a moment, and it has ended (``GET /runs``).

    The detail of its event is ``{"run_id": ..., "state": ...}`` of the newest such run; empty while there is none.

    :param flow_id: the flow.
    :param started_after: seconds since 1970-01-01 UTC.
    """

    def __init__(self, *, flow_id: str, started_after: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.started_after = started_after

    def arguments(self) -> dict[str, Any]:
        """The flow and the moment."""
        return {"flow_id": self.flow_id, "started_after": self.started_after}

    async def poll(self, transport: AiohttpTransport) -> tuple[bool, dict[str, str]]:
        """Read the newest runs."""
        page = await transport.send(runs.newest_runs(self.flow_id))
        run = runs.best_after(page.items, self.started_after)
        if run is None:
            return False, {}
        return run.state.is_terminal, {"run_id": run.id, "state": run.state.value}
