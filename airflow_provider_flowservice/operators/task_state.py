"""What a task remembers from one attempt to the next, where Airflow offers a store for it (3.3 and newer)."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_KEY = "flowservice"


class TaskState:
    """One note of a task instance; without a store it forgets at once.

    :param context: the task's context.
    :param parameters: a text that says what the task is asked to do, free of secrets; a note made for other
        parameters is not used.
    """

    def __init__(self, context: Context, parameters: str) -> None:
        self._store: Any = context.get("task_state_store")
        self._fingerprint = hashlib.sha256(parameters.encode()).hexdigest()
        # Airflow raises this each time a task is cleared, and leaves it alone from one attempt to the next.
        self._life: int | None = getattr(context.get("ti"), "max_tries", None)

    def load(self) -> dict[str, Any] | None:
        """The note of an earlier attempt, or None."""
        return self._read()

    def save(self, note: dict[str, Any]) -> None:
        """Replace the note.

        :param note: JSON values.
        """
        self._keep({"note": note})

    def clear(self) -> None:
        """Drop the note, now that the work is done: a task that is cleared does it anew.

        A worker may still be lost before Airflow knows of the success, and the next attempt must not do the work a
        second time. So the note is kept for it, marked as one that a cleared task does not use; where the two cannot
        be told apart, it is deleted.
        """
        if self._store is None:
            return
        note = self._read() if self._life is not None else None
        if note is None:
            self._store.delete(_KEY)
        else:
            self._keep({"note": note, "done_in": self._life})

    def _read(self) -> dict[str, Any] | None:
        stored = self._store.get(_KEY) if self._store is not None else None
        if not isinstance(stored, dict) or stored.get("done_in", self._life) != self._life:
            return None
        if stored.get("fingerprint") != self._fingerprint:
            log.info("The task's parameters changed since an earlier attempt; what it noted is not used")
            return None
        note = stored.get("note")
        return note if isinstance(note, dict) else None

    def _keep(self, content: dict[str, Any]) -> None:
        if self._store is not None:
            self._store.set(_KEY, {"fingerprint": self._fingerprint, **content})
