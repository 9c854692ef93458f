"""AEP's state: the sandboxes, what each service keeps in them, the clock and the switches.

The services import this module, so it names none of them. Each has a class of its own that derives from
:class:`Store`, and :meth:`Store.of` returns the one that belongs to a sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, ClassVar, Self, cast

import msgspec
from fastapi import Depends, Request

from airflow_provider_flowservice.emulator.clock import EmulatorClock, Timers
from airflow_provider_flowservice.emulator.settings import PRODUCTION_SANDBOX, Settings, Switches, stable_uuid


class Store:
    """What one service keeps, in one sandbox or for the whole organization.

    :param world: has the clock that stamps what is written, and the switches.
    """

    #: What outlives the emulator in a state file: attributes with the types that they are read as.
    kept: ClassVar[tuple[tuple[str, Any], ...]] = ()

    def __init__(self, world: World) -> None:
        self.world = world

    @classmethod
    def of(cls, owner: Sandbox | World) -> Self:
        """Return the owner's store of this class, which is created on first use."""
        if cls not in owner.stores:
            owner.stores[cls] = cls(owner if isinstance(owner, World) else owner.world)
        return cast(Self, owner.stores[cls])

    def dump(self) -> dict[str, Any]:
        """Return what a state file has of this store: anything that msgspec can encode."""
        return {name: getattr(self, name) for name, _ in self.kept}

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what :meth:`dump` returned, as it was read from JSON.

        :raises msgspec.ValidationError: if it is something else.
        """
        for name, kind in self.kept:
            if name in saved:
                setattr(self, name, msgspec.convert(saved[name], kind))


class Sandbox:
    """One AEP sandbox. Nothing in it can be seen from another.

    :param name: value of ``x-sandbox-name``.
    """

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.id = stable_uuid(f"sandbox {name}")
        self.world = world
        self.stores: dict[type[Store], Store] = {}

    @property
    def is_default(self) -> bool:
        """Whether it is the one that always exists, which is the only one of production here."""
        return self.name == PRODUCTION_SANDBOX

    @property
    def type(self) -> str:
        """AEP's name for its type."""
        return "production" if self.is_default else "development"


class World:
    """The state of the AEP that one emulator stands for; it lives as long as the server.

    Handlers run on one event loop and never wait between reading and writing, so each request is atomic
    without locks.

    :param settings: what :meth:`reset` keeps, like ``watchers``: these are called with a store, with what it has
        created or changed, and with that as it was before (None if it is new).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.watchers: list[Callable[[Any, Any, Any], None]] = []
        self.clock = EmulatorClock()
        self.timers = Timers(self.clock)
        self.switches = Switches().changed(settings.switches)
        self.stores: dict[type[Store], Store] = {}
        self.sandboxes: dict[str, Sandbox] = {}
        self._hidden_until: dict[str, float] = {}
        self._open_built_in_sandboxes()

    def reset(self) -> None:
        """Forget every resource, token and timer, and set the clock and the switches back to those of the start."""
        self.clock.reset()
        self.timers.clear()
        self.switches = Switches().changed(self.settings.switches)
        self.stores.clear()
        self.sandboxes.clear()
        self._hidden_until.clear()
        self._open_built_in_sandboxes()

    def take_over(self, switches: Mapping[str, object]) -> None:
        """Set the switches of a scenario or a saved state, except for those that the settings have.

        :param switches: new values by name.
        :raises ValueError: if a name or a value is wrong.
        """
        self.switches = self.switches.changed(switches).changed(self.settings.switches)

    def open_sandbox(self, name: str) -> Sandbox:
        """Return the sandbox of that name, which is created if it does not exist."""
        if name not in self.sandboxes:
            self.sandboxes[name] = Sandbox(name, self)
        return self.sandboxes[name]

    def tell_watchers(self, store: Store, written: object, before: object | None) -> None:
        """Tell the watchers what a store has written."""
        for watcher in self.watchers:
            watcher(store, written, before)

    def hide_from_lists(self, resource_id: str, until: float) -> None:
        """Leave a resource out of every list for a while.

        :param until: seconds since the epoch.
        """
        self._hidden_until[resource_id] = max(until, self._hidden_until.get(resource_id, 0.0))

    def is_listed(self, resource_id: str) -> bool:
        """Return whether lists show a resource yet."""
        return self._hidden_until.get(resource_id, 0.0) <= self.clock.now()

    def hidden_from_lists(self) -> Collection[str]:
        """Return the ids of the resources that lists do not show yet."""
        if self._hidden_until:
            now = self.clock.now()
            self._hidden_until = {one: until for one, until in self._hidden_until.items() if until > now}
        return self._hidden_until.keys()

    def _open_built_in_sandboxes(self) -> None:
        for name in (PRODUCTION_SANDBOX, self.settings.sandbox):
            self.open_sandbox(name)


async def world_of(request: Request) -> World:
    """Return the world behind a request (a FastAPI dependency)."""
    return cast(World, request.app.state.world)


CurrentWorld = Annotated[World, Depends(world_of)]
