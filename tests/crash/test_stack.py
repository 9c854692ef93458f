"""The same on a whole Airflow with its servers: workers are killed, and the scheduler tries again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.settings import Credential
from tests.crash import findings, stack, stack_hook
from tests.crash.findings import Findings, Story
from tests.crash.killing import Moment
from tests.crash.scenarios import SCENARIOS, SEGMENTS, Scenario
from tests.crash.stack import Stack
from tests.support import airflow as support
from tests.support import processes, secrets
from tests.support.emulator_clock import EMULATOR
from tests.support.postgresql import Server

pytestmark = pytest.mark.stack

_PARTS = Path(__file__).parent / "stack_home"
_DATABASE = "crash"
_RUN_SECONDS = 600
#: What each kind of DAG calls its tasks that write.
_CREATES = ("create_source_connection", "create_target_connection")
_WRITERS = {
    "onboard_kinesis_destination": (
        "connect_profile_store",
        "connect_kinesis",
        *_CREATES,
        "create_flow",
        "activate_segments",
    ),
    "onboard_event_hubs_destination": tuple(
        f"streaming_destination.{task}"
        for task in (
            "connect_profile_store",
            "connect_destination",
            *_CREATES,
            "create_flow",
            "activate_segments",
        )
    ),
    "onboard_http_api_source": (
        *(
            f"raw_source.{task}"
            for task in (
                "create_schema",
                "create_dataset",
                "open_inlet",
                *_CREATES,
                "create_mapping",
                "create_flow",
            )
        ),
        "post_raw_records",
    ),
}
#: Tasks that write a second time: one asks first whether the mappings are right, the other has several batches.
_WRITERS_AGAIN = ("raw_source.create_mapping", "post_raw_records")
#: When tasks die.
_DEATHS = ("before-1", "after-1", "after-2")


@dataclass(frozen=True)
class Ended:
    """A DAG run that came to its end.

    :param died: ids of the tasks whose first try was killed.
    """

    scenario: Scenario
    run_id: str
    state: str
    died: list[str]
    tries: dict[str, tuple[str, int]]
    findings: Findings


@pytest.fixture(scope="module")
def home() -> Path:
    place = Path("build/stack").resolve()
    shutil.rmtree(place, ignore_errors=True)
    (place / "deaths").mkdir(parents=True)
    return place


@pytest.fixture(scope="module")
def ended(home: Path, postgresql: Server) -> Iterator[list[Ended]]:
    """All DAG runs, side by side on one Airflow."""
    with processes.emulator_process() as control:
        variables = {
            **support.connections(control.url, control.credential),
            EMULATOR: control.url,
            stack_hook.DEATHS: str(home / "deaths"),
        }
        database = postgresql.create_database(_DATABASE)
        with stack.running(home, _PARTS, database, variables) as airflow:
            runs = [(_scenario(each, control, death), death) for death in _DEATHS for each in SCENARIOS[:3]]
            for scenario, run_id in runs:
                airflow.wait_for_dag(scenario.dag_id)
                airflow.trigger(scenario.dag_id, run_id, scenario.conf)
            yield [_ended(airflow, control, home, scenario, run_id) for scenario, run_id in runs]


def _scenario(scenario: Scenario, control: EmulatorControl, death: str) -> Scenario:
    param = "source" if scenario.posting else "destination"
    named = scenario.among_others(scenario.dag_id, param, f"{scenario.conf[param]} {death}")
    return replace(named, conf={"segments": control.segments[:SEGMENTS], **named.conf})


def _ended(airflow: Stack, control: EmulatorControl, home: Path, scenario: Scenario, run_id: str) -> Ended:
    dag_id = scenario.dag_id
    state = airflow.wait_for_run(dag_id, run_id, _RUN_SECONDS)
    prefix = f"{dag_id}.{run_id}."
    died = sorted(path.name.removeprefix(prefix) for path in (home / "deaths").glob(f"{prefix}*"))
    tries = airflow.tries(dag_id, run_id)
    posted = airflow.returned(dag_id, run_id, scenario.posting) if scenario.posting else None
    batches = ["POST /collection/batch"] * int(run_id.rpartition("-")[2])
    moment = Moment(run_id.partition("-")[0]) if scenario.posting in died else None
    story = Story(batches, killed=moment, store=True, posted=posted)
    return Ended(scenario, run_id, state, died, tries, findings.look(control, scenario, story))


def test_every_run_comes_to_its_end_with_one_of_everything(ended: list[Ended]) -> None:
    assert {run.state for run in ended} == {"success"}, [(run.run_id, run.tries) for run in ended]
    wrong = [
        (run.scenario.dag_id, run.run_id, run.findings.problems) for run in ended if run.findings.problems
    ]
    assert wrong == []


def test_the_tasks_that_died_were_tried_a_second_time(ended: list[Ended]) -> None:
    assert sum(len(run.died) for run in ended) >= 12
    for run in ended:
        writers = set(_WRITERS[run.scenario.dag_id])
        assert set(run.died) == (writers & set(_WRITERS_AGAIN) if run.run_id == "after-2" else writers)
        again = sorted(task for task, (_, number) in run.tries.items() if number == 2)
        assert again == run.died


def test_no_secret_was_written(ended: list[Ended], home: Path, postgresql: Server) -> None:
    postgresql.dump(_DATABASE, home / "database.sql")
    planted = [support.AWS_SECRET, support.SAS_KEY, Credential().client_secret]
    assert list(secrets.leaks(home, planted)) == []
    assert list(secrets.tokens(home)) == []
