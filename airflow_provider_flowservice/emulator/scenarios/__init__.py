"""Scenarios: what an emulator starts with, and what goes wrong in it over time."""

from __future__ import annotations

from airflow_provider_flowservice.emulator.scenarios.reading import SHIPPED, read_scenario

__all__ = ["SHIPPED", "read_scenario"]
