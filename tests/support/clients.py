"""Both transports behind one blocking face."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from airflow_provider_flowservice.client.ensure import SavedState
from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.settings import Settings, settings_from
from airflow_provider_flowservice.emulator.control import EmulatorControl, EmulatorCredential

T = TypeVar("T")


class Client(Protocol):
    """Sends requests until it is closed."""

    def send(self, request: Request[T]) -> T: ...

    def close(self) -> None: ...


class AioClient:
    """An :class:`AiohttpTransport` in an event loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._transport = self._loop.run_until_complete(self._open(settings))

    def send(self, request: Request[T]) -> T:
        return self._loop.run_until_complete(self._transport.send(request))

    def close(self) -> None:
        self._loop.run_until_complete(self._transport.close())
        self._loop.close()

    @staticmethod
    async def _open(settings: Settings) -> AiohttpTransport:
        return AiohttpTransport(settings)


class KeptState(SavedState):
    """What an attempt saves for the next one, kept in memory."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.state = state

    def load(self) -> dict[str, Any] | None:
        return self.state

    def save(self, state: dict[str, Any]) -> None:
        self.state = json.loads(json.dumps(state))


TRANSPORTS: dict[str, Callable[[Settings], Client]] = {"requests": RequestsTransport, "aiohttp": AioClient}


@contextmanager
def open_client(transport: str, settings: Settings) -> Iterator[Client]:
    """A client, closed at the end."""
    client = TRANSPORTS[transport](settings)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def client_of(control: EmulatorControl) -> Iterator[RequestsTransport]:
    """A client of an emulator that leaves no token behind for the next one, in this process or a forked one."""
    auth.forget_all()
    client = RequestsTransport(emulator_settings(control.url, control.credential))
    try:
        yield client
    finally:
        client.close()
        auth.forget_all()


def emulator_settings(url: str, credential: EmulatorCredential, **changes: Any) -> Settings:
    """Settings that lead to an emulator; ``changes`` go to the arguments or extras of ``settings_from``."""
    arguments: dict[str, Any] = {
        "host": url,
        "client_id": credential.client_id,
        "client_secret": credential.client_secret,
        "sandbox": credential.sandbox,
    }
    extras: dict[str, Any] = {"org_id": credential.org_id, "ims_host": url, "collection_host": url}
    for name, value in changes.items():
        (arguments if name in arguments else extras)[name] = value
    return settings_from(**arguments, extras=extras)
