"""The server in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from tests.benchmarks.inlet.server import Report
from tests.benchmarks.serving import Remote, started


class Server(Remote):
    """The server process."""

    def begin(self, latency: float) -> None:
        """Start a run."""
        self.call("POST", f"/begin?latency={latency}")

    def report(self) -> Report:
        """What it has received since then."""
        return msgspec.json.decode(self.call("GET", "/report"), type=Report, strict=False)


@contextmanager
def server() -> Iterator[Server]:
    """The server, in a process of its own."""
    with started("tests.benchmarks.inlet.server") as url:
        yield Server(url)
