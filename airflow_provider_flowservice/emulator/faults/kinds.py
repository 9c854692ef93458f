"""Every kind of fault, by its name."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.faults import connection, drift
from airflow_provider_flowservice.emulator.faults.base import Fault

_KINDS: dict[str, type[Fault]] = {
    each.kind: each
    for each in (
        connection.StatusFault,
        connection.DelayFault,
        connection.ResetFault,
        connection.ResetAfterFault,
        connection.TruncateFault,
        connection.SlowBodyFault,
        connection.HtmlFault,
        connection.RateLimitFault,
        drift.ConflictFault,
        drift.NoopFault,
        drift.ExpireTokenFault,
        drift.StaleEtagFault,
        drift.EventualFault,
        drift.PageShiftFault,
    )
}


def parse_fault(spec: Any) -> Fault:
    """Make a fault from ``{"kind": ..., <parameters>}``.

    :raises ValueError: when the kind or a parameter is unknown, missing or out of range.
    """
    if not isinstance(spec, dict) or spec.get("kind") not in _KINDS:
        raise ValueError(f"fault.kind must be one of {', '.join(sorted(_KINDS))}")
    parameters = {name: value for name, value in spec.items() if name != "kind"}
    try:
        return _KINDS[spec["kind"]](**parameters)
    except TypeError as error:
        raise ValueError(f"fault {spec['kind']!r}: {error}") from error
