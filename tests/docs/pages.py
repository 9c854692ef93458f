"""README and the pages of the documentation site, and the code blocks in them.

A comment before a block says what cannot be seen from its language: ``<!-- file: dags/mine.py -->`` is the name under
which others refer to it, ``<!-- needs: FEATURE -->`` a feature that not every Airflow has, and
``<!-- not run: REASON -->`` says that the tests cannot run it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs"
README = ROOT / "README.md"

_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>file|needs|not run): (?P<value>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    :param page: its page.
    :param line: of its first line of code.
    :param language: such as ``python``.
    :param file: name that others refer to it by, if any.
    :param needs: feature of Airflow that it needs, as in ``tests/support/features.py``; empty if none.
    :param not_run: why it is not run; empty if it is.
    """

    page: Path
    line: int
    language: str
    code: str
    file: str = ""
    needs: str = ""
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and every page of the site that is written in Markdown."""
    return [README, *sorted(SITE.rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order. MyST's directives, whose names are in braces, are not blocks."""
    return list(_blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        marks = {found["mark"]: found["value"]}
        indent = found["indent"]
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("code")) + 1,
            language=found["language"],
            code="".join(line.removeprefix(indent) for line in found["code"].splitlines(keepends=True)),
            file=marks.get("file", ""),
            needs=marks.get("needs", ""),
            not_run=marks.get("not run", ""),
        )


def section(page: Path, title: str) -> str:
    """What stands below a heading, up to the next one of its level or a higher one."""
    text = page.read_text(encoding="utf-8")
    (heading,) = re.finditer(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    rest = text[heading.end() :]
    return re.split(rf"^#{{1,{len(heading[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str) -> list[list[str]]:
    """The cells of the rows of the table in a text, its head first."""
    lines = [line for line in text.splitlines() if line.startswith("|") and "|--" not in line]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
