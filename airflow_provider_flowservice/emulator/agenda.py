"""What happens later by itself."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_flowservice.emulator.clock import EmulatorClock


class Agenda:
    """Actions that are due at a time of the emulator's clock.

    Nothing watches the clock: whoever is about to look at the emulator's state runs what is due first.
    """

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._entries: list[tuple[float, Callable[[], None]]] = []

    def add(self, seconds: float, action: Callable[[], None]) -> None:
        """Plan an action.

        :param seconds: how much later.
        """
        self._entries.append((self._clock.now() + seconds, action))

    def run_due(self) -> None:
        """Run every action whose time has come, in the order of their times."""
        now = self._clock.now()
        due = sorted((entry for entry in self._entries if entry[0] <= now), key=lambda entry: entry[0])
        self._entries = [entry for entry in self._entries if entry[0] > now]
        for _, action in due:
            action()

    def clear(self) -> None:
        """Forget all plans."""
        self._entries.clear()
