"""The graph of each example, and of the run that its form has started."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.crash.stack import Stack
from tests.ui.examples import Examples, dag_ids
from tests.ui.task_page import tasks
from tests.ui.windows import WIDTHS, Screenshots, Windows

pytestmark = pytest.mark.ui

#: The examples that use the task groups of this package.
GROUPED = {
    "onboard_event_hubs_destination",
    "onboard_http_api_source",
    "onboard_many_destinations",
    "onboard_s3_destination",
}
_NODES = ".react-flow__node"


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
    for width in WIDTHS:
        page = windows.open(width, view="graph")
        page.goto(f"{airflow.url}{run.page}")
        page.locator(_NODES).first.wait_for()
        if (unfold := page.get_by_role("button", name="Expand all task groups")).is_visible():
            unfold.click()
        page.get_by_role("button", name="Collapse Details Panel").click()
        page.get_by_role("button", name="Fit View").click()
        screenshots.take(page, f"graph-{dag_id}")
        cut_off = (
            page.locator(_NODES)
            .locator("p, span")
            .evaluate_all(
                "found => found.filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth).map(e => e.innerText)"
            )
        )
        assert cut_off == []
        operators = {task["operator_name"] for task in tasks(airflow, run)}
        assert [name for name in operators if name.startswith("FlowService")] == []
        tally["boxes of graphs"] += page.locator(_NODES).count()
        tally["graphs"] += 1
