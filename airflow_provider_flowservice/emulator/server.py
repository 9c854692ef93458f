"""Runs an emulator inside this process, on a free loopback port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType

import uvicorn
from starlette.types import ASGIApp

from airflow_provider_flowservice.emulator.app import build_app
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.control_api.guard import is_loopback
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.state import Autosave, StateFile
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
    :param state_file: JSON file in which the emulator keeps its state until it is next started. If it exists, it takes
        the place of ``prepare``.
    :param tls: directory of a CA and a certificate for HTTPS, which are made if they are not there.
    :param allowed_hosts: names under which it is served besides those of loopback; needs HTTPS, because clients send
        no credentials to them otherwise.
    :param log_level: level of uvicorn's log.
    :param allow_remote: listen on an address that other machines can reach.
    :param prepare: fills the emulator's world before it listens.
    :param kinesis_endpoint: URL to which flows to Amazon Kinesis really send what they export; needs boto3.
    :param event_hubs_endpoint: the same for Azure Event Hubs.
    :param export_dir: folder into which flows to file destinations really write what they export.
    :param switches: values by name, for example ``{"list_order": "ignored"}``, with which it starts, and which a reset
        restores. They take precedence over those of ``prepare`` and ``state_file``.
    :raises ValueError: if ``host`` is not a loopback address and ``allow_remote`` is not set, or ``tls`` and
        ``allowed_hosts`` cannot be served, or ``state_file`` is not the state of such an emulator, or a switch or its
        value is unknown, or an endpoint is not a URL, or boto3 is missing.
    :raises OSError: if ``tls`` or ``state_file`` cannot be read or written, or ``export_dir`` cannot be made.
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
        tls: str | PathLike[str] | None = None,
        allowed_hosts: Sequence[str] = (),
        state_file: str | PathLike[str] | None = None,
        kinesis_endpoint: str | None = None,
        event_hubs_endpoint: str | None = None,
        export_dir: str | PathLike[str] | None = None,
        switches: Mapping[str, object] | None = None,
    ) -> None:
        if not allow_remote and not is_loopback(host):
            raise ValueError(
                f"{host} can be reached by other machines; only loopback addresses are served by default"
            )
        self._host = host
        self._port = port
        #: What clients trust if it serves HTTPS: the path of a PEM file.
        self.ca_file = ssl_certfile
        if tls is not None:
            self.ca_file, ssl_certfile, ssl_keyfile = _certificates(tls, host, allowed_hosts)
        if allowed_hosts and not ssl_certfile:
            raise ValueError(
                f"{allowed_hosts[0]} can be served with HTTPS only, as clients send no credentials to it otherwise;"
                " add --tls and a directory for the certificates"
            )
        self._state = StateFile(Path(state_file)) if state_file is not None else None
        #: Whether the state file was there.
        self.is_restored = False
        settings = Settings(
            sandbox=sandbox,
            allowed_hosts=(host, *allowed_hosts),
            kinesis_endpoint=kinesis_endpoint,
            event_hubs_endpoint=event_hubs_endpoint,
            export_dir=export_dir,
            switches=switches or {},
        )
        config = uvicorn.Config(
            self._app(settings, prepare),
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

    def _app(self, settings: Settings, prepare: Callable[[World], None] | None) -> ASGIApp:
        state = self._state
        if state is None:
            return build_app(settings, prepare)

        def restore(world: World) -> None:
            self.is_restored = state.restore(world)
            if prepare and not self.is_restored:
                prepare(world)
            # Whoever cannot write it, had better know at once.
            state.save()

        return Autosave(build_app(settings, restore), state.save)

    @property
    def url(self) -> str:
        """Where it listens, for example ``http://127.0.0.1:40123``, without a path."""
        # A client cannot connect to the address that stands for all of them.
        return self.url_of({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host))  # noqa: S104

    def url_of(self, host: str) -> str:
        """Return the same for a name under which it is served."""
        scheme = "https" if self.ca_file else "http"
        return f"{scheme}://[{host}]:{self._port}" if ":" in host else f"{scheme}://{host}:{self._port}"

    @property
    def control(self) -> EmulatorControl:
        """A client of the emulator's own endpoints."""
        return EmulatorControl(self.url, verify=self.ca_file or True)

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
        if self._state is not None and self._server.started:
            self._state.save()

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


def _certificates(
    directory: str | PathLike[str], host: str, allowed_hosts: Sequence[str]
) -> tuple[str, str, str]:
    """Return the paths of the CA, the certificate and its key."""
    from airflow_provider_flowservice.emulator.tls import certificates_in, check_host_name

    for name in allowed_hosts:
        check_host_name(name)
    files = certificates_in(Path(directory), [*allowed_hosts, host])
    return str(files.ca), str(files.chain), str(files.key)
