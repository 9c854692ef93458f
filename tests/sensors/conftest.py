"""What tests of sensors in DAGs share: time that jumps, Airflow's own included, and another user of the sandbox."""

from __future__ import annotations

from tests.support.sandbox import control, sandbox, source, time  # noqa: F401 (fixtures)
