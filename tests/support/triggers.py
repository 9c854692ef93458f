"""Running a trigger without a triggerer."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_event(trigger: Any) -> dict[str, Any]:
    """The payload of the event that a trigger fires; it must fire exactly one."""
    events = [event.payload async for event in trigger.run()]
    if len(events) != 1:
        raise AssertionError(f"{len(events)} events were fired")
    return dict(events[0])


def fire(trigger: Any) -> dict[str, Any]:
    """Run a trigger in an event loop of its own, to its event."""
    return asyncio.run(first_event(trigger))
