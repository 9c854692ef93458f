"""What has moved between the versions of Airflow; tests import it from here.

Importing this imports Airflow, so where Airflow's settings are still to be made, import it in a function.
"""

from __future__ import annotations

from typing import Any

try:
    from airflow.dag_processing.dagbag import BundleDagBag, DagBag, sync_bag_to_db
    from airflow.sdk import serde
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
    from airflow.sdk.types import TaskInstanceKey
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import BundleDagBag, DagBag, sync_bag_to_db
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.providers_manager import ProvidersManager as ProvidersManagerTaskRuntime
    from airflow.serialization import serde
    from airflow.serialization.serialized_objects import SerializedDAG

    DagSerialization = SerializedDAG

    def coerce_to_core_timetable(timetable: Any) -> Any:
        """There is no timetable but the core's."""
        return timetable


__all__ = [
    "BundleDagBag",
    "DagBag",
    "DagSerialization",
    "ProvidersManagerTaskRuntime",
    "SerializedDAG",
    "TaskInstanceKey",
    "coerce_to_core_timetable",
    "serde",
    "sync_bag_to_db",
]
