"""The example DAGs, run by a real Airflow against the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import airflow as support

if TYPE_CHECKING:
    from airflow_provider_flowservice.emulator.server import EmulatorServer

pytestmark = pytest.mark.usefixtures("airflow_database")

FLOW_SERVICE = "/data/foundation/flowservice"
ATTRIBUTES = ["person.name.firstName", "person.name.lastName", "personalEmail.address"]


def run(emulator: EmulatorServer, dag_id: str) -> list[dict[str, Any]]:
    """Run an onboarding DAG and return what it sent."""
    emulator.control.clear_requests()
    dag_run = support.run_dag(dag_id, {"segments": emulator.control.segments[:3]})
    assert dag_run.state == "success", support.task_states(dag_run)
    return emulator.control.requests()


def flow_service_calls(journal: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in journal if entry["path"].startswith(FLOW_SERVICE)]


@pytest.mark.parametrize(
    ("dag_id", "params"),
    [
        ("onboard_kinesis_destination", {"stream": "summer-campaign", "region": "us-east-1"}),
        ("onboard_event_hubs_destination", {"eventHubName": "loyalty-profiles"}),
    ],
)
def test_onboarding_maps_the_segments_and_a_second_run_changes_nothing(
    emulator: EmulatorServer, dag_id: str, params: dict[str, str]
) -> None:
    first = run(emulator, dag_id)
    state = emulator.control.state()
    assert len(state["connections"]) == 2
    assert len(state["sourceConnections"]) == 1
    (target,) = state["targetConnections"]
    assert target["params"] == params
    (flow,) = state["flows"]
    selected = flow["transformations"][0]["params"]
    segments = [selector["value"]["id"] for selector in selected["segmentSelectors"]["selectors"]]
    attributes = [selector["value"]["path"] for selector in selected["profileSelectors"]["selectors"]]
    assert segments == emulator.control.segments[:3]
    assert attributes == ATTRIBUTES
    assert emulator.control.exports(flow["id"])

    second = run(emulator, dag_id)
    writes = [(entry["method"], entry["path"]) for entry in second if entry["method"] != "GET"]
    assert [write for write in writes if not write[1].startswith("/ims/")] == []
    assert emulator.control.state() == state

    assert len(flow_service_calls(first)) <= 24
    assert len(flow_service_calls(second)) <= 14
    assert len([entry for entry in first + second if entry["path"] == "/ims/token/v3"]) == 1
