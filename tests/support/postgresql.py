"""A PostgreSQL server of our own: on loopback, in a temporary folder, for data that nobody misses.

``python -m tests.support.postgresql`` installs Debian's package if PostgreSQL is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import Any

from tests.support import debian, processes
from tests.support.loopback import HOST, free_port

_USER = "postgres"
_PACKAGE = "postgresql"
_COMMAND_SECONDS = 120
_STOP_SECONDS = 30
#: A crash may lose everything, so nothing is synced to disk.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


@dataclass(frozen=True)
class Server:
    """A running server, whose superuser needs no password."""

    programs: Path
    port: int

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        subprocess.run(self._command("createdb", name), check=True, timeout=_COMMAND_SECONDS)
        return f"postgresql+psycopg://{_USER}@{HOST}:{self.port}/{name}"

    def query(self, name: str, statement: str) -> list[dict[str, Any]]:
        """Return the rows that a SELECT finds in a database, as JSON has their values."""
        as_json = f"SELECT coalesce(json_agg(found), '[]') FROM ({statement}) found"
        command = self._command(
            "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", as_json, name
        )
        done = subprocess.run(
            command, check=True, timeout=_COMMAND_SECONDS, stdout=subprocess.PIPE, text=True
        )
        return list(json.loads(done.stdout))

    def dump(self, name: str, file: Path) -> None:
        """Write all that a database holds into a file, as SQL; text within bytes stays readable."""
        command = self._command("pg_dump", "--file", str(file), name)
        environment = {**os.environ, "PGOPTIONS": "-c bytea_output=escape"}
        subprocess.run(command, check=True, timeout=_COMMAND_SECONDS, env=environment)

    def is_ready(self) -> bool:
        return (
            subprocess.run(self._command("pg_isready", "--quiet"), timeout=_COMMAND_SECONDS).returncode == 0
        )

    def _command(self, program: str, *arguments: str) -> list[str]:
        address = ["--host", HOST, "--port", str(self.port), "--username", _USER]
        return [str(self.programs / program), *address, *arguments]


@contextmanager
def running(log: Path) -> Iterator[Server]:
    """A server that ends with the block, and its data with it.

    :param log: gets what the server prints.
    """
    programs = _programs()
    if programs is None:
        raise RuntimeError(debian.missing(_PACKAGE))
    # As root, the server and initdb refuse to run.
    user: dict[str, Any] = {"user": _USER, "group": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="flowservice-postgresql-") as folder, log.open("wb") as output:
        if user:
            shutil.chown(folder, _USER, _USER)
        how: dict[str, Any] = {"cwd": folder, "stdout": output, "stderr": output, **user}
        data = str(Path(folder) / "data")
        initdb = [str(programs / "initdb"), "--pgdata", data, "--username", _USER, "--auth", "trust"]
        options = ["--encoding", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run([*initdb, *options], check=True, timeout=_COMMAND_SECONDS, **how)
        server = Server(programs, free_port())
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command = [str(programs / "postgres"), "-D", data, "-p", str(server.port), *settings]
        # SIGINT cuts clients off; SIGTERM would wait for them.
        with processes.running(command, _STOP_SECONDS, SIGINT, **how) as process:
            processes.wait_until_ready(process, server.is_ready, log)
            yield server


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps out of PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
    places = os.pathsep.join([*map(str, reversed(versions)), os.environ.get("PATH", "")])
    found = shutil.which("initdb", path=places)
    return Path(found).resolve().parent if found else None


if __name__ == "__main__":
    debian.install(_PACKAGE, _programs)
