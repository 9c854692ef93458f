"""Names that stand in recordings for what each emulator gives other values: ids, times, addresses."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_flowservice.emulator.control import EmulatorControl

#: What may differ in the objects that AEP returns.
_FIELDS = ("id", "createdAt", "updatedAt", "etag", "xactionId")
#: How the name of a time of AEP, which is in milliseconds, ends where the same time is in seconds.
_IN_SECONDS = " in s>"
_NAME = re.compile(r"<[^<>]+>")
#: How far from the beginning a number may be to count as a time, in seconds.
_NEAR = 40 * 86_400


class Names:
    """Replaces values by names, and the other way round.

    An object is named by its collection and its place among those that were seen there. A time that belongs to no
    object is named by its distance from the beginning in seconds.

    :param began: the beginning, in seconds since 1970-01-01 UTC.
    :param fixed: other values by name, such as a folder.
    """

    def __init__(self, control: EmulatorControl, began: float, **fixed: str) -> None:
        self._control = control
        self._began = began
        self._values: dict[str, Any] = {f"<{name}>": value for name, value in fixed.items()}
        self._values["<url>"] = control.url
        self._seen: dict[str, list[str]] = {}
        self.see()

    def see(self) -> None:
        """Give names to what is new in the emulator."""
        for collection, objects in self._control.state().items():
            if isinstance(objects, dict):
                objects = [each for inlet in objects.values() for each in inlet]
            for each in objects:
                key = str(each.get("id", each.get("xactionId")))
                places = self._seen.setdefault(collection, [])
                if key not in places:
                    places.append(key)
                for field in _FIELDS:
                    if each.get(field):
                        self._values[f"<{collection} {places.index(key)} {field}>"] = each[field]
                if inlet_id := each.get("auth", {}).get("params", {}).get("inletId"):
                    self._values[f"<{collection} {places.index(key)} inletId>"] = inlet_id

    def named(self, value: Any) -> Any:
        """Return a JSON value with names instead of values."""
        if isinstance(value, dict):
            return {self.named(key): self.named(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.named(each) for each in value]
        if isinstance(value, str):
            # Longer ones first, since they may contain others.
            for name, own in sorted(self._values.items(), key=lambda item: -len(str(item[1]))):
                value = value.replace(str(own), name)
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._named_number(value)
        return value

    def _named_number(self, value: float) -> Any:
        for name, own in self._values.items():
            if own == value:
                return name
            if isinstance(own, int) and own == round(value * 1000):
                return f"{name[:-1]}{_IN_SECONDS}"
        for unit, scale in (("s", 1), ("ms", 1000)):
            distance = value / scale - self._began
            if abs(distance) < _NEAR:
                return f"<now {distance:+.0f} {unit} {type(value).__name__}>"
        return value

    def valued(self, named: Any) -> Any:
        """Return a JSON value with values instead of names."""
        if isinstance(named, dict):
            return {self.valued(key): self.valued(each) for key, each in named.items()}
        if isinstance(named, list):
            return [self.valued(each) for each in named]
        if not isinstance(named, str):
            return named
        if _NAME.fullmatch(named):
            return self._value(named)
        return _NAME.sub(lambda found: str(self._value(found[0])), named)

    def _value(self, name: str) -> Any:
        if found := re.fullmatch(r"<now ([+-]\d+) (s|ms) (int|float)>", name):
            value = (self._began + int(found[1])) * (1 if found[2] == "s" else 1000)
            return int(value) if found[3] == "int" else float(value)
        if name.endswith(_IN_SECONDS):
            return self._values[f"{name.removesuffix(_IN_SECONDS)}>"] / 1000
        # What is not a name is text that has angle brackets.
        return self._values.get(name, name)
