"""Rules for the emulator's fault queue."""

from __future__ import annotations

from typing import Any

from tests.support.aep import FLOW_SERVICE


def fault(
    kind: str, method: str = "*", path: str = "*", *, after: int = 0, times: int = 1, **parameters: Any
) -> dict[str, Any]:
    """A fault for requests with a method and a path below Flow Service, or a whole path with a slash."""
    return {
        "match": {"method": method, "path": path if path[0] in "/*" else f"{FLOW_SERVICE}/{path}"},
        "after": after,
        "times": times,
        "fault": {"kind": kind, **parameters},
    }
