"""Trigger that waits until a new flow takes what is sent to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_flowservice.client import clock


class FlowSettledTrigger(BaseTrigger):
    """Fires when a moment has come. It asks AEP nothing.

    :param moment: seconds since 1970-01-01 UTC.
    :param waits: how often the task has waited, this time included; its event hands it back.
    """

    def __init__(self, *, moment: float, waits: int = 1) -> None:
        super().__init__()
        self.moment = moment
        self.waits = waits

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and the arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "moment": self.moment,
            "waits": self.waits,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait and fire."""
        remaining = self.moment - clock.current().wall()
        if remaining > 0:
            await clock.current().sleep_async(remaining)
        yield TriggerEvent({"status": "done", "waits": self.waits})
