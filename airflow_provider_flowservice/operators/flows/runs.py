"""Operator that runs a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import Window
from airflow_provider_flowservice.client.ensure import planned_id
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import Shown
from airflow_provider_flowservice.client.times import epoch_seconds, iso
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import push
from airflow_provider_flowservice.operators.kinds import limit_or_none, string
from airflow_provider_flowservice.operators.task_state import TaskState
from airflow_provider_flowservice.operators.waiting import RunStartingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console
    from airflow_provider_flowservice.openlineage import Lineage


class FlowServiceRunFlowOperator(RunStartingOperator):
    """Run a source flow with the schedule ``once`` over a time window, and wait for the run (``POST /runs``).

    The XCom ``metrics`` has the records of the run: ``flow_id``, ``runs``, ``run_ids``, ``records_read``,
    ``records_written``, ``records_failed`` and ``records_skipped``. It is pushed before the task fails because of them.
    If the task succeeds, the events of its outlets have the same values in ``extra``: those of the flow's asset (see
    :func:`~airflow_provider_flowservice.assets.flow_asset`) and of each ``AssetAlias``. A count is None if AEP has not
    counted, or if the run is not waited for.

    :param flow_id: id of the flow.
    :param window_start: beginning of the window: a datetime or an ISO 8601 string, with a time zone; or seconds since
        1970-01-01 UTC, as a number or string. ``"{{ data_interval_start }}"`` is one of these. AEP's windows have whole
        seconds, so fractions are dropped.
    :param window_end: end of the window, as for ``window_start``; at least one second later.
    :param delta_column: timestamp column that identifies new data, if the source requires one.
    :param wait_for_completion: whether to wait until the run has ended, and fail if it failed or too many of its
        records did.
    :param max_failed_records: how many records of the run may fail: a whole number; a ratio such as 0.01, of the
        records read; or None for any number (in a template or a mapped task, ``"any"``, because None is rejected
        there). A partial success of which AEP does not say how many records failed is only accepted with None.
    :param poll_interval: seconds between two polls.
    :param wait_timeout: maximum time to wait, in seconds.
    :param deferrable: whether to wait in the triggerer, without a worker slot. Default: ``[operators]
        default_deferrable``.
    :param plan_only: whether to only log and return the changes, without sending them.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Run flow"
    window_start = required(epoch_seconds)
    window_end = required(epoch_seconds)
    delta_column = optional(string)
    _run_id: str | None = None

    def __init__(
        self,
        *,
        flow_id: str,
        window_start: datetime | float | str,
        window_end: datetime | float | str,
        delta_column: str | None = None,
        wait_for_completion: bool | str = True,
        max_failed_records: float | str | None = 0,
        poll_interval: float | str | timedelta = 60,
        wait_timeout: float | str | timedelta = 6 * 3600,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def page_in(self, console: Console) -> str:
        """Return the URL of the run or, before there is one, of the flow."""
        return console.run_page(self.flow_id, self._run_id) if self._run_id else super().page_in(console)

    def change(self, context: Context) -> str:
        """Start the run and, with ``wait_for_completion``, wait for it.

        :returns: the id of the run.
        """
        task_state = self._task_state(context)
        run_id = self.hook.run_flow(
            self.flow_id, self._window(), task_state, limit_or_none(self.max_failed_records)
        )
        self._run_id = run_id
        push(context, run_id=run_id)
        if self.wait_for_completion:
            self.wait_for_runs(context, [run_id], task_state, run_id=run_id, ends=self.ends())
        else:
            self.report_started(context, [run_id])
        task_state.clear()
        return run_id

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any],
        run_id: str | None = None,
        ends: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """Process the event of the trigger."""
        self._ends = ends or {}
        # Airflow's ``dag.test()`` passes only the event.
        ended = run_id or next(iter(event.get("detail") or {}), "")
        self.wait_for_runs(context, [ended], self._task_state(context), event=event)
        return ended

    def plan(self, context: Context) -> str:
        """Log what would run, and return a placeholder for the id of the run."""
        self.log.info("Flow %s would be run over %s", self.flow_id, self._window())
        return planned_id("flow run", self.flow_id)

    def add_lineage(self, lineage: Lineage) -> None:
        """Add the source connections, the flow with the number of records written, and its target connections."""
        read = self._totals.get("records_read")
        sources = self.ends().get(Shown.SOURCE_CONNECTION, ())
        lineage.read(Shown.SOURCE_CONNECTION, sources, rows=read if len(sources) == 1 else None)
        self.add_flow(lineage, self._totals.get("records_written"))

    def _task_state(self, context: Context) -> TaskState:
        return self.task_state(context, f"run {self.flow_id} {self._window()!r}")

    def _window(self) -> Window:
        # Both ends are rounded down, so that windows that adjoin still do.
        window = Window(int(self.window_start), int(self.window_end), self.delta_column)
        if window.end <= window.start:
            problem = f"{iso(window.end)} is not after window_start, which is {iso(window.start)}"
            raise InvalidInputError("window_end", problem, "Give a time that is at least one second later.")
        return window
