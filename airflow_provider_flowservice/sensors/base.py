"""What all sensors share: the flow, plans, and deferring."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.ensure import is_planned
from airflow_provider_flowservice.client.waits import Wait
from airflow_provider_flowservice.exceptions import raise_for_airflow
from airflow_provider_flowservice.operators.arguments import flag, required, resource_id
from airflow_provider_flowservice.operators.base import FlowServiceOperator
from airflow_provider_flowservice.operators.waiting import is_deferrable, judgement_of, timed_out, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context


class FlowServiceSensor(FlowServiceOperator, BaseSensorOperator):
    """Base of the provider's sensors; each says what it waits for.

    :param flow_id: the flow.
    :param deferrable: wait in the triggerer, without a worker slot; by default as ``[operators] default_deferrable``
        says.
    :param plan_only: do not wait, since what is waited for is only planned.
    """

    flow_id = required(resource_id)
    deferrable = required(flag)
    plan_only = required(flag)

    def __init__(
        self,
        *,
        flow_id: str,
        deferrable: bool | str | None = None,
        plan_only: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        deferrable = is_deferrable(deferrable)
        self.set_arguments(locals())
        self._seen: Any = None

    @abstractmethod
    def waits_for(self) -> Wait:
        """What the arguments ask to wait for.

        :raises InvalidInputError: if one is wrong, before anything is sent.
        """

    @cached_property
    def _wait(self) -> Wait:
        return self.waits_for()

    def perform(self, context: Context) -> Any:
        """Poke here, or look once and wait in the triggerer."""
        if self.plan_only or is_planned(self.flow_id):
            self.log.info("Nothing to wait for in a plan: %s", self.flow_id)
            return None
        wait = self._wait
        if not self.deferrable:
            try:
                return BaseSensorOperator.execute(self, context)
            except AirflowSensorTimeout as timeout:
                raise timed_out(wait, self._seen, self.timeout) from timeout
        deadline, more = clock.current().wall() + self.timeout, {"wait": wait.to_json()}
        judged = wait_for(self, wait, self.poke_interval, deadline, "execute_complete", more)
        if not judged.done:
            raise timed_out(wait, judged.seen, self.timeout)
        return None

    def poke(self, context: Context) -> bool:
        """Look once.

        :raises FlowServiceException: the client's error, as one that Airflow retries or not.
        """
        try:
            with raise_for_airflow():
                judged = waits.drive(self._wait.look(self._seen), self.hook)
        finally:
            self.hook.close()
        self._seen = judged.seen
        if not judged.done:
            self.log.info("Not yet: %s", self._wait.describe(self._seen))
        return judged.done

    def execute_complete(
        self, context: Context, event: dict[str, Any], wait: dict[str, Any] | None = None
    ) -> None:
        """Take over from the trigger.

        :param wait: what was waited for; Airflow's ``dag.test()`` passes the event alone.
        :raises FlowServiceException: what the trigger met.
        :raises FlowServiceWaitTimeout: if the deadline passed.
        """
        judged = judgement_of(event)
        if not judged.done:
            raise timed_out(waits.from_json(wait) if wait else self._wait, judged.seen, self.timeout)
