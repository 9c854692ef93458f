"""DAG runs as the scheduler makes them; ``dag.test()`` alone makes manual ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.support import airflow as support

if TYPE_CHECKING:
    from airflow.sdk import DAG


def run_scheduled(
    dag_id: str, logical_date: datetime, conf: dict[str, Any], *, backfill: bool = False
) -> Any:
    """Run an example DAG for the data interval that its timetable gives the first run from a moment on."""
    dag = support.load_dag(dag_id)
    with _made_by_the_scheduler(dag, logical_date, backfill=backfill):
        return dag.test(logical_date=logical_date, run_conf=conf)


@contextmanager
def _made_by_the_scheduler(dag: DAG, earliest: datetime, *, backfill: bool) -> Iterator[None]:
    from airflow.timetables.base import TimeRestriction
    from airflow.utils.types import DagRunType

    from tests.support.moved import SerializedDAG, coerce_to_core_timetable

    info = coerce_to_core_timetable(dag.timetable).next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=earliest, latest=None, catchup=True),
    )
    run_type = DagRunType.BACKFILL_JOB if backfill else DagRunType.SCHEDULED
    create = SerializedDAG.create_dagrun

    def created(self: SerializedDAG, **arguments: Any) -> Any:
        planned = {
            "run_type": run_type,
            "run_id": f"{run_type.value}__{info.logical_date.isoformat()}",
            "logical_date": info.logical_date,
            "data_interval": info.data_interval,
            "run_after": info.run_after,
        }
        return create(self, **{**arguments, **planned})

    with patch.object(SerializedDAG, "create_dagrun", created):
        yield
