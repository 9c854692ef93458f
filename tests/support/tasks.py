"""Running one task's code without a DAG run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class RecordingTaskInstance:
    """Keeps what a task pushes to XCom."""

    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def run(operator: Any) -> tuple[Any, dict[str, Any]]:
    """Execute an operator; its result and its XComs by key."""
    ti = RecordingTaskInstance()
    result = operator.execute({"ti": ti})
    return result, ti.pushed


def shown(text: str) -> str:
    """What Airflow lets a log show of a text."""
    from airflow.sdk._shared.secrets_masker import redact

    return str(redact(text))
