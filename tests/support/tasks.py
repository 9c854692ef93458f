"""Running one task's code without a DAG run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_flowservice.exceptions import FlowServicePermanentException


@dataclass
class RecordingTaskInstance:
    """Keeps what a task pushes to XCom."""

    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def run(operator: Any, **context: Any) -> tuple[Any, dict[str, Any]]:
    """Execute an operator; its result and its XComs by key. ``context`` goes to the task's context."""
    ti = RecordingTaskInstance()
    result = operator.execute({"ti": ti, **context})
    return result, ti.pushed


def refused(operator: Any, **context: Any) -> str:
    """Execute an operator that fails for good; its error."""
    with pytest.raises(FlowServicePermanentException) as caught:
        run(operator, **context)
    return str(caught.value)


def rendered(make: Callable[..., Any], **values: Any) -> Any:
    """An operator whose templates rendered to these values; literals would be checked when the DAG is parsed."""
    operator = make(**dict.fromkeys(values, "{{ rendered }}"))
    for name, value in values.items():
        setattr(operator, name, value)
    return operator


class TaskStateStore(dict[str, Any]):
    """Airflow's store of a task's state: what is set comes back as JSON makes of it."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))
        assert self[key] == value, "Airflow takes only what JSON gives back unchanged"

    def delete(self, key: str) -> None:
        self.pop(key, None)


@dataclass
class TaskInstance(RecordingTaskInstance):
    """What a task instance tells an attempt: above all, the keys of XComs that Airflow has deleted by then."""

    max_tries: int = 2
    earlier: Sequence[str] = ()

    @property
    def _ti_context_from_server(self) -> Any:
        return SimpleNamespace(xcom_keys_to_clear=self.earlier)


class Attempts:
    """The contexts of the attempts of one task instance.

    :param has_store: whether Airflow has a task state store.
    """

    def __init__(self, has_store: bool) -> None:
        self.max_tries = 2
        self._store = TaskStateStore() if has_store else None
        self._ti = TaskInstance()

    @property
    def pushed(self) -> dict[str, Any]:
        """The XComs of the current attempt."""
        return self._ti.pushed

    def another(self) -> dict[str, Any]:
        """The context of a new attempt."""
        self._ti = TaskInstance(max_tries=self.max_tries, earlier=tuple(self._ti.pushed))
        return {"ti": self._ti, "task_state_store": self._store}

    def cleared(self) -> dict[str, Any]:
        """The context of the first attempt after the task was cleared."""
        self.max_tries += 3
        return self.another()


def shown(text: str) -> str:
    """What Airflow lets a log show of a text."""
    from airflow.sdk._shared.secrets_masker import redact

    return str(redact(text))


def forget_masked() -> None:
    """Let Airflow forget what it masks, as each new process does: it gets slower with each secret."""
    from airflow.sdk._shared.secrets_masker.secrets_masker import _secrets_masker

    _secrets_masker().reset_masker()
