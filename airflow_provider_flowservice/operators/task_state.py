"""State that is kept between the attempts of a task, if Airflow supports it (3.3 and newer)."""

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
    """State that an attempt of a task saves for the next one. Without a store, nothing is saved.

    :param context: the task's context.
    :param fingerprint: string that identifies the work of the task, without secrets. A state that was saved with
        another fingerprint is ignored.
    """

    def __init__(self, context: Context, fingerprint: str) -> None:
        self._store: Any = context.get("task_state_store")
        self._fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        # Airflow increases this number when a task is cleared, but not between attempts.
        self._max_tries: int | None = getattr(context.get("ti"), "max_tries", None)

    def load(self) -> dict[str, Any] | None:
        """Return the state that an earlier attempt saved, or None."""
        return self._read()

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state.

        :param state: the state, as JSON values.
        """
        self._keep({"state": state})

    def clear(self) -> None:
        """Clear the state after the work is done, so that a task that is cleared does the work again.

        A worker may still be lost before Airflow records the success, and the next attempt must not repeat the work.
        Therefore the state is kept for it, marked so that a cleared task ignores it. If Airflow does not provide the
        number that distinguishes the two cases, the state is deleted.
        """
        if self._store is None:
            return
        state = self._read() if self._max_tries is not None else None
        if state is None:
            self._store.delete(_KEY)
        else:
            self._keep({"state": state, "done_in": self._max_tries})

    def _read(self) -> dict[str, Any] | None:
        stored = self._store.get(_KEY) if self._store is not None else None
        if not isinstance(stored, dict) or stored.get("done_in", self._max_tries) != self._max_tries:
            return None
        if stored.get("fingerprint") != self._fingerprint:
            log.info("Ignoring the saved state: the task's arguments have changed since an earlier attempt")
            return None
        state = stored.get("state")
        return state if isinstance(state, dict) else None

    def _keep(self, content: dict[str, Any]) -> None:
        if self._store is not None:
            self._store.set(_KEY, {"fingerprint": self._fingerprint, **content})
