"""Runs an emulator inside this process, on a free loopback port."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType

import uvicorn

from airflow_provider_flowservice.emulator.app import build_app
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.world import World

_START_SECONDS = 30
# What is still being sent to an output gets some seconds.
_STOP_SECONDS = 30


class _Server(uvicorn.Server):
    """uvicorn, with an event that is set once it listens or has failed to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.settled.set()


class EmulatorServer:
    """An emulator that lives as long as a ``with`` block.

    :param host: address to listen on.
    :param port: port to listen on; 0 selects a free one.
    :param sandbox: name of the built-in development sandbox.
    :param ssl_certfile: certificate for HTTPS, with ``ssl_keyfile``.
    :param log_level: level of uvicorn's log.
    :param allow_remote: listen on an address that other machines can reach.
    :param prepare: fills the emulator's world before it listens.
    :param kinesis_endpoint: URL to which flows to Amazon Kinesis really send what they export; needs boto3.
    :param event_hubs_endpoint: the same for Azure Event Hubs.
    :param export_dir: folder into which flows to file destinations really write what they export.
    :raises ValueError: if ``host`` is not a loopback address and ``allow_remote`` is not set; if an endpoint is not a
        URL, or boto3 is missing.
    :raises OSError: if ``export_dir`` cannot be made.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        sandbox: str = "dev",
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
        log_level: str = "warning",
        allow_remote: bool = False,
        prepare: Callable[[World], None] | None = None,
        kinesis_endpoint: str | None = None,
        event_hubs_endpoint: str | None = None,
        export_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if not allow_remote and not _is_loopback(host):
            raise ValueError(
                f"{host} can be reached by other machines; only loopback addresses are served by default"
            )
        self._host = host
        self._port = port
        self._certificate = ssl_certfile
        settings = Settings(
            sandbox=sandbox,
            kinesis_endpoint=kinesis_endpoint,
            event_hubs_endpoint=event_hubs_endpoint,
            export_dir=export_dir,
        )
        config = uvicorn.Config(
            build_app(settings, prepare),
            log_level=log_level,
            access_log=log_level in ("debug", "trace", "info"),
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            proxy_headers=False,
            lifespan="on",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="flowservice-emulator", daemon=True)
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it listens, for example ``http://127.0.0.1:40123``, without a path."""
        scheme = "https" if self._certificate else "http"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}"

    @property
    def control(self) -> EmulatorControl:
        """A client of the emulator's own endpoints."""
        return EmulatorControl(self.url, verify=self._certificate or True)

    def start(self) -> None:
        """Start listening, and return once requests are served.

        :raises OSError: if the port is in use.
        :raises RuntimeError: if the server does not start.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server((self._host, self._port), family=family)
        self._port = self._socket.getsockname()[1]
        self._thread.start()
        if not self._server.settled.wait(_START_SECONDS) or not self._server.started:
            self.stop()
            raise RuntimeError(f"the emulator did not start on {self.url}")

    def stop(self) -> None:
        """Close every connection, and return once the thread has ended."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if self._socket is not None:
            self._socket.close()

    def __enter__(self) -> EmulatorServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket] if self._socket else None)
        finally:
            self._server.settled.set()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
