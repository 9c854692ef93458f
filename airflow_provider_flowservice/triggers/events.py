"""The trigger of asset watchers: a DAG starts when a flow run ends."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_flowservice.assets import checked_id
from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError, is_final
from airflow_provider_flowservice.client.flows import EndedRuns, runs_since
from airflow_provider_flowservice.client.http import FLOWS, get
from airflow_provider_flowservice.client.model import FlowRun, RunState
from airflow_provider_flowservice.client.times import END_OF_TIME, iso
from airflow_provider_flowservice.client.values import enum_member, finite_number, listed, shown
from airflow_provider_flowservice.client.waits import drive_async
from airflow_provider_flowservice.triggers import sessions
from airflow_provider_flowservice.triggers.poller import aligned

if TYPE_CHECKING:
    from airflow_provider_flowservice.triggers.poller import Poller

log = logging.getLogger(__name__)

_END_STATES = tuple(state for state in RunState if state.is_terminal)
#: A run that was created longer ago than this when a flow is first watched is not reported; in seconds.
_LOOK_BACK = 86_400
#: Pause after an error that does not pass by itself, in seconds.
_LONG_PAUSE = 600
#: The triggerer takes about a second to pass events on, and to keep them in Airflow's database. Until so many seconds
#: after its last event, a position must not be saved: if the triggerer were killed, the events would be lost.
_KEEPING_SECONDS = 10.0
#: After this time in seconds, the connection is looked up again, and it is checked that the flow exists.
_SESSION_SECONDS = 3600


class FlowRunCompletedTrigger(BaseEventTrigger):
    """Fires an event for each run of a flow that has ended, successfully or not. For use with ``AssetWatcher``.

    The payload of an event is ``{"run_id": ..., "flow_id": ..., "state": ..., "created_at": ..., "ended_at": ...,
    "records_read": ..., "records_written": ..., "records_failed": ...}``. Times are in ISO 8601; what AEP does not show
    is None. Runs that have ended since the last poll are reported in the order of their ends.

    From Airflow 3.3 on, the asset's state store keeps track of the runs that have been reported. After a restart of the
    triggerer, each run is reported at least once, and those of the last poll may be reported twice. Otherwise, the
    trigger reports what ends after its start.

    Of events that follow each other closely, Airflow may show a DAG run only the first ones, and start no other for the
    rest before the next event. To miss none, let the task take the asset as an inlet, and handle what it has not yet
    handled of ``inlet_events[asset]``.

    An error never ends the trigger, because Airflow would restart it at once and show the failure nowhere but in the
    triggerer's log. It is logged, and AEP is asked again after ``poll_interval``, or after ten minutes if the error is
    permanent.

    :param flow_id: id of the flow. The arguments of a watcher are not templates.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    :param poll_interval: seconds between two polls.
    :param states: states to report: ``success``, ``partialSuccess``, ``failed``; all of them by default. If they are
        changed, the trigger reports only the runs that end from then on.
    :raises InvalidInputError: if an argument is invalid.
    """

    def __init__(
        self,
        *,
        flow_id: str,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        poll_interval: float = 60.0,
        states: Iterable[RunState | str] | None = None,
    ) -> None:
        super().__init__()
        self.flow_id = checked_id(flow_id)
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox
        self.poll_interval = _checked_interval(poll_interval)
        self.states = None if states is None else _checked_states(states)
        self._store: Any = None
        self._is_loaded = False
        self._position: EndedRuns | None = None
        self._saved: EndedRuns | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, which are JSON and contain no secrets."""
        names = ("flow_id", "flowservice_conn_id", "sandbox", "poll_interval", "states")
        return f"{type(self).__module__}.{type(self).__qualname__}", {n: getattr(self, n) for n in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll without end, and yield an event for each run that has ended."""
        started = clock.current().wall()
        while True:
            try:
                async with sessions.poller(self.flowservice_conn_id, self.sandbox, math.inf) as poller:
                    await poller.send(get(FLOWS, self.flow_id))
                    until = clock.current().monotonic() + _SESSION_SECONDS
                    while clock.current().monotonic() < until:
                        ended = await self._look(poller, started)
                        for run in ended:
                            yield TriggerEvent(self._payload(run))
                        least = _KEEPING_SECONDS if ended else 0.0
                        await clock.current().sleep_async(max(poller.pause(self.poll_interval), least))
                        await self._save()
            except FlowServiceError as error:
                pause = self._pause_after(error)
            except Exception:
                pause = aligned(self.poll_interval)
                log.exception("Flow %s cannot be watched; trying again in %d seconds", self.flow_id, pause)
            else:
                continue
            await clock.current().sleep_async(pause)

    async def _look(self, poller: Poller, started: float) -> list[FlowRun]:
        """Return the runs that have ended since the last call."""
        if not self._is_loaded:
            self._position = self._saved = await self._load()
            self._is_loaded = True
        position = self._position
        if position is None:
            settled = int((started - _LOOK_BACK) * 1000)
            runs = await drive_async(runs_since(self.flow_id, settled / 1000), poller.send)
            position = self._position = EndedRuns.at(int(started * 1000), runs, settled)
            # No event belongs to this position, and what ends from now on is not missed even if this is as far as
            # the trigger gets.
            await self._save()
        else:
            runs = await drive_async(runs_since(self.flow_id, position.settled / 1000), poller.send)
        self._position = position.after(runs)
        return [run for run in position.new_in(runs) if self.states is None or run.state in self.states]

    async def _load(self) -> EndedRuns | None:
        """Return the position that an earlier trigger has saved; None without one."""
        self._store = store = getattr(self, "asset_state_store", None)
        if store is None:
            problem = "Airflow keeps no state for assets"
        else:
            try:
                stored = await store.aget(self._key)
                if stored is not None:
                    return EndedRuns.from_json(stored)
                problem = "it has not been watched before"
            except msgspec.ValidationError:
                problem = "what was stored cannot be read"
            except ValueError:
                self._store = None
                problem = "several assets have this watcher, so no state can be kept"
        log.info("Flow %s: reporting the runs that end from now on: %s", self.flow_id, problem)
        return None

    async def _save(self) -> None:
        if self._store is not None and self._position is not None and self._position != self._saved:
            await self._store.aset(self._key, self._position.to_json())
            self._saved = self._position

    @property
    def _key(self) -> str:
        """The key of the position among those of other watchers of the asset."""
        return "-".join(("flow_runs", self.flow_id, *(self.states or ())))

    def _pause_after(self, error: FlowServiceError) -> float:
        """Log an error; return the seconds to wait before the next attempt."""
        pause = max(aligned(self.poll_interval), min(error.retry_after or 0.0, _LONG_PAUSE))
        if is_final(error):
            pause = max(pause, _LONG_PAUSE)
            log.error(
                "Flow %s cannot be watched, so no DAG is started when its runs end (trying again in %d seconds): %s",
                self.flow_id,
                pause,
                error.message,
            )
        else:
            log.warning("Flow %s (trying again in %d seconds): %s", self.flow_id, pause, error.message)
        return pause

    def _payload(self, run: FlowRun) -> dict[str, Any]:
        return {
            "run_id": run.id,
            "flow_id": self.flow_id,
            "state": run.state.value,
            "created_at": _iso(run.created_at),
            "ended_at": _iso(run.ended_at),
            "records_read": run.records_read,
            "records_written": run.records_written,
            "records_failed": run.records_failed,
        }


def _iso(milliseconds: int | None) -> str | None:
    return iso(milliseconds / 1000) if milliseconds and milliseconds < END_OF_TIME * 1000 else None


def _checked_interval(poll_interval: object) -> float:
    seconds = finite_number(poll_interval)
    if seconds is None or seconds <= 0:
        problem = f"{shown(poll_interval)} is not a number of seconds"
        raise InvalidInputError("poll_interval", problem, "Give a number above 0.")
    return seconds


def _checked_states(states: Iterable[object]) -> list[str]:
    found = {enum_member("states", state, _END_STATES).value for state in listed("states", states)}
    if not found:
        raise InvalidInputError("states", "the list is empty", "Name a state, or leave it out for all.")
    return sorted(found)
