"""What the other whole Airflow backfills."""

from __future__ import annotations

from tests.stack.home.dags import backfill

dag = backfill.dag
