"""An operator that runs in a process of its own, with what that cost."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from tests.support.memory import resident_bytes
from tests.support.tasks import run


@dataclass(frozen=True)
class Measured:
    """What became of a run.

    :param peak_bytes: the most memory that the process had.
    :param cpu_seconds: what the run took.
    """

    result: dict[str, Any]
    error: str
    peak_bytes: int
    cpu_seconds: float


@contextmanager
def fresh_workers() -> Iterator[ProcessPoolExecutor]:
    """Processes, each for one call, which are forked from one that has imported what is needed and done nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield pool


def idle() -> int:
    """The memory of a worker that has done nothing yet, in bytes."""
    return resident_bytes(peak=True)


def post(environment: dict[str, str], arguments: dict[str, Any]) -> Measured:
    """Post a file to an inlet."""
    os.environ.update(environment)
    result, error = {}, ""
    began = resource.getrusage(resource.RUSAGE_SELF)
    try:
        result, _ = run(FlowServicePostToInletOperator(task_id="post", settle_seconds=0, **arguments))
    except FlowServicePermanentException as raised:
        error = str(raised)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    cpu = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    return Measured(result, error, resident_bytes(peak=True), cpu)
