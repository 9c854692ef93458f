"""What only writes can show: a few objects are made in a sandbox that is not production, and removed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_flowservice.doctor.aep import Aep
    from airflow_provider_flowservice.doctor.findings import Finding, HabitFinding
    from airflow_provider_flowservice.doctor.habits.model import Habit
    from airflow_provider_flowservice.doctor.progress import Progress

#: The habits that only writes can show.
WRITE_HABITS: tuple[Habit[Any], ...] = ()


def examine_writes(aep: Aep, progress: Progress) -> tuple[list[Finding], list[HabitFinding]]:  # noqa: ARG001
    """Make a few objects, look how AEP treats them, and remove them again."""
    return [], []
