"""Placeholder until the branch rate is merged."""

from __future__ import annotations


class Pace:
    """How fast requests may be sent."""

    requests = 0
    throttled = 0
    waiting_for = None

    def __init__(
        self, *, requests_per_second: float | None, messages_per_second: float | None, share: float = 1.0
    ) -> None:
        pass

    async def turn(self, messages: int) -> None:
        """Wait."""

    def saw(self, status: int | None, retry_after: float | None) -> None:
        """See."""
