"""Waiting, in the triggerer or on the worker, written once for operators and sensors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.errors import DriftError, FlowServiceError
from airflow_provider_flowservice.client.model import RunState
from airflow_provider_flowservice.client.waits import Judgement, RunsEnded, Wait
from airflow_provider_flowservice.exceptions import (
    FlowServicePermanentException,
    FlowServiceWaitTimeout,
    for_airflow,
    from_event,
    raise_for_airflow,
)
from airflow_provider_flowservice.operators.arguments import flag, required, seconds
from airflow_provider_flowservice.operators.base import FlowServiceFlowOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.operators.task_state import TaskState

log = logging.getLogger(__name__)

_GOOD = (RunState.SUCCESS, RunState.PARTIAL)


def is_deferrable(deferrable: bool | str | None) -> bool | str:
    """Whether a task waits in the triggerer: as its argument says, or ``[operators] default_deferrable``.

    The setting is read when the task is created, not when its class is, so that it also decides in a process that
    has loaded the class already.
    """
    if deferrable is None:
        deferrable = bool(conf.getboolean("operators", "default_deferrable", fallback=False))
    return deferrable


def wait_for(
    task: Any, wait: Wait, interval: float, deadline: float, method: str, next_kwargs: dict[str, Any]
) -> Judgement:
    """Wait on the worker; or look once, and let the triggerer wait if there is something to wait for.

    The look comes first because a trigger that fires at once can overtake the scheduler, which then considers the
    task failed. If the look fails, the trigger looks again, and tells temporary errors from permanent ones.

    :param task: an operator or a sensor with a ``hook`` and ``deferrable``.
    :param interval: seconds between two looks.
    :param deadline: when to give up, in seconds since 1970-01-01 UTC.
    :param method: the task's method that resumes after the trigger.
    :param next_kwargs: what it gets beside the trigger's event.
    :returns: the last judgement; not ``done`` if the deadline has passed.
    :raises FlowServiceError: what ends a wait on the worker.
    """
    if not task.deferrable or clock.current().wall() >= deadline:
        return waits.drive(waits.polling(wait, interval=interval, deadline=deadline), task.hook)
    judged = Judgement(False)
    try:
        judged = waits.drive(wait.look(), task.hook)
        wait = wait.after(judged)
    except FlowServiceError as error:
        log.info("The first look failed, the trigger looks again: %s", error)
    if not judged.done:
        # Parsing a DAG file does not need Airflow's triggers.
        from airflow_provider_flowservice.triggers.base import FlowServiceTrigger

        trigger = FlowServiceTrigger(
            flowservice_conn_id=task.flowservice_conn_id,
            sandbox=task.sandbox,
            wait=wait.to_json(),
            poll_interval=interval,
            deadline=deadline,
        )
        task.defer(trigger=trigger, method_name=method, kwargs=next_kwargs)
    return judged


def judgement_of(event: dict[str, Any]) -> Judgement:
    """What a trigger's event says.

    :raises FlowServiceException: what the trigger met.
    """
    if event["status"] == "error":
        raise from_event(event["error"])
    return Judgement(event["status"] == "done", event.get("detail"))


def timed_out(wait: Wait, seen: Any, timeout: float) -> FlowServiceWaitTimeout:
    """The error for a wait that has reached its deadline; it says what is still missing."""
    missing = "AEP gave no response" if seen is None else wait.describe(seen)
    return FlowServiceWaitTimeout(f"Timed out after {timeout:.0f} seconds: {missing}")


class RunStartingOperator(FlowServiceFlowOperator):
    """Base of the operators that start runs of a flow and may wait for them.

    :param wait_for_completion: wait until the runs have ended, and fail if one failed.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds to wait at most.
    :param deferrable: wait in the triggerer, without a worker slot; by default as ``[operators] default_deferrable``
        says.
    """

    wait_for_completion = required(flag)
    poll_interval = required(seconds(minimum=1))
    wait_timeout = required(seconds())
    deferrable = required(flag)

    def __init__(
        self,
        *,
        wait_for_completion: bool | str = True,
        poll_interval: float | str | timedelta = 60,
        wait_timeout: float | str | timedelta = 6 * 3600,
        deferrable: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        deferrable = is_deferrable(deferrable)
        self.set_arguments(locals())

    def wait_for_runs(
        self, run_ids: Sequence[str], task_state: TaskState, *, event: Any = None, **next_kwargs: Any
    ) -> None:
        """Wait until runs have ended, or take over from the trigger that has waited.

        :param task_state: what the task saved of the runs. It is cleared once they have ended, well or badly, or
            cannot be read: a task that is cleared then starts others. While they may still run it is kept, so that a
            further attempt attaches to them.
        :param event: the trigger's event, if it has waited.
        :param next_kwargs: what ``execute_complete`` gets beside the event.
        :raises FlowServicePermanentException: if a run failed.
        :raises FlowServiceWaitTimeout: if they take too long.
        """
        wait = RunsEnded(run_ids=tuple(run_ids))
        deadline = clock.current().wall() + self.wait_timeout
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
        task_state.clear()
        bad = [f"{run} ({state})" for run, state in judged.seen.items() if state not in _GOOD]
        if bad:
            message = f"{len(bad)} of {len(judged.seen)} flow runs did not succeed: {', '.join(bad)}"
            raise for_airflow(DriftError(message))
