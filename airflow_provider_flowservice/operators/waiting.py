"""Waiting in the triggerer or on the worker, for operators and sensors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.errors import FlowServiceError, RunFailedError
from airflow_provider_flowservice.client.flows import NewestRuns, RunTotals, failure_of
from airflow_provider_flowservice.client.waits import Judgement, RunsEnded, Wait
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceWaitTimeout,
    for_airflow,
    from_event,
    raise_for_airflow,
)
from airflow_provider_flowservice.operators.arguments import required
from airflow_provider_flowservice.operators.base import FlowServiceFlowOperator, push
from airflow_provider_flowservice.operators.kinds import (
    flag,
    limit_or_none,
    no_limit,
    number_or_ratio,
    seconds,
)
from airflow_provider_flowservice.operators.outlets import emit

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.operators.task_state import TaskState

log = logging.getLogger(__name__)


def default_deferrable() -> bool:
    """Return ``[operators] default_deferrable``, for tasks without the argument ``deferrable``.

    The setting is read when a task is created and not when the class is, so that a changed setting also applies in a
    process that has already imported the class.
    """
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def wait_for(
    task: Any, wait: Wait, interval: float, deadline: float, method: str, next_kwargs: dict[str, Any]
) -> Judgement:
    """Wait on the worker, or poll once and defer if the condition is not met.

    The first poll takes place on the worker, because a trigger that fires immediately can overtake the scheduler, which
    then considers the task failed. If this poll fails, the trigger repeats it and distinguishes temporary from
    permanent errors.

    :param task: an operator or sensor with the attributes ``hook`` and ``deferrable``.
    :param interval: seconds between two polls.
    :param deadline: absolute time of the last poll, in seconds since 1970-01-01 UTC.
    :param method: name of the task's method that processes the event of the trigger.
    :param next_kwargs: further arguments of that method.
    :returns: the result of the last poll; not ``done`` if the deadline has passed.
    :raises FlowServiceError: if a wait on the worker fails.
    """
    if not task.deferrable or clock.current().wall() >= deadline:
        return waits.drive(waits.polling(wait, interval=interval, deadline=deadline), task.hook)
    judged = Judgement(False)
    try:
        judged = waits.drive(wait.look(), task.hook)
        wait = wait.after(judged)
        if judged.done:
            log.info("No need to wait: %s", wait.goal)
        else:
            log.info("The wait goes on in the triggerer: %s", wait.describe(judged.seen))
    except FlowServiceError as error:
        log.info("The first poll failed and is repeated in the triggerer: %s", error)
    if not judged.done:
        # Imported here, because parsing a DAG file does not require Airflow's triggers.
        from airflow_provider_flowservice.triggers.base import FlowServiceTrigger

        trigger = FlowServiceTrigger(
            flowservice_conn_id=task.flowservice_conn_id,
            sandbox=task.sandbox,
            wait=wait.to_json(),
            poll_interval=judged.interval or interval,
            deadline=deadline,
            caller=task.hook.caller.to_json(),
        )
        task.defer(trigger=trigger, method_name=method, kwargs=next_kwargs)
    return judged


def judgement_of(event: dict[str, Any]) -> Judgement:
    """Return the result in the event of a trigger.

    :raises FlowServiceException: if the trigger failed.
    """
    if event["status"] == "error":
        raise from_event(event["error"])
    return Judgement(event["status"] == "done", event.get("detail"))


def timed_out(wait: Wait, seen: Any, timeout: float) -> FlowServiceWaitTimeout:
    """Return the error for a wait that has timed out; its message describes what is missing."""
    return FlowServiceWaitTimeout(waits.timeout_message(wait, seen, timeout))


class RunStartingOperator(FlowServiceFlowOperator):
    """Base class of the operators that start flow runs and can wait for them.

    They report the totals of the runs as the XCom ``metrics`` and, if the task succeeds, to the outlets of the task.
    """

    wait_for_completion = required(flag)
    max_failed_records = required(number_or_ratio, default=no_limit)
    poll_interval = required(seconds(minimum=1))
    wait_timeout = required(seconds())
    deferrable = required(flag, default=default_deferrable)
    _goes_on = ""
    #: The records of the runs, as far as they are known.
    _totals: Mapping[str, Any] = {}

    def wait_for_runs(
        self,
        context: Context,
        run_ids: Sequence[str],
        task_state: TaskState,
        *,
        event: Any = None,
        **next_kwargs: Any,
    ) -> None:
        """Wait until runs have ended, or process the event of the trigger that has waited.

        :param task_state: state of the task, which contains the runs. It is cleared when they have succeeded or cannot
            be read, so that a cleared task starts new runs. While they may still be running it is kept, so that the
            next attempt waits for them. If one did not succeed, all are forgotten: the next attempt starts others,
            except for exports that it finds to have succeeded.
        :param event: event of the trigger, if it has waited.
        :param next_kwargs: further arguments for ``execute_complete``.
        :raises FlowServiceTransientException: if a run failed, or too many of its records.
        :raises FlowServiceWaitTimeout: if the runs have not ended in time.
        """
        wait = RunsEnded(run_ids=tuple(run_ids), max_failed_records=limit_or_none(self.max_failed_records))
        deadline = clock.current().wall() + self.wait_timeout
        self._goes_on = wait.goes_on
        try:
            with raise_for_airflow():
                if event is not None:
                    judged = judgement_of(event)
                else:
                    judged = wait_for(
                        self, wait, self.poll_interval, deadline, "execute_complete", next_kwargs
                    )
        except FlowServicePermanentException:
            task_state.clear()
            raise
        if not judged.done:
            raise timed_out(wait, judged.seen, self.wait_timeout)
        outcomes = wait.outcomes(judged.seen).values()
        self._totals = totals = RunTotals.of(self.flow_id, outcomes).to_json()
        push(context, metrics=totals)
        failure = failure_of(outcomes)
        if failure:
            newest = NewestRuns.saved_in(task_state.load() or {})
            task_state.save(newest.to_state() if newest else {})
        task_state.clear()
        if failure:
            message = f"{failure} A retry of the task, or clearing it, starts others."
            raise for_airflow(RunFailedError(message))
        self.log.info("Successful runs of flow %s: %d (%s)", self.flow_id, len(run_ids), _counts(totals))
        emit(self, context, self.flow_id, totals)

    def on_kill(self) -> None:
        """Log which runs go on in AEP, which has no call that stops them."""
        if self._goes_on:
            self.log.warning("The task is ended; %s. The next attempt waits for them", self._goes_on)

    def report_started(self, context: Context, run_ids: Sequence[str]) -> None:
        """Report runs that are not waited for, so that nothing is counted yet."""
        totals = RunTotals.of_started(self.flow_id, run_ids).to_json()
        push(context, metrics=totals)
        started = ", ".join(totals["run_ids"])
        self.log.info("Started runs of flow %s, which are not waited for: %s", self.flow_id, started)
        emit(self, context, self.flow_id, totals)


def _counts(totals: Mapping[str, Any]) -> str:
    """Return the counts of runs for the log."""
    names = ("read", "written", "failed", "skipped")
    counts = ((name, totals[f"records_{name}"]) for name in names)
    return ", ".join(f"{'an unknown number of' if n is None else n} records {name}" for name, n in counts)
