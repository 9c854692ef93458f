"""What runs of a DAG did: how long they took, and what they sent to AEP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Activity:
    """Runs of a DAG that have ended.

    :param runs: as Airflow's REST API has them.
    :param journal: the requests that they made.
    """

    runs: list[dict[str, Any]]
    journal: list[dict[str, Any]] = field(repr=False)

    @property
    def runs_per_minute(self) -> float:
        """By Airflow's own times."""
        began = min(datetime.fromisoformat(run["start_date"]) for run in self.runs)
        ended = max(datetime.fromisoformat(run["end_date"]) for run in self.runs)
        return len(self.runs) * 60 / (ended - began).total_seconds()

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The requests other than those for tokens."""
        return [entry for entry in self.journal if not _is_for_token(entry)]

    @property
    def tokens(self) -> int:
        """The number of tokens that were requested."""
        return len(self.journal) - len(self.calls)

    @property
    def states(self) -> Counter[tuple[str, str]]:
        """How often each type of run ended in each state."""
        return Counter((run["run_type"], run["state"]) for run in self.runs)

    def __str__(self) -> str:
        number = len(self.runs)
        conflicts = sum(entry["status"] == 412 for entry in self.journal)
        return (
            f"{_counted(number, 'run')}, {self.runs_per_minute:.1f} a minute,"
            f" {len(self.calls) / number:.1f} calls a run ({_each(self.calls, number)}),"
            f" {_counted(conflicts, 'conflict')}, {self.tokens / number:.1f} token requests a run"
        )


def _is_for_token(entry: dict[str, Any]) -> bool:
    return str(entry["path"]).startswith("/ims/")


def _each(calls: Sequence[dict[str, Any]], number: int) -> str:
    counts = Counter(entry["method"] for entry in calls)
    return ", ".join(f"{count / number:.1f} {method}" for method, count in sorted(counts.items()))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
