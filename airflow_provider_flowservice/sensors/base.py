"""The base class of the sensors."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowSensorTimeout
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.ensure import is_planned
from airflow_provider_flowservice.client.waits import Judgement, Wait, WaitLog
from airflow_provider_flowservice.exceptions import raise_for_airflow
from airflow_provider_flowservice.operators.arguments import required
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.operators.kinds import flag, resource_id, seconds
from airflow_provider_flowservice.operators.outlets import emit
from airflow_provider_flowservice.operators.waiting import (
    default_deferrable,
    judgement_of,
    timed_out,
    wait_for,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console


class FlowServiceSensor(FlowServiceOperator, BaseSensorOperator):
    """Base class of the sensors. Their ``timeout`` and ``poke_interval`` are Airflow's: no template fields."""

    #: Longest wait in seconds without the argument ``timeout``. Airflow's default is a week.
    default_timeout: ClassVar[float]
    flow_id = required(resource_id)
    deferrable = required(flag, default=default_deferrable)
    plan_only = required(flag)
    _is_destination = False

    def __init__(self, **kwargs: Any) -> None:
        if "timeout" not in (kwargs.get("default_args") or {}):
            kwargs.setdefault("timeout", self.default_timeout)
        # In a mapped task, these are checked on the worker, where Airflow's own error would be retried.
        with raise_for_airflow() if self._is_from_mapped else nullcontext():
            kwargs |= {
                name: seconds()(name, kwargs[name]) for name in ("timeout", "poke_interval") if name in kwargs
            }
        super().__init__(**kwargs)
        self._seen: Any = None

    @abstractmethod
    def waits_for(self) -> Wait:
        """Return the condition to wait for.

        :raises InvalidInputError: if an argument is invalid.
        """

    def page_in(self, console: Console) -> str:
        """Return the URL of the flow."""
        return console.flow_page(self.flow_id, is_destination=self._is_destination)

    @cached_property
    def began(self) -> float:
        """When this task began to wait, in seconds since 1970-01-01 UTC."""
        return clock.current().wall()

    @cached_property
    def _wait(self) -> Wait:
        return self.waits_for()

    @cached_property
    def _wait_log(self) -> WaitLog:
        return WaitLog(self._wait, self.poke_interval, self.began + self.timeout)

    def perform(self, context: Context) -> Any:
        """Wait on the worker, or poll once and then wait in the triggerer."""
        if self.plan_only or is_planned(self.flow_id):
            self.log.info("Flow %s would be waited for: this is a dry run (plan_only)", self.flow_id)
            return None
        if self.reschedule and (first := context["ti"].get_first_reschedule_date(context)):
            self.began = first.timestamp()
        wait = self._wait
        if not self.deferrable:
            try:
                return self._reported(context, BaseSensorOperator.execute(self, context))
            except AirflowSensorTimeout:
                raise timed_out(wait, self._seen, self.timeout) from None
        deadline, more = self.began + self.timeout, {"wait": wait.to_json()}
        judged = wait_for(self, wait, self.poke_interval, deadline, "execute_complete", more)
        return self._result(context, wait, judged)

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once.

        :returns: whether the condition is met and, if it is, what the sensor returns.
        :raises FlowServiceException: if the poll fails.
        """
        try:
            with raise_for_airflow():
                progress = self._wait_log
                judged = waits.drive(self._wait.look(self._seen), self.hook)
        finally:
            self.hook.close()
        progress.add(judged, self._seen)
        self._seen = judged.seen
        self.poke_interval = judged.interval or self.poke_interval
        return PokeReturnValue(judged.done, self._wait.result(judged.seen) if judged.done else None)

    def execute_complete(
        self, context: Context, event: dict[str, Any], wait: dict[str, Any] | None = None
    ) -> Any:
        """Process the event of the trigger.

        :param wait: the wait, as JSON; Airflow's ``dag.test()`` passes only the event.
        :raises FlowServiceException: if the trigger failed.
        :raises FlowServiceWaitTimeout: if the deadline has passed.
        """
        judged, waited = judgement_of(event), waits.from_json(wait) if wait else self._wait
        if judged.done:
            self.log.info("The wait in the triggerer has ended: %s", waited.goal)
        return self._result(context, waited, judged)

    def _result(self, context: Context, wait: Wait, judged: Judgement) -> Any:
        if not judged.done:
            raise timed_out(wait, judged.seen, self.timeout)
        return self._reported(context, wait.result(judged.seen))

    def _reported(self, context: Context, result: Any) -> Any:
        """Return what the wait has found, after it was added to the events of the outlets."""
        if result is not None:
            emit(self, context, self.flow_id, result)
        return result
