"""The emulator's page, when the examples have run: it shows what they made and which task has sent what."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.ui.examples import Examples
from tests.ui.windows import WIDTHS, Screenshots, Windows

pytestmark = pytest.mark.ui

DAG_ID = "onboard_kinesis_destination"
VIEWS = ("flows", "connections", "datasets", "segments", "requests")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_shows_what_was_made_and_by_whom(
    width: int,
    control: EmulatorControl,
    windows: Windows,
    examples: Examples,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    run = examples.ended(DAG_ID)
    page = windows.open(width)
    for view in VIEWS:
        page.goto("about:blank")
        page.goto(f"{control.url}/#/{view}")
        page.locator("main .card").first.wait_for()
        if view == "flows":
            page.get_by_role("link", name="Browser streams: to Amazon Kinesis").first.wait_for()
        if view == "requests":
            page.locator("tbody tr", has_text="create_flow").first.wait_for()
        screenshots.take(page, f"emulator-{view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        tally["views of the emulator's page"] += 1
    callers = [entry.get("caller", {}) for entry in control.requests("POST", "/flowservice/flows")]
    assert {"dag": DAG_ID, "run": run.run_id, "task": "create_flow"} in callers
