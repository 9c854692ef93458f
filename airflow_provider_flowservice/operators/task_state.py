"""State that is kept between the attempts of a task."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_flowservice.client.ensure import SavedState
from airflow_provider_flowservice.client.errors import FlowServiceError, is_permanent
from airflow_provider_flowservice.client.flows import NewestRuns

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_KEY = "flowservice"


class Store(Protocol):
    """The methods of Airflow's task state store (3.3 and newer) that are used here."""

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""

    def set(self, key: str, value: Any) -> None:
        """Set the value of a key, as JSON values."""

    def delete(self, key: str) -> None:
        """Delete a key."""


class TaskState(SavedState):
    """State that an attempt of a task saves for the next one.

    :param context: the task's context.
    :param fingerprint: string that identifies the work of the task, without secrets. A state that was saved with
        another fingerprint is ignored.
    :param instead: what keeps the state before Airflow 3.3; by default, only the newest runs of a flow are kept there.
    """

    def __init__(self, context: Context, fingerprint: str, instead: Store | None = None) -> None:
        self._fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        # Airflow increases this number when a task is cleared, but not between attempts.
        self._max_tries: int | None = getattr(context.get("ti"), "max_tries", None)
        store: Any = context.get("task_state_store")
        store = instead if store is None else store
        #: Whether an attempt can go on where an earlier one has stopped.
        self.is_kept = store is not None
        if store is None:
            store = _XComKeys(context.get("ti"), f"{self._fingerprint}.{self._max_tries}")
        self._store: Store = store

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
        state = self._read() if self._max_tries is not None else None
        if state is None:
            self._store.delete(_KEY)
        else:
            self._keep({"state": state, "done_in": self._max_tries})

    def _read(self) -> dict[str, Any] | None:
        stored = self._store.get(_KEY)
        if not isinstance(stored, dict) or stored.get("done_in", self._max_tries) != self._max_tries:
            return None
        if stored.get("fingerprint") != self._fingerprint:
            log.info("Ignoring the saved state: the task's arguments have changed since an earlier attempt")
            return None
        state = stored.get("state")
        return state if isinstance(state, dict) else None

    def _keep(self, content: dict[str, Any]) -> None:
        self._store.set(_KEY, {"fingerprint": self._fingerprint, **content})


def is_last_attempt(context: Context, error: BaseException) -> bool:
    """Whether Airflow makes no further attempt after an error, unless somebody clears the task."""
    if isinstance(error, FlowServiceError) and is_permanent(error):
        return True
    ti: Any = context.get("ti")
    try_number, max_tries = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    return try_number is not None and max_tries is not None and try_number > max_tries


class _XComKeys:
    """Stands in for the store before Airflow 3.3, and keeps only :class:`NewestRuns`.

    Airflow deletes the XComs of a task before the next attempt starts, and tells the attempt no more than their keys.
    Therefore the runs are in the key of an XCom. A task that is cleared has another ``max_tries`` and begins anew.

    :param ti: the task instance.
    :param work: what identifies the work of the task and this series of attempts.
    """

    def __init__(self, ti: Any, work: str) -> None:
        self._ti = ti
        self._prefix = f"flowservice_newest_runs.{work}."
        earlier = getattr(getattr(ti, "_ti_context_from_server", None), "xcom_keys_to_clear", None)
        self._kept: str | None = next((key for key in earlier or () if key.startswith(self._prefix)), None)
        self._pushed: str | None = None

    def get(self, key: str) -> dict[str, Any] | None:
        if self._kept is None:
            return None
        fingerprint, _, created_at, *ids = self._kept.split(".")[1:]
        return {"fingerprint": fingerprint, "state": NewestRuns(int(created_at), tuple(ids)).to_state()}

    def set(self, key: str, value: dict[str, Any]) -> None:
        newest = NewestRuns.saved_in(value["state"])
        if newest is not None:
            self._kept = self._prefix + ".".join((str(newest.created_at), *newest.ids))
        if self._pushed != self._kept:
            self._pushed = self._kept
            self._ti.xcom_push(self._kept, None)

    def delete(self, key: str) -> None:
        """Do nothing: another ``max_tries`` makes a cleared task begin anew."""
