"""Records that were not accepted, kept as JSON lines."""

from __future__ import annotations

import json
from typing import IO, Any

from airflow_provider_flowservice.client.streaming.posting import Failure

#: How many failures an error names: enough to recognize the cause, few enough to read.
_SHOWN = 10


class DeadLetters:
    """Keeps the first failures for the message, and all of them in a file.

    :param file: where dead letters go, if anywhere.
    :param most: how many may wait until they are written.
    """

    def __init__(self, file: IO[str] | None, most: int) -> None:
        self._file = file
        self._most = most
        self._waiting: list[str] = []
        self._first: list[str] = []
        self._count = 0

    def add(self, failure: Failure) -> None:
        """Take a record that was not accepted."""
        self._count += 1
        if len(self._first) < _SHOWN:
            self._first.append(f"{failure.place}: {failure.message}")
        if self._file is not None:
            letter = {
                "position": failure.record.position,
                "line": failure.record.line,
                "status": failure.status,
                "message": failure.message,
                "record": _as_json(failure.record.raw.decode("utf-8", "replace")),
            }
            self._waiting.append(json.dumps(letter, ensure_ascii=False) + "\n")
            if len(self._waiting) > self._most:
                self.write()

    def write(self) -> None:
        """Write the dead letters that wait, so that they outlive this process."""
        if self._file is not None:
            self._file.writelines(self._waiting)
            self._file.flush()
        self._waiting.clear()

    def summary(self) -> str:
        """The first failures in words."""
        more = f" ... and {self._count - len(self._first)} more." if self._count > len(self._first) else "."
        return "; ".join(self._first) + more


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
