"""How this AEP behaves where Adobe's documents leave it open: one check for each switch about it."""

from __future__ import annotations

from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.habits import gateway, lists, runs, schemas, shown
from airflow_provider_flowservice.doctor.habits.model import Habit

#: The habits that reads can show.
READ_HABITS: tuple[Habit[Aep], ...] = (
    *gateway.HABITS,
    *lists.HABITS,
    *shown.HABITS,
    *runs.HABITS,
    *schemas.HABITS,
)
