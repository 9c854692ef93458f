"""How a report is shown: a table, JSON, and a file of switches for the emulator."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table
from rich.text import Text

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.doctor.findings import Finding, HabitFinding, Outcome, Report
from airflow_provider_flowservice.doctor.services import EVERYTHING

if TYPE_CHECKING:
    from rich.console import Console

#: Characters of the second column at most, so that the last one has room: the longest name of an operator.
_SUBJECT_WIDTH = max(map(len, EVERYTHING))
_STYLES = {
    Outcome.FINE: "green",
    Outcome.BROKEN: "bold red",
    Outcome.UNKNOWN: "yellow",
    Outcome.SKIPPED: "dim",
}


class Works(StrEnum):
    """Whether an operator or sensor will work."""

    YES = "works"
    NO = "does not work"
    #: Some uses do not work.
    PARTLY = "works in part"
    UNKNOWN = "not known"


class Verdict(Frozen, frozen=True):
    """What the checks mean for an operator or sensor.

    :param because: what the checks are about that say so; empty if it works.
    """

    result: Works
    because: tuple[str, ...] = ()


_STYLES_OF_WORKS = {Works.YES: "green", Works.NO: "bold red", Works.PARTLY: "yellow", Works.UNKNOWN: "yellow"}


def show(report: Report, console: Console) -> None:
    """Print a report for a person."""
    _show_findings(report, console)
    _show_habits(report, console)
    _show_operators(report, console)
    console.print(_summary(report), markup=False, highlight=False)


def as_json(report: Report) -> bytes:
    """Return a report as JSON."""
    document: dict[str, Any] = {
        "exit_code": report.exit_code,
        "calls": report.calls,
        "operators": verdicts(report),
        "operators_that_do_not_work": operators_that_do_not_work(report),
        "switches": report.switches,
        "findings": report.findings,
        "habits": report.habits,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def switches_file(report: Report) -> bytes:
    """Return the file with which an emulator behaves like the AEP that was examined."""
    about = "Written by airflow flowservice doctor; for flowservice-emulator --switches."
    return msgspec.json.format(msgspec.json.encode({"about": about, "switches": report.switches}), indent=2)


def operators_that_do_not_work(report: Report) -> dict[str, list[str]]:
    """Return the operators and sensors that do not work, each with what the reasons are about."""
    return {
        operator: list(verdict.because)
        for operator, verdict in sorted(verdicts(report).items())
        if verdict.result is Works.NO
    }


def verdicts(report: Report) -> dict[str, Verdict]:
    """Return what the checks mean for each operator and sensor."""
    return {operator: _verdict(report, operator) for operator in EVERYTHING}


def _verdict(report: Report, operator: str) -> Verdict:
    broken, partly, unknown = [], [], []
    for each in report.checks:
        concerned = operator in each.operators
        partly_concerned = operator in each.partly
        if each.outcome is Outcome.BROKEN and concerned:
            broken.append(_subject(each))
        elif each.outcome is Outcome.BROKEN and partly_concerned:
            partly.append(_subject(each))
        elif each.outcome is Outcome.UNKNOWN and (concerned or partly_concerned):
            unknown.append(_subject(each))
    for works, because in ((Works.NO, broken), (Works.UNKNOWN, unknown), (Works.PARTLY, partly)):
        if because:
            return Verdict(works, tuple(because))
    return Verdict(Works.YES)


def _show_findings(report: Report, console: Console) -> None:
    table = _table("", "What works", "Seen")
    area = None
    for finding in report.findings:
        if finding.area is not area:
            area = finding.area
            table.add_row("", Text(area.value, "bold"), "")
        table.add_row(_sign(finding.outcome), Text(f"  {finding.subject}"), Text(_sentences(finding)))
    console.print(table)
    console.print()


def _show_habits(report: Report, console: Console) -> None:
    table = _table("", "What this AEP does", "Seen")
    not_examined: dict[tuple[Outcome, str], list[str]] = {}
    for habit in report.habits:
        if habit.value is None and [each.seen for each in report.habits].count(habit.seen) > 1:
            not_examined.setdefault((habit.outcome, habit.seen), []).append(habit.switch)
        else:
            table.add_row(_sign(habit.outcome), Text(habit.switch), _value(habit) + Text(_sentences(habit)))
    for (outcome, seen), switches in not_examined.items():
        table.add_row(_sign(outcome), Text(f"{len(switches)} more"), Text(f"{seen} {', '.join(switches)}."))
    console.print(table)
    console.print()


def _value(habit: HabitFinding) -> Text:
    shown = "not determined" if habit.value is None else str(habit.value)
    differs = habit.value is not None and habit.value != habit.default
    return Text(f"{shown} (the emulator's default: {habit.default}). ", "bold" if differs else "")


def _show_operators(report: Report, console: Console) -> None:
    table = _table("", "Operators and sensors", "Because of")
    table.columns[1].no_wrap = True
    found = verdicts(report)
    for verdict in sorted(
        set(found.values()), key=lambda each: (list(Works).index(each.result), each.because)
    ):
        names = "\n".join(operator for operator, own in found.items() if own == verdict)
        if len(set(found.values())) == 1:
            names = f"all {len(found)}"
        table.add_row(
            Text(verdict.result, _STYLES_OF_WORKS[verdict.result]),
            Text(names),
            Text("; ".join(verdict.because)),
        )
    console.print(table)
    console.print()


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", max_width=_SUBJECT_WIDTH if number == 1 else None)
    table.columns[0].no_wrap = True
    return table


def _sign(outcome: Outcome) -> Text:
    return Text(outcome.value, _STYLES[outcome])


def _subject(finding: Finding | HabitFinding) -> str:
    return f"{finding.area}: {finding.subject}" if isinstance(finding, Finding) else finding.switch


def _sentences(finding: Finding | HabitFinding) -> str:
    documented = f" Documented: {finding.documented}" if isinstance(finding, HabitFinding) else ""
    return f"{finding.seen}{documented}\n{finding.remedy}".rstrip()


def _summary(report: Report) -> str:
    outcomes = [each.outcome for each in report.checks]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome.value}" for outcome in Outcome)
    return f"{len(outcomes)} checks with {report.calls} requests: {counts}."
