"""The assets of flows, as Airflow makes them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher

from airflow_provider_flowservice.assets import flow_asset
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.triggers.events import FlowRunCompletedTrigger

FLOW = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
URI = f"flowservice://745F37C3/dev/flows/{FLOW}"


def test_a_flow_has_one_asset_however_its_organization_is_written() -> None:
    asset = flow_asset(FLOW, org_id="745F37C3@AdobeOrg", sandbox="dev")
    assert (asset.name, asset.uri, asset.watchers) == (URI, URI, [])
    assert flow_asset(FLOW.upper(), org_id="745F37C3", sandbox="dev") == asset


def test_an_asset_can_have_a_name_and_watchers() -> None:
    watcher = AssetWatcher(name="runs", trigger=FlowRunCompletedTrigger(flow_id=FLOW))
    asset = flow_asset(FLOW, org_id="745F37C3@AdobeOrg", sandbox="dev", name="orders", watchers=[watcher])
    assert (asset.name, asset.uri, asset.watchers) == ("orders", URI, [watcher])


@pytest.mark.parametrize(
    "written",
    [
        URI,
        f"FlowService://745F37C3@AdobeOrg/dev/flows/{FLOW.upper()}/",
        f"flowservice://745F37C3/dev/flows/{FLOW}?view=runs#top",
    ],
)
def test_airflow_normalizes_what_is_written_by_hand(written: str) -> None:
    assert Asset(name="orders", uri=written).uri == URI


@pytest.mark.parametrize(
    "written",
    [
        f"flowservice://745F37C3/flows/{FLOW}",
        f"flowservice://745F37C3/dev/runs/{FLOW}",
        "flowservice://745F37C3/dev/flows/orders",
        f"flowservice:///dev/flows/{FLOW}",
        f"flowservice://@AdobeOrg/dev/flows/{FLOW}",
    ],
)
def test_airflow_rejects_what_is_not_a_flow(written: str) -> None:
    with pytest.raises(ValueError, match="is not the URI of a flow"):
        Asset(uri=written)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"flow_id": "orders"}, "flow_id"),
        ({"flow_id": None}, "flow_id"),
        ({"org_id": ""}, "org_id"),
        ({"sandbox": None}, "sandbox"),
    ],
)
def test_a_wrong_argument_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        flow_asset(**{"flow_id": FLOW, "org_id": "745F37C3", "sandbox": "dev", **changes})
    assert caught.value.field == field
