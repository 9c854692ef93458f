"""What waits in the other whole Airflow."""

from __future__ import annotations

from tests.stack.home.dags import many_waits

dag = many_waits.dag
