"""Runs of flows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from airflow_provider_flowservice.client.model.documents import JsonObject, member, objects
from airflow_provider_flowservice.client.model.records import Frozen, Id, Milliseconds, Record
from airflow_provider_flowservice.client.text import plain_text

#: Maximum length of AEP's codes, messages and URLs.
_MAX_CHARACTERS = 300
#: JSON holds larger numbers inexactly.
_MAX_COUNT = 2**53
_MAX_DIGITS = 16
#: Credentials that a URL can contain: in front of the host, and in the query or fragment.
_LOGIN = re.compile(r"://[^\s/?#]*@")
_QUERY = re.compile(r"(://[^\s?#]*)[?#]\S*")
#: Where AEP puts errors in what has metrics, and URLs with details.
_ERRORS = (
    ("statusSummary", "errors"),
    ("statusSummary", "extensions", "errors"),
    ("recordSummary", "failedInfo"),
)
_DETAILS = ("failedRecords", "sampleErrors")


class RunState(StrEnum):
    """State of a flow run; AEP's various spellings are mapped to one value each."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partialSuccess"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended, so that its state does not change any more."""
        return self is not RunState.RUNNING

    @classmethod
    def from_text(cls, text: str | None) -> RunState:
        """Convert AEP's status, in any case. An unknown status counts as running, so that a wait goes on."""
        folded = (text or "").replace("_", "").replace(" ", "").lower()
        return _RUN_STATES.get(folded, cls.RUNNING)


_RUN_STATES = {
    "success": RunState.SUCCESS,
    "completed": RunState.SUCCESS,
    "partialsuccess": RunState.PARTIAL,
    "failed": RunState.FAILED,
    "partialfailure": RunState.FAILED,
}


class RunError(Frozen, frozen=True):
    """One of AEP's explanations, as plain text without secrets.

    :param code: for example ``CONNECTOR-2001-500``; may be empty.
    :param message: may be empty, if there is a code.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.code, self.message)))


class FlowRun(Record, frozen=True, kw_only=True):
    """One run of a flow (``/runs``).

    Whether it succeeded is decided in ``client.flows.outcomes``.

    :param metrics: counts, state and errors; malformed parts of it are ignored.
    :param activities: the steps of the run, each with its own metrics; malformed parts of it are ignored.
    """

    id: Id
    flow_id: str = ""
    created_at: Milliseconds = 0
    updated_at: Milliseconds = 0
    metrics: JsonObject = msgspec.field(default_factory=dict)
    activities: Any = None
    params: JsonObject | None = None
    sandbox_name: Any = None

    @property
    def state(self) -> RunState:
        """The run's state."""
        status = member(self.metrics, "statusSummary", "status")
        return RunState.from_text(status if isinstance(status, str) else None)

    @property
    def ended_at(self) -> int | None:
        """When the run ended, in milliseconds since 1970-01-01 UTC; None if AEP does not show it."""
        return _count(member(self.metrics, "durationSummary", "completedAtUTC"))

    @property
    def records_read(self) -> int | None:
        """The number of records that were read; None if AEP has not counted them."""
        return self._count("inputRecordCount")

    @property
    def records_written(self) -> int | None:
        """The number of records that were written; None if AEP has not counted them."""
        return self._count("outputRecordCount")

    @property
    def records_failed(self) -> int | None:
        """The number of records that could not be processed; None if AEP has not counted them.

        If only steps of the run have counted them, it is the largest of their numbers.
        """
        name = "failedRecordCount"
        failed = self._count(name)
        if failed is None:
            of_parts = (_count(member(part, "recordSummary", name)) for part in objects(self.activities))
            failed = max((count for count in of_parts if count), default=None)
        return failed

    @property
    def records_skipped(self) -> int | None:
        """The number of records that the flow leaves out on purpose, which is not a failure; None if not counted."""
        return self._count("skippedRecordCount")

    @property
    def errors(self) -> tuple[RunError, ...]:
        """AEP's errors about the run and its steps, each once; a run that succeeded may have some, too."""
        found = (
            RunError(_text(error.get("code")), _text(error.get("message")))
            for part in self._parts()
            for names in _ERRORS
            for error in objects(part, *names)
        )
        return tuple(dict.fromkeys(error for error in found if error.code or error.message))

    @property
    def details(self) -> tuple[str, ...]:
        """The URLs under which AEP keeps the failed records or samples of errors, without their queries."""
        urls = (
            _text(member(part, "statusSummary", "extensions", "manifest", name))
            for part in self._parts()
            for name in _DETAILS
        )
        return tuple(dict.fromkeys(url for url in urls if url.startswith("https://")))

    @property
    def segments(self) -> frozenset[str]:
        """The ids of the segments that the run exports; empty if AEP does not show them."""
        entities = (
            str(entity.get("id"))
            for side in ("sourceSummaries", "targetSummaries")
            for summary in objects(self.metrics, "recordSummary", side)
            for entity in objects(summary, "entitySummaries")
        )
        prefix = "segment:"
        return frozenset(each.removeprefix(prefix) for each in entities if each.startswith(prefix))

    def _count(self, name: str) -> int | None:
        return _count(member(self.metrics, "recordSummary", name))

    def _parts(self) -> Iterator[Mapping[str, Any]]:
        """Yield what has metrics: the run itself and each of its steps."""
        yield self.metrics
        yield from objects(self.activities)


def _count(value: Any) -> int | None:
    """Read a count, which AEP may write as a string. It writes -1 for what it has not counted.

    Others than whole numbers that JSON can hold are not known either.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
    return value if is_count else None


def _text(value: Any) -> str:
    """Return a code, message or URL of AEP as plain text. Its URLs may be signed."""
    text = value if isinstance(value, str) else str(number) if (number := _count(value)) is not None else ""
    text = _LOGIN.sub("://", text[: 4 * _MAX_CHARACTERS])
    return plain_text(_QUERY.sub(r"\1", text), _MAX_CHARACTERS)
