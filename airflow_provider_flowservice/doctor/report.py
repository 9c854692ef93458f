"""How a report is shown: a table, JSON, and a file of switches for the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_flowservice.doctor.findings import Finding, HabitFinding, Outcome, Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SIGNS = {
    Outcome.FINE: "[green]fine[/]",
    Outcome.BROKEN: "[bold red]broken[/]",
    Outcome.UNKNOWN: "[yellow]unknown[/]",
    Outcome.SKIPPED: "[dim]skipped[/]",
}


def show(report: Report, console: Console) -> None:
    """Print a report for a person."""
    from rich.table import Table
    from rich.text import Text

    works = Table("", "What works", "Seen", box=None, pad_edge=False)
    for finding in report.findings:
        title = f"{finding.area.value}: {finding.subject}"
        works.add_row(_SIGNS[finding.outcome], Text(title), Text(_sentences(finding)))
    console.print(works)
    console.print()
    habits = Table("", "What this AEP does", "Seen", "Emulator's default", box=None, pad_edge=False)
    for habit in report.habits:
        habits.add_row(
            _SIGNS[habit.outcome], *map(Text, (habit.switch, _sentences(habit), str(habit.default)))
        )
    console.print(habits)
    console.print()
    _show_operators(report, console)
    console.print(Text(_summary(report)))


def as_json(report: Report) -> bytes:
    """Return a report as JSON."""
    document: dict[str, Any] = {
        "exit_code": report.exit_code,
        "calls": report.calls,
        "operators_that_do_not_work": operators_that_do_not_work(report),
        "switches": report.switches,
        "findings": report.findings,
        "habits": report.habits,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def switches_file(report: Report) -> bytes:
    """Return the file with which an emulator behaves like the AEP that was examined."""
    about = "What airflow flowservice doctor has found out; for flowservice-emulator --switches."
    return msgspec.json.format(msgspec.json.encode({"about": about, "switches": report.switches}), indent=2)


def operators_that_do_not_work(report: Report) -> dict[str, list[str]]:
    """Return the operators and sensors that do not work, each with what the reasons are about."""
    reasons: dict[str, list[str]] = {}
    for each in report.checks:
        if each.outcome is Outcome.BROKEN:
            for operator in each.operators:
                reasons.setdefault(operator, []).append(_subject(each))
    return dict(sorted(reasons.items()))


def _show_operators(report: Report, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    if broken := operators_that_do_not_work(report):
        table: Table = Table("Does not work", "Because of", box=None, pad_edge=False)
        for operator, reasons in broken.items():
            table.add_row(Text(operator), Text(", ".join(reasons)))
        console.print(table)
        console.print()


def _subject(finding: Finding | HabitFinding) -> str:
    return finding.subject if isinstance(finding, Finding) else finding.switch


def _sentences(finding: Finding | HabitFinding) -> str:
    documented = f"Documented: {finding.documented}" if isinstance(finding, HabitFinding) else ""
    return " ".join(text for text in (finding.seen, documented, finding.remedy) if text)


def _summary(report: Report) -> str:
    outcomes = [each.outcome for each in report.checks]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome.value}" for outcome in Outcome)
    return f"{len(outcomes)} checks with {report.calls} requests: {counts}."
