"""The server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec

from tests.benchmarks.inlet.server import Report
from tests.support.processes import running


class Server:
    """The server process.

    :param url: its URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)

    def begin(self, latency: float) -> None:
        """Start a run."""
        self._call("POST", f"/begin?latency={latency}")

    def report(self) -> Report:
        """What it has received since then."""
        return msgspec.json.decode(self._call("GET", "/report"), type=Report, strict=False)

    def _call(self, method: str, path: str) -> bytes:
        self._connection.request(method, path)
        return self._connection.getresponse().read()


@contextmanager
def server() -> Iterator[Server]:
    """The server, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.inlet.server"]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        if not (url := process.stdout.readline().strip()):
            raise RuntimeError("the server did not start")
        yield Server(url)
