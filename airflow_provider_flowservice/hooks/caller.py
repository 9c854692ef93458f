"""The task whose requests are sent, as an emulator is told."""

from __future__ import annotations

from airflow import __version__ as airflow_version
from airflow.sdk import get_current_context

from airflow_provider_flowservice.client.http import Caller

AIRFLOW = Caller(f"Airflow/{airflow_version}")


def current_caller() -> Caller:
    """Return Airflow with the task that is running, or Airflow alone outside of tasks."""
    try:
        task = get_current_context()["ti"]
    except RuntimeError:
        return AIRFLOW
    index = "" if task.map_index is None or task.map_index < 0 else f"[{task.map_index}]"
    return Caller(AIRFLOW.program, task.dag_id, task.run_id, f"{task.task_id}{index}")
