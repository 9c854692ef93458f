"""The exceptions that operators and sensors raise, which determine whether Airflow retries a task.

The client's exceptions describe what happened. This module converts them into one of two exceptions for Airflow. Code
that calls the hook gets the client's exceptions, so that it can, for example, catch :class:`NotFoundError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

from airflow_provider_flowservice.client.errors import ApiError, FlowServiceError, is_permanent

P = ParamSpec("P")
T = TypeVar("T")


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
    """Convert exceptions of the client in the ``with`` block to Airflow exceptions."""
    try:
        yield
    except FlowServiceError as error:
        raise for_airflow(error) from error


def flowservice_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a TaskFlow function so that permanent errors fail the task immediately and others are retried.

    .. code-block:: python

        @task
        @flowservice_errors
        def count_flows() -> int:
            return FlowServiceHook().count(FLOWS)
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with raise_for_airflow():
            return function(*args, **kwargs)

    return wrapped


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
