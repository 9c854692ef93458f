"""The example, ended before today, so that the scheduler makes no run by itself."""

from __future__ import annotations

from airflow.sdk import timezone

from example_dags.backfill_segment_activations import dag

dag.end_date = timezone.datetime(2026, 3, 1)
