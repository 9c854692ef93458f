"""Operator that finds a flow by its name."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_flowservice.client import FlowState, SelectorKind
from airflow_provider_flowservice.client.errors import NameNotFoundError
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceOperator, flow_title, push
from airflow_provider_flowservice.operators.kinds import choice, string

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console


class IfMissing(StrEnum):
    """What a look-up does if there is nothing to find."""

    FAIL = "fail"
    SKIP = "skip"


class FlowServiceFindFlowOperator(FlowServiceOperator):
    """Find a flow by its name (``GET /flows``), so that a DAG can use a flow that another one has created.

    It fails if several flows are found, and its message lists them. AEP may list a new flow only some seconds after it
    was created, and this does not wait for it: a DAG that has created the flow itself uses the id that the create
    operator returned.

    Its XComs are ``connections`` (lists of ids under the keys ``base``, ``source`` and ``target``), ``segments`` (ids
    of the active segments), ``state``, ``etag`` and ``console_url``. The template ``{{ ti.xcom_pull('find_flow',
    key='connections').base[0] }}`` is the first base connection that the task ``find_flow`` found.

    :param name: exact name of the flow.
    :param flow_spec: name or id of the flow spec that the flow must have; None for any.
    :param state: state that the flow must have: ``enabled``, ``disabled`` or ``draft``; None for any. While AEP changes
        a flow, it has another one, such as ``updating``.
    :param if_missing: what to do if there is no such flow: ``fail``, with similar names in the message, or ``skip``
        this task and thereby those that need the flow.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Find flow"
    name = required(string)
    flow_spec = optional(string)
    state = optional(choice(FlowState))
    if_missing = required(choice(IfMissing))
    _flow_id: str | None = None

    def __init__(
        self,
        *,
        name: str,
        flow_spec: str | None = None,
        state: str | None = None,
        if_missing: str = "fail",
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def perform(self, context: Context) -> str:
        """Find the flow.

        :returns: the id of the flow.
        """
        try:
            flow = self.hook.find_flow(self.name, self.flow_spec, self.state)
        except NameNotFoundError as missing:
            if self.if_missing is IfMissing.SKIP:
                raise AirflowSkipException(missing.message) from None
            raise
        self._flow_id = flow.id
        found = self.hook.flow_connections(flow)
        connections = {"base": found.bases, "source": found.sources, "target": found.targets}
        push(
            context,
            connections={kind: list(ids) for kind, ids in connections.items()},
            segments=[selector.uuid for selector in flow.selectors(SelectorKind.SEGMENT)],
            state=flow.state,
            etag=flow.etag,
            console_url=self.hook.console.flow_page(flow.id),
        )
        count = len(list(flow.selectors(SelectorKind.SEGMENT)))
        state = plain_text(str(flow.state))
        self.log.info("%s is %s and has %d active segments", flow_title(flow), state, count)
        return flow.id

    def page_in(self, console: Console) -> str:
        """Return the URL of the flow."""
        return console.flow_page(self._flow_id) if self._flow_id else ""
