"""A server on loopback that answers with whatever bytes a test wants."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_flowservice.client.settings import Settings, settings_from

#: Writes a response to a connection, which is closed afterwards.
Answer = Callable[[socket.socket], None]


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A response with a body of known length."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def endless(*headers: str, status: str = "200 OK") -> bytes:
    """The head of a response that ends with the connection."""
    return "\r\n".join((f"HTTP/1.1 {status}", "Connection: close", *headers, "", "")).encode()


def sending(*parts: bytes) -> Answer:
    """Sends bytes."""
    return lambda connection: connection.sendall(b"".join(parts))


@dataclass
class RawServer:
    """A server that runs.

    :param closing: set when the test ends, so that no answer outlives it.
    """

    url: str
    closing: threading.Event = field(default_factory=threading.Event)
    #: Method and path of each request.
    requests: list[str] = field(default_factory=list)

    def settings(self, **extras: Any) -> Settings:
        """Settings that lead here without fetching a token."""
        known = {
            "org_id": "o@AdobeOrg",
            "ims_host": self.url,
            "collection_host": self.url,
            "access_token": "t",
        }
        return settings_from(
            host=self.url, client_id="c", client_secret=None, sandbox="dev", extras={**known, **extras}
        )


@contextmanager
def serving(respond: Answer, *, keep: bool = False) -> Iterator[RawServer]:
    """Serve each connection in a thread of its own.

    :param keep: whether a connection stays for further requests; otherwise it is closed after one response.
    """

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with suppress(OSError):  # the client may have enough
                while _read_request(self.rfile, running.requests):
                    respond(self.connection)
                    if not keep:
                        break

    with _Server(("127.0.0.1", 0), Handler) as server:
        running = RawServer(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield running
        finally:
            running.closing.set()
            server.shutdown()
            thread.join(10)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


def _read_request(file: Any, seen: list[str]) -> bool:
    """Read a request to its end; whether there was one."""
    line = file.readline().decode()
    if not line:
        return False
    length = 0
    while header := file.readline().strip().lower():
        if header.startswith(b"content-length:"):
            length = int(header.partition(b":")[2])
    file.read(length)
    seen.append(line.rpartition(" ")[0])
    return True
