"""Names of exported files, from the templates in the segment selectors of a flow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

DEFAULT_TEMPLATE = "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%"
_MACRO = re.compile(r"%([A-Z_]+)(?:\(([^)%]*)\))?%")
_UNSAFE = re.compile(r"[^\w.()+=@,-]+")
# Room for what is put around a name; file systems take 255 bytes.
_MAX_BYTES = 200
_PATTERNS = {"YYYY": "%Y", "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_PATTERN = re.compile("|".join(_PATTERNS))


def expanded(template: str, values: Mapping[str, str], time: float) -> str:
    """Replace the macros in a template.

    That ``%TIMESTAMP%`` is in milliseconds is a guess, and so is that an unknown macro stays as it is.

    :param values: what macros stand for, by name.
    :param time: seconds since the epoch.
    """

    def value(found: re.Match[str]) -> str:
        name, argument = found.groups()
        if name == "DATETIME":
            moment = datetime.fromtimestamp(time, tz=UTC)
            return _PATTERN.sub(
                lambda part: moment.strftime(_PATTERNS[part[0]]), argument or "YYYYMMdd_HHmmss"
            )
        if name == "TIMESTAMP":
            return str(int(time * 1000))
        if name == "CUSTOM_TEXT":
            return argument or ""
        return values.get(name, found[0])

    return _MACRO.sub(value, template)


def safe_name(text: str) -> str:
    """Return a text as the name of one file or folder, which leads nowhere else.

    White space and what file systems or shells take for something else become hyphens, which is a guess.
    """
    name = _UNSAFE.sub("-", text)
    hidden = len(name) - len(name.lstrip("."))
    name = "-" * hidden + name[hidden:]
    return name.encode()[:_MAX_BYTES].decode(errors="ignore") or "-"
