"""Operator that posts records to a streaming inlet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    DriftError,
    FlowServiceError,
    InvalidInputError,
    is_permanent,
)
from airflow_provider_flowservice.client.waits import FlowSettled
from airflow_provider_flowservice.exceptions import raise_for_airflow
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, required_text
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import is_deferrable, judgement_of, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_flowservice.client.streaming.inlet import Envelope, Inlet
    from airflow_provider_flowservice.client.streaming.posting import Failure, Poster, PostSummary, Progress
    from airflow_provider_flowservice.client.streaming.records import InputRecord, UnreadableRecord

#: How many refused records an error names.
_SHOWN = 10
#: A flow that is changed during the wait is waited for again, but no longer than so many whole waits take. Somebody who
#: edits it a few times only delays the post; something that edits it all the time is an error.
_MAX_WAITS = 3
#: Seconds between two looks at a flow that could not be read.
_POLL_INTERVAL = 60


class FlowServicePostToInletOperator(FlowServiceChangeOperator):
    """Post records to a streaming inlet (``POST /collection/batch/{inlet}``) and account for each of them.

    AEP takes records to an inlet at any time, but drops those that come before a new flow is ready, about
    five minutes after it was made or changed; ``settle_seconds`` waits for that. An inlet has no idempotency
    key: where an answer is lost, records are sent again and may arrive twice. A stable ``_id`` in each lets
    AEP tell.

    :param connection_id: base connection whose inlet is looked up; templated. Give it or ``inlet_url``.
    :param inlet_url: the inlet itself; templated.
    :param flow_id: flow that the records are for; templated.
    :param messages: records in memory, a list or an upstream ``.output``; templated. Give it or ``path``.
    :param path: file of records, anything that ``ObjectStoragePath`` opens, ending in ``.jsonl``, ``.json``
        (an array) or ``.csv``, or one of these with ``.gz``; templated.
    :param storage_conn_id: Airflow connection for ``path`` and ``dead_letter_path``; templated.
    :param schema_id: ``$id`` of the schema, to wrap plain records into XDM messages; templated.
    :param dataset_id: dataset, together with ``schema_id``; templated.
    :param batch_size: records in one request at most; 1 uses the endpoint for single messages. A request
        never exceeds 1 MB.
    :param sync_validation: let AEP check each record against the schema, one by one and 60 a minute.
    :param max_failures: how many records may be refused before the task fails.
    :param dead_letter_path: file that gets the refused records as JSON lines; templated.
    :param skip_records: pass over this many records at the beginning, to go on after a failure.
    :param allow_empty: whether an input without a record is a success.
    :param settle_seconds: seconds that a flow must be old, with ``flow_id``; 0 does not wait.
    :param deferrable: wait for that in the triggerer, without a worker slot; by default as ``[operators]
        default_deferrable`` says.
    :param plan_only: only log what would be posted; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceChangeOperator.template_fields,
        "connection_id",
        "inlet_url",
        "flow_id",
        "messages",
        "path",
        "storage_conn_id",
        "schema_id",
        "dataset_id",
        "dead_letter_path",
    )

    def __init__(
        self,
        *,
        connection_id: str | None = None,
        inlet_url: str | None = None,
        flow_id: str | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        path: str | None = None,
        storage_conn_id: str | None = None,
        schema_id: str | None = None,
        dataset_id: str | None = None,
        batch_size: int = 500,
        sync_validation: bool = False,
        max_failures: int = 0,
        dead_letter_path: str | None = None,
        skip_records: int = 0,
        allow_empty: bool = False,
        settle_seconds: float = 300,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _exactly_one(connection_id=connection_id, inlet_url=inlet_url)
        _exactly_one(messages=messages, path=path)
        if (schema_id is None) != (dataset_id is None):
            raise InvalidInputError(
                "dataset_id" if dataset_id is None else "schema_id", "is missing", "Give both, or neither."
            )
        if batch_size < 1:
            raise InvalidInputError("batch_size", f"{batch_size} is too small", "Give 1 or more.")
        self.connection_id = connection_id
        self.inlet_url = inlet_url
        self.flow_id = flow_id
        # What was given must be there at run time too: an upstream task that was skipped makes None of it.
        self._has_flow = flow_id is not None
        self._has_schema = schema_id is not None
        self.messages = messages
        self.path = path
        self.storage_conn_id = storage_conn_id
        self.schema_id = schema_id
        self.dataset_id = dataset_id
        self.batch_size = batch_size
        self.sync_validation = sync_validation
        self.max_failures = max_failures
        self.dead_letter_path = dead_letter_path
        self.skip_records = skip_records
        self.allow_empty = allow_empty
        self.settle_seconds = settle_seconds
        self.deferrable = is_deferrable(deferrable)

    def change(self, context: Context) -> dict[str, Any]:
        """Wait until the flow is ready, then post.

        :returns: ``inlet_id``, ``accepted``, ``rejected``, ``unknown``, ``maybe_duplicated``,
            ``first_xaction_id``, ``last_xaction_id``.
        """
        if self.inlet_url is not None:
            self._inlet()  # refused before anything is sent or waited for
        self._envelope()
        self._settle()
        return self._post(context)

    def plan(self, context: Context) -> None:
        """Say where records would be posted; nothing is read from the input."""
        self.log.info(
            "Would post %s to the inlet of %s", self.path or "messages", self.connection_id or self.inlet_url
        )

    def execute_settled(
        self, context: Context, event: dict[str, Any], deadline: float | None = None
    ) -> dict[str, Any]:
        """Post, now that the flow is ready, or wait again if it was changed meanwhile.

        :param deadline: of the whole wait; Airflow's ``dag.test()`` hands over the event alone.
        """
        judgement_of(event)
        try:
            with raise_for_airflow():
                self._settle(deadline)
                return self._post(context)
        finally:
            self.hook.close()

    def _settle(self, deadline: float | None = None) -> None:
        """Wait until the flow's last change is old enough. The last look is the task's, right before it posts."""
        flow_id = self.existing_id("flow_id", self.flow_id) if self._has_flow else None
        if flow_id is None or self.settle_seconds <= 0:
            return
        if deadline is None:
            deadline = clock.current().wall() + _MAX_WAITS * self.settle_seconds
        wait = FlowSettled(flow_id=flow_id, settle_seconds=self.settle_seconds)
        judged = wait_for(self, wait, _POLL_INTERVAL, deadline, "execute_settled", {"deadline": deadline})
        if not judged.done:
            raise DriftError(
                f"{wait.describe(judged.seen)}. It was changed again and again during the wait, and AEP drops what is"
                " posted too soon after a change. Post while nobody changes the flow."
            )

    def _post(self, context: Context) -> dict[str, Any]:
        from airflow_provider_flowservice.client.streaming.posting import Poster, PostSummary

        target = self._inlet()
        task_state = TaskState(context, self._asked(target))
        earlier = task_state.load() or {}
        summary = PostSummary(**earlier.get("summary", {"settled": self.skip_records}))
        with self._records() as records, self._failures(append=bool(earlier)) as failures:
            poster = Poster(
                sender=self.hook,
                target=target,
                flow_id=self.flow_id,
                envelope=self._envelope(),
                batch_size=self.batch_size,
                sync_validation=self.sync_validation,
                on_failure=failures.add,
                on_progress=lambda progress: self._note(task_state, failures, progress),
                summary=summary,
                maybe_sent_below=earlier.get("sending_below", 0),
            )
            self._carry_through(poster, islice(records, summary.settled, None))
        # From here on another attempt would send everything again, so it must not find a note to go on from.
        task_state.clear()
        self._judge(summary, failures)
        return {
            "inlet_id": target.id,
            "accepted": summary.accepted,
            "rejected": summary.rejected,
            "unknown": summary.unknown,
            "maybe_duplicated": summary.maybe_duplicated,
            "first_xaction_id": summary.first_xaction_id,
            "last_xaction_id": summary.last_xaction_id,
        }

    def _note(self, task_state: TaskState, failures: _Failures, progress: Progress) -> None:
        if progress.settled.settled == progress.sending_below:
            # What the note calls settled no other attempt will refuse again.
            failures.write()
        task_state.save(_as_note(progress))

    def _carry_through(self, poster: Poster, records: Iterator[InputRecord | UnreadableRecord]) -> None:
        try:
            poster.post(records)
        finally:
            summary = poster.summary
            self.log.info(
                "%d records accepted, %d rejected, %d unknown, %d maybe twice; settled up to record %d",
                summary.accepted,
                summary.rejected,
                summary.unknown,
                summary.maybe_duplicated,
                summary.settled,
            )

    def _inlet(self) -> Inlet:
        from airflow_provider_flowservice.client.streaming import inlet

        if self.inlet_url is not None:
            target = inlet.Inlet(required_text("inlet_url", self.inlet_url))
        else:
            connection_id = self.existing_id("connection_id", self.connection_id)
            target = self.hook.inlet(connection_id)
        return target.checked(self.hook.settings.collection_host)

    def _envelope(self) -> Envelope | None:
        from airflow_provider_flowservice.client.streaming.inlet import Envelope

        if not self._has_schema:
            return None
        return Envelope(
            schema_id=self.existing_id("schema_id", self.schema_id),
            dataset_id=self.existing_id("dataset_id", self.dataset_id),
            org_id=self.hook.settings.org_id,
            flow_id=self.flow_id,
        )

    @contextmanager
    def _records(self) -> Iterator[Iterable[InputRecord | UnreadableRecord]]:
        from airflow_provider_flowservice.client.streaming import records

        if self.path is None:
            if isinstance(self.messages, (str, bytes, Mapping)) or self.messages is None:
                raise InvalidInputError(
                    "messages", f"is a {type(self.messages).__name__}", "Give a list of objects."
                )
            yield records.from_messages(self.messages)
            return
        path = self._storage(required_text("path", self.path))
        records.file_format(path.name)
        if not path.exists():
            raise InvalidInputError("path", f"{self.path!r} is not there", "Check it and its connection.")
        with path.open("rb") as file:
            yield records.from_file(file, path.name)

    def _asked(self, target: Inlet) -> str:
        """What this task is asked to post where; another file under the same name counts as changed."""
        size = (
            self._storage(self.path).stat().st_size if self.path and self._storage(self.path).exists() else 0
        )
        arguments = (
            self.flow_id,
            self.path,
            size,
            self.messages,
            self.schema_id,
            self.dataset_id,
            self.skip_records,
        )
        return f"{target.url} {arguments!r}"

    @contextmanager
    def _failures(self, *, append: bool) -> Iterator[_Failures]:
        if self.dead_letter_path is None:
            yield _Failures(None, self.batch_size)
            return
        path = self._storage(required_text("dead_letter_path", self.dead_letter_path))
        path.parent.mkdir(parents=True, exist_ok=True)
        # Half a surrogate pair, which JSON can name and UTF-8 cannot hold, is written as JSON names it.
        with path.open("a" if append else "w", encoding="utf-8", errors="backslashreplace") as file:
            failures = _Failures(file, self.batch_size)
            try:
                yield failures
            except FlowServiceError as error:
                # Otherwise another attempt sends what is not settled, and it alone may keep what is refused.
                if is_permanent(error):
                    failures.write()
                raise
            failures.write()

    def _storage(self, path: str) -> ObjectStoragePath:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(path, conn_id=self.storage_conn_id)

    def _judge(self, summary: PostSummary, failures: _Failures) -> None:
        """Decide whether the task fails."""
        if not summary.accepted and not summary.failures and not self.allow_empty:
            raise InvalidInputError(
                "messages" if self.path is None else "path",
                "holds no record" if self.path is None else f"{self.path!r} holds no record",
                "If that may be, say allow_empty=True.",
            )
        if summary.failures > self.max_failures:
            kept = f" They are in {self.dead_letter_path}." if self.dead_letter_path else ""
            raise DriftError(
                f"{summary.accepted} records were accepted, {summary.rejected} rejected, {summary.unknown} got no"
                f" result; max_failures is {self.max_failures}. {failures.summary()}{kept} Post those again"
                " once they are right, not the others."
            )


def _as_note(progress: Progress) -> dict[str, Any]:
    return {"summary": asdict(progress.settled), "sending_below": progress.sending_below}


class _Failures:
    """Keeps the first refusals for the message, and all of them in the dead letters.

    :param file: where dead letters go.
    :param most: how many may wait until they are written.
    """

    def __init__(self, file: IO[str] | None, most: int) -> None:
        self._file = file
        self._most = most
        self._waiting: list[str] = []
        self._first: list[str] = []
        self._count = 0

    def add(self, failure: Failure) -> None:
        """Note a refused record."""
        self._count += 1
        if len(self._first) < _SHOWN:
            self._first.append(f"{failure.place}: {failure.message}")
        if self._file is not None:
            text = failure.record.raw.decode("utf-8", "replace")
            letter = {
                "position": failure.record.position,
                "line": failure.record.line,
                "status": failure.status,
                "message": failure.message,
                "record": _as_json(text),
            }
            self._waiting.append(json.dumps(letter, ensure_ascii=False) + "\n")
            if len(self._waiting) > self._most:
                self.write()

    def write(self) -> None:
        """Write the dead letters that wait, so that they outlive this process."""
        if self._file is not None:
            self._file.writelines(self._waiting)
            self._file.flush()
        self._waiting.clear()

    def summary(self) -> str:
        """The first refusals in words."""
        more = f" ... and {self._count - len(self._first)} more." if self._count > len(self._first) else "."
        return "; ".join(self._first) + more


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _exactly_one(**arguments: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if len(given) != 1:
        names = " or ".join(arguments)
        problem = "are both given" if given else "is missing"
        raise InvalidInputError(names, problem, "Give exactly one of them.")
