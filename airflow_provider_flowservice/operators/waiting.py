"""Waiting for flow runs, in the triggerer or on the worker, written once for the operators that start some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import DriftError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.model import RunState
from airflow_provider_flowservice.exceptions import FlowServiceWaitTimeout, from_event
from airflow_provider_flowservice.operators.arguments import flag, required, seconds
from airflow_provider_flowservice.operators.base import FlowServiceFlowOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http.sender import Sender
    from airflow_provider_flowservice.operators.task_state import TaskState


class RunStartingOperator(FlowServiceFlowOperator):
    """Base of the operators that start runs of a flow and may wait for them.

    :param wait_for_completion: wait until the runs have ended, and fail if one failed.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds to wait at most.
    :param deferrable: wait in the triggerer, without a worker slot.
    """

    wait_for_completion = required(flag)
    poll_interval = required(seconds(minimum=1))
    wait_timeout = required(seconds())
    deferrable = required(flag)

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        poll_interval: float = 60,
        wait_timeout: float = 6 * 3600,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            wait_timeout=wait_timeout,
            deferrable=deferrable,
        )

    def wait_for_runs(
        self, run_ids: Sequence[str], task_state: TaskState, next_kwargs: dict[str, Any]
    ) -> None:
        """Wait until runs have ended.

        :param task_state: what the task noted of the runs; see :func:`finish_waiting`.
        :param next_kwargs: what ``execute_complete`` gets beside the event.
        :raises DriftError: if one failed.
        :raises FlowServiceWaitTimeout: if they take too long.
        """
        from airflow_provider_flowservice.triggers.runs import FlowRunsTrigger

        trigger = FlowRunsTrigger(
            flowservice_conn_id=self.flowservice_conn_id,
            sandbox=self.sandbox,
            poll_interval=self.poll_interval,
            deadline=clock.current().wall() + self.wait_timeout,
            run_ids=list(run_ids),
        )
        if self.deferrable:
            # A trigger that fires at once can overtake the scheduler.
            states = _states_until_one_runs(self.hook, run_ids)
            if RunState.RUNNING not in states.values():
                detail = {run_id: state.value for run_id, state in states.items()}
                finish_waiting({"status": "done", "detail": detail}, task_state)
                return
            self.defer(trigger=trigger, method_name="execute_complete", kwargs=next_kwargs)
        finish_waiting(asyncio.run(trigger.first_event()), task_state)


def _states_until_one_runs(sender: Sender, run_ids: Sequence[str]) -> dict[str, RunState]:
    """The states of runs in their order, up to the first that has not ended."""
    states: dict[str, RunState] = {}
    for run_id in run_ids:
        states[run_id] = sender.send(request.get(request.RUNS, run_id)).state
        if not states[run_id].is_terminal:
            break
    return states


def finish_waiting(event: dict[str, Any], task_state: TaskState) -> None:
    """Judge the event of a wait for runs.

    :param task_state: forgotten once the runs have ended, well or badly, or cannot be read: a task that is cleared
        then starts others. While they may still run it is kept, so that a further attempt attaches to them.
    :raises DriftError: if a run failed.
    """
    lost = event["status"] == "error" and event["error"]["permanent"]
    if event["status"] == "done" or lost:
        task_state.clear()
    if event["status"] == "error":
        raise from_event(event["error"])
    states = event.get("detail") or {}
    if event["status"] == "timeout":
        running = ", ".join(run for run, state in states.items() if state == "running")
        raise FlowServiceWaitTimeout(f"These runs have not ended in time: {running or 'all'}")
    failed = [
        f"{run} ({state})" for run, state in states.items() if state not in ("success", "partialSuccess")
    ]
    if failed:
        raise DriftError(f"{len(failed)} of {len(states)} flow runs did not succeed: {', '.join(failed)}")
