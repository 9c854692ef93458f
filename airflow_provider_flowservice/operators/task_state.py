"""What a task saves from one attempt to the next, where Airflow has a store for it (3.3 and newer)."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.ensure import SavedState

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_KEY = "flowservice"


class TaskState(SavedState):
    """What one attempt of a task saves for the next; without a store, nothing is saved.

    :param context: the task's context.
    :param fingerprint: text that says what the task must do, free of secrets; a state that was saved for something
        else is not used.
    """

    def __init__(self, context: Context, fingerprint: str) -> None:
        self._store: Any = context.get("task_state_store")
        self._fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        # Airflow raises this each time a task is cleared, and keeps it from one attempt to the next.
        self._life: int | None = getattr(context.get("ti"), "max_tries", None)

    def load(self) -> dict[str, Any] | None:
        """The state that an earlier attempt saved, or None."""
        return self._read()

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state.

        :param state: JSON values.
        """
        self._keep({"state": state})

    def clear(self) -> None:
        """Drop the state, now that the work is done: a task that is cleared does the work again.

        A worker may still be lost before Airflow knows of the success, and the next attempt must not do the work a
        second time. So the state is kept for it, marked as one that a cleared task does not use; where the two cannot
        be told apart, it is deleted.
        """
        if self._store is None:
            return
        state = self._read() if self._life is not None else None
        if state is None:
            self._store.delete(_KEY)
        else:
            self._keep({"state": state, "done_in": self._life})

    def _read(self) -> dict[str, Any] | None:
        stored = self._store.get(_KEY) if self._store is not None else None
        if not isinstance(stored, dict) or stored.get("done_in", self._life) != self._life:
            return None
        if stored.get("fingerprint") != self._fingerprint:
            log.info("The task's arguments changed since an earlier attempt; not using its saved state")
            return None
        state = stored.get("state")
        return state if isinstance(state, dict) else None

    def _keep(self, content: dict[str, Any]) -> None:
        if self._store is not None:
            self._store.set(_KEY, {"fingerprint": self._fingerprint, **content})
