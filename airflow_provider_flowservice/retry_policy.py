"""A retry policy that waits for as long as AEP asks. It requires Airflow 3.3."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.exceptions import FlowServiceException

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError:  # Airflow 3.1 and 3.2
    RetryPolicy = object  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator

_MAX_DELAY = timedelta(hours=1)


def flowservice_retry_policy(*, max_delay: timedelta | float = _MAX_DELAY) -> FlowServiceRetryPolicy:
    """Return a policy for the argument ``retry_policy`` of a task.

    If AEP asks for a longer wait than the task's own settings provide (``retry_delay``, exponential backoff), the retry
    is delayed by what AEP asks for. All other failures are retried according to the task's own settings. The task's
    ``retries`` always apply.

    .. code-block:: python

        FlowServiceSetFlowStateOperator(
            task_id="enable", flow_id=flow_id, state="enabled", retries=3, retry_policy=flowservice_retry_policy()
        )

    :param max_delay: longest delay that the policy sets, as a timedelta or in seconds. A longer wait that AEP asks for
        is shortened to it.
    :raises AirflowOptionalProviderFeatureException: if Airflow is older than 3.3.
    """
    if RetryPolicy is object:
        from airflow import __version__

        raise AirflowOptionalProviderFeatureException(
            f"flowservice_retry_policy() needs Airflow 3.3 or newer, and this is Airflow {__version__}, which has no"
            " retry policies. Omit retry_policy: the task is then retried after its retry_delay."
        )
    return FlowServiceRetryPolicy(max_delay=max_delay)


class FlowServiceRetryPolicy(RetryPolicy):
    """Delays a retry for as long as AEP asks with ``Retry-After``. See :func:`flowservice_retry_policy`.

    :param max_delay: longest delay that the policy sets, as a timedelta or in seconds.
    """

    def __init__(self, *, max_delay: timedelta | float = _MAX_DELAY) -> None:
        self.max_delay = max_delay if isinstance(max_delay, timedelta) else timedelta(seconds=max_delay)
        if self.max_delay <= timedelta(0):
            raise ValueError(f"max_delay must be longer than 0 seconds, and is {max_delay!r}")

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return what to do after a failure.

        :param exception: the exception that the task has raised. Its causes are considered too, so a function may
            catch an error of AEP and raise another one.
        :param try_number: number of the failed try; the first is 1.
        :param max_tries: not used: Airflow applies the task's ``retries`` to every decision.
        :param context: context of the task. Without it, the task's own delay is unknown and is taken as zero.
        """
        error = next((each for each in _aep_errors(exception) if each.retry_after is not None), None)
        if error is None or error.retry_after is None:
            return RetryDecision.default()
        task = context.get("task") if context else None
        asked, longest = math.ceil(error.retry_after), self.max_delay.total_seconds()
        if min(asked, longest) <= (_own_delay(task, try_number) if task else 0.0):
            return RetryDecision.default()
        after = "that" if asked <= longest else f"{longest:.0f} seconds, the max_delay of the retry policy"
        return RetryDecision.retry(
            timedelta(seconds=min(asked, longest)),
            f"AEP asked to wait {asked} seconds ({_response(error)}). The task is retried after {after}.",
        )

    def serialize(self) -> dict[str, Any]:
        """Return the policy as JSON."""
        return {"__type": type(self).__name__, "max_delay": self.max_delay.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> FlowServiceRetryPolicy:
        """Return the policy that :meth:`serialize` has described."""
        return cls(max_delay=data["max_delay"])


def _aep_errors(exception: BaseException) -> Iterator[FlowServiceException | FlowServiceError]:
    """Find AEP's errors in an exception and its causes, which are those that its traceback shows."""
    seen = set[int]()
    cause: BaseException | None = exception
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, (FlowServiceException, FlowServiceError)):
            yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _own_delay(task: BaseOperator | MappedOperator, try_number: int) -> float:
    """Return the seconds after which Airflow itself retries a task, without the random part of a backoff."""
    delay, multiplier = task.retry_delay.total_seconds(), task.retry_exponential_backoff
    if multiplier <= 0 or multiplier == 1:
        return delay
    try:
        delay *= multiplier ** (try_number - 1)
    except OverflowError:
        delay = math.inf
    longest = task.max_retry_delay
    return min(delay, longest.total_seconds()) if isinstance(longest, timedelta) else delay


def _response(error: FlowServiceException | FlowServiceError) -> str:
    request = f", request id {error.request_id}" if error.request_id else ""
    return f"status {error.status}{request}"
