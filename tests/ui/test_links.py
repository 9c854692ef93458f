"""Tasks lead to what they are about, on the page of the emulator behind their connection."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash.stack import Stack
from tests.ui.examples import Examples, dag_ids
from tests.ui.task_page import TaskPage, links, tasks
from tests.ui.windows import WIDE, WIDTHS, Screenshots, Windows

pytestmark = pytest.mark.ui

#: What concerns a flow, a run or a dataset, by the beginning of its class's name.
LINKED = (
    "FlowServiceActivate",
    "FlowServiceAdHoc",
    "FlowServiceCreateDataset",
    "FlowServiceCreateFlow",
    "FlowServiceFlow",
    "FlowServicePost",
)


@pytest.mark.parametrize("dag_id", dag_ids())
def test_links_lead_to_the_objects_of_an_emulator(
    dag_id: str,
    control: EmulatorControl,
    airflow: Stack,
    windows: Windows,
    examples: Examples,
    tally: Counter[str],
) -> None:
    run = examples.ended(dag_id)
    found = {}
    for task in tasks(airflow, run):
        operator = task["operator"] or ""
        if task["state"] not in ("success", "deferred") or not operator.startswith("FlowService"):
            continue
        urls = links(airflow, task)
        if operator.startswith(LINKED):
            assert urls, f"{task['task_id']} has no link"
        found.update(dict.fromkeys(urls.values(), task["task_id"]))
        tally["tasks with a link"] += bool(urls)
    page = windows.open(WIDE)
    for url, task_id in found.items():
        assert url.startswith(control.url), f"{task_id} leads to {url}"
        page.goto("about:blank")
        page.goto(url)
        page.locator("main h1").wait_for()
        page.locator("main .card").first.wait_for()
        assert page.locator("[role=alert]").count() == 0, f"{task_id}: {url}"
        view, _, object_id = url.partition("#/")[2].partition("?")[0].partition("/")
        assert unquote(object_id) in page.locator("main").inner_text()
        kind = view if object_id else f"the list of {view}"
        tally[f"links to {kind} of the emulator"] += 1


@pytest.mark.parametrize("width", WIDTHS)
def test_a_link_is_a_button_that_opens_the_page_of_the_flow(
    width: int,
    control: EmulatorControl,
    airflow: Stack,
    windows: Windows,
    examples: Examples,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    run = examples.ended("onboard_kinesis_destination")
    for task_id in ("create_flow", "activate_segments", "validate_flow"):
        page = windows.open(width)
        task = TaskPage(page, airflow, run, task_id)
        task.open_details()
        screenshots.take(page, f"links-{task_id}")
        opened = task.follow("Adobe Experience Platform")
        opened.get_by_role("heading", name="Browser streams: to Amazon Kinesis", level=1).wait_for()
        assert opened.url.startswith(control.url)
        screenshots.take(opened, f"linked-from-{task_id}")
        tally["links followed"] += 1
