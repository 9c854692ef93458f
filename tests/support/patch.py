"""JSON Patch (RFC 6902) by hand, as a second opinion on what the client computes."""

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


def apply_patch(document: Any, operations: Sequence[Operation]) -> Any:
    """What RFC 6902 makes of a document with ``add``, ``replace`` and ``remove``, one after the other.

    Stricter in one point: a removal must say what it takes away.
    """
    result = copy.deepcopy(document)
    for operation in operations:
        {"add": _add, "replace": _replace, "remove": _remove}[operation.op](
            result, operation.path, copy.deepcopy(operation.value)
        )
    return result


def _target(document: Any, path: str) -> tuple[Any, str]:
    """What holds the last part of a path, and that part."""
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    for name in parents:
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document, last


def _add(document: Any, path: str, value: Any) -> None:
    target, last = _target(document, path)
    if isinstance(target, list):
        target.insert(len(target) if last == "-" else int(last), value)
    else:
        target[last] = value


def _replace(document: Any, path: str, value: Any) -> None:
    target, last = _target(document, path)
    key = int(last) if isinstance(target, list) else last
    target[key]  # must be there
    target[key] = value


def _remove(document: Any, path: str, value: Any) -> None:
    target, last = _target(document, path)
    removed = target.pop(int(last) if isinstance(target, list) else last)
    if removed != value:
        raise AssertionError(f"{path} holds {removed}, not {value}")
