"""Loaded by every process of the Airflow under test: time is the emulator's, so a test can let it pass."""

from __future__ import annotations

import os

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl

_STEP_SECONDS = 0.5


class EmulatorClock(clock.Clock):
    """The emulator's time. Who waits looks again and again whether it has been moved on."""

    def __init__(self, control: EmulatorControl) -> None:
        self._control = control

    def wall(self) -> float:
        return self._control.now()

    def sleep(self, seconds: float) -> None:
        end = self.wall() + seconds
        while (left := end - self.wall()) > 0:
            super().sleep(min(left, _STEP_SECONDS))

    async def sleep_async(self, seconds: float) -> None:
        end = self.wall() + seconds
        while (left := end - self.wall()) > 0:
            await super().sleep_async(min(left, _STEP_SECONDS))


clock._current = EmulatorClock(EmulatorControl(os.environ["FLOWSERVICE_TEST_EMULATOR"]))
