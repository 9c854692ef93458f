"""The exceptions that operators and sensors raise, which determine whether Airflow retries a task.

The client's exceptions describe what happened. This module converts them into one of two exceptions for Airflow. Code
that calls the hook gets the client's exceptions, so that it can, for example, catch :class:`NotFoundError`.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow.sdk import get_current_context

from airflow_provider_flowservice.client.errors import ApiError, FlowServiceError, is_permanent

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

#: Characters in a line of the last message of a log. Airflow's user interface does not break lines by itself.
_WIDTH = 100
#: Ids and URLs can be copied, and secrets masked, only if they are not broken.
_WRAPPING: dict[str, Any] = {"width": _WIDTH, "break_long_words": False, "break_on_hyphens": False}


class FlowServiceException(AirflowException):
    """Base class of the two exceptions.

    :param error: the client's exception.
    """

    def __init__(self, error: FlowServiceError) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = error.status
        self.code = error.code
        self.request_id = error.request_id
        self.retry_after = error.retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling."""
        return type(self), (self.error,)


class FlowServiceTransientException(FlowServiceException):
    """A temporary failure. The task is retried according to its ``retries``."""


class FlowServicePermanentException(FlowServiceException, AirflowFailException):
    """A permanent failure. The task fails immediately, without a retry."""


class FlowServiceWaitTimeout(AirflowSensorTimeout):
    """A wait has timed out. As for all sensors, the task is not retried."""


def for_airflow(error: FlowServiceError) -> FlowServiceTransientException | FlowServicePermanentException:
    """Return the Airflow exception for an exception of the client."""
    if is_permanent(error):
        return FlowServicePermanentException(error)
    return FlowServiceTransientException(error)


@contextmanager
def raise_for_airflow() -> Iterator[None]:
    """Convert exceptions of the client in the ``with`` block to Airflow exceptions.

    The exception of the client is not their cause: Airflow would show its message twice. It is their ``error``, and its
    traceback is logged at level ``DEBUG``.
    """
    try:
        yield
    except FlowServiceError as error:
        log.debug("The client's exception", exc_info=error)
        raise for_airflow(error) from None


class _LastWords:
    """A callback that logs the message of a failed attempt, after the traceback that Airflow logs."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __call__(self, context: Any) -> None:
        # Airflow 3.3 has opened a group by now, which its user interface shows collapsed. Where no group is open, the
        # user interface ignores the end of one.
        log.info("::endgroup::")
        lines = (textwrap.wrap(line, **_WRAPPING) for line in self._message.splitlines())
        log.error("%s", "\n".join(line for wrapped in lines for line in wrapped))


@contextmanager
def end_log_with_failure(task: Any) -> Iterator[None]:
    """Let the log of the task end with the message of an exception that the ``with`` block raises for Airflow.

    Whoever looks at a failed task sees the end of its log. By itself, Airflow ends it with a traceback and its own
    lines, so the message is logged by a callback of the task, after those of the user.

    :param task: the operator that runs; only its instance in this process is changed.
    """
    try:
        yield
    except (FlowServiceException, FlowServiceWaitTimeout) as failure:
        for name in ("on_failure_callback", "on_retry_callback"):
            own = [each for each in getattr(task, name) if not isinstance(each, _LastWords)]
            setattr(task, name, [*own, _LastWords(str(failure))])
        raise


def flowservice_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a TaskFlow function so that permanent errors fail the task immediately and others are retried.

    As for the operators, the log of a failed task ends with the message.

    .. code-block:: python

        @task
        @flowservice_errors
        def count_flows() -> int:
            return FlowServiceHook().count(FLOWS)
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with _running_task(), raise_for_airflow():
            return function(*args, **kwargs)

    return wrapped


def _running_task() -> AbstractContextManager[None]:
    try:
        task = get_current_context()["ti"].task
    except RuntimeError:  # The function is not called by a task.
        return nullcontext()
    return end_log_with_failure(task)


def to_event(error: FlowServiceError) -> dict[str, Any]:
    """Return an exception of the client as JSON, for the event of a trigger."""
    return {
        "message": error.message,
        "permanent": is_permanent(error),
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
        "retry_after": error.retry_after,
    }


def from_event(event: dict[str, Any]) -> FlowServiceTransientException | FlowServicePermanentException:
    """Return the Airflow exception for an error in the event of a trigger."""
    error = FlowServiceError(event["message"])
    if event["status"] is not None:
        error = ApiError(
            event["message"],
            status=event["status"],
            code=event["code"],
            request_id=event["request_id"],
            retry_after=event["retry_after"],
        )
    return (
        FlowServicePermanentException(error) if event["permanent"] else FlowServiceTransientException(error)
    )
