"""Operator for posting records to a streaming inlet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming import (
    CsvOptions,
    DeadLetters,
    EmptyCells,
    Envelope,
    FileFormat,
    Inlet,
    Mark,
    PostSummary,
    SettledRecords,
    begins_with_dead_letter,
    file_format,
    from_file,
    from_messages,
    lines_of_letters,
    unwrapped,
)
from airflow_provider_flowservice.client.waits import FlowSettled
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator
from airflow_provider_flowservice.operators.kinds import (
    cell,
    character,
    choice,
    flag,
    items,
    list_of,
    resource_id,
    seconds,
    storage_path,
    string,
    text_encoding,
    whole_number,
)
from airflow_provider_flowservice.operators.letter_files import LetterFile, Part, is_same_file, letter_file
from airflow_provider_flowservice.operators.task_state import TaskState, is_last_attempt
from airflow_provider_flowservice.operators.waiting import default_deferrable, judgement_of, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_flowservice.client.streaming import Failure, InputRecord, Progress, UnreadableRecord

#: If a flow is changed during the wait, the wait is repeated. This is the maximum duration of all waits together, as a
#: multiple of ``settle_seconds``: a few edits delay the post, but a flow that is edited all the time is an error.
_MAX_WAITS = 3
#: Seconds between two attempts to read a flow, after the retries of a request have failed.
_POLL_INTERVAL = 60
_NOT_CSV = "Remove the argument, or set input_format='csv'."


#: Arguments that may change between the attempts of a task. The others decide which records are posted, and as what.
_NOT_THE_WORK = frozenset(
    {
        "connection_id",
        "inlet_url",
        "messages",
        "batch_size",
        "sync_validation",
        "max_failures",
        "dead_letter_path",
        "allow_empty",
        "settle_seconds",
        "deferrable",
        "plan_only",
    }
)


class _Note(Frozen, frozen=True):
    """What an attempt notes for the next one. It has nothing of the content of records but hashes.

    :param summary: summary of the settled records.
    :param sending_below: records before this index may have been sent.
    :param marks: hashes of the settled records.
    :param letters: where their dead letters are.
    """

    summary: PostSummary
    sending_below: int = 0
    marks: tuple[Mark, ...] = ()
    letters: Part | None = None

    @classmethod
    def loaded(cls, task_state: TaskState, skip_records: int) -> _Note:
        """Return the note of an earlier attempt, or an empty one."""
        saved = task_state.load()
        return cls.from_json(saved) if saved else cls(PostSummary(settled=skip_records))


class FlowServicePostToInletOperator(FlowServiceChangeOperator):
    """Post records to a streaming inlet (``POST /collection/batch/{inlet}``), and track the result of each record.

    Inlets always accept records, but AEP drops those that arrive before a flow is ready, which takes about five minutes
    after it was created or changed; see ``settle_seconds``. Inlets do not support idempotency keys: if a response is
    lost, records are sent again and may arrive twice. With a stable ``_id`` in each record, AEP removes duplicates.

    :param flow_id: id of the flow that ingests the records. Default: the one in ``inlet_url``, if any.
    :param connection_id: id of the base connection of the inlet. Mutually exclusive with ``inlet_url``.
    :param inlet_url: URL of the inlet. It may contain the flow (``?x-adobe-flow-id=<id>``) and ``syncValidation=true``.
    :param messages: records in memory, as a list or the output of an upstream task. Mutually exclusive with ``path``.
    :param path: file of records, as a URL or path for ``ObjectStoragePath``, with the extension ``.jsonl`` or
        ``.ndjson``, ``.json`` (an array of objects, one object, the body of a batch, or JSON lines) or ``.csv``, each
        optionally followed by ``.gz``. A record may have 1,000,000 bytes and 256 levels.
    :param storage_conn_id: Airflow connection for ``path`` and ``dead_letter_path``.
    :param input_format: format of the file, ``csv``, ``json`` or ``jsonl``, if its extension does not say it.
    :param delimiter: the character between two fields of a CSV file. By default, it is a comma if the header has one
        outside quotes; otherwise ``;``, tab or ``|`` if the header has exactly one of them. A first line ``sep=;`` says
        it, too.
    :param encoding: encoding of a CSV file, such as ``cp1252``; default: UTF-8, or what a byte order mark says.
    :param empty_cells: what an empty cell of a CSV file becomes: ``omit`` leaves its key out, ``null``, or ``text`` for
        an empty string, which AEP drops records for.
    :param null_values: further texts of cells without a value, such as ``NULL``. They are treated as empty cells; with
        ``empty_cells="text"`` they become null.
    :param schema_id: ``$id`` of the schema, to wrap plain records in XDM messages.
    :param dataset_id: id of the dataset; required with ``schema_id``.
    :param batch_size: maximum number of records per request; 1 uses the endpoint for single messages. Requests are
        limited to 1,000,000 bytes in any case.
    :param sync_validation: whether AEP validates each record against the schema. Records are then sent one by one, at
        most 60 per minute.
    :param max_failures: maximum number of records that may be rejected without failing the task.
    :param dead_letter_path: file for the rejected records, as JSON lines. If it is given as ``path``, with or without
        corrections, the records in it are posted. It is replaced when the task is done or has failed for good. Each
        task of a mapped operator needs a file of its own.
    :param skip_records: number of records to skip at the beginning of the input, to continue after a failure.
    :param allow_empty: whether an input without records is a success.
    :param settle_seconds: minimum age of the last change of the flow, in seconds, before anything is sent. Requires
        ``flow_id``; 0 does not wait.
    :param deferrable: whether to wait for ``settle_seconds`` in the triggerer, without a worker slot. Default:
        ``[operators] default_deferrable``.
    :param plan_only: whether to only log what would be posted.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    connection_id = optional(resource_id)
    inlet_url = optional(resource_id)
    flow_id = optional(resource_id)
    messages = optional(items)
    path = optional(storage_path)
    storage_conn_id = optional(string)
    input_format = optional(choice(FileFormat))
    delimiter = optional(character)
    encoding = optional(text_encoding)
    empty_cells = required(choice(EmptyCells))
    null_values = required(list_of(cell))
    schema_id = optional(resource_id)
    dataset_id = optional(resource_id)
    batch_size = required(whole_number(minimum=1))
    sync_validation = required(flag)
    max_failures = required(whole_number())
    dead_letter_path = optional(storage_path)
    skip_records = required(whole_number())
    allow_empty = required(flag)
    settle_seconds = required(seconds())
    deferrable = required(flag, default=default_deferrable)

    def __init__(
        self,
        *,
        flow_id: str | None = None,
        connection_id: str | None = None,
        inlet_url: str | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        path: str | None = None,
        storage_conn_id: str | None = None,
        input_format: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        empty_cells: str = "omit",
        null_values: Sequence[str] = (),
        schema_id: str | None = None,
        dataset_id: str | None = None,
        batch_size: int | str = 500,
        sync_validation: bool | str = False,
        max_failures: int | str = 0,
        dead_letter_path: str | None = None,
        skip_records: int | str = 0,
        allow_empty: bool | str = False,
        settle_seconds: float | str | timedelta = 300,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Reject arguments that exclude or require each other."""
        self.require_one_of("connection_id", "inlet_url")
        self.require_one_of("messages", "path")
        for one, other in (("schema_id", "dataset_id"), ("dataset_id", "schema_id")):
            if self.is_given(one) and not self.is_given(other):
                raise InvalidInputError(other, "is missing", "Give both, or neither.")

    def change(self, context: Context) -> dict[str, Any]:
        """Wait until the flow is ready, then post the records.

        :returns: ``inlet_id``, ``accepted``, ``rejected``, ``unknown``, ``maybe_duplicated``,
            ``first_xaction_id``, ``last_xaction_id``.
        """
        self._check_format()
        if self.inlet_url is not None:
            self._inlet()  # Reject an invalid URL before anything is sent or waited for.
        self._reject_same_file()
        self._settle()
        return self._post(context)

    def plan(self, context: Context) -> None:
        """Log where records would be posted. The input is not read."""
        self._check_format()
        self.log.info(
            "Would post %s to the inlet of %s", self.path or "messages", self.connection_id or self.inlet_url
        )

    def execute_settled(
        self, context: Context, event: dict[str, Any], deadline: float | None = None
    ) -> dict[str, Any]:
        """Post the records, or wait again if the flow was changed in the meantime.

        :param deadline: deadline of all waits, in seconds since 1970-01-01 UTC; None with Airflow's ``dag.test()``.
        """
        judgement_of(event)
        self._settle(deadline)
        return self._post(context)

    def _settle(self, deadline: float | None = None) -> None:
        """Wait until the last change of the flow is old enough, which is checked immediately before posting."""
        flow_id = self._flow()
        if flow_id is None or not self.settle_seconds:
            return
        if deadline is None:
            deadline = clock.current().wall() + _MAX_WAITS * self.settle_seconds
        wait = FlowSettled(flow_id=flow_id, settle_seconds=self.settle_seconds)
        judged = wait_for(self, wait, _POLL_INTERVAL, deadline, "execute_settled", {"deadline": deadline})
        if not judged.done:
            raise DriftError(
                f"{wait.describe(judged.seen)}. It was changed repeatedly during the wait, and AEP drops records that"
                " are posted too soon after a change. Run the task again when nobody changes the flow."
            )

    def _post(self, context: Context) -> dict[str, Any]:
        target = self._inlet()
        task_state = self.task_state(context, self._work(target))
        note = _Note.loaded(task_state, self.skip_records)
        settled = SettledRecords(self.skip_records, note.marks)
        with ExitStack() as opened:
            letters = opened.enter_context(self._letter_file(context, note))
            records = opened.enter_context(self._records())
            while not settled.check(records):
                self.log.warning(
                    "The input has changed since the interrupted attempt: posting it from record %d on, although some"
                    " of the records that follow may have been sent",
                    settled.end,
                )
                records = opened.enter_context(self._records())
            summary = settled.summary(note.summary)
            if letters:
                letters.open(summary.failures)
            dead_letters = DeadLetters(letters.write if letters else None)

            def fail(failure: Failure) -> None:
                settled.fail(failure)
                dead_letters.add(failure)

            def save(progress: Progress) -> None:
                if progress.settled.settled > settled.end:
                    # Another attempt does not report the failures of settled records again.
                    dead_letters.settle()
                    settled.settle(progress.settled.settled)
                part = letters.part if letters else None
                note = _Note(progress.settled, progress.sending_below, settled.marks, part)
                task_state.save(note.to_json())

            try:
                self.hook.post(
                    target,
                    settled.reading(records),
                    flow_id=self._flow(),
                    envelope=self._envelope(),
                    batch_size=self.batch_size,
                    sync_validation=self.sync_validation,
                    on_failure=fail,
                    on_progress=save,
                    summary=summary,
                    maybe_sent_below=note.sending_below,
                )
            finally:
                self._log(summary)
        # From here on, another attempt must send everything again, so the state to continue from is cleared.
        task_state.clear()
        self._check_result(summary, dead_letters)
        return {"inlet_id": target.id, **{k: v for k, v in asdict(summary).items() if k != "settled"}}

    def _log(self, summary: PostSummary) -> None:
        self.log.info(
            "Records: %d accepted, %d rejected, %d unknown, %d possibly sent twice; processed up to record %d",
            summary.accepted,
            summary.rejected,
            summary.unknown,
            summary.maybe_duplicated,
            summary.settled,
        )

    def _inlet(self) -> Inlet:
        target = Inlet(self.inlet_url) if self.inlet_url else self.hook.inlet(str(self.connection_id))
        return self.hook.checked_inlet(target)

    def _envelope(self) -> Envelope | None:
        if self.schema_id is None or self.dataset_id is None:
            return None
        return Envelope(
            schema_id=self.schema_id,
            dataset_id=self.dataset_id,
            org_id=self.hook.settings.org_id,
            flow_id=self._flow(),
        )

    def _flow(self) -> str | None:
        """Return the flow that ingests the records, which may be in the URL of the inlet."""
        return self.flow_id if self.inlet_url is None else Inlet(self.inlet_url).flow_for(self.flow_id)

    def _work(self, target: Inlet) -> str:
        """Return a string that identifies what is posted to which inlet.

        The content of the records is not part of it: an attempt that continues compares it with what is settled.
        """
        arguments = {name: str(getattr(self, name)) for name in self.arguments if name not in _NOT_THE_WORK}
        return f"{target.url} {arguments!r}"

    @contextmanager
    def _records(self) -> Iterator[Iterator[InputRecord | UnreadableRecord]]:
        """Read the input from the first record on that is not skipped."""
        csv_options = CsvOptions(
            delimiter=self.delimiter,
            encoding=self.encoding,
            empty_cells=self.empty_cells,
            null_values=frozenset(self.null_values),
        )
        with ExitStack() as opened:
            records: Iterable[InputRecord | UnreadableRecord] = from_messages(self.messages or ())
            if self.path is not None:
                path = self._storage(self.path)
                if not path.exists():
                    raise InvalidInputError(
                        "path", f"{self.path!r} does not exist", "Check the path and storage_conn_id."
                    )
                are_letters = self._has_letters(path)
                file = opened.enter_context(path.open("rb"))
                if are_letters:
                    records = lines_of_letters(file)
                else:
                    records = from_file(file, path.name, self.input_format, csv_options)
            yield islice(unwrapped(records, csv_options), self.skip_records, None)

    @staticmethod
    def _has_letters(path: ObjectStoragePath) -> bool:
        with path.open("rb") as file:
            return begins_with_dead_letter(file)

    def _check_format(self) -> None:
        """Reject arguments that do not apply to the format of the input."""
        try:
            self._check_format_of_name()
        except InvalidInputError:
            # Dead letters are known by their content, and may have rows of a CSV file.
            path = None if self.path is None else self._storage(self.path)
            if path is None or not path.exists() or not self._has_letters(path):
                raise

    def _check_format_of_name(self) -> None:
        form = self.input_format
        if self.path is None and form is not None:
            raise InvalidInputError("input_format", "applies only to path", "Remove the argument.")
        if self.path is not None and form is None:
            form = file_format(str(self.path))
        for name, is_given in (
            ("delimiter", self.delimiter is not None),
            ("encoding", self.encoding is not None),
            ("empty_cells", self.empty_cells is not EmptyCells.OMIT),
            ("null_values", bool(self.null_values)),
        ):
            if is_given and form is not FileFormat.CSV:
                raise InvalidInputError(
                    name, f"applies only to CSV, but the input is {form or 'messages'}", _NOT_CSV
                )

    @contextmanager
    def _letter_file(self, context: Context, note: _Note) -> Iterator[LetterFile | None]:
        """Open the dead letter file, if one is wanted. In the end, it has the letters of all settled records."""
        if self.dead_letter_path is None:
            yield None
            return
        path = self._storage(self.dead_letter_path)
        file = letter_file(path, context, note.letters, note.summary.failures)
        try:
            yield file
        except BaseException as error:  # Airflow's timeout is no Exception.
            if is_last_attempt(context, error):
                file.finish(failed=True)
            raise
        else:
            file.finish(failed=False)
        finally:
            file.close()

    def _reject_same_file(self) -> None:
        if self.path is None or self.dead_letter_path is None:
            return
        if is_same_file(self._storage(self.path), self._storage(self.dead_letter_path)):
            raise InvalidInputError(
                "dead_letter_path",
                f"{str(self.dead_letter_path)!r} refers to the same file as path {str(self.path)!r}, which would be"
                " overwritten",
                "Give another file.",
            )

    def _storage(self, path: str | ObjectStoragePath) -> ObjectStoragePath:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(path, conn_id=self.storage_conn_id)

    def _check_result(self, summary: PostSummary, dead_letters: DeadLetters) -> None:
        """Raise an error if the task must fail."""
        if not summary.accepted and not summary.failures and not self.allow_empty:
            problem = "contains no records" if self.path is None else f"{self.path!r} contains no records"
            remedy = "If that is intended, set allow_empty=True."
            raise InvalidInputError("messages" if self.path is None else "path", problem, remedy)
        if summary.failures > self.max_failures:
            kept = f" They are saved in {self.dead_letter_path}." if self.dead_letter_path else ""
            raise DriftError(
                f"{summary.accepted} records were accepted, {summary.rejected} rejected, {summary.unknown} got no"
                f" result; max_failures is {self.max_failures}. {dead_letters.describe(summary.failures)}{kept} Fix the"
                " rejected records and post only those again."
            )
