"""What became of each cell of the fault matrix, as a table for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_WIDTH = 5


class Outcome(StrEnum):
    """How an operation came through a fault."""

    RECOVERED = "recovered"
    FAILED = "failed with a clear error"
    NOT_APPLICABLE = "not applicable"
    WRONG = "wrong"


_SIGNS = {
    Outcome.RECOVERED: "ok",
    Outcome.FAILED: "error",
    Outcome.NOT_APPLICABLE: "-",
    Outcome.WRONG: "WRONG",
}


@dataclass
class Outcomes:
    """The cells by row and column, and figures beside them.

    :param rows: all rows in their order; so are ``columns``. A row without a cell is not shown.
    """

    rows: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    cells: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)
    seeds: int = 0

    def record(self, row: str, column: str, outcome: Outcome) -> None:
        """Set a cell."""
        self.cells[row, column] = outcome

    def lines(self) -> list[str]:
        """The table, a legend, and the figures."""
        figures = [*self.figures, *([f"soak: {self.seeds} seeds held"] if self.seeds else [])]
        if not self.cells:
            return figures
        with_cells = {row for row, _ in self.cells}
        rows = [row for row in self.rows if row in with_cells]
        numbers = range(1, len(self.columns) + 1)
        legend = [
            f"{number:>{_WIDTH}} = {column}" for number, column in zip(numbers, self.columns, strict=True)
        ]
        head = " " * max(map(len, rows)) + "".join(f"{number:>{_WIDTH + 1}}" for number in numbers)
        return [*legend, "", head, *(self._line(row, len(head)) for row in rows), *self._totals(), *figures]

    def _line(self, row: str, width: int) -> str:
        known = (self.cells.get((row, column)) for column in self.columns)
        cells = ("" if cell is None else _SIGNS[cell] for cell in known)
        shown = "".join(f"{cell:>{_WIDTH + 1}}" for cell in cells)
        return f"{row:<{width - len(shown)}}{shown}"

    def _totals(self) -> list[str]:
        counted = Counter(self.cells.values())
        totals = ", ".join(f"{counted[outcome]} {outcome.value} ({_SIGNS[outcome]})" for outcome in Outcome)
        return ["", f"{len(self.cells)} cells: {totals}"]
