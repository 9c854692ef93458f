"""The emulator's time for the processes of a whole Airflow under test."""

from __future__ import annotations

import os

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl

#: Environment variable with the emulator's address.
EMULATOR = "FLOWSERVICE_TEST_EMULATOR"


class EmulatorClock(clock.Clock):
    """The time of an emulator, in force for this process; how to wait is up to those that derive from it."""

    def __init__(self) -> None:
        self.control = EmulatorControl(os.environ[EMULATOR])

    def wall(self) -> float:
        return self.control.now()

    def install(self) -> None:
        """Put this clock in force for this process and those that it forks."""
        clock._current = self
