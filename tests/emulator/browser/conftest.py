from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import Api

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for found in map(shutil.which, _BROWSERS) if found), None)
    if path is None:
        pytest.skip(f"none of {', '.join(_BROWSERS)} is installed")
    options = ["--host-resolver-rules=MAP *.test 127.0.0.1"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=options)
        yield found
        found.close()


class Opener:
    """Opens views of the page, and notes what the browser complains of."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser = browser
        self._url = url
        self.complaints: list[str] = []

    def __call__(self, view: str, url: str | None = None, **settings: Any) -> Any:
        page = self._browser.new_page(**settings)
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)
        page.goto(f"{url or self._url}/#/{view}")
        page.wait_for_selector("main h1")
        return page

    def _note(self, line: Any) -> None:
        if line.type in ("error", "warning"):
            self.complaints.append(line.text)

    def close(self) -> None:
        for context in self._browser.contexts:
            context.close()


@pytest.fixture
def open_page(browser: Any, emulator_server: EmulatorServer, api: Api) -> Iterator[Opener]:
    """Open a view of the page; what the browser complains of fails the test."""
    opener = Opener(browser, emulator_server.url)
    yield opener
    opener.close()
    assert opener.complaints == []
