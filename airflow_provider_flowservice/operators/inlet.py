"""Operator for posting records to a streaming inlet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows import Shown
from airflow_provider_flowservice.client.streaming import (
    MAX_REQUEST_BYTES,
    CsvOptions,
    DeadLetters,
    EmptyCells,
    Envelope,
    FileFormat,
    Inlet,
    Plan,
    PostSummary,
)
from airflow_provider_flowservice.client.waits import FlowSettled
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, ends_of
from airflow_provider_flowservice.operators.input_files import InputMessages
from airflow_provider_flowservice.operators.kinds import (
    cell,
    character,
    choice,
    flag,
    iterable,
    limit_or_none,
    list_of,
    no_limit,
    number_range,
    rate,
    resource_id,
    seconds,
    share,
    storage_path,
    string,
    text_encoding,
    whole_number,
)
from airflow_provider_flowservice.operators.letter_files import NoteFile
from airflow_provider_flowservice.operators.outlets import emit
from airflow_provider_flowservice.operators.post_input import PostInput
from airflow_provider_flowservice.operators.posting import Posting
from airflow_provider_flowservice.operators.waiting import default_deferrable, judgement_of, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console
    from airflow_provider_flowservice.openlineage import Lineage


#: If a flow is changed during the wait, the wait is repeated. This is the maximum duration of all waits together, as a
#: multiple of ``settle_seconds``: a few edits delay the post, but a flow that is edited all the time is an error.
_MAX_WAITS = 3
#: Seconds between two attempts to read a flow, after the retries of a request have failed.
_POLL_INTERVAL = 60

#: Arguments that may change between the attempts of a task. The others decide which records are posted, and as what.
_NOT_THE_WORK = frozenset(
    {
        "connection_id",
        "inlet_url",
        "messages",
        "batch_size",
        "batch_bytes",
        "concurrency",
        "requests_per_second",
        "messages_per_second",
        "rate_share",
        "resend_window",
        "sync_validation",
        "max_failures",
        "dead_letter_path",
        "allow_empty",
        "settle_seconds",
        "deferrable",
        "plan_only",
    }
)


class FlowServicePostToInletOperator(FlowServiceChangeOperator):
    """Post records to a streaming inlet (``POST /collection/batch/{inlet}``), and track the result of each record.

    Inlets always accept records, but AEP drops those that arrive before a flow is ready, which takes about five minutes
    after it was created or changed; see ``settle_seconds``. Inlets do not support idempotency keys: if a response is
    lost, records are sent again and may arrive twice. With a stable ``_id`` in each record, AEP removes duplicates.

    If the task succeeds, the events of its outlets have its result and ``flow_id`` in ``extra``: those of the flow's
    asset (see :func:`~airflow_provider_flowservice.assets.flow_asset`) and of each ``AssetAlias``. If no argument names
    the flow, those of all flows have them, and aliases have no events.

    :param flow_id: id of the flow that ingests the records. Default: the one in ``inlet_url``, if any. Without
        ``connection_id`` and ``inlet_url``, they are posted to the inlet that the flow reads.
    :param connection_id: id of the base connection of the inlet. Mutually exclusive with ``inlet_url``.
    :param inlet_url: URL of the inlet. It may contain the flow (``?x-adobe-flow-id=<id>``) and ``syncValidation=true``.
    :param messages: records in memory, as a list, the output of an upstream task, or anything else that yields
        mappings. Mutually exclusive with ``path``. A list is checked before anything waits or is sent: without
        ``dead_letter_path``, it must not have more invalid records than ``max_failures``.
    :param path: file of records, as a URL or path for ``ObjectStoragePath``, with the extension ``.jsonl`` or
        ``.ndjson``, ``.json`` (an array of objects, one object, the body of a batch, or JSON lines) or ``.csv``, each
        optionally followed by ``.gz``, or ``.parquet`` (extra ``parquet``). A record may have 1,000,000 bytes and 256
        levels. With ``*``, ``?``, ``[...]`` or ``**``, all files that match, ordered by their full paths; those whose
        names begin with a period or an underscore are passed over.
    :param storage_conn_id: Airflow connection for ``path`` and ``dead_letter_path``.
    :param input_format: format of the files, ``csv``, ``json``, ``jsonl`` or ``parquet``, if their extensions do not
        say it.
    :param byte_range: index of a first byte and index after a last one: only the lines that begin there are posted, so
        that several tasks can share one file. It must be JSON lines, without compression.
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
        limited to ``batch_bytes`` in any case.
    :param batch_bytes: maximum size of a request in bytes. A larger record is sent alone.
    :param concurrency: number of requests that are sent at once. With more than 1, records may arrive in another order.
    :param requests_per_second: maximum number of requests per second; None for any number (in a template or a mapped
        task, ``"any"``). AEP allows an organization 1,000.
    :param messages_per_second: maximum number of records per second; None for any number (in a template or a mapped
        task, ``"any"``). AEP allows an organization 10,000.
    :param rate_share: share of both limits that this task may use, for example 0.25 for each of four tasks.
    :param resend_window: maximum number of records that are sent again if the task is killed, but at least those of
        one request. Default: 10,000, or ``concurrency`` times ``batch_size`` if that is more.
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

    custom_operator_name = "Post to inlet"
    connection_id = optional(resource_id)
    inlet_url = optional(resource_id)
    flow_id = optional(resource_id)
    messages = optional(iterable)
    path = optional(storage_path)
    storage_conn_id = optional(string)
    input_format = optional(choice(FileFormat))
    byte_range = optional(number_range)
    delimiter = optional(character)
    encoding = optional(text_encoding)
    empty_cells = required(choice(EmptyCells))
    null_values = required(list_of(cell))
    schema_id = optional(resource_id)
    dataset_id = optional(resource_id)
    batch_size = required(whole_number(minimum=1))
    batch_bytes = required(whole_number(minimum=1))
    concurrency = required(whole_number(minimum=1))
    requests_per_second = required(rate, default=no_limit)
    messages_per_second = required(rate, default=no_limit)
    rate_share = required(share)
    resend_window = optional(whole_number(minimum=1))
    sync_validation = required(flag)
    max_failures = required(whole_number())
    dead_letter_path = optional(storage_path)
    skip_records = required(whole_number())
    allow_empty = required(flag)
    settle_seconds = required(seconds())
    deferrable = required(flag, default=default_deferrable)
    _inlet_id: str | None = None
    #: The results of the records, as soon as there are any.
    _summary: PostSummary | None = None

    def __init__(
        self,
        *,
        flow_id: str | None = None,
        connection_id: str | None = None,
        inlet_url: str | None = None,
        messages: Iterable[Mapping[str, Any]] | None = None,
        path: str | None = None,
        storage_conn_id: str | None = None,
        input_format: str | None = None,
        byte_range: Sequence[int] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        empty_cells: str = "omit",
        null_values: Sequence[str] = (),
        schema_id: str | None = None,
        dataset_id: str | None = None,
        batch_size: int | str = 500,
        batch_bytes: int | str = MAX_REQUEST_BYTES,
        concurrency: int | str = 8,
        requests_per_second: float | str | None = 1000,
        messages_per_second: float | str | None = 10_000,
        rate_share: float | str = 1.0,
        resend_window: int | str | None = None,
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
        if self.is_given("connection_id") and self.is_given("inlet_url"):
            raise InvalidInputError("connection_id or inlet_url", "are both given", "Give one of them.")
        if not any(map(self.is_given, ("flow_id", "connection_id", "inlet_url"))):
            raise InvalidInputError(
                "flow_id", "is missing", "Give the flow, or the inlet as connection_id or inlet_url."
            )
        self.require_one_of("messages", "path")
        for one, other in (("schema_id", "dataset_id"), ("dataset_id", "schema_id")):
            if self.is_given(one) and not self.is_given(other):
                raise InvalidInputError(other, "is missing", "Give both, or neither.")

    def page_in(self, console: Console) -> str:
        """Return the URL of the flow that ingests the records; if it is not known, that of the inlet."""
        if flow_id := self._flow():
            return console.flow_page(flow_id)
        return console.page(Shown.INLET, self._inlet_id) if self._inlet_id else ""

    def change(self, context: Context) -> dict[str, Any]:
        """Wait until the flow is ready, then post the records.

        :returns: ``inlet_id``, ``accepted``, ``rejected``, ``unknown``, ``maybe_duplicated``,
            ``first_xaction_id``, ``last_xaction_id``.
        """
        self._input.check_format()
        self._check_messages()
        if self.inlet_url is not None:
            self._inlet()  # Reject an invalid URL before anything is sent or waited for.
        if self.dead_letter_path is not None:
            self._input.reject_as_dead_letters(self.dead_letter_path)
        self._settle()
        return self._post(context)

    def plan(self, context: Context) -> None:
        """Log where records would be posted. The input is not read."""
        self._input.check_format()
        inlet = self.connection_id or self.inlet_url or f"flow {self.flow_id}"
        self.log.info("%s would be posted to the inlet of %s", self.path or "The messages", inlet)

    def execute_settled(
        self, context: Context, event: dict[str, Any], deadline: float | None = None
    ) -> dict[str, Any]:
        """Post the records, or wait again if the flow was changed in the meantime.

        :param deadline: deadline of all waits, in seconds since 1970-01-01 UTC; None with Airflow's ``dag.test()``.
        """
        judgement_of(event)
        # Without a deadline, each deferral would restart the wait.
        self.deferrable = self.deferrable and deadline is not None
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
        self._inlet_id = target.id
        flow = f", for flow {self._flow()}" if self._flow() else ""
        self.log.info("Posting %s to inlet %s%s", self.path or "the messages", target.id, flow)
        letters = None if self.dead_letter_path is None else self._input.storage(self.dead_letter_path)
        notes = None if letters is None else NoteFile(letters, context)
        posting = Posting(
            context,
            self._input.open,
            skip_records=self.skip_records,
            letter_path=letters,
            task_state=self.task_state(context, self._work(target), notes),
        )
        try:
            dead_letters = posting.run(self.hook, self._plan(target))
        finally:
            self._summary = posting.summary
        self._check_result(posting.summary, dead_letters)
        summary = {name: value for name, value in asdict(posting.summary).items() if name != "settled"}
        result = {"inlet_id": target.id, **summary}
        flow_id = self._flow()
        emit(self, context, flow_id, {"flow_id": flow_id, **result})
        return result

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the files, and the flow, or else the inlet, with the number of records accepted; and the dataset."""
        summary = self._summary
        accepted = summary.accepted if summary else None
        if self.path is not None:
            read = summary.accepted + summary.failures if summary else None
            lineage.read_files(str(self._input.storage(self.path)), rows=read)
        if flow_id := self._flow():
            lineage.write(Shown.FLOW, [flow_id], rows=accepted)
            targets = ends_of(flow_id, self.hook.flow_read).get(Shown.TARGET_CONNECTION, ())
            lineage.write(Shown.TARGET_CONNECTION, targets)
        elif self.connection_id is not None:
            lineage.write(Shown.BASE_CONNECTION, [self.connection_id], rows=accepted)
        else:
            lineage.write(Shown.INLET, [self._inlet_id], rows=accepted)
        lineage.write(Shown.DATASET, [self.dataset_id])

    def _plan(self, target: Inlet) -> Plan:
        return Plan.of(
            target,
            flow_id=self._flow(),
            sync_validation=self.sync_validation,
            envelope=self._envelope(),
            batch_size=self.batch_size,
            batch_bytes=self.batch_bytes,
            concurrency=self.concurrency,
            requests_per_second=limit_or_none(self.requests_per_second),
            messages_per_second=limit_or_none(self.messages_per_second),
            rate_share=self.rate_share,
            resend_window=self.resend_window,
        )

    def _inlet(self) -> Inlet:
        if self.inlet_url is not None:
            target = Inlet(self.inlet_url)
        elif self.connection_id is not None:
            target = self.hook.inlet(self.connection_id)
        else:
            target = self.hook.inlet_of_flow(str(self.flow_id))
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

    @property
    def _input(self) -> PostInput:
        return PostInput(
            path=self.path,
            storage_conn_id=self.storage_conn_id,
            messages=self.messages,
            form=self.input_format,
            csv_options=CsvOptions(
                delimiter=self.delimiter,
                encoding=self.encoding,
                empty_cells=self.empty_cells,
                null_values=frozenset(self.null_values),
            ),
            byte_range=self.byte_range,
        )

    def _check_messages(self) -> None:
        """Reject a list that would fail the task whatever AEP says, before anything waits or is sent."""
        # Anything else can be read only once, or not without cost.
        if not isinstance(self.messages, (list, tuple)):
            return
        if not self.messages and not self.allow_empty:
            raise self._input.no_records()
        # With dead letters, the valid records are posted, and the others kept.
        if self.dead_letter_path is None:
            InputMessages(self.messages).check(skip_records=self.skip_records, max_failures=self.max_failures)

    def _check_result(self, summary: PostSummary, dead_letters: DeadLetters) -> None:
        """Raise an error if the task must fail."""
        if not summary.accepted and not summary.failures and not self.allow_empty:
            raise self._input.no_records()
        if summary.failures > self.max_failures:
            remedy = "Fix these records and post only those again; with dead_letter_path, they are saved."
            if self.dead_letter_path:
                remedy = f"Fix 'record' in each line of {self.dead_letter_path}, and post that file."
            raise DriftError(
                f"{summary.accepted} records were accepted, {summary.rejected} rejected, {summary.unknown} got no"
                f" result; max_failures is {self.max_failures}. {dead_letters.describe(summary.failures)} {remedy}"
            )
