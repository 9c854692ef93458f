"""What a forked child does: it carries a DAG run on, and may die on the way."""

from __future__ import annotations

import gc
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.crash.driver import Driver, WarmDag, enter_database
from tests.crash.killing import Exchanges, KillPoint
from tests.crash.scenarios import BATCH_SIZE, Mode, Scenario
from tests.support import airflow as support


@dataclass(frozen=True)
class Run:
    """One process's share of a DAG run; calling it does the work.

    :param place: folder with the database, which gets what this process notes.
    :param name: of this process, for its files.
    :param point: where it dies.
    """

    warm: WarmDag
    scenario: Scenario
    mode: Mode
    control: EmulatorControl
    place: Path
    name: str
    point: KillPoint | None

    def __call__(self) -> None:
        gc.disable()
        use_emulator(self.control)
        enter_database(self.place / "airflow.db")
        set_waiting(self.warm.dag, deferrable=self.mode.deferrable)
        for task in self.warm.dag.tasks:
            if hasattr(task, "batch_size"):
                task.batch_size = task.resend_window = BATCH_SIZE
        if not self.mode.store:
            hide_state_store()
        write_down_notes(self.place / "notes")
        with clock.installed(VirtualClock.in_step_with(self.control)):
            Exchanges(self.place / f"{self.name}.exchanges", self.point).watch()
            state = Driver(self.warm, self.scenario.name).carry_on()
        if state != "success":
            raise AssertionError(f"the DAG run is {state}")
        if self.scenario.posting:
            result = returned(self.scenario.name, self.scenario.posting)
            (self.place / "posted.json").write_text(json.dumps(result))


def use_emulator(control: EmulatorControl) -> None:
    """Let the Airflow connections lead to an emulator."""
    os.environ.update(support.connections(control.url, control.credential))


def set_waiting(dag: Any, *, deferrable: bool) -> None:
    """Say of each task that can wait in the triggerer whether it does."""
    for task in dag.tasks:
        if hasattr(task, "deferrable"):
            task.deferrable = deferrable


def hide_state_store() -> None:
    """Let the tasks of this process run as in an Airflow that offers no store."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    whole = RuntimeTaskInstance.get_template_context

    def without_store(ti: Any) -> Any:
        context = whole(ti)
        context.pop("task_state_store", None)
        return context

    RuntimeTaskInstance.get_template_context = without_store  # type: ignore[method-assign]


def write_down_notes(path: Path) -> None:
    """Write down each note that a task of this process finds."""
    from airflow.sdk import get_current_context

    load = TaskState.load

    def recorded(task_state: TaskState) -> dict[str, Any] | None:
        note = load(task_state)
        if note is not None:
            ti = get_current_context()["ti"]
            with path.open("a") as file:
                file.write(f"{ti.task_id} {ti.try_number} {json.dumps(note)}\n")
        return note

    TaskState.load = recorded  # type: ignore[method-assign]


def returned(run_id: str, task_id: str) -> Any:
    """What a task of a DAG run returned."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.scalars(XComModel.get_many(run_id=run_id, key="return_value", task_ids=task_id)).one()
        return XComModel.deserialize_value(found)
