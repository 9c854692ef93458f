"""Waiting, in the triggerer or on the worker, written once for operators and sensors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from airflow.sdk.configuration import conf

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.errors import DriftError
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
    from airflow_provider_flowservice.client.http import Sender
    from airflow_provider_flowservice.operators.task_state import TaskState


log = logging.getLogger(__name__)


class WaitingTask(Protocol):
    """An operator or a sensor that can wait."""

    flowservice_conn_id: str
    sandbox: str | None
    deferrable: bool

    @property
    def hook(self) -> Sender:
        """What sends its requests."""

    def defer(self, *, trigger: Any, method_name: str, kwargs: dict[str, Any] | None = None) -> NoReturn:
        """Leave the worker until a trigger fires."""


def is_deferrable(deferrable: bool | str | None) -> bool | str:
    """Whether a task waits in the triggerer: as its argument says, or ``[operators] default_deferrable``.

    The setting is read when a task is created. Airflow's own operators read it when the class is, so a change does
    not reach a process that has loaded them.
    """
    if deferrable is None:
        deferrable = bool(conf.getboolean("operators", "default_deferrable", fallback=False))
    return deferrable


def defer(
    task: WaitingTask,
    wait: Wait,
    *,
    interval: float,
    deadline: float,
    method_name: str = "execute_complete",
    kwargs: dict[str, Any],
) -> NoReturn:
    """Defer the task: the triggerer waits.

    :param interval: seconds between two polls.
    :param deadline: seconds since 1970-01-01 UTC.
    :param method_name: the task's method that goes on.
    :param kwargs: what it gets beside the event.
    """
    # It loads Airflow's triggers, which a DAG file does not need to be parsed.
    from airflow_provider_flowservice.triggers.base import FlowServiceTrigger

    trigger = FlowServiceTrigger(
        flowservice_conn_id=task.flowservice_conn_id,
        sandbox=task.sandbox,
        wait=wait.to_json(),
        poll_interval=interval,
        deadline=deadline,
    )
    task.defer(trigger=trigger, method_name=method_name, kwargs=kwargs)


def wait_for(
    task: WaitingTask,
    wait: Wait,
    *,
    interval: float,
    deadline: float,
    method_name: str = "execute_complete",
    kwargs: dict[str, Any],
) -> Judgement:
    """Wait here, or look once and defer if there is still something to wait for.

    It looks before it defers because a trigger that fires at once can overtake the scheduler, which then considers the
    task failed.

    :returns: the last judgement; not ``done`` if the deadline has passed.
    :raises FlowServiceError: as :func:`~airflow_provider_flowservice.client.waits.polling` does.
    """
    if not task.deferrable:
        return waits.drive(waits.polling(wait, interval=interval, deadline=deadline), task.hook)
    judged = waits.drive(wait.look(), task.hook)
    if not judged.done and clock.current().wall() < deadline:
        log.info("Not yet: %s", wait.describe(judged.seen))
        rest = wait.after(judged)
        defer(task, rest, interval=interval, deadline=deadline, method_name=method_name, kwargs=kwargs)
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
        self.set_arguments(
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            wait_timeout=wait_timeout,
            deferrable=is_deferrable(deferrable),
        )

    def wait_for_runs(
        self, run_ids: Sequence[str], task_state: TaskState, next_kwargs: dict[str, Any]
    ) -> None:
        """Wait until runs have ended.

        :param task_state: what the task saved of the runs; it is cleared once they have ended.
        :param next_kwargs: what ``execute_complete`` gets beside the event.
        :raises DriftError: if one failed.
        :raises FlowServiceWaitTimeout: if they take too long.
        """
        wait = RunsEnded(run_ids=tuple(run_ids))
        deadline = clock.current().wall() + self.wait_timeout
        self._judge(
            lambda: wait_for(self, wait, interval=self.poll_interval, deadline=deadline, kwargs=next_kwargs),
            wait,
            task_state,
        )

    def finish_waiting(self, event: dict[str, Any], run_ids: Sequence[str], task_state: TaskState) -> None:
        """Take over from the trigger: as :meth:`wait_for_runs`, when the wait is over."""
        self._judge(lambda: judgement_of(event), RunsEnded(run_ids=tuple(run_ids)), task_state)

    def _judge(self, result: Callable[[], Judgement], wait: RunsEnded, task_state: TaskState) -> None:
        """Decide whether the task fails.

        The state is cleared once the runs have ended, well or badly, or cannot be read: a task that is cleared then
        starts others. While they may still run it is kept, so that a further attempt attaches to them.
        """
        try:
            with raise_for_airflow():
                judged = result()
        except FlowServicePermanentException:
            task_state.clear()
            raise
        if not judged.done:
            raise timed_out(wait, judged.seen, self.wait_timeout)
        task_state.clear()
        states = judged.seen
        failed = [f"{run} ({s})" for run, s in states.items() if s not in ("success", "partialSuccess")]
        if failed:
            message = f"{len(failed)} of {len(states)} flow runs did not succeed: {', '.join(failed)}"
            raise for_airflow(DriftError(message))
