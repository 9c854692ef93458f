from __future__ import annotations

from tests.support.sandbox import control, sandbox, time  # noqa: F401 (fixtures)
