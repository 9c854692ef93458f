"""Runs all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_flowservice.doctor.access import examine_access
from airflow_provider_flowservice.doctor.findings import HabitFinding, Outcome, Progress, Report
from airflow_provider_flowservice.doctor.habits import READ_HABITS
from airflow_provider_flowservice.doctor.habits.model import examine_habit, not_examined
from airflow_provider_flowservice.doctor.privacy import Veil
from airflow_provider_flowservice.doctor.writes.session import WRITE_HABITS, writing

if TYPE_CHECKING:
    from airflow_provider_flowservice.doctor.aep import Aep
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook


def examine(
    hook: FlowServiceHook, progress: Progress, *, with_writes: bool = False, veil: Veil | None = None
) -> Report:
    """Examine a connection, and the AEP behind it.

    :param hook: with the connection and the sandbox.
    :param with_writes: whether objects may be made in the sandbox, if AEP says that it is not production.
    :param veil: is told the values that nothing may show; a new one by default.
    """
    veil = Veil() if veil is None else veil
    access = examine_access(hook, progress, veil)
    findings, aep = list(access.findings), access.aep
    if aep is None:
        blocked = "It was not examined, because of what is broken or unknown above."
        habits = [not_examined(habit, Outcome.UNKNOWN, blocked) for habit in READ_HABITS]
        habits += [not_examined(habit, Outcome.UNKNOWN, blocked) for habit in WRITE_HABITS]
        return veil.over(Report(findings=access.findings, habits=tuple(habits), calls=access.calls))
    if with_writes:
        with writing(aep, progress) as written:
            habits = _examine_reads(aep, progress)
        findings += written.findings
        habits += written.habits
    else:
        habits = _examine_reads(aep, progress)
        needs = "Only writes show it: add --with-writes."
        habits += [not_examined(habit, Outcome.SKIPPED, needs) for habit in WRITE_HABITS]
    calls = access.calls + aep.calls
    return veil.over(Report(findings=tuple(findings), habits=tuple(habits), calls=calls))


def _examine_reads(aep: Aep, progress: Progress) -> list[HabitFinding]:
    habits = []
    for habit in READ_HABITS:
        progress(f"Habit {habit.switch}")
        habits.append(examine_habit(habit, aep))
    return habits
