"""A small HTTPS proxy on loopback that leads every host name to one server."""

from __future__ import annotations

import base64
import select
import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType

_CHUNK = 65536


class ConnectProxy:
    """Serves ``CONNECT`` as long as a ``with`` block, whatever host it is asked for.

    :param target: address to which every tunnel leads.
    :param login: ``user:password`` that a client must give.
    """

    def __init__(self, target: tuple[str, int], login: str | None = None) -> None:
        self.connects: list[str] = []
        self.target = target
        self.expected = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Tunnel)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What ``HTTPS_PROXY`` takes."""
        return f"http://{self.address}"

    def opened(self, connection: socket.socket) -> None:
        """Remember a socket that the end must close."""
        with self._lock:
            self._sockets.add(connection)

    def __enter__(self) -> ConnectProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        with self._lock:
            for connection in self._sockets:
                with suppress(OSError):  # it may have ended by itself
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join(10)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    proxy: ConnectProxy


class _Tunnel(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        proxy = self.server.proxy
        proxy.opened(self.connection)
        method, destination, headers = self._read_head()
        if method != "CONNECT":
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        proxy.connects.append(destination)
        if proxy.expected and headers.get("proxy-authorization") != proxy.expected:
            self.wfile.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="tests"\r\nContent-Length: 0\r\n\r\n'
            )
            return
        with socket.create_connection(proxy.target, timeout=10) as upstream:
            proxy.opened(upstream)
            self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            _carry(self.connection, upstream)

    def _read_head(self) -> tuple[str, str, dict[str, str]]:
        method, _, rest = self.rfile.readline().decode("latin-1").partition(" ")
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return method, rest.partition(" ")[0], headers


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either side ends."""
    peers = {one: other, other: one}
    with suppress(OSError):
        while True:
            for ready in select.select(list(peers), [], [])[0]:
                chunk = ready.recv(_CHUNK)
                if not chunk:
                    return
                peers[ready].sendall(chunk)
