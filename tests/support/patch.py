"""JSON Patch's ``add`` by hand, as a second opinion on what the client computes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from airflow_provider_flowservice.client.model import Operation


def apply_additions(document: Any, operations: Sequence[Operation]) -> Any:
    """What RFC 6902 makes of a document; raises on anything but an addition with existing parents."""
    result = copy.deepcopy(document)
    for operation in operations:
        if operation.op != "add":
            raise AssertionError(f"{operation.op} is not an addition")
        _add(result, operation.path, copy.deepcopy(operation.value))
    return result


def _add(document: Any, path: str, value: Any) -> None:
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    target = document
    for name in parents:
        target = target[int(name)] if isinstance(target, list) else target[name]
    if isinstance(target, list):
        target.insert(len(target) if last == "-" else int(last), value)
    else:
        target[last] = value
