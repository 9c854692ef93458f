from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import Api
from tests.support import browser as chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium.running() as browser:
        yield browser


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
