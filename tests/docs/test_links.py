"""The check of the links of a built site notices what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.__main__ import problems, read


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="other.html#place">', ""),
        ('<a href="#here"><h1 id="here">', ""),
        ('<a href="https://example.com/">', ""),
        ('<a href="missing.html">', "there is no such file"),
        ('<a href="other.html#elsewhere">', "there is no such place on the page"),
        ('<img src="missing.png">', "there is no such file"),
        ('<script src="https://example.com/x.js">', "is loaded from another host"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "is loaded from another host"),
    ],
)
def test_what_is_wrong_with_a_link_is_noticed(html: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h2 id="place">')
    (tmp_path / "page.html").write_text(html)
    found = list(problems(read(tmp_path)))
    assert len(found) == bool(problem)
    assert all(each.endswith(f": {problem}") for each in found)
