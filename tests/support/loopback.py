"""Free ports on loopback, and an HTTP server of a test's own there, with a thread for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now, for a server in another process."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


class Handler(BaseHTTPRequestHandler):
    """Base class of handlers, which log nothing."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        """Send a response."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Does not wait for connections that are still open at its end."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Say nothing: the client may have gone."""


@contextmanager
def serving(handler: type[Handler]) -> Iterator[str]:
    """The URL of a server that runs while the block does."""
    with Server((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)
