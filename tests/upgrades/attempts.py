"""Attempts of a task, and what is stored between them."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_provider_flowservice.client.http import AiohttpTransport, Caller
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.operators.task_state import TaskState
from tests.support.kills import Killed, die_at
from tests.support.tasks import TaskInstance, TaskStateStore
from tests.support.triggers import fire
from tests.upgrades.cases import Case, Make, Place
from tests.upgrades.names import Names

#: Stands in recordings for the hash of the work.
FINGERPRINT = "<fingerprint>"
#: The task, as an emulator is told.
CALLER = Caller("Airflow/3.3.2", "dag", "manual__1", "x")


@dataclass
class Kept:
    """What is stored between two attempts of a task, without the hashes of its work.

    :param work: what was hashed, which a later version must state in the same words.
    :param store: content of the task state store.
    :param xcoms: keys of XComs.
    :param files: texts of files by name.
    """

    work: str | None = None
    store: dict[str, Any] = field(default_factory=dict)
    xcoms: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it with a name instead of the hash."""
        text = json.dumps(self.__dict__)
        return dict(json.loads(text.replace(_hash(self.work), FINGERPRINT) if self.work else text))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Kept:
        """Create it from what :meth:`to_json` returned, possibly with other ids in it."""
        text = json.dumps(document)
        work = document["work"]
        return cls(**json.loads(text.replace(FINGERPRINT, _hash(work)) if work else text))


def _hash(work: str | None) -> str:
    return hashlib.sha256((work or "").encode()).hexdigest()


@dataclass
class Stored:
    """How the first attempt of a task has ended.

    :param deferral: what it raised if it was deferred.
    """

    kept: Kept
    deferral: TaskDeferred | None


class Task:
    """A task, over its attempts.

    :param case: the task.
    :param place: an emptied emulator and an empty folder.
    """

    def __init__(self, case: Case, place: Place, patched: pytest.MonkeyPatch) -> None:
        self._case, self._place, self._patched = case, place, patched
        patched.setattr("airflow_provider_flowservice.hooks.base.current_caller", lambda: CALLER)
        self._make: Make = case.arrange(place)
        self.names = Names(place.control, place.clock.wall(), folder=str(place.folder))
        self._works: list[str] = []
        patched.setattr(TaskState, "__init__", _watched(TaskState.__init__, self._works))

    @property
    def bases(self) -> list[str]:
        """Names of the operator's class and of those that it inherits from."""
        return [each.__name__ for each in type(self._make()).__mro__]

    def begin(self) -> Stored:
        """Make the first attempt: until it is lost, deferred or done."""
        ti, store = TaskInstance(), TaskStateStore()
        deferral = None
        with self._patched.context() as patched:
            if self._case.dies_after:
                method, path, nth = self._case.dies_after

                def counts(_: Any, step: Any) -> bool:
                    return bool(step.method == method and path in step.path)

                for transport in (RequestsTransport, AiohttpTransport):
                    die_at(patched, transport, "_attempt", "after", nth, counts=counts)
            lost = False
            try:
                self._make().execute(self._context(ti, store))
            except Killed:
                lost = True
            except TaskDeferred as raised:
                deferral = raised
        assert lost == bool(self._case.dies_after), f"{self._case.name}: it should be lost, or should not"
        self.names.see()
        works = set(self._works)
        assert len(works) <= 1, works
        kept = Kept(works.pop() if works else None, dict(store), [key for key in ti.pushed if "." in key])
        folder = self._place.folder
        kept.files = {
            str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()
        }
        return Stored(kept, deferral)

    def fire(self, trigger: Any, *, to_end: bool) -> dict[str, Any]:
        """Run a trigger to its event.

        :param to_end: whether what it waits for happens; if not, its time runs out.
        """
        if to_end:
            self._case.finish(self._place)
        event = fire(trigger)
        self._place.control.clear_faults()
        self.names.see()
        return event

    def go_on(self, kept: Kept, resume: Callable[[Any, Any], Any] | None = None) -> dict[str, Any]:
        """Make another attempt, or go on with a deferred one.

        :param kept: takes the place of what the first attempt has left.
        :param resume: called with the operator and the context; by default, the operator is executed.
        :returns: ``result`` or ``raises``, and ``writes``: the requests that change something.
        """
        folder = self._place.folder
        shutil.rmtree(folder)
        folder.mkdir()
        for name, text in kept.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        store = TaskStateStore(kept.store)
        context = self._context(TaskInstance(earlier=kept.xcoms), store)
        self._place.control.clear_requests()
        outcome: dict[str, Any] = {}
        try:
            outcome["result"] = (resume or (lambda operator, given: operator.execute(given)))(
                self._make(), context
            )
        except AirflowException as error:
            outcome["raises"] = type(error).__name__
        self.names.see()
        outcome["writes"] = [
            f"{entry['method']} {entry['path']}"
            for entry in self._place.control.requests()
            if entry["method"] != "GET" and not entry["path"].startswith("/ims/")
        ]
        return dict(json.loads(json.dumps(outcome)))

    def resume(
        self, kept: Kept, method: str, kwargs: dict[str, Any], event: dict[str, Any]
    ) -> dict[str, Any]:
        """Go on with a deferred attempt when its trigger has fired; for the result see :meth:`go_on`."""

        def resumed(operator: Any, context: Any) -> Any:
            return operator.resume_execution(method, {**kwargs, "event": event}, context)

        return self.go_on(kept, resumed)

    def _context(self, ti: TaskInstance, store: TaskStateStore) -> dict[str, Any]:
        return {"ti": ti, "task_state_store": store if self._case.has_store else None}


def trigger_of(recorded: dict[str, Any]) -> Any:
    """Create a trigger as a triggerer does from what the database has."""
    module, _, name = recorded["classpath"].rpartition(".")
    return getattr(importlib.import_module(module), name)(**recorded["kwargs"])


def form_of(trigger: Any) -> dict[str, Any]:
    """Return what Airflow stores of a trigger."""
    classpath, kwargs = trigger.serialize()
    assert json.loads(json.dumps(kwargs)) == kwargs, "Airflow stores JSON"
    return {"classpath": classpath, "kwargs": kwargs}


def _watched(method: Any, works: list[str]) -> Any:
    def init(self: TaskState, context: Any, fingerprint: str, instead: Any = None) -> None:
        works.append(fingerprint)
        method(self, context, fingerprint, instead)

    return init
