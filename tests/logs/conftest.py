"""What the tests of whole operations share."""

from __future__ import annotations

from tests.support.sandbox import control, sandbox, source, time  # noqa: F401 (fixtures)
