"""What all triggers share: polling with jitter until an absolute deadline, and typed events."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import AsyncIterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import FlowServiceError, is_permanent
from airflow_provider_flowservice.client.http.retry import MAX_DELAY
from airflow_provider_flowservice.exceptions import to_event
from airflow_provider_flowservice.triggers import sessions

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport

#: So many failed polls in a row are tolerated; each was retried already by the transport.
TOLERATED_FAILURES = 3
#: Each wait is longer or shorter by up to this share, so that many triggers do not poll at the same moment.
JITTER = 0.1


class Status(str, Enum):
    """How a wait ended."""

    DONE = "done"
    TIMEOUT = "timeout"
    ERROR = "error"


class PollingTrigger(BaseTrigger):
    """Polls AEP until a condition holds or a deadline passes.

    Its event is ``{"status": "done" | "timeout" | "error", "detail": ..., "error": ...}``.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: sandbox to work in instead of the connection's.
    :param poll_interval: seconds between two polls.
    :param deadline: when to give up, in seconds since 1970-01-01 UTC; a restart does not move it.
    """

    def __init__(
        self, *, flowservice_conn_id: str, sandbox: str | None, poll_interval: float, deadline: float
    ) -> None:
        super().__init__()
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox
        self.poll_interval = poll_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments, JSON only and without secrets."""
        arguments = {
            "flowservice_conn_id": self.flowservice_conn_id,
            "sandbox": self.sandbox,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
            **self.arguments(),
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """The subclass's own arguments."""

    @abstractmethod
    async def poll(self, transport: AiohttpTransport) -> tuple[bool, Any]:
        """Look once.

        :returns: whether the condition holds, and a JSON value that says what was seen.
        :raises FlowServiceError: when looking failed.
        """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll to the end and fire one event."""
        try:
            async with sessions.transport(self.flowservice_conn_id, self.sandbox) as transport:
                yield TriggerEvent(await self._wait(transport))
        except FlowServiceError as error:
            yield TriggerEvent({"status": Status.ERROR.value, "error": to_event(error)})

    async def first_event(self) -> dict[str, Any]:
        """Run outside of a triggerer, for who waits on a worker, and return the event's payload."""
        async for event in self.run():
            payload: dict[str, Any] = event.payload
            return payload
        raise AssertionError("a polling trigger fires once")

    async def _wait(self, transport: AiohttpTransport) -> dict[str, Any]:
        detail: Any = None
        failures = 0
        while True:
            at_least = 0.0
            try:
                done, detail = await self.poll(transport)
            except FlowServiceError as error:
                failures += 1
                if is_permanent(error) or failures > TOLERATED_FAILURES:
                    raise
                at_least = min(error.retry_after or 0.0, MAX_DELAY)
            else:
                failures = 0
                if done:
                    return {"status": Status.DONE.value, "detail": detail}
            remaining = self.deadline - clock.current().wall()
            if remaining <= 0:
                return {"status": Status.TIMEOUT.value, "detail": detail}
            jitter = 1 + JITTER * (2 * random.random() - 1)  # noqa: S311
            wait = max(self.poll_interval * jitter, at_least)
            await clock.current().sleep_async(min(wait, remaining))
