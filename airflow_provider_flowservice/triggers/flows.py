"""Triggers that watch flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.activation import selectors
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.triggers.base import PollingTrigger

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport


class FlowValidationTrigger(PollingTrigger):
    """Waits until segments and profile attributes are mapped on a flow (``GET /flows/{id}``).

    The detail of its event is ``{"segments": [...], "attributes": [...]}``: what is missing.

    :param flow_id: the flow.
    :param segments: segment ids.
    :param profile_attributes: attribute paths.
    """

    def __init__(
        self, *, flow_id: str, segments: list[str], profile_attributes: list[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.segments = segments
        self.profile_attributes = profile_attributes

    def arguments(self) -> dict[str, Any]:
        """The flow and what it should send."""
        return {
            "flow_id": self.flow_id,
            "segments": self.segments,
            "profile_attributes": self.profile_attributes,
        }

    async def poll(self, transport: AiohttpTransport) -> tuple[bool, dict[str, Any]]:
        """Read the flow and compare."""
        flow = await transport.send(request.get(request.FLOWS, self.flow_id))
        missing = selectors.missing(flow, self.segments, self.profile_attributes)
        return not missing, missing.to_json()
