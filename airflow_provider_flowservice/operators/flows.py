"""Operators for flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.links import CONSOLE_URL_KEY, FlowServiceLink, flow_url
from airflow_provider_flowservice.operators.base import (
    id_list,
    optional_mapping,
    optional_mappings,
    required_text,
)
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.desired import DesiredFlow
    from airflow_provider_flowservice.client.ensure import Ensured


class FlowServiceCreateFlowOperator(FlowServiceCreateOperator):
    """Create a flow from source connections to target connections (``POST /flows``).

    :param flow_spec: name as AEP shows it, or id; templated.
    :param source_connection_ids: ids of the source connections; templated.
    :param target_connection_ids: ids of the target connections; templated.
    :param transformations: as AEP takes them; templated. None sends what the flow spec needs: for profile
        destinations the empty selectors without which no activation can follow.
    :param schedule_params: when a batch flow runs; templated.
    """

    template_fields: Sequence[str] = (
        *FlowServiceCreateOperator.template_fields,
        "flow_spec",
        "source_connection_ids",
        "target_connection_ids",
        "transformations",
        "schedule_params",
    )
    operator_extra_links = (FlowServiceLink(),)

    def __init__(
        self,
        *,
        flow_spec: str,
        source_connection_ids: Sequence[str],
        target_connection_ids: Sequence[str],
        transformations: Sequence[Mapping[str, Any]] | None = None,
        schedule_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_spec = flow_spec
        self.source_connection_ids = source_connection_ids
        self.target_connection_ids = target_connection_ids
        self.transformations = transformations
        self.schedule_params = schedule_params

    def desired(self) -> DesiredFlow:
        """The flow."""
        from airflow_provider_flowservice.client.desired import DesiredFlow

        sources = id_list("source_connection_ids", self.source_connection_ids)
        targets = id_list("target_connection_ids", self.target_connection_ids)
        schedule = optional_mapping("schedule_params", self.schedule_params)
        return DesiredFlow(
            name=self.name,
            spec_id=self.hook.flow_spec_id(required_text("flow_spec", self.flow_spec)),
            description=self.description,
            source_connection_ids=sources,
            target_connection_ids=targets,
            transformations=optional_mappings("transformations", self.transformations),
            schedule_params=schedule,
        )

    def worth_knowing(self, desired: DesiredFlow, ensured: Ensured[Any]) -> dict[str, Any]:
        """Where AEP's user interface shows the flow."""
        return {CONSOLE_URL_KEY: flow_url(self.hook.settings.sandbox, ensured.id, desired.spec_id)}
