"""The faults that wait for their requests."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_flowservice.emulator.faults.base import Fault
from airflow_provider_flowservice.emulator.faults.kinds import parse_fault


@dataclass
class Rule:
    """A fault and the requests that it is meant for.

    :param method: HTTP method, or ``*``.
    :param path: glob over the path; ``*`` also goes over slashes.
    :param after: matching requests that still pass untouched.
    :param times: matching requests that are still to be met.
    """

    method: str
    path: str
    after: int
    times: int
    fault: Fault

    @classmethod
    def parse(cls, spec: Any) -> Rule:
        """Read ``{"match": {"method", "path"}, "after", "times", "fault": {"kind", ...}}``.

        :raises ValueError: when a field is unknown or its value makes no sense.
        """
        if not isinstance(spec, dict):
            raise ValueError("each rule must be an object")
        _refuse_unknown(spec, {"match", "after", "times", "fault"}, "a rule")
        match = spec.get("match", {})
        if not isinstance(match, dict):
            raise ValueError("match must be an object")
        _refuse_unknown(match, {"method", "path"}, "match")
        return cls(
            str(match.get("method", "*")).upper(),
            str(match.get("path", "*")),
            _count(spec, "after", 0, least=0),
            _count(spec, "times", 1, least=1),
            parse_fault(spec.get("fault")),
        )

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is meant."""
        return self.method in ("*", method.upper()) and fnmatchcase(path, self.path)

    def as_json(self) -> dict[str, Any]:
        """The rule with what is left of it."""
        return {
            "match": {"method": self.method, "path": self.path},
            "after": self.after,
            "times": self.times,
            "fault": self.fault.as_json(),
        }


def _refuse_unknown(spec: dict[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(set(spec) - known)
    if unknown:
        raise ValueError(f"{what} has no field {unknown[0]!r}; it has {', '.join(sorted(known))}")


def _count(spec: dict[str, Any], name: str, default: int, least: int) -> int:
    value = spec.get(name, default)
    if type(value) is not int or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more")
    return value


class FaultQueue:
    """Rules in the order in which they came."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, specs: list[Any]) -> None:
        """Add rules, all or none.

        :raises ValueError: when one cannot be read.
        """
        self._rules += [Rule.parse(spec) for spec in specs]

    def take(self, method: str, path: str) -> Fault | None:
        """Give the fault for a request, if any, and count the request.

        At most one fault meets a request: the first rule that is due. A rule that still lets requests pass
        counts each that it matches, whatever other rules do to it.
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

    def left(self) -> list[dict[str, Any]]:
        """What has not been met yet."""
        return [rule.as_json() for rule in self._rules]

    def clear(self) -> None:
        """Drop all rules."""
        self._rules.clear()
