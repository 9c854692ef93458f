"""The machine's own Chromium, driven by playwright, which downloads no browser.

``python -m tests.support.browser`` installs Debian's package if there is no Chromium.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import debian

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGE = "chromium"
#: Names that end so lead to this machine.
_OPTIONS = ("--host-resolver-rules=MAP *.test 127.0.0.1",)


@contextmanager
def running() -> Iterator[Browser]:
    """A browser without a window, which ends with the block.

    :raises RuntimeError: if there is none on this machine, or no playwright; it says how to install it.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise RuntimeError("playwright is not installed: .venv/bin/pip install -e '.[browser]'") from error
    if (path := _path()) is None:
        raise RuntimeError(debian.missing(_PACKAGE))
    # As root, Chromium's sandbox refuses to run.
    options = [*_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


def _path() -> str | None:
    return next((found for found in map(shutil.which, _NAMES) if found), None)


if __name__ == "__main__":
    debian.install(_PACKAGE, _path)
