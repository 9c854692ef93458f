"""AEP's state, in one object that lives as long as the server."""

from __future__ import annotations

from typing import cast

from fastapi import Request

from airflow_provider_flowservice.emulator.agenda import Agenda
from airflow_provider_flowservice.emulator.clock import EmulatorClock
from airflow_provider_flowservice.emulator.collection.store import Inlet
from airflow_provider_flowservice.emulator.ims.tokens import TokenStore
from airflow_provider_flowservice.emulator.sandbox import Sandbox
from airflow_provider_flowservice.emulator.settings import PRODUCTION_SANDBOX, Settings
from airflow_provider_flowservice.emulator.switches import Switches


class World:
    """State of the AEP that one emulator stands for.

    Handlers run on one event loop and never wait between reading and writing, so each request is atomic
    without locks.

    :param settings: what :meth:`reset` keeps.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = EmulatorClock()
        self.agenda = Agenda(self.clock)
        self.tokens = TokenStore(self.clock)
        self.switches = Switches()
        self.sandboxes: dict[str, Sandbox] = {}
        self._open_built_in_sandboxes()

    def reset(self) -> None:
        """Forget everything: resources, tokens, timers; put clock and switches back."""
        self.clock.reset()
        self.agenda.clear()
        self.tokens.clear()
        self.switches = Switches()
        self.sandboxes.clear()
        self._open_built_in_sandboxes()

    def open_sandbox(self, name: str) -> Sandbox:
        """Give the sandbox of that name; make it first when there is none."""
        if name not in self.sandboxes:
            self.sandboxes[name] = Sandbox(name, self.clock)
        return self.sandboxes[name]

    def find_inlet(self, inlet_id: str) -> tuple[Sandbox, Inlet] | None:
        """Find an inlet in any sandbox: its URL says nothing of one."""
        for sandbox in self.sandboxes.values():
            inlet = sandbox.inlets.find(inlet_id)
            if inlet is not None:
                return sandbox, inlet
        return None

    def _open_built_in_sandboxes(self) -> None:
        for name in (PRODUCTION_SANDBOX, self.settings.sandbox):
            self.open_sandbox(name)


async def world_of(request: Request) -> World:
    """The world behind a request (a FastAPI dependency)."""
    return cast(World, request.app.state.world)
