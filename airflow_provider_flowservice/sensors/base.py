"""What all sensors share: the connection, Airflow's exceptions, and deferring."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_flowservice.client import clock, waits
from airflow_provider_flowservice.client.ensure import is_planned
from airflow_provider_flowservice.client.waits import Wait
from airflow_provider_flowservice.exceptions import raise_for_airflow
from airflow_provider_flowservice.operators.base import read_plan_only
from airflow_provider_flowservice.operators.waiting import is_deferrable, judgement_of, timed_out, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook


class FlowServiceSensor(BaseSensorOperator):
    """Base of the provider's sensors; each says what it waits for.

    :param flow_id: the flow; templated.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``; templated.
    :param sandbox: sandbox to work in instead of the connection's; templated.
    :param deferrable: wait in the triggerer, without a worker slot; by default as ``[operators] default_deferrable``
        says.
    :param plan_only: do not wait, since what is waited for is only planned; templated.
    """

    template_fields: Sequence[str] = ("flowservice_conn_id", "sandbox", "plan_only", "flow_id")

    def __init__(
        self,
        *,
        flow_id: str,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        deferrable: bool | None = None,
        plan_only: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox
        self.deferrable = is_deferrable(deferrable)
        self.plan_only = plan_only
        self._seen: Any = None

    @cached_property
    def hook(self) -> FlowServiceHook:
        """The hook for the sensor's connection and sandbox."""
        from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

        return FlowServiceHook(self.flowservice_conn_id, self.sandbox)

    @abstractmethod
    def waits_for(self) -> Wait:
        """What the rendered arguments ask to wait for.

        :raises InvalidInputError: if one is wrong, before anything is sent.
        """

    @cached_property
    def _wait(self) -> Wait:
        return self.waits_for()

    def execute(self, context: Context) -> Any:
        """Check the arguments, then poke here, or look once and wait in the triggerer."""
        with raise_for_airflow():
            if read_plan_only(self.plan_only) or is_planned(self.flow_id):
                self.log.info("Nothing to wait for in a plan: %s", self.flow_id)
                return None
            wait = self._wait
        if not self.deferrable:
            try:
                return super().execute(context)
            except AirflowSensorTimeout as timeout:
                raise timed_out(wait, self._seen, self.timeout) from timeout
        deadline, next_kwargs = clock.current().wall() + self.timeout, {"wait": wait.to_json()}
        try:
            with raise_for_airflow():
                judged = wait_for(self, wait, self.poke_interval, deadline, "execute_complete", next_kwargs)
        finally:
            self.hook.close()
        if not judged.done:
            raise timed_out(wait, judged.seen, self.timeout)
        return None

    def poke(self, context: Context) -> bool:
        """Look once; the client's errors become Airflow's."""
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

        :param wait: what was waited for; Airflow's ``dag.test()`` hands over the event alone.
        :raises FlowServiceException: what the trigger met.
        :raises FlowServiceWaitTimeout: if the deadline passed.
        """
        judged = judgement_of(event)
        if not judged.done:
            raise timed_out(waits.from_json(wait) if wait else self._wait, judged.seen, self.timeout)
