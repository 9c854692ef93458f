"""Posting to an inlet with the operator, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from tests.support.streaming import Source, people


def post(source: Source | None = None, **changes: Any) -> FlowServicePostToInletOperator:
    """The operator for a source whose flow needs no wait, and that sends in order, unless the arguments say so."""
    arguments: dict[str, Any] = {"task_id": "post", "settle_seconds": 0, "concurrency": 1}
    if source:
        arguments |= {"connection_id": source.connection_id, "flow_id": source.flow_id}
    return FlowServicePostToInletOperator(**{**arguments, **changes})


def posts(control: EmulatorControl) -> list[dict[str, Any]]:
    return control.requests("POST", "/collection/")


def letters(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def lines(count: int, **others: str) -> str:
    """Lines of JSON with some replaced: ``line_37="oops"``."""
    found = [json.dumps(record) for record in people(count)]
    for name, text in others.items():
        found[int(name.removeprefix("line_")) - 1] = text
    return "\n".join(found) + "\n"
