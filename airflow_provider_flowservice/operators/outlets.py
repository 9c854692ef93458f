"""The events of a task's outlets, for the assets of flows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.assets import flow_asset, flow_id_of
from airflow_provider_flowservice.client.model import is_uuid

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def emit(task: Any, context: Context, flow_id: str | None, extra: Mapping[str, Any]) -> None:
    """Say in the events of the task's outlets what the task has done with a flow.

    If the task succeeds, Airflow emits an event for each asset among its outlets, and those that are added to its
    aliases here. The events of other flows and of other assets are left alone.

    :param task: an operator or sensor with the attributes ``hook`` and ``outlets``.
    :param flow_id: id of the flow. If it is None, the events of all flows are filled in, and aliases get none.
    :param extra: what to add to the ``extra`` of the events, as JSON values without secrets.
    """
    from airflow.sdk import AssetAlias

    for outlet in task.outlets:
        if isinstance(outlet, AssetAlias):
            if flow_id is None or not is_uuid(flow_id):
                log.warning("The alias %r has no event: the id of the flow is unknown", outlet.name)
                continue
            settings = task.hook.settings
            asset = flow_asset(flow_id, org_id=settings.org_id, sandbox=settings.sandbox)
            context["outlet_events"][outlet].add(asset, extra=dict(extra))
        elif event := _event_of_flow(context, outlet, flow_id):
            event.extra.update(extra)


def _event_of_flow(context: Context, outlet: Any, flow_id: str | None) -> Any:
    """Return the event of an outlet; None if it is not an asset of the flow."""
    from airflow.sdk import Asset
    from airflow.sdk.definitions.asset import AssetRef
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType

    if not isinstance(outlet, (Asset, AssetRef)):
        return None
    try:
        event: Any = context["outlet_events"][outlet]
    except AirflowRuntimeError as error:
        if error.error.error is not ErrorType.ASSET_NOT_FOUND:
            raise
        # No DAG has an asset that the reference means. Airflow itself warns of that, and lets the task succeed.
        return None
    found = flow_id_of(event.key.uri)
    return event if found and (flow_id is None or found == flow_id.lower()) else None
