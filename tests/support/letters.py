"""Dead letters on the worker and in a store that cannot append, and tasks that write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.letter_files import _LocalLetterFile, _StoredLetterFile
from tests.support.streaming import Source, people
from tests.support.tasks import TaskInstance, TaskStateStore


class AppendRefused(MemoryFileSystem):  # type: ignore[misc]
    """A store that, like most, takes whole objects only."""

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        assert mode in ("rb", "wb")
        return super()._open(path, mode=mode, **options)


class Local:
    """A folder of the worker."""

    letter_file = _LocalLetterFile

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        return f"file://{self._folder / name}"

    def write(self, name: str, content: bytes) -> None:
        (self._folder / name).write_bytes(content)

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    def names(self) -> list[str]:
        """All files and folders below the folder."""
        return sorted(str(each.relative_to(self._folder)) for each in self._folder.rglob("*"))


class InStore:
    """A bucket of a store."""

    letter_file = _StoredLetterFile

    def __init__(self) -> None:
        self._fs = AppendRefused()

    def url(self, name: str) -> str:
        return f"memory://bucket/{name}"

    def write(self, name: str, content: bytes) -> None:
        self._fs.pipe(f"/bucket/{name}", content)

    def read(self, name: str) -> bytes:
        return bytes(self._fs.cat(f"/bucket/{name}"))

    def remove(self, name: str) -> None:
        self._fs.rm(f"/bucket/{name}")

    def names(self) -> list[str]:
        """All objects in the bucket."""
        return sorted(each.removeprefix("/bucket/") for each in self._fs.find("/bucket"))


class Task:
    """A task instance of a posting: its attempts share a store of state.

    Its batches are small, and each is noted before the next is sent.
    """

    def __init__(self, source: Source, place: Local | InStore, run_id: str = "a", **arguments: Any) -> None:
        self.store = TaskStateStore()
        self._run_id = run_id
        self._given: dict[str, Any] = {
            "connection_id": source.connection_id,
            "flow_id": source.flow_id,
            "dead_letter_path": place.url("dead.jsonl"),
            "batch_size": 2,
            "resend_window": 2,
            "max_failures": 100,
            "settle_seconds": 0,
            **arguments,
        }
        self._tries = 0
        self.pushed: dict[str, Any] = {}

    def attempt(self, max_tries: int = 99, **arguments: Any) -> Any:
        self._tries += 1
        ti = TaskInstance(max_tries=max_tries, pushed=self.pushed)
        ti.try_number, ti.run_id = self._tries, self._run_id  # type: ignore[attr-defined]
        operator = FlowServicePostToInletOperator(task_id="post", **{**self._given, **arguments})
        return operator.execute({"ti": ti, "task_state_store": self.store})


def positions(content: bytes) -> list[int]:
    return [json.loads(line)["position"] for line in content.splitlines()]


#: Records of which each third is no record.
BAD = b"oops"


def lines(count: int) -> bytes:
    return b"".join(
        (BAD if n % 3 == 1 else json.dumps(people(n + 1)[n]).encode()) + b"\n" for n in range(count)
    )
