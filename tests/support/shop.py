"""An open source, what was posted to it through the client, and what became of that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_flowservice.client.http import AiohttpTransport
from airflow_provider_flowservice.client.streaming.plan import Plan
from airflow_provider_flowservice.client.streaming.posting import Failure, Note, Poster, PostSummary
from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord, in_blocks
from airflow_provider_flowservice.client.streaming.settled import SettledRecords
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.support.clients import Client
from tests.support.faults import fault
from tests.support.streaming import Source


class Shop:
    """An open source, what was posted to it, and what became of that."""

    def __init__(self, client: Client, control: EmulatorControl, source: Source) -> None:
        self.client = client
        self.control = control
        self.source = source
        self.failures: list[Failure] = []
        self.notes: list[Note] = []
        self.poster: Poster | None = None
        control.clear_requests()

    def post(
        self,
        records: Iterable[InputRecord | UnreadableRecord],
        *,
        note: Note | None = None,
        client: Client | None = None,
        **plan: Any,
    ) -> PostSummary:
        """Post records one batch after the other, unless ``concurrency`` says otherwise."""
        settings = (client or self.client)._settings
        options = {"flow_id": self.source.flow_id, "concurrency": 1, **plan}
        begin = note.settled.settled if note else 0
        self.poster = Poster(
            lambda _: AiohttpTransport(settings),
            Plan(target=self.source.inlet, **options),
            settled=SettledRecords(begin),
            note=note,
            on_failure=self.failures.append,
            on_note=self.notes.append,
        )
        return self.poster.post(in_blocks(records))

    @property
    def summary(self) -> PostSummary:
        """The counts so far, also after an error."""
        assert self.poster is not None
        return self.poster.summary

    def lose(self, kind: str, path: int = 1, **parameters: Any) -> None:
        """Put a fault in the way of the batch endpoint, or with 0 of the single one."""
        self.control.inject(fault(kind, "POST", self.source.paths[path], **parameters))

    def answer(self, *elements: dict[str, Any], **parameters: Any) -> None:
        """Let the inlet answer the next batch with these elements, and take nothing in."""
        body = {"inletId": self.source.inlet.id, "batchId": "b", "responses": elements}
        self.lose("status", status=207, body=body, **parameters)

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The requests at the inlet."""
        return self.control.requests(method="POST", path="/collection/")

    @property
    def sizes(self) -> list[int]:
        """How many messages each batch had."""
        return [len(entry["body"]["messages"]) for entry in self.posts]

    @property
    def kept(self) -> list[dict[str, Any]]:
        """What the inlet took."""
        return self.control.messages(self.source.inlet.id)

    @property
    def problems(self) -> list[tuple[str, int | None, str]]:
        return [(failure.place, failure.status, failure.message) for failure in self.failures]
