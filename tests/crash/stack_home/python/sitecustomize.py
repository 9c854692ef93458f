"""Loaded by every process of a whole Airflow under test, before anything else."""

from __future__ import annotations

from tests.crash import stack_hook

stack_hook.install()
