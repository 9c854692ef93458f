"""A run of the doctor with writes, from the check whether it may write to the removal of what it has made."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.model import member
from airflow_provider_flowservice.doctor.findings import Area, Finding, HabitFinding, Outcome, Progress
from airflow_provider_flowservice.doctor.habits.model import Habit, Seen, examine_habit, not_examined
from airflow_provider_flowservice.doctor.writes import flow_habits, inlet_habits
from airflow_provider_flowservice.doctor.writes.experiments import Experiments
from airflow_provider_flowservice.doctor.writes.findings import examine_changes, removed
from airflow_provider_flowservice.doctor.writes.leftovers import remove_leftovers
from airflow_provider_flowservice.doctor.writes.workshop import NotMadeError, Workshop

if TYPE_CHECKING:
    from types import FrameType

    from airflow_provider_flowservice.doctor.aep import Aep

#: The habits that only writes can show.
WRITE_HABITS: tuple[Habit[Experiments], ...] = (*flow_habits.HABITS, *inlet_habits.HABITS)


class Written:
    """What the writes have shown; complete when the context is left."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.habits: list[HabitFinding] = []


@contextmanager
def writing(aep: Aep, progress: Progress) -> Iterator[Written]:
    """Make a few objects, see how AEP treats them, and remove them when the context is left.

    Inside it, the objects exist, so that habits of lists show in an empty sandbox too. Nothing is written unless AEP
    says that the sandbox is one for development.
    """
    written = Written()
    progress("Type of the sandbox")
    guard = check_sandbox(aep)
    written.findings.append(guard)
    if guard.outcome is not Outcome.FINE:
        why = "Nothing was written, because AEP does not say that the sandbox is for development."
        written.habits += [not_examined(habit, Outcome.UNKNOWN, why) for habit in WRITE_HABITS]
        yield written
        return
    progress("Leftovers of earlier runs")
    written.findings.append(remove_leftovers(aep))
    workshop = Workshop(aep)
    interruption: BaseException | None = None
    with _one_interruption() as is_over:
        try:
            _examine(Experiments(workshop), written, progress)
            aep.forget()
            yield written
        except (KeyboardInterrupt, SystemExit) as error:
            interruption = error
            raise
        finally:
            is_over()
            progress("Removing what was made")
            removal = removed(workshop)
            written.findings.append(removal)
            if interruption:
                interruption.add_note(f"{removal.seen} {removal.remedy}".rstrip())


def check_sandbox(aep: Aep) -> Finding:
    """Check whether AEP says that the sandbox is for development; its name says nothing.

    :returns: a finding that is only fine if objects may be made.
    """
    remedy = "Add View Sandboxes, and the sandbox, to the role of the credential in AEP's Permissions."
    outcome = Outcome.UNKNOWN
    try:
        answer = aep.get_sandbox()
    except FlowServiceError as error:
        seen = f"Nothing was written: AEP did not say of which type it is ({type(error).__name__})."
    else:
        found, name = member(answer.document, "type"), member(answer.document, "name")
        if answer.status != 200 or not isinstance(found, str):
            seen = f"Nothing was written: AEP did not say of which type it is ({answer.label})."
        elif name not in (None, aep.settings.sandbox):
            seen = "Nothing was written: AEP responded with another sandbox."
        elif found.lower() != "development":
            outcome = Outcome.BROKEN
            seen = "Nothing was written: AEP does not say that its type is development."
            remedy = "Use --with-writes in a development sandbox."
        else:
            outcome, seen, remedy = Outcome.FINE, "AEP says that it is a development sandbox.", ""
    return Finding(area=Area.WRITES, subject="Type of the sandbox", outcome=outcome, seen=seen, remedy=remedy)


def _examine(experiments: Experiments, written: Written, progress: Progress) -> None:
    for habit in WRITE_HABITS:
        progress(f"Habit {habit.switch}")
        written.habits.append(examine_habit(_explained(habit), experiments))
    progress("Changes")
    written.findings += examine_changes(experiments)
    experiments.settle()


def _explained(habit: Habit[Experiments]) -> Habit[Experiments]:
    """Return a habit that is undetermined if what it needs is not made."""

    def look(experiments: Experiments) -> Seen:
        try:
            return habit.look(experiments)
        except NotMadeError as error:
            return Seen(None, str(error))

    return msgspec.structs.replace(habit, look=look)


@contextmanager
def _one_interruption() -> Iterator[Callable[[], None]]:
    """Turn the first SIGINT or SIGTERM into an exception, so that what was made is removed, and ignore the others.

    Who presses Ctrl-C twice would otherwise interrupt the removal.

    :returns: a function after which the first is ignored, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def end(number: int, _: FrameType | None) -> None:
        ignore()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ignore
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
