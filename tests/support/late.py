"""Changes that AEP confirms at once and shows later, in front of an emulator that shows them at once."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.http.sender import Sender
from airflow_provider_flowservice.client.model import Page

T = TypeVar("T")
KINDS = {
    kind.path: kind
    for kind in (
        request.CONNECTIONS,
        request.SOURCE_CONNECTIONS,
        request.TARGET_CONNECTIONS,
        request.FLOWS,
    )
}


class Late:
    """A sender that shows a changed resource, by its id and in lists, as it was for some seconds more.

    What is created is missing from lists for as long.
    """

    def __init__(self, sender: Sender, seconds: float) -> None:
        self._sender = sender
        self._seconds = seconds
        self._shown: dict[str, tuple[float, Any]] = {}

    def send(self, wanted: Request[T]) -> T:
        if wanted.method == "GET":
            return self._late(self._sender.send(wanted))
        collection, _, rest = wanted.path.removeprefix(f"{request.FLOW_SERVICE}/").partition("/")
        changed = rest.partition("/")[0]
        before = self._sender.send(request.get(KINDS[collection], changed)) if changed else None
        answer: Any = self._sender.send(wanted)
        until = clock.current().monotonic() + self._seconds
        if changed and wanted.method != "DELETE":
            self._shown.setdefault(changed, (until, before))
        elif not changed:
            self._shown[answer.id] = (until, None)
        return answer  # type: ignore[no-any-return]

    def _late(self, answer: Any) -> Any:
        if isinstance(answer, Page):
            shown = (self._late_item(item, item) for item in answer.items)
            return msgspec.structs.replace(answer, items=tuple(item for item in shown if item is not None))
        return self._late_item(answer, None) or answer

    def _late_item(self, item: Any, otherwise: Any) -> Any:
        until, before = self._shown.get(getattr(item, "id", ""), (0.0, None))
        return before if clock.current().monotonic() < until else otherwise
