"""``python -m tests.upgrades``: record what this version stores, for the versions that follow."""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice import __version__
from tests.support import airflow as support


def main() -> int:
    """Write the recordings of this version into a folder of its own, which must not exist."""
    if (folder := Path(__file__).parent / __version__).exists():
        say(
            f"upgrades: failed: {folder} exists. Raise the version or, if it is not released yet, remove the folder"
        )
        return 1
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patched:
        os.environ.update(support.environment(Path(home), log_level="CRITICAL"))

        from airflow_provider_flowservice.emulator.server import EmulatorServer

        with EmulatorServer() as server:
            os.environ.update(support.connections(server.url, server.control.credential))
            written = record(server, Path(home), patched)
    say(f"upgrades: recorded {written} tasks of version {__version__}")
    return 0


def record(server: Any, home: Path, patched: pytest.MonkeyPatch) -> int:
    """Record each task; how many there are."""
    from tests.upgrades import recording
    from tests.upgrades.cases import NOTES, WAITS

    numbers = itertools.count()

    @contextmanager
    def places() -> Iterator[Any]:
        with recording.place_for(server.control, home / f"place-{next(numbers)}") as place:
            yield place

    documents = {recording.WATCHER: recording.record_watcher(places)}
    documents |= {case.name: recording.record_wait(case, places, patched) for case in WAITS}
    documents |= {case.name: recording.record_note(case, places, patched) for case in NOTES}
    folder = recording.FOLDER / __version__
    folder.mkdir()
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    return len(documents)


def say(text: str) -> None:
    """Print a line."""
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
