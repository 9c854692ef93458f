"""Windows of the browser, and pictures of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

WIDE, NARROW = 1440, 400
WIDTHS = (WIDE, NARROW)
_HEIGHT = 900
#: Above and below a dialog, in pixels.
_MARGIN = 200
#: What Airflow remembers in the browser: its last view of a DAG, and whether it wraps the lines of logs.
_REMEMBERED = """if (location.port) {{
    localStorage.setItem("default_dag_view", JSON.stringify("{view}"));
    localStorage.setItem("log_wrap", {wrap});
}}"""


class Windows:
    """Opens windows, and notes what scripts in them throw.

    :param context: all windows share its cache.
    """

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self.errors: list[str] = []
        self._note = lambda error: self.errors.append(str(error.error))
        context.on("weberror", self._note)

    def open(self, width: int, view: str = "grid") -> Page:
        """Open a window.

        :param width: in pixels; in a narrow window, the lines of logs are wrapped.
        :param view: what Airflow shows of a DAG beside its details, ``grid`` or ``graph``.
        """
        page = self._context.new_page()
        page.set_viewport_size({"width": width, "height": _HEIGHT})
        page.add_init_script(_REMEMBERED.format(view=view, wrap=json.dumps(width == NARROW)))
        return page

    def close(self) -> None:
        """Close all windows, also those that were opened from others."""
        for page in self._context.pages:
            page.close()
        self._context.remove_listener("weberror", self._note)


class Screenshots:
    """Files named by their order, what they show and its width."""

    def __init__(self, folder: Path, tally: Counter[str]) -> None:
        self._folder = folder
        self._tally = tally

    def take(self, page: Page, what: str) -> None:
        """Save what a window shows."""
        number = self._tally["screenshots"] + 1
        width = (page.viewport_size or {})["width"]
        path = self._folder / f"{number:02}-{what}-{width}.png"
        page.screenshot(path=path, animations="disabled", caret="hide")
        self._tally["screenshots"] = number

    def take_whole(self, page: Page, dialog: Locator, what: str) -> None:
        """The same of a dialog that is higher than its window."""
        size = dict(page.viewport_size or {})
        height = dialog.evaluate("e => e.scrollHeight") + _MARGIN
        page.set_viewport_size({**size, "height": max(height, size["height"])})
        self.take(page, what)
        page.set_viewport_size(size)
