"""Two hundred tasks wait in a triggerer that is killed, stays away for a while and is started again."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.flows.lifecycle import set_state
from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash import stack
from tests.crash.stack import Stack
from tests.support import airflow as support
from tests.support import processes
from tests.support.aep import FLOW_SERVICE, make, make_ends, profile_flow
from tests.support.batch import make_batch_flow
from tests.support.clients import Client, client_of
from tests.support.postgresql import Server

pytestmark = pytest.mark.stack

DAG_ID = "many_waits"
#: Number of tasks of each kind: those with all the time they need; those that time out while there is no triggerer; and
#: those that time out in the next one.
PATIENT, MISSED, LATER = 90, 5, 5
EACH = PATIENT + MISSED + LATER
TIMEOUTS = [7200.0] * PATIENT + [60.0] * MISSED + [180.0] * LATER
#: How often the next triggerer polls each before anything that is waited for comes true.
ROUNDS = 5
#: Each for itself would ask for one id per call; in step, the tasks of a kind are in one list. On average, at least:
IDS_PER_CALL = 8
_PARTS = Path(__file__).parent / "home"
_DATABASE = "triggerer_killed"
_WORK_SECONDS = 600
_RUN_SECONDS = 50_000
_TASKS = f"""
    SELECT ti.run_id, ti.task_id, ti.map_index, ti.state, ti.try_number, t.triggerer_id, t.kwargs
    FROM task_instance ti LEFT JOIN trigger t ON t.id = ti.trigger_id
    WHERE ti.dag_id = '{DAG_ID}' AND ti.task_id LIKE 'wait_for_%' AND ti.map_index >= 0
"""


class Task(NamedTuple):
    """A task that waits.

    :param triggerer_id: id of the triggerer that waits for it; None if none does.
    :param trigger: arguments of its trigger; None if it has none.
    """

    run_id: str
    task_id: str
    map_index: int
    state: str | None
    try_number: int
    triggerer_id: int | None
    trigger: dict[str, Any] | None

    @property
    def name(self) -> str:
        return f"{self.run_id} {self.task_id} {self.map_index}"

    @property
    def is_patient(self) -> bool:
        return self.run_id == "patient"

    @property
    def has_missed(self) -> bool:
        return not self.is_patient and self.map_index < MISSED

    @property
    def deadline(self) -> float:
        return float((self.trigger or {})["deadline"])

    @property
    def polled(self) -> str:
        """The id of the flow or run that it polls."""
        wait = (self.trigger or {})["wait"]
        return str(wait.get("run_id", wait["flow_id"]))


class Call(NamedTuple):
    """A call for flows or runs.

    :param time: seconds since 1970-01-01 UTC.
    """

    time: float
    ids: list[str]


@dataclass
class Story:
    """What was observed, and when.

    :param processes: how many the triggerer had that was killed.
    :param before: the tasks, before that.
    :param alone: the tasks, before the next triggerer was started.
    :param after: the tasks, when the next one had polled those that are not over several times.
    :param calls: of the next one until then.
    :param halfway: the tasks, when the patient ones for flows had ended.
    :param ended: the tasks, in the end.
    :param all_calls: of the next one until then.
    :param seconds: how long each part took.
    """

    home: Path
    processes: int
    before: list[Task]
    alone: list[Task]
    after: list[Task]
    calls: list[Call]
    halfway: list[Task]
    ended: list[Task]
    all_calls: list[Call]
    seconds: dict[str, float]

    def log(self, task: Task, name: str) -> str:
        """What a file has of the logs of a task."""
        parts = f"dag_id={DAG_ID}", f"run_id={task.run_id}", f"task_id={task.task_id}"
        return self.home.joinpath("logs", *parts, f"map_index={task.map_index}", name).read_text()

    def __str__(self) -> str:
        lists = sum(len(call.ids) > 1 for call in self.calls)
        asked = sum(len(call.ids) for call in self.calls)
        times = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in self.seconds.items())
        return f"{len(self.ended)} tasks; {len(self.calls)} calls ({lists} lists) for {asked} ids; {times}"


class Stage:
    """What the tasks run on, and what they wait for."""

    def __init__(self, airflow: Stack, control: EmulatorControl, client: Client, postgresql: Server) -> None:
        self.airflow = airflow
        self.control = control
        self._client = client
        self._postgresql = postgresql
        control.set_switches(scheduled_runs=False)
        ends = make_ends(client)
        self._flows = [make(client, profile_flow(*ends, name=f"flow {n}")) for n in range(EACH)]
        self._ran = make_batch_flow(client)
        self._runs = [
            self._make_run(n, _RUN_SECONDS if n < PATIENT else 10 * _RUN_SECONDS) for n in range(EACH)
        ]

    def _make_run(self, number: int, seconds: int) -> str:
        self.control.set_switches(run_seconds=seconds)
        return self._client.send(create_run(self._ran, Window(number, number + 1))).id

    def start_tasks(self, run_id: str, chosen: slice) -> None:
        """Start tasks of both kinds, and return when a triggerer waits for every task so far."""
        flows = [{"flow_id": each} for each in self._flows]
        runs = [{"flow_id": self._ran, "run_id": each} for each in self._runs]
        self.airflow.trigger(DAG_ID, run_id, {"flows": _timed(flows)[chosen], "runs": _timed(runs)[chosen]})
        number = 2 * len(range(EACH)[: chosen.stop])
        self.airflow.until(
            lambda: sum(task.triggerer_id is not None for task in self.tasks()) == number, _WORK_SECONDS
        )

    def disable_flows(self) -> None:
        """Let what the patient tasks for flows wait for come true."""
        for flow_id in self._flows[:PATIENT]:
            set_state(self._client, flow_id, "disabled")

    def end_runs(self) -> None:
        """Let what the patient tasks for runs wait for come true."""
        self.control.advance(_RUN_SECONDS)

    def wait_for_ends(self, number: int, of: str) -> None:
        """Return when so many tasks of a DAG run have ended."""

        def ended() -> int:
            return sum(task.run_id == of and task.state in ("success", "failed") for task in self.tasks())

        self.airflow.until(lambda: ended() == number, _WORK_SECONDS)

    def tasks(self) -> list[Task]:
        """All tasks, as Airflow's database has them."""
        rows = self._postgresql.query(_DATABASE, _TASKS)
        return [
            Task(
                run_id=row["run_id"],
                task_id=row["task_id"],
                map_index=row["map_index"],
                state=row["state"],
                try_number=row["try_number"],
                triggerer_id=row["triggerer_id"],
                trigger=row["kwargs"] and json.loads(row["kwargs"]),
            )
            for row in rows
        ]

    def calls(self) -> list[Call]:
        """The calls for flows and runs since the journal was cleared, by this machine's clock."""
        found = []
        now = clock.current().wall()
        for entry in self.control.requests("GET", FLOW_SERVICE):
            alone = entry["path"].removeprefix(f"{FLOW_SERVICE}/").partition("/")[2]
            listed = entry["query"].get("property", "").removeprefix("id==").split(",")
            # What has a time in the future came after the emulator's clock was advanced.
            time = entry["time"] - (_RUN_SECONDS if entry["time"] > now + 1 else 0)
            found.append(Call(time, [alone] if alone else listed))
        return found


def _timed(arguments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "timeout": timeout} for each, timeout in zip(arguments, TIMEOUTS, strict=True)]


@pytest.fixture(scope="module")
def story(postgresql: Server) -> Iterator[Story]:
    home = Path("build/triggerer_killed").resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with processes.emulator_process() as control, client_of(control) as client:
        variables = {
            **support.connections(control.url, control.credential),
            "AIRFLOW__CORE__PARALLELISM": "8",
            # Without a key, the arguments of triggers are not encrypted in the database.
            "AIRFLOW__CORE__FERNET_KEY": "",
            # A worker that misses the end of its task looks again after so many seconds; by default, five.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        }
        database = postgresql.create_database(_DATABASE)
        with stack.running(home, _PARTS, database, variables) as airflow:
            airflow.wait_for_dag(DAG_ID)
            yield _played(Stage(airflow, control, client, postgresql), home)


def _played(stage: Stage, home: Path) -> Story:
    airflow = stage.airflow
    seconds: dict[str, float] = {}
    began = clock.current().monotonic()

    def note(what: str) -> None:
        seconds[what] = clock.current().monotonic() - began - sum(seconds.values())

    stage.start_tasks("patient", slice(0, PATIENT))
    stage.start_tasks("hurried", slice(PATIENT, EACH))
    note("to defer them")
    before = stage.tasks()
    members = airflow.kill("triggerer")
    stage.control.clear_requests()
    last = max(task.deadline for task in before if task.has_missed)
    airflow.until(lambda: clock.current().wall() > last)
    alone = stage.tasks()
    airflow.start("triggerer")
    note("without a triggerer")
    polled = {task.polled for task in before if not task.has_missed}
    airflow.until(lambda: min(_times(stage.calls(), polled)) >= ROUNDS)
    after, calls = stage.tasks(), stage.calls()
    note(f"to start it and poll {ROUNDS} times")
    stage.disable_flows()
    stage.wait_for_ends(PATIENT, of="patient")
    halfway = stage.tasks()
    stage.end_runs()
    stage.wait_for_ends(2 * PATIENT, of="patient")
    stage.wait_for_ends(2 * (MISSED + LATER), of="hurried")
    note("to end them")
    return Story(home, members, before, alone, after, calls, halfway, stage.tasks(), stage.calls(), seconds)


def _times(calls: Iterable[Call], polled: Iterable[str]) -> list[int]:
    """How often each of some ids was asked for."""
    asked = Counter(each for call in calls for each in call.ids)
    return [asked[each] for each in polled]


def _states(tasks: Iterable[Task]) -> Counter[str | None]:
    return Counter(task.state for task in tasks)


def test_a_triggerer_that_is_killed_leaves_every_task_waiting(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\ntriggerer killed: {story}", end="")  # noqa: T201
    assert story.processes > 1  # what supervises the triggers, and what runs them
    assert _states(story.before) == _states(story.alone) == {"deferred": 2 * EACH}


def test_the_next_triggerer_takes_over_every_trigger_as_it_is(story: Story) -> None:
    before = {task.name: (task.trigger, task.triggerer_id) for task in story.before}
    assert {task.name: (task.trigger, task.triggerer_id) for task in story.alone} == before
    still = [task for task in story.after if not task.has_missed]
    assert len(still) == 2 * (PATIENT + LATER)
    for task in still:
        trigger, triggerer = before[task.name]
        assert task.trigger == trigger
        assert task.triggerer_id != triggerer


def test_nothing_ends_before_what_it_waits_for(story: Story) -> None:
    assert _states(task for task in story.after if not task.has_missed) == {"deferred": 2 * (PATIENT + LATER)}
    halfway = Counter((task.task_id, task.state) for task in story.halfway if task.is_patient)
    assert halfway == {("wait_for_flow", "success"): PATIENT, ("wait_for_run", "deferred"): PATIENT}


def test_every_task_ends_as_it_should_in_its_first_try(story: Story) -> None:
    ended = Counter((task.is_patient, task.state, task.try_number) for task in story.ended)
    assert ended == {(True, "success", 1): 2 * PATIENT, (False, "failed", 1): 2 * (MISSED + LATER)}
    for task in story.ended:
        assert ("FlowServiceWaitTimeout" in story.log(task, "attempt=1.log")) == (not task.is_patient)


def test_the_last_poll_takes_place_at_the_deadline(story: Story) -> None:
    """Not later by the time without a triggerer."""
    for task in story.before:
        if not task.is_patient:
            late = [
                call for call in story.all_calls if task.polled in call.ids and call.time >= task.deadline
            ]
            # A poll just before the deadline may arrive just after it.
            assert 1 <= len(late) <= 2, task.name


def test_waits_of_both_triggerers_share_their_calls(story: Story) -> None:
    assert sum(len(call.ids) for call in story.calls) >= ROUNDS * 2 * (PATIENT + LATER)
    assert sum(len(call.ids) for call in story.calls) >= IDS_PER_CALL * len(story.calls)


def test_the_log_of_a_task_says_what_it_waits_for(story: Story) -> None:
    triggerers = {task.triggerer_id for task in story.after} - {None}
    (triggerer,) = triggerers
    for task in story.before:
        assert f"Still waiting: {_kind(task)} {task.polled}" in story.log(
            task, f"attempt=1.log.trigger.{triggerer}.log"
        )


def _kind(task: Task) -> str:
    return task.task_id.removeprefix("wait_for_")
