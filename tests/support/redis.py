"""A Redis server of our own: on loopback, in a temporary folder, for data that nobody misses.

``python -m tests.support.redis`` installs Debian's package if Redis is missing.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import debian, processes
from tests.support.loopback import HOST, free_port

_PACKAGE = "redis-server"
_SECONDS = 5


@contextmanager
def running(log: Path) -> Iterator[str]:
    """The URL of a server that ends with the block, and its data with it.

    :param log: gets what the server prints.
    """
    program = _program()
    if program is None:
        raise RuntimeError(debian.missing(_PACKAGE))
    port = free_port()
    command = [program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
    with (
        tempfile.TemporaryDirectory(prefix="flowservice-redis-") as folder,
        log.open("wb") as output,
        processes.running(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        processes.wait_until_ready(process, lambda: _is_ready(port), log)
        yield f"redis://{HOST}:{port}/0"


def _program() -> str | None:
    return shutil.which("redis-server")


def _is_ready(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), _SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16) == b"+PONG\r\n"
    except OSError:
        return False


if __name__ == "__main__":
    debian.install(_PACKAGE, _program)
