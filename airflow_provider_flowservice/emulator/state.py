"""The file in which an emulator keeps its state while it does not run.

It has everything that AEP would still know: resources, messages, tokens, the clock and the switches. It does not have
what belongs to the emulator itself: the journal, faults, what was sent to which output, and what was yet to happen in a
scenario.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_flowservice.emulator.clock import call_after
from airflow_provider_flowservice.emulator.files import write_private
from airflow_provider_flowservice.emulator.world import Sandbox, Store, World

_FORMAT = "flowservice-emulator"
#: Changes whenever an older emulator could not read the file, or this one could not read an older file.
_VERSION = 1
_SAVE_SECONDS = 30


class _Header(msgspec.Struct, frozen=True):
    format: str
    version: int


class _State(msgspec.Struct, frozen=True):
    """The whole file.

    :param ahead: how many seconds the clock is ahead of real time.
    :param organization: what the stores have that belong to no sandbox, by the names of their classes.
    :param sandboxes: the same for each sandbox.
    """

    format: str
    version: int
    ahead: float
    switches: dict[str, Any]
    organization: dict[str, dict[str, Any]]
    sandboxes: dict[str, dict[str, dict[str, Any]]]


class StateFile:
    """A state file, and the world that it belongs to from :meth:`restore` on.

    :param path: JSON, which contains credentials, so that only its owner can read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._world: World | None = None
        self._written: bytes | None = None

    def restore(self, world: World) -> bool:
        """Fill a new world.

        :return: whether there was a file.
        :raises OSError: if it cannot be read.
        :raises ValueError: if it is of another version, or broken.
        """
        self._world = world
        if not self._path.exists():
            return False
        content = self._path.read_bytes()
        try:
            version = _version(content)
            if version == _VERSION:
                _load(msgspec.json.decode(content, type=_State), world)
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise ValueError(
                f"the state file {self._path} is broken, or no state of an emulator ({error});"
                " remove it, or use another"
            ) from error
        if version != _VERSION:
            raise ValueError(
                f"the state file {self._path} is of version {version}, and this emulator has version {_VERSION};"
                " use the emulator that wrote it, or another file"
            )
        self._written = _digest(content)
        return True

    def save(self) -> None:
        """Write the file if something has changed.

        :raises OSError: if it cannot be written.
        """
        if self._world is None:
            return
        content = msgspec.json.encode(_dump(self._world))
        digest = _digest(content)
        if digest != self._written:
            write_private(self._path, content)
            self._written = digest


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content).digest()


class Autosave:
    """ASGI middleware that saves a while after the first request since the last time.

    :param save: is called on the event loop, where nothing changes meanwhile.
    :param seconds: real time.
    """

    def __init__(self, app: ASGIApp, save: Callable[[], None], seconds: float = _SAVE_SECONDS) -> None:
        self._app = app
        self._save = save
        self._seconds = seconds
        self._is_planned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._is_planned:
            self._is_planned = True
            call_after(self._seconds, self._run)
        await self._app(scope, receive, send)

    def _run(self) -> None:
        self._is_planned = False
        self._save()


def _version(content: bytes) -> int:
    header = msgspec.json.decode(content, type=_Header)
    if header.format != _FORMAT:
        raise ValueError(f"its format is {header.format!r}")
    return header.version


def _dump(world: World) -> _State:
    return _State(
        _FORMAT,
        _VERSION,
        world.clock.ahead,
        world.switches.as_json(),
        _dumped(world),
        {name: _dumped(sandbox) for name, sandbox in world.sandboxes.items()},
    )


def _dumped(owner: World | Sandbox) -> dict[str, dict[str, Any]]:
    dumps = ((kind.__name__, store.dump()) for kind, store in owner.stores.items())
    return {name: dump for name, dump in dumps if dump}


def _load(state: _State, world: World) -> None:
    world.clock.advance(state.ahead)
    world.take_over(state.switches)
    _fill(world, state.organization)
    for name, stores in state.sandboxes.items():
        _fill(world.open_sandbox(name), stores)


def _fill(owner: World | Sandbox, stores: dict[str, dict[str, Any]]) -> None:
    kinds = {kind.__name__: kind for kind in _kinds(Store)}
    for name, saved in stores.items():
        kinds[name].of(owner).load(saved)


def _kinds(base: type[Store]) -> Iterator[type[Store]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
