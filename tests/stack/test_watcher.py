"""A flow is watched by a triggerer that is killed twice while the flow's runs end."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from airflow_provider_flowservice.client.flows.runs import Window, create_run
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash import stack
from tests.crash.stack import Stack
from tests.support import airflow as support
from tests.support import processes
from tests.support.batch import make_batch_flow
from tests.support.clients import client_of
from tests.support.postgresql import Server

pytestmark = pytest.mark.stack

DAG_ID = "watched_flow"
#: The runs of a group end at the same time, those of the next one so many seconds later.
GROUPS, RUNS, LATER = 5, 4, 1000
_PARTS = Path(__file__).parent / "home"
_DATABASE = "watcher"
_SECONDS = 120
# In one statement, so that both are of the same moment.
_KEPT = """
    SELECT
        (SELECT coalesce(json_agg(extra::json->'payload'->>'run_id' ORDER BY id), '[]') FROM asset_event) AS events,
        (SELECT value FROM asset_state_store) AS position
"""


class Kept(NamedTuple):
    """What Airflow's database has.

    :param events: ids of the runs of the asset's events, in their order.
    :param known: ids of the runs that the position of the watcher has; None before the first position.
    """

    events: list[str]
    known: set[str] | None


@dataclass
class Story:
    """What was observed.

    :param groups: ids of the runs that ended together.
    :param ahead: ids of runs that were in the position of the watcher, at some moment, but not in the events.
    :param events: ids of the runs of all events.
    """

    groups: list[list[str]]
    ahead: set[str]
    events: Counter[str]
    triggerer_log: str


class Watch:
    """A flow that is watched."""

    def __init__(self, airflow: Stack, control: EmulatorControl, postgresql: Server) -> None:
        self._airflow = airflow
        self._control = control
        self._postgresql = postgresql
        self.ahead: set[str] = set()

    def kept(self) -> Kept:
        """What there is now."""
        (row,) = self._postgresql.query(_DATABASE, _KEPT)
        known = None if row["position"] is None else set(json.loads(row["position"]).get("known", ()))
        self.ahead |= (known or set()) - set(row["events"])
        return Kept(row["events"], known)

    def wait_for_first_position(self) -> None:
        self._airflow.until(lambda: self.kept().known is not None)

    def wait_for_events(self, *groups: list[str]) -> None:
        """Return when each run of some groups has an event."""
        wanted = {run for group in groups for run in group}
        self._airflow.until(lambda: wanted <= set(self.kept().events), _SECONDS)

    def wait_for_poll(self) -> None:
        """Return when AEP has been asked for runs once more."""
        now = self._control.now()
        self._airflow.until(
            lambda: any(each["time"] >= now for each in self._control.requests("GET", "/runs"))
        )

    def end_group(self) -> None:
        self._control.advance(LATER)

    def wait_until_handled(self, *groups: list[str]) -> None:
        """Return when the DAG has handled each run of some groups."""
        wanted = {run for group in groups for run in group}
        self._airflow.until(lambda: wanted <= self.handled(), _SECONDS)

    def handled(self) -> set[str]:
        """The ids of the runs that the DAG has handled."""
        states = {run["dag_run_id"]: run["state"] for run in self._airflow.runs(DAG_ID)}
        assert "failed" not in states.values()
        ended = [run_id for run_id, state in states.items() if state == "success"]
        return {each for run_id in ended for each in self._airflow.returned(DAG_ID, run_id, "handle")}


@pytest.fixture(scope="module")
def story(postgresql: Server) -> Iterator[Story]:
    home = Path("build/watcher").resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with processes.emulator_process() as control, client_of(control) as client:
        control.set_switches(scheduled_runs=False)
        flow_id = make_batch_flow(client)
        variables = {
            **support.connections(control.url, control.credential),
            "FLOWSERVICE_TEST_FLOW": flow_id,
            # After so many seconds, the next triggerer takes over what the killed one had.
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        }
        database = postgresql.create_database(_DATABASE)
        with stack.running(home, _PARTS, database, variables) as airflow:
            watch = Watch(airflow, control, postgresql)
            watch.wait_for_first_position()
            groups = []
            for number in range(1, GROUPS + 1):
                control.set_switches(run_seconds=number * LATER)
                windows = [Window(number * RUNS + n, number * RUNS + n + 1) for n in range(RUNS)]
                groups.append([client.send(create_run(flow_id, window)).id for window in windows])
            _kill_twice(airflow, watch, groups)
            events = Counter(watch.kept().events)
            yield Story(groups, watch.ahead, events, (home / "triggerer.log").read_text())


def _kill_twice(airflow: Stack, watch: Watch, groups: list[list[str]]) -> None:
    first, second, third, fourth, fifth = groups
    watch.end_group()
    watch.wait_for_events(first)
    watch.end_group()
    watch.wait_for_events(second)
    # The events of the second group are kept. Maybe the position is not.
    airflow.kill("triggerer")
    watch.end_group()
    airflow.start("triggerer")
    watch.wait_for_events(third)
    watch.end_group()
    watch.wait_for_poll()
    # The trigger knows that the fourth group has ended. Maybe its events are not kept.
    airflow.kill("triggerer")
    airflow.start("triggerer")
    watch.wait_for_events(fourth)
    watch.end_group()
    watch.wait_for_events(fifth)
    watch.wait_until_handled(*groups)


def test_every_run_arrives(story: Story) -> None:
    """The fixture has waited for the DAG to handle each."""
    runs = {run for group in story.groups for run in group}
    assert len(runs) == GROUPS * RUNS
    assert set(story.events) == runs


def test_only_the_runs_of_the_last_poll_before_a_kill_may_arrive_twice(story: Story) -> None:
    _, second, _, fourth, _ = story.groups
    twice = {run for run, times in story.events.items() if times > 1}
    assert twice <= {*second, *fourth}
    assert max(story.events.values()) <= 2


def test_the_position_is_never_ahead_of_the_events(story: Story) -> None:
    assert story.ahead == set()


def test_only_the_first_triggerer_has_no_position(story: Story) -> None:
    assert story.triggerer_log.count("reporting the runs that end from now on") == 1
