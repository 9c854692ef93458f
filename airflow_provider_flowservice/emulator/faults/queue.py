"""The faults that wait for requests, and how they are read from JSON."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from airflow_provider_flowservice.emulator.faults import connection, drift
from airflow_provider_flowservice.emulator.faults.base import Fault
from airflow_provider_flowservice.emulator.world import Store, World

#: Every fault by its kind.
FAULTS: dict[str, type[Fault]] = {
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
        connection.ForbiddenFault,
        drift.ConflictFault,
        drift.NoopFault,
        drift.ExpireTokenFault,
        drift.StaleEtagFault,
        drift.EventualFault,
        drift.ForeignFault,
        drift.PageShiftFault,
    )
}


def parse_fault(spec: Any) -> Fault:
    """Read a fault from ``{"kind": ..., <parameters>}``.

    :raises ValueError: if the kind or a parameter is unknown, missing or out of range.
    """
    kind = spec.get("kind") if isinstance(spec, dict) else None
    if not isinstance(kind, str) or kind not in FAULTS:
        raise ValueError(f"fault.kind must be one of {', '.join(sorted(FAULTS))}")
    parameters = {name: value for name, value in spec.items() if name != "kind"}
    _check_fields(parameters, {each.name for each in fields(FAULTS[kind])}, f"fault {kind!r}")  # type: ignore[arg-type]
    try:
        return msgspec.convert(parameters, FAULTS[kind])
    # In the oldest msgspec, errors do not derive from ValueError.
    except msgspec.MsgspecError as error:
        raise ValueError(f"fault {kind!r}: {error}") from error


@dataclass
class Rule:
    """A fault and the requests that it intercepts.

    :param method: HTTP method, or ``*``.
    :param path: glob over the path; ``*`` also matches slashes.
    :param after: how many matching requests still pass untouched.
    :param times: how many matching requests are still to be intercepted.
    """

    method: str
    path: str
    after: int
    times: int
    fault: Fault

    @classmethod
    def parse(cls, spec: Any) -> Rule:
        """Read ``{"match": {"method", "path"}, "after", "times", "fault": {"kind", ...}}``.

        :raises ValueError: if a field is unknown or its value is invalid.
        """
        if not isinstance(spec, dict):
            raise ValueError("each rule must be an object")
        _check_fields(spec, {"match", "after", "times", "fault"}, "a rule")
        match = spec.get("match", {})
        if not isinstance(match, dict):
            raise ValueError("match must be an object")
        _check_fields(match, {"method", "path"}, "match")
        return cls(
            _text(match, "method").upper(),
            _text(match, "path"),
            _count(spec, "after", 0, minimum=0),
            _count(spec, "times", 1, minimum=1),
            parse_fault(spec.get("fault")),
        )

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request matches."""
        return self.method in ("*", method.upper()) and fnmatchcase(path, self.path)

    def as_json(self) -> dict[str, Any]:
        """Return what is left of the rule."""
        return {
            "match": {"method": self.method, "path": self.path},
            "after": self.after,
            "times": self.times,
            "fault": self.fault.as_json(),
        }


def _check_fields(spec: dict[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(set(spec) - known)
    if unknown:
        raise ValueError(f"{what} has no field {unknown[0]!r}; it has {', '.join(sorted(known))}")


def _text(match: dict[str, Any], name: str) -> str:
    value = match.get(name, "*")
    if not isinstance(value, str):
        raise ValueError(f"match.{name} must be a string")
    return value


def _count(spec: dict[str, Any], name: str, default: int, minimum: int) -> int:
    value = spec.get(name, default)
    if type(value) is not int or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}")
    return value


class FaultQueue(Store):
    """Rules in the order in which they were added."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._rules: list[Rule] = []

    def add(self, specs: list[Any]) -> None:
        """Add rules, all or none.

        :raises ValueError: if one of them is invalid.
        """
        self._rules += [Rule.parse(spec) for spec in specs]

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for a request, if any, and count the request.

        At most one fault intercepts a request: that of the first rule that is due. A rule that still lets
        requests pass counts each one that it matches, even if another rule intercepts it.
        """
        taken: Fault | None = None
        for rule in [rule for rule in self._rules if rule.matches(method, path)]:
            if rule.after:
                rule.after -= 1
            elif taken is None:
                rule.times -= 1
                taken = rule.fault
        self._rules = [rule for rule in self._rules if rule.times]
        return taken

    def pending(self) -> list[dict[str, Any]]:
        """Return the rules that have not been used up."""
        return [rule.as_json() for rule in self._rules]

    def clear(self) -> None:
        """Drop all rules."""
        self._rules.clear()
