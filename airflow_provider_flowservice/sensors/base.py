"""What all sensors share: the connection, Airflow's face of an error, and deferring."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.ensure.dry_run import is_planned
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.exceptions import FlowServiceWaitTimeout, from_event, raise_for_airflow
from airflow_provider_flowservice.operators.arguments import flag

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
    from airflow_provider_flowservice.triggers.base import PollingTrigger


class FlowServiceSensor(BaseSensorOperator):
    """Base of the provider's sensors.

    :param flowservice_conn_id: Airflow connection of type ``flowservice``; templated.
    :param sandbox: sandbox to work in instead of the connection's; templated.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param plan_only: do not wait, since what is waited for is only planned; templated.
    """

    template_fields: Sequence[str] = ("flowservice_conn_id", "sandbox", "plan_only")

    def __init__(
        self,
        *,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        plan_only: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flowservice_conn_id = flowservice_conn_id
        self.sandbox = sandbox
        self.deferrable = deferrable
        self.plan_only = plan_only
        self._seen: Any = None

    @cached_property
    def hook(self) -> FlowServiceHook:
        """The hook for the sensor's connection and sandbox."""
        from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook

        return FlowServiceHook(self.flowservice_conn_id, self.sandbox)

    def execute(self, context: Context) -> Any:
        """Check the arguments, then poke here, or look once and wait in the triggerer."""
        with raise_for_airflow():
            if flag("plan_only", self.plan_only) or is_planned(self.watched()):
                self.log.info("Nothing to wait for in a plan: %s", self.watched())
                return None
            self.check_arguments()
        if not self.deferrable:
            return self._poke_until_done(context)
        if self._holds_already():
            return None
        deadline = clock.current().wall() + self.timeout
        self.defer(trigger=self.trigger(deadline), method_name="execute_complete")
        return None

    def poke(self, context: Context) -> bool:
        """Look once, with Airflow's face of an error."""
        try:
            with raise_for_airflow():
                done, self._seen = self.look()
        finally:
            self.hook.close()
        if not done:
            self.log.info("Not yet: %s", self.describe(self._seen))
        return done

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take over from the trigger.

        :raises FlowServiceException: what the trigger met.
        :raises FlowServiceWaitTimeout: if the deadline passed.
        """
        if event["status"] == "done":
            with raise_for_airflow():
                self.check_seen(event.get("detail"))
            return None
        if event["status"] == "timeout":
            raise self._timed_out(event.get("detail"))
        raise from_event(event["error"])

    @abstractmethod
    def watched(self) -> Any:
        """The id of what is waited for."""

    @abstractmethod
    def check_arguments(self) -> None:
        """Check the rendered arguments before anything is sent.

        :raises InvalidInputError: naming what is wrong.
        """

    @abstractmethod
    def look(self) -> tuple[bool, Any]:
        """Look once.

        :returns: whether the condition holds, and what was seen, as the trigger's ``poll`` has it.
        :raises FlowServiceError: when looking failed.
        """

    def check_seen(self, seen: Any) -> None:
        """Judge what a wait that is done ended with.

        :raises FlowServiceError: if it is not what was waited for.
        """

    def polling(self, deadline: float) -> dict[str, Any]:
        """The arguments that every trigger takes."""
        return {
            "flowservice_conn_id": self.flowservice_conn_id,
            "sandbox": self.sandbox,
            "poll_interval": self.poke_interval,
            "deadline": deadline,
        }

    @abstractmethod
    def trigger(self, deadline: float) -> PollingTrigger:
        """The trigger that waits for the condition.

        :param deadline: seconds since 1970-01-01 UTC.
        """

    @abstractmethod
    def describe(self, seen: Any) -> str:
        """What is still to come, in words, given what was seen last."""

    def _holds_already(self) -> bool:
        """Look once before deferring: a trigger that fires at once can overtake the scheduler.

        What goes wrong here is left to the trigger, which looks again and tells errors that pass from others.
        """
        try:
            done, self._seen = self.look()
        except FlowServiceError as error:
            self.log.info("The first look failed, the trigger looks again: %s", error)
            return False
        finally:
            self.hook.close()
        return done

    def _poke_until_done(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout as timeout:
            raise self._timed_out(self._seen) from timeout

    def _timed_out(self, seen: Any) -> FlowServiceWaitTimeout:
        still = self.describe(seen) if seen is not None else "AEP gave no answer"
        return FlowServiceWaitTimeout(f"Not after {self.timeout:.0f} seconds: {still}")
