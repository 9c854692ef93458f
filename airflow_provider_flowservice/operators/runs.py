"""Operator that reports on flow runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import RunFailedError
from airflow_provider_flowservice.client.flows import FailOn, RunDigest, Shown
from airflow_provider_flowservice.client.times import epoch_seconds
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceOperator, push
from airflow_provider_flowservice.operators.kinds import choice, resource_ids, storage_path
from airflow_provider_flowservice.operators.output_files import replacing

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console, ReportedRun


class FlowServiceFlowRunReportOperator(FlowServiceOperator):
    """Report on all flow runs that were created in a window of time, such as the last day (``GET /runs``).

    The log has a table of the runs, the bad ones first. A run is *bad* if it failed, was a partial success, or had
    failed records. The table is also the XCom ``table``, for a notifier: ``{{ ti.xcom_pull('report', key='table') }}``
    is that of the task ``report``. The file and the XComs are written before the task fails because of ``fail_on``.
    It is not retried then, because the runs do not change.

    This takes one request for each 100 runs that were created since the beginning of the window, also after its end,
    and at most one for each 100 flows (``GET /flows``); for up to 20 ``flows``, at least one for each of them. A run
    that has not ended is reported as ``running``, and is not bad yet.

    :param since: beginning of the window: a datetime or an ISO 8601 string, with a time zone; or seconds since
        1970-01-01 UTC, as a number or string. ``"{{ data_interval_start }}"`` is one of these.
    :param until: end of the window, as for ``since``; a run that was created at this time is not included. Default:
        now.
    :param flows: ids of the flows whose runs are reported. Default: all flows of the sandbox.
    :param fail_on: for which runs the task fails: ``failed`` for those that failed, ``partial`` for all bad ones, or
        ``never``.
    :param path: file for the whole report, as a URL or path for ``ObjectStoragePath``. It replaces an earlier one; each
        line has a run as JSON, the newest one first.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Report on flow runs"
    since = required(epoch_seconds)
    until = optional(epoch_seconds)
    flows = optional(resource_ids())
    fail_on = required(choice(FailOn))
    path = optional(storage_path)

    def __init__(
        self,
        *,
        since: datetime | float | str,
        until: datetime | float | str | None = None,
        flows: Sequence[str] | None = None,
        fail_on: str = "failed",
        path: str | None = None,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def page_in(self, console: Console) -> str:
        """Return the URL of the list of runs."""
        return console.page(Shown.RUN)

    def perform(self, context: Context) -> dict[str, Any]:
        """Read the runs, and report on them.

        :returns: ``since`` and ``until``; the number of ``runs``, and by state in ``states``; ``records_read``,
            ``records_written`` and ``records_failed`` of all runs together; the number of ``bad`` runs, and at most 100
            of them as ``bad_runs``, with their flows, counts and errors.
        """
        until = clock.current().wall() if self.until is None else self.until
        digest = RunDigest(self.since, until, self.fail_on)
        with self._file() as write:
            for run in self.hook.run_report(self.since, until, self.flows):
                digest.add(run)
                write(run)
        table, summary = digest.table(), digest.summary().to_json()
        self.log.info("%s", table)
        push(context, table=table)
        if failure := digest.failure():
            push(context, return_value=summary)
            raise FlowServicePermanentException(RunFailedError(failure))
        return summary

    @contextmanager
    def _file(self) -> Iterator[Callable[[ReportedRun], object]]:
        """Return what writes a run to the file, if there is one."""
        if self.path is None:
            yield lambda _: None
            return
        from airflow.sdk import ObjectStoragePath

        with replacing("path", ObjectStoragePath(self.path)) as file:
            yield lambda run: file.write(msgspec.json.encode(run) + b"\n")
