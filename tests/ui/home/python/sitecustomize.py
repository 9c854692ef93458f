"""Loaded by every process of the Airflow under test: time is the emulator's, so a test can let it pass."""

from __future__ import annotations

from tests.support.emulator_clock import EmulatorClock

_STEP_SECONDS = 0.5


class PatientClock(EmulatorClock):
    """The emulator's time. Who waits looks again and again whether it has been moved on."""

    def sleep(self, seconds: float) -> None:
        end = self.wall() + seconds
        while (left := end - self.wall()) > 0:
            super().sleep(min(left, _STEP_SECONDS))

    async def sleep_async(self, seconds: float) -> None:
        end = self.wall() + seconds
        while (left := end - self.wall()) > 0:
            await super().sleep_async(min(left, _STEP_SECONDS))


PatientClock().install()
