"""The page of a task of a run: its log, and its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.crash.stack import Stack
from tests.ui.trigger_form import Run

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

#: What a user reads at first: groups of messages are folded up.
_GROUP, _END = "::group::", "::endgroup::"


class TaskPage:
    """A task in a window.

    :param map_index: of a mapped task.
    """

    def __init__(self, page: Page, airflow: Stack, run: Run, task_id: str, map_index: int = -1) -> None:
        self._page = page
        self._url = f"{airflow.url}{run.page}/tasks/{task_id}" + (
            f"/mapped/{map_index}" if map_index >= 0 else ""
        )

    def open_log(self) -> Locator:
        """Show nothing but the log, scroll to its end, and return the lines that are on the screen."""
        self._page.goto(self._url)
        self._page.get_by_role("button", name="Press f for fullscreen").click()
        dialog = self._page.get_by_role("dialog")
        lines = dialog.locator("[data-testid^=virtualized-item-]")
        lines.first.wait_for()
        # At first, the choice of levels has the keyboard.
        dialog.get_by_role("heading").first.click()
        self._page.keyboard.press("ControlOrMeta+ArrowDown")
        return lines

    def open_details(self) -> None:
        """Show the tab that has the links."""
        self._page.goto(f"{self._url}/details")
        self._page.get_by_role("heading", name="Extra Links").wait_for()

    def follow(self, link: str) -> Page:
        """Click a link, and return the window that opens."""
        with self._page.context.expect_page() as opened:
            self._page.get_by_role("link", name=link).click()
        window = opened.value
        window.set_viewport_size(self._page.viewport_size)
        return window


def tasks(airflow: Stack, run: Run) -> list[dict[str, Any]]:
    """All task instances of a run."""
    return list(airflow.get(f"{run.path}/taskInstances", limit=200)["task_instances"])


def links(airflow: Stack, task: dict[str, Any]) -> dict[str, str]:
    """The links of a task instance, by name, without those that lead nowhere yet."""
    found = airflow.get(f"{_path(task)}/links", map_index=task["map_index"])["extra_links"]
    return {name: url for name, url in found.items() if url}


def log(airflow: Stack, task: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages in the log of a task instance's last try that are on the screen at first."""
    path = f"{_path(task)}/logs/{task['try_number']}"
    shown, depth = [], 0
    for line in airflow.get(path, map_index=task["map_index"], full_content=True)["content"]:
        if _GROUP in line["event"]:
            depth += 1
        elif _END in line["event"]:
            depth -= 1
        elif depth == 0:
            shown.append(line)
    return shown


def _path(task: dict[str, Any]) -> str:
    return f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
