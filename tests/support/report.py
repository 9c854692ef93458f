"""What a suite says at its end of what it has checked."""

from __future__ import annotations

from collections import Counter

import pytest


class Report:
    """A plugin of pytest that prints a section when all tests are done; nothing if they have added nothing.

    :param title: of the section.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self.lines: list[str] = []
        self.tally: Counter[str] = Counter()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the lines, and how many of what were counted."""
        counts = [f"{count:5} {what}" for what, count in self.tally.items()]
        if lines := [*self.lines, *counts]:
            terminalreporter.section(self._title)
            for line in lines:
                terminalreporter.write_line(line)
