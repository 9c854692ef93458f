"""Running one task's code over its deferrals, without a DAG run or a triggerer."""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from tests.support.tasks import RecordingTaskInstance
from tests.support.triggers import fire


def run_to_end(operator: Any, **more: Any) -> tuple[Any, list[TaskDeferred]]:
    """Execute an operator, firing each trigger that it waits for; its result and its deferrals.

    :param more: goes to the task's context.
    """
    context = {"ti": RecordingTaskInstance(), **more}
    deferrals: list[TaskDeferred] = []
    go_on = partial(operator.execute, context)
    while True:
        try:
            return go_on(), deferrals
        except TaskDeferred as deferral:
            deferrals.append(deferral)
            arguments = {**(deferral.kwargs or {}), "event": fire(deferral.trigger)}
            go_on = partial(operator.resume_execution, deferral.method_name, arguments, context)
