"""How long the emulator takes for the page in the browser, and for the longest of its portions.

While the emulator, which has one thread, works on a portion, every other request has to wait.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import requests

_API = "/_emulator/page"
#: What a browser loads until the first view is complete.
_FIRST_VIEW = ("/", f"{_API}/overview", f"{_API}/flows")
#: Portions of every view, and searches that find nothing and so look at most.
_PORTIONS = (
    *(
        f"{_API}/{name}"
        for name in ("flows", "runs", "connections", "sourceConnections", "targetConnections")
    ),
    *(
        f"{_API}/{name}"
        for name in ("schemas", "datasets", "mappingSets", "segments", "requests", "switches", "faults")
    ),
    *(f"{_API}/{name}?search=nothing" for name in ("flows", "runs", "targetConnections", "requests")),
    f"{_API}/flows?offset=4000",
    f"{_API}/runs?offset=15000",
)


@dataclass(frozen=True)
class PageCost:
    """What the page takes, in seconds.

    :param view: until the first view has all its data.
    :param longest: for the portion that takes longest, the first ones included, for which there are no indexes yet.
    """

    view: float
    longest: float


def load_page(url: str) -> PageCost:
    """Load the page of an emulator that was just started, and then portions of every view."""
    with requests.Session() as session:
        session.trust_env = False
        first = _times(session, url, _FIRST_VIEW)
        return PageCost(sum(first), max(*first, *_times(session, url, _PORTIONS)))


def _times(session: requests.Session, url: str, targets: Sequence[str]) -> list[float]:
    times = []
    for target in targets:
        began = time.perf_counter()
        session.get(url + target, timeout=60).raise_for_status()
        times.append(time.perf_counter() - began)
    return times
