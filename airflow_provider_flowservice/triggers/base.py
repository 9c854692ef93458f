"""The trigger, which supports all waits of :mod:`airflow_provider_flowservice.client.waits`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.errors import FlowServiceError, ResponseLostError
from airflow_provider_flowservice.client.http import Caller
from airflow_provider_flowservice.exceptions import to_event
from airflow_provider_flowservice.triggers import sessions
from airflow_provider_flowservice.triggers.poller import aligned

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http import Request
    from airflow_provider_flowservice.triggers.poller import Poller

log = logging.getLogger(__name__)

#: Seconds that the last poll, which begins at the deadline, may take.
LAST_SECONDS = 60.0


class FlowServiceTrigger(BaseTrigger):
    """Polls AEP until a condition is met or a deadline has passed.

    The event is ``{"status": "done", "detail": ...}``, ``{"status": "timeout", "detail": ...}`` or
    ``{"status": "error", "error": ...}``. The detail is the observed state of the last poll.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    :param wait: the condition, as JSON.
    :param poll_interval: seconds between two polls.
    :param deadline: absolute time in seconds since 1970-01-01 UTC, so that a restart does not extend it.
    :param caller: the task that waits, as JSON, which only an emulator is told; None if it is not known.
    """

    def __init__(
        self,
        *,
        flowservice_conn_id: str,
        sandbox: str | None,
        wait: dict[str, Any],
        poll_interval: float,
        deadline: float,
        caller: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox
        self.wait = wait
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.caller = caller

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, which are JSON and contain no secrets."""
        names = ("flowservice_conn_id", "sandbox", "wait", "poll_interval", "deadline", "caller")
        return f"{type(self).__module__}.{type(self).__qualname__}", {n: getattr(self, n) for n in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the end, then yield one event."""
        poller: Poller | None = None

        def pause(interval: float) -> float:
            return poller.pause(interval) if poller else aligned(interval)

        wait = waits.from_json(self.wait)
        caller = None if self.caller is None else Caller.from_json(self.caller)
        steps = waits.polling(wait, interval=self.poll_interval, deadline=self.deadline, pause_after=pause)
        async with AsyncExitStack() as opened:

            async def send(request: Request[Any]) -> Any:
                nonlocal poller
                if poller is None:
                    # Opened on first use: some waits do not send any requests and do not need the connection.
                    session = sessions.poller(self.flowservice_conn_id, self.sandbox, self.deadline)
                    poller = await opened.enter_async_context(session)
                try:
                    # An outage may hold up the calls that all triggers share for longer than this one waits.
                    async with asyncio.timeout(max(self.deadline - clock.current().wall(), 0) + LAST_SECONDS):
                        return await poller.send(request, caller)
                except TimeoutError:
                    problem = "AEP has not responded before the deadline of the wait"
                    raise ResponseLostError(problem, method=request.method, path=request.path) from None

            try:
                judged = await waits.drive_async(steps, send)
            except FlowServiceError as error:
                event = {"status": "error", "error": to_event(error)}
            else:
                event = {"status": "done" if judged.done else "timeout", "detail": judged.seen}
            yield TriggerEvent(event)

    async def on_kill(self) -> None:
        """Log what goes on in AEP, where nothing can be stopped.

        From Airflow 3.3 on, this is called if somebody clears the waiting task, or marks it as failed or successful.
        """
        going_on = waits.from_json(self.wait).goes_on
        log.warning("Somebody has ended this wait%s", f"; {going_on}" if going_on else "")
