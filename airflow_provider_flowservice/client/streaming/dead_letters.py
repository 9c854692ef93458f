"""Dead letters: records that were not accepted, saved as JSON lines."""

from __future__ import annotations

import json
from typing import IO, Any

from airflow_provider_flowservice.client.streaming.posting import Failure

#: Number of failures in an error message: enough to recognize the cause, few enough to read.
_SHOWN = 10


class DeadLetters:
    """Collects the first failures for the error message, and writes all of them to a file.

    :param file: file for the dead letters; None keeps only the first failures.
    :param buffer_size: number of dead letters to buffer before they are written.
    """

    def __init__(self, file: IO[str] | None, buffer_size: int) -> None:
        self._file = file
        self._buffer_size = buffer_size
        self._buffered: list[str] = []
        self._first: list[str] = []
        self._count = 0

    def add(self, failure: Failure) -> None:
        """Add a record that was not accepted."""
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
            self._buffered.append(json.dumps(letter, ensure_ascii=False) + "\n")
            if len(self._buffered) > self._buffer_size:
                self.write()

    def write(self) -> None:
        """Write the buffered dead letters, so that they are not lost if this process ends."""
        if self._file is not None:
            self._file.writelines(self._buffered)
            self._file.flush()
        self._buffered.clear()

    def summary(self) -> str:
        """Return a message that describes the first failures."""
        more = f" ... and {self._count - len(self._first)} more." if self._count > len(self._first) else "."
        return "; ".join(self._first) + more


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
