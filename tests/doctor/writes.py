"""A sandbox in which the doctor may write, and one run of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import Finding, SwitchValue
from airflow_provider_flowservice.doctor.writes.session import WRITE_HABITS, Written, writing
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.emulator.conftest import CATALOG, Api
from tests.support.clients import emulator_settings

DEFAULTS: dict[str, SwitchValue] = {habit.switch: getattr(Switches, habit.switch) for habit in WRITE_HABITS}
HOUR = 3600


class Sandbox:
    """An emulator's built-in sandbox, with someone else who uses it."""

    def __init__(self, control: EmulatorControl) -> None:
        self.control = control
        self.api = Api(control.url, control)
        self.api.log_in()

    def held(self) -> dict[str, Any]:
        """Everything that it holds, of every kind that the doctor makes."""
        # The clock may have gone on for longer than a token lives.
        self.api.log_in()
        datasets = self.api.get(f"{CATALOG}/dataSets", limit="100").json()
        return {**self.control.state(), "datasets": datasets}

    def settings(self, **changes: Any) -> Settings:
        """What a connection to it has."""
        return emulator_settings(self.control.url, self.control.credential, **changes)

    def written(self) -> list[tuple[str, str]]:
        """Methods and paths of all requests to AEP that could have changed something."""
        return [
            (entry["method"], entry["path"])
            for entry in self.control.requests()
            if entry["method"] != "GET" and not entry["path"].startswith("/ims/")
        ]


@contextmanager
def aep_of(settings: Settings) -> Iterator[Aep]:
    """The AEP that is examined."""
    transport = RequestsTransport(settings)
    try:
        yield Aep(settings, transport)
    finally:
        transport.close()


def run(place: Sandbox, **changes: Any) -> Written:
    """What a whole run with writes finds; waits take no time.

    :param changes: of the settings.
    """
    with (
        clock.installed(VirtualClock.in_step_with(place.control)),
        aep_of(place.settings(**changes)) as aep,
        writing(aep, lambda _: None) as written,
    ):
        pass
    return written


def values_of(written: Written) -> dict[str, SwitchValue | None]:
    """The values of the switches that were found; None if one could not be determined."""
    return {habit.switch: habit.value for habit in written.habits}


def finding(written: Written, subject: str) -> Finding:
    """The finding about a subject."""
    (found,) = (each for each in written.findings if each.subject == subject)
    return found
