"""Every fault meets every operator and sensor, at each request where it can."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import (
    FlowServiceException,
    FlowServicePermanentException,
    FlowServiceTransientException,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.faults.conftest import Evidence
from tests.faults.kinds import (
    KINDS,
    PATIENCE,
    PLACES,
    STAYING,
    WRITE,
    Kind,
    bound,
    outcome,
    staying_bound,
    tries,
    writes,
)
from tests.faults.outcomes import Outcome, Outcomes
from tests.support import thirds
from tests.support.airflow import flowservice_connection
from tests.support.deferral import run_to_end
from tests.support.operation import POLL, Operation, Repeats, Sandbox
from tests.support.operations import operations
from tests.support.tasks import TaskStateStore
from tests.support.thirds import THIRDS, Share, third

pytestmark = pytest.mark.faults

SHARE = thirds.asked_for()
OPERATIONS = operations()
Cell = tuple[Kind, str, Operation]
EVERY = [(kind, place, operation) for kind in KINDS for place in PLACES for operation in OPERATIONS]
ONCE = [(k, place, op) for k, place, op in EVERY if outcome(k, op, place) is not Outcome.NOT_APPLICABLE]
STAY = [(k, place, op) for k, place, op in EVERY if k in STAYING and tries(k, op, place)]


def row_of(kind: Kind, place: str, *, stays: bool = False) -> str:
    return f"{kind.label} / {place}" + (" / stays" if stays else "")


def shared(every: list[Cell], share: Share) -> list[Cell]:
    """A share of some cells; it begins elsewhere for each fault, so that it comes by all operations."""
    return [
        cell
        for row, kind in enumerate(KINDS)
        for number, cell in enumerate((cell for cell in every if cell[0] is kind), row)
        if number in share
    ]


def name_of(cell: Cell) -> str:
    kind, place, operation = cell
    return f"{row_of(kind, place)} / {operation.name}"


def cells(every: list[Cell]) -> list[Any]:
    return [pytest.param(*cell, id=name_of(cell)) for cell in shared(every, SHARE)]


@pytest.fixture(scope="module", autouse=True)
def not_applicable(outcomes: Outcomes) -> None:
    """Cells that cannot be: the table shows them too."""
    outcomes.figures.append(f"cells: {SHARE}")
    outcomes.columns = [operation.name for operation in OPERATIONS]
    outcomes.rows = [row_of(kind, place) for kind in KINDS for place in PLACES]
    outcomes.rows += [row_of(kind, place, stays=True) for kind in STAYING for place in PLACES]
    for cell in EVERY:
        kind, place, operation = cell
        if cell not in ONCE:
            outcomes.record(row_of(kind, place), operation.name, Outcome.NOT_APPLICABLE)
        if kind in STAYING and cell not in STAY:
            outcomes.record(row_of(kind, place, stays=True), operation.name, Outcome.NOT_APPLICABLE)


@pytest.fixture
def impatient(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, time: VirtualClock, control: EmulatorControl
) -> Iterator[None]:
    """A client that does not wait long for an answer; time that passes lets late requests end."""
    connection = flowservice_connection(emulator.url, control.credential, read_timeout=PATIENCE)
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", connection)

    def passed(seconds: float) -> None:
        control.advance(seconds)
        while any(entry["status"] is None and entry["fault"] == "delay" for entry in control.requests()):
            pass

    time.follow(passed)
    yield
    passed(0)


class Run:
    """An operation, prepared, with faults in its way."""

    def __init__(self, operation: Operation, sandbox: Sandbox, time: VirtualClock) -> None:
        self.operation = operation
        self._sandbox = sandbox
        self._time = time
        self._told = operation.prepare(sandbox)
        self._store = TaskStateStore()

    def against(self, rule: dict[str, Any], *, ends: bool) -> BaseException | None:
        """Run it against a fault; how it failed, if it did.

        :param ends: whether what it waits for happens meanwhile.
        """
        control = self._sandbox.control
        control.clear_requests()
        control.inject(rule)
        if ends:
            self._time.follow(self._meanwhile(self._time.followed))
        start = self._time.monotonic()
        error = self.again()
        self.seconds = self._time.monotonic() - start
        self.journal = control.requests()
        return error

    def _meanwhile(self, moved: Callable[[float], None]) -> Callable[[float], None]:
        def passed(seconds: float) -> None:
            moved(seconds)
            if seconds > POLL / 2:
                self.let_happen()

        return passed

    def let_happen(self) -> None:
        """Somebody else does what the operation waits for."""
        if self.operation.meanwhile is not None:
            happens, self.operation = self.operation.meanwhile, replace(self.operation, meanwhile=None)
            happens(self._sandbox, self._told)

    def again(self) -> BaseException | None:
        try:
            run_to_end(self.operation.build(self._told), task_state_store=self._store)
        except Exception as error:  # noqa: BLE001 (what it may be is the tests' matter)
            return error
        return None

    def sent(self, place: str) -> int:
        """How many requests went to a place."""
        if place not in self.operation.places:
            return 0
        method, path = self.operation.places[place]
        return sum(entry["method"] == method and fnmatchcase(entry["path"], path) for entry in self.journal)

    @property
    def ids(self) -> list[str]:
        """Ids of what Flow Service holds."""
        state = self._sandbox.control.state()
        return [held["id"] for kind in ("flows", "targetConnections") for held in state[kind]]

    @property
    def left(self) -> Any:
        return self.operation.left(self._sandbox, self._told)


def assert_clear(error: BaseException, run: Run, place: str) -> None:
    """An error with Airflow's face that says which request or which object it is about."""
    assert isinstance(error, FlowServiceException), error
    path = run.operation.places[place][1]
    told = str(error)
    assert fnmatchcase(told, f"*{path}*") or any(held in told for held in run.ids), told
    assert len(told) < 1000


@pytest.mark.parametrize("every", [ONCE, STAY], ids=["once", "stays"])
def test_each_third_has_every_fault_and_every_request_of_every_operation(every: list[Cell]) -> None:
    parts = [shared(every, third(number)) for number in THIRDS]
    assert sorted(name_of(cell) for part in parts for cell in part) == sorted(map(name_of, every))
    for part in parts:
        assert {kind.label for kind, _, _ in part} == {kind.label for kind, _, _ in every}
        assert {(place, op.name) for _, place, op in part} == {(place, op.name) for _, place, op in every}


@pytest.mark.parametrize(("kind", "place", "operation"), cells(ONCE))
def test_one_fault(
    request: pytest.FixtureRequest,
    kind: Kind,
    place: str,
    operation: Operation,
    sandbox: Sandbox,
    time: VirtualClock,
    outcomes: Outcomes,
    evidence: Evidence,
) -> None:
    column = row_of(kind, place), operation.name
    outcomes.record(*column, Outcome.WRONG)
    run = Run(operation, sandbox, time)
    if kind.is_late:
        request.getfixturevalue("impatient")
    error = run.against(kind.rule(operation, place), ends=True)

    expected = outcome(kind, operation, place)
    assert sandbox.control.faults_left() == []
    assert [entry["fault"] for entry in run.journal if entry["fault"]] == [kind.kind]
    assert run.sent(WRITE) == writes(kind, operation, place)
    assert run.seconds <= bound(kind, operation, place)
    if expected is Outcome.FAILED:
        assert error is not None
        evidence.keep("".join(traceback.format_exception(error)))
        assert_clear(error, run, place)
        assert isinstance(error, FlowServicePermanentException)
        assert run.again() is None
    else:
        assert error is None, error
    if kind.kind == "page_shift":
        # What somebody else adds under our name comes after ours.
        looks = operation.repeats is Repeats.LOOK
        assert run.left in (operation.wanted, 2) if looks else run.left[:1] == operation.wanted
    else:
        assert run.left == operation.wanted
    outcomes.record(*column, expected)


@pytest.mark.parametrize(("kind", "place", "operation"), cells(STAY))
def test_a_fault_that_stays(
    kind: Kind,
    place: str,
    operation: Operation,
    sandbox: Sandbox,
    time: VirtualClock,
    outcomes: Outcomes,
    evidence: Evidence,
) -> None:
    column = row_of(kind, place, stays=True), operation.name
    outcomes.record(*column, Outcome.WRONG)
    run = Run(operation, sandbox, time)
    times = tries(kind, operation, place)
    assert times is not None
    error = run.against(kind.rule(operation, place, times), ends=False)

    assert error is not None
    evidence.keep("".join(traceback.format_exception(error)))
    assert_clear(error, run, place)
    assert isinstance(error, FlowServiceTransientException)
    assert sandbox.control.faults_left() == []
    assert [entry["fault"] for entry in run.journal if entry["fault"]] == [kind.kind] * times
    assert run.seconds <= staying_bound(kind, operation, place)
    run.let_happen()
    # Once it has passed, another attempt of the task gives what the first would have.
    assert run.again() is None
    assert run.left == operation.wanted
    outcomes.record(*column, Outcome.FAILED)
