"""Kills a DAG run at every HTTP exchange, lets the next process carry it on, and looks what there is then.

One warm parent has imported Airflow, parsed the DAGs and made the database; each run is a forked child with a
copy of that database. Two lanes, forked as well, share the points between them, each with an emulator.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash import child, findings
from tests.crash.driver import WarmDag
from tests.crash.findings import Findings, Story
from tests.crash.killing import KillPoint, Moment
from tests.crash.scenarios import Mode, Scenario
from tests.support import processes, secrets
from tests.support.features import features
from tests.support.thirds import Share

LANES = 2
#: A child that takes longer hangs.
CHILD_SECONDS = 60
_KILLED = -signal.SIGKILL


@dataclass
class Result:
    """What came of one kill point.

    :param exchange: at which the process died; None if it ended untouched.
    :param notes_read: what later tries found in their memory, as ``task try``.
    """

    scenario: str
    mode: str
    store: bool
    point: str
    exchange: str | None
    findings: Findings
    notes_read: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.scenario}, {self.mode}, killed {self.point} ({self.exchange})"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Result:
        fields = json.loads(text)
        return cls(**{**fields, "findings": Findings(**fields["findings"])})


def ways() -> list[tuple[Mode, Moment]]:
    """How each DAG is run and killed: both ways of waiting, and of remembering where Airflow has both.

    What a task does with its memory needs one.
    """
    modes = (Mode(store=features().task_state_store, deferrable=True), Mode(store=False, deferrable=False))
    return [(mode, moment) for mode in modes for moment in Moment if mode.store or moment is not Moment.DONE]


class Lane:
    """Tries kill points one after the other.

    :param dags: by DAG id.
    :param template: the database in which every DAG run waits to be run.
    :param folder: of the lane's own.
    :param planted: secrets that nothing may show.
    """

    def __init__(
        self,
        control: EmulatorControl,
        dags: Mapping[str, WarmDag],
        template: Path,
        folder: Path,
        planted: list[str],
    ) -> None:
        self._control = control
        self._dags = dags
        self._template = template
        self._folder = folder
        self._planted = planted

    def sweep(self, scenario: Scenario, mode: Mode, moment: Moment, share: Share) -> Iterator[Result]:
        """Kill at each exchange of a share until a run ends untouched."""
        for number in share.numbers():
            result = self.attempt(scenario, mode, KillPoint(number, moment))
            yield result
            if result.exchange is None:
                return

    def attempt(self, scenario: Scenario, mode: Mode, point: KillPoint) -> Result:
        """Run to the point, and then in another process to the end."""
        place = self._folder / "point"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        shutil.copy(self._template, place / "airflow.db")
        self._control.reset()
        if scenario.prepare is not None:
            scenario.prepare(self._control)
        first = self._run(scenario, mode, place, "first", point)
        killed = first == _KILLED
        last = self._run(scenario, mode, place, "second", None) if killed else first
        posted = findings.read_json(place / "posted.json")
        story = Story(
            findings.read_lines(place / "first.exchanges"),
            point.moment if killed else None,
            mode.store,
            posted,
        )
        found = findings.look(self._control, scenario, story)
        if last != 0:
            found.fail(f"the run ended with {last}: {_last_lines(place / 'second.log', place / 'first.log')}")
        result = Result(
            scenario=scenario.name,
            mode=str(mode),
            store=mode.store,
            point=str(point),
            exchange=story.exchanges[-1] if killed else None,
            findings=found,
            notes_read=findings.read_lines(place / "notes"),
        )
        (place / "journal.json").write_text(json.dumps(self._control.requests()))
        (place / "state.json").write_text(json.dumps(self._control.state()))
        (place / "result.json").write_text(result.to_json())
        result.leaks = _leaks(place, self._planted)
        if found.problems or result.leaks:
            self._keep(place, result)
        return result

    def _run(self, scenario: Scenario, mode: Mode, place: Path, name: str, point: KillPoint | None) -> int:
        run = child.Run(self._dags[scenario.dag_id], scenario, mode, self._control, place, name, point)
        return processes.run_forked(run, place / f"{name}.log", CHILD_SECONDS)

    def _keep(self, place: Path, result: Result) -> None:
        """Leave what a wrong point wrote for a look."""
        number = itertools.count(1)
        name = next(each for n in number if not (each := self._folder / f"wrong-{n}").exists())
        shutil.copytree(place, name)


def _last_lines(*logs: Path) -> str:
    log = next(each for each in logs if each.exists())
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])[-500:]


def _leaks(place: Path, planted: list[str]) -> list[str]:
    found = (*secrets.leaks(place, planted), *secrets.tokens(place))
    return [f"{path.name} at byte {offset}" for path, offset in found]


def run_lanes(
    controls: list[EmulatorControl],
    dags: Mapping[str, WarmDag],
    template: Path,
    folder: Path,
    planted: list[str],
    scenarios: Sequence[Scenario],
    share: Share,
) -> list[Result]:
    """Try a share of the points of each scenario in forked lanes, one for each emulator.

    :raises AssertionError: if a lane did not come to its end.
    """
    lanes: dict[int, Path] = {}
    try:
        for number, (control, part) in enumerate(zip(controls, share.dealt(len(controls)), strict=True)):
            place = folder / f"lane-{number}"
            place.mkdir(parents=True)
            lane = Lane(control, dags, template, place, planted)
            work = _lane_work(lane, place, scenarios, part)
            lanes[processes.start_forked(work, place / "log", seconds=0)] = place
        results: list[Result] = []
        while lanes:
            pid, status = os.wait()
            place = lanes.pop(pid)
            if status:
                raise AssertionError(f"{place.name} broke off: {_last_lines(place / 'log')}")
            results.extend(map(Result.from_json, findings.read_lines(place / "results")))
        return results
    finally:
        for pid in lanes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def _lane_work(lane: Lane, place: Path, scenarios: Sequence[Scenario], share: Share) -> Callable[[], None]:
    def work() -> None:
        with processes.termination_raises(), (place / "results").open("w") as file:
            for scenario, (mode, moment) in itertools.product(scenarios, ways()):
                for result in lane.sweep(scenario, mode, moment, share):
                    print(result.to_json(), file=file, flush=True)

    return work


def figures(results: list[Result]) -> dict[str, Any]:
    """The figures that the whole stands or falls by."""
    from airflow import __version__

    tried = [result for result in results if result.exchange is not None]
    return {
        "Airflow": __version__,
        "kill points tried": len(tried),
        "resources duplicated": sum(r.findings.resources_duplicated for r in results),
        "segments lost": sum(r.findings.segments_lost for r in results),
        "records lost": sum(r.findings.records_lost for r in results),
        "records maybe duplicated": sum(r.findings.maybe_duplicated for r in results),
        "records duplicated, with task_state_store": _duplicated(results, store=True),
        "records duplicated, without task_state_store": _duplicated(results, store=False),
        "connections of deleted flows left, with task_state_store": _left(results, store=True),
        "connections of deleted flows left, without task_state_store": _left(results, store=False),
        "points at which a later try found a note": sum(bool(r.notes_read) for r in tried),
    }


def _duplicated(results: list[Result], *, store: bool) -> int:
    return sum(r.findings.records_duplicated for r in results if r.store is store)


def _left(results: list[Result], *, store: bool) -> int:
    return sum(r.findings.connections_left for r in results if r.store is store)
