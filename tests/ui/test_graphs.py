"""The graph of each example, and of the run that its form has started."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.crash.stack import Stack
from tests.ui.examples import Examples, dag_ids
from tests.ui.task_page import tasks
from tests.ui.windows import NARROW, WIDE, Screenshots, Windows

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.ui

#: The examples that use the task groups of this package, and those groups, outer ones first.
GROUPS = {
    "onboard_event_hubs_destination": ["streaming_destination"],
    "onboard_http_api_source": ["raw_source", "xdm_source"],
    "onboard_many_destinations": ["onboard", "onboard.streaming_destination"],
    "onboard_s3_destination": ["file_destination"],
}
_BOXES = ".react-flow__node"
_FOLDED = re.compile(r"\+ \d+ Tasks")
_CUT_OFF = """found => found.filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
    .map(e => e.innerText)"""
_OUTSIDE = """found => found.map(e => [e.dataset.id, e.getBoundingClientRect()])
    .filter(([id, box]) => box.left < 0 || box.right > innerWidth).map(([id]) => id)"""


@pytest.mark.parametrize("dag_id", dag_ids())
def test_a_graph_names_its_boxes_in_full(
    dag_id: str,
    airflow: Stack,
    windows: Windows,
    examples: Examples,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    run = examples.ended(dag_id)
    names = {task["operator_name"] for task in tasks(airflow, run)}
    assert [name for name in names if name.startswith("FlowService")] == []
    for width in (WIDE, NARROW):
        page = windows.open(width, view="graph")
        page.goto(f"{airflow.url}{run.page}")
        page.get_by_role("button", name="Collapse Details Panel").click()
        fit(page)
        boxes = page.locator(_BOXES)
        groups = GROUPS.get(dag_id, [])
        if groups and width == WIDE:
            screenshots.take(page, f"graph-folded-{dag_id}")
        for group in groups:
            # Airflow remembers what was unfolded in the wide window.
            if width == WIDE:
                page.locator(f"{_BOXES}[data-id='{group}']").get_by_text(_FOLDED).click()
            page.locator(f"{_BOXES}[data-id^='{group}.']").first.wait_for()
        fit(page)
        assert boxes.locator("p, span").evaluate_all(_CUT_OFF) == []
        if width == WIDE:
            assert boxes.evaluate_all(_OUTSIDE) == []
        screenshots.take(page, f"graph-{dag_id}")
        tally["graphs of runs that ended as they should"] += 1
        tally["boxes of graphs, and their names"] += boxes.count()
        tally["task groups"] += len(groups)


def fit(page: Page) -> None:
    """Let the graph fill its window."""
    page.locator(_BOXES).first.wait_for()
    page.get_by_role("button", name="Fit View").click()
