from __future__ import annotations

from dataclasses import fields

from airflow_provider_flowservice.emulator.settings import Switches

DECIDED_BY_TEST = {"scheduled_runs", "run_outcome", "run_seconds", "settling_seconds"}


def test_habits_are_the_switches_that_no_test_decides() -> None:
    assert {item.name for item in fields(Switches)} - Switches.habits().keys() == DECIDED_BY_TEST
    assert Switches().changed(Switches.habits()) == Switches()
