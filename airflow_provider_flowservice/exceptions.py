"""What Airflow must do about an error: try the task again, or not.

The client's errors say what happened. Here, in one place, they become one of two exceptions for Airflow. Code that
calls the hook sees the client's errors, so that it can catch a 404; operators and sensors raise these exceptions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout

from airflow_provider_flowservice.client.errors import ApiError, FlowServiceError, is_permanent

P = ParamSpec("P")
T = TypeVar("T")


class FlowServiceException(AirflowException):
    """What the two exceptions have in common.

    :param error: the client's error.
    """

    def __init__(self, error: FlowServiceError) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = error.status
        self.code = error.code
        self.request_id = error.request_id
        self.retry_after = error.retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        """Make the exception picklable."""
        return type(self), (self.error,)


class FlowServiceTransientException(FlowServiceException):
    """A temporary failure: Airflow's retries apply."""


class FlowServicePermanentException(FlowServiceException, AirflowFailException):
    """A failure that a retry does not fix: the task fails at once."""


class FlowServiceWaitTimeout(AirflowSensorTimeout):
    """A wait reached its deadline; like any sensor's timeout it is not retried."""


def for_airflow(error: FlowServiceError) -> FlowServiceTransientException | FlowServicePermanentException:
    """The exception for a client error."""
    if is_permanent(error):
        return FlowServicePermanentException(error)
    return FlowServiceTransientException(error)


@contextmanager
def raise_for_airflow() -> Iterator[None]:
    """Raise the client errors of the block as exceptions that Airflow understands."""
    try:
        yield
    except FlowServiceError as error:
        raise for_airflow(error) from error


def flowservice_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a TaskFlow function so that permanent errors fail it at once and others are retried.

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
    """A client error as the JSON that a trigger passes to its task."""
    return {
        "message": error.message,
        "permanent": is_permanent(error),
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
        "retry_after": error.retry_after,
    }


def from_event(event: dict[str, Any]) -> FlowServiceTransientException | FlowServicePermanentException:
    """The exception for an error that a trigger passed on."""
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
