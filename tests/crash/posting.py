"""One attempt to post a file, in a process that may be killed. What it keeps for the next one is in a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.inlet.senders import Job, posting_task
from tests.support.tasks import TaskInstance, TaskStateStore


class StoreInFile(TaskStateStore):
    """A task state store that outlives the process, as that of Airflow's server does."""

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self._path = path

    def set(self, key: str, value: Any) -> None:
        super().set(key, value)
        self._write()

    def delete(self, key: str) -> None:
        super().delete(key)
        self._write()

    def _write(self) -> None:
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(self))
        written.rename(self._path)


def main(server: str, path: str, options: str, store: str = "") -> None:
    """Say when the attempt begins, and in the end what the task returns.

    :param options: arguments of the operator, as JSON.
    :param store: file of the task state store; without it, there is none.
    """
    task = posting_task(Job(server, Path(path), batch=500, connections=8, options=json.loads(options)))
    context = {
        "ti": TaskInstance(max_tries=99),
        "task_state_store": StoreInFile(Path(store)) if store else None,
    }
    print("begin", flush=True)  # noqa: T201
    print(json.dumps(task.execute(context)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
