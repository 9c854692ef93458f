"""Builds the documentation site, and checks what Sphinx does not. Run by ``make docs``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.docs.pages import ROOT, SITE, blocks, pages
from tests.docs.running import is_run

BUILD = ROOT / "build" / "docs"
#: What makes a browser load something from an address, so that the site would need a network to be read.
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


class _Page(HTMLParser):
    """What a page refers to, and what it can be referred to by."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and {"stylesheet", "icon", "preload"} & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        elif tag in _LOADS and _LOADS[tag] in given:
            self.loads.append(given[_LOADS[tag]])


def build() -> bool:
    """Build the site anew; whether there was no warning."""
    shutil.rmtree(BUILD, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--keep-going"]
    return subprocess.run([*command, "--quiet", "--jobs", "auto", SITE, BUILD], check=False).returncode == 0


def read(folder: Path) -> dict[Path, _Page]:
    """The pages of a built site by their files."""
    found = {}
    for path in sorted(folder.rglob("*.html")):
        found[path] = _Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def problems(site: dict[Path, _Page]) -> Iterator[str]:
    """What is wrong with links within the site, and what comes from another host."""
    for path, page in site.items():
        for target in [*page.links, *page.loads]:
            if is_internal(target):
                if problem := _problem(path, target, site):
                    yield f"{path}: {target}: {problem}"
            elif target in page.loads and not target.startswith("data:"):
                yield f"{path}: {target}: is loaded from another host"


def is_internal(target: str) -> bool:
    """Whether a link leads to a page of the site."""
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc


def _problem(path: Path, target: str, site: dict[Path, _Page]) -> str:
    parts = urlsplit(target)
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not file.exists():
        return "there is no such file"
    if parts.fragment and file in site and unquote(parts.fragment) not in site[file].anchors:
        return "there is no such place on the page"
    return ""


def main() -> int:
    """Build and check the site; the exit status is 0 if nothing is wrong."""
    is_clean = build()
    site = read(BUILD)
    wrong = list(problems(site))
    for problem in wrong:
        print(problem)  # noqa: T201
    links = sum(map(is_internal, (target for page in site.values() for target in page.links)))
    kinds = Counter(is_run(block) for page in pages() for block in blocks(page))
    print(  # noqa: T201
        f"docs: {'ok' if is_clean and not wrong else 'failed'}: {len(site)} pages, {links} internal links,"
        f" {len(wrong)} of them broken; make test runs {kinds[True]} code blocks, and {kinds[False]} are not run"
    )
    return 0 if is_clean and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
