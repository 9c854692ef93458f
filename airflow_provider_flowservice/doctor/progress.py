"""What the doctor shows while it works."""

from __future__ import annotations

from collections.abc import Callable

#: Called with what is looked at next.
Progress = Callable[[str], None]
