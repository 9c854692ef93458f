"""Fixtures of a user, and of their sandbox."""

from __future__ import annotations

from tests.support.customer import bare_environment, customer  # noqa: F401 (fixtures)
from tests.support.sandbox import control, sandbox, time  # noqa: F401 (fixtures)
