"""Pages of AEP's user interface."""

from __future__ import annotations

from urllib.parse import quote

_CONSOLE = "https://experience.adobe.com/#/sname:{sandbox}/platform"


def source_flow_page(sandbox: str, flow_id: str) -> str:
    """Return the URL of a source flow, whose page lists its runs."""
    return f"{_console(sandbox)}/source/dataflows/{quote(flow_id, safe='')}"


def destinations_page(sandbox: str) -> str:
    """Return the URL of the list of flows to destinations. No URL is documented for a single one."""
    return f"{_console(sandbox)}/destination/browse"


def _console(sandbox: str) -> str:
    return _CONSOLE.format(sandbox=quote(sandbox, safe=""))
