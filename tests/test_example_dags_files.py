"""The example DAG of a file destination, run by a real Airflow against the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.datasets import mapping_sets
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import airflow as support
from tests.support.aep import FLOW_SERVICE
from tests.support.clients import client_of

pytestmark = pytest.mark.usefixtures("airflow_database")

MAPPINGS = {
    ("personalEmail.address", "email"),
    ("person.name.firstName", "first_name"),
    ("person.name.lastName", "last_name"),
}


@pytest.fixture
def control(emulator: EmulatorServer) -> Iterator[EmulatorControl]:
    emulator.control.set_switches(scheduled_runs=False)
    with clock.installed(VirtualClock.in_step_with(emulator.control)):
        yield emulator.control


def run(control: EmulatorControl, expected: str = "success", **conf: Any) -> dict[str, str]:
    """Run the DAG with a segment by id and one by name; the states of its tasks. The journal has what it sent."""
    control.clear_requests()
    by_name = next(
        name for name, segment in control.segments_by_name.items() if segment == control.segments[1]
    )
    segments = [{"id": control.segments[0]}, {"name": by_name}]
    dag_run = support.run_dag("onboard_s3_destination", {"segments": segments, **conf})
    states = support.task_states(dag_run)
    assert dag_run.state == expected, states
    return states


def written(control: EmulatorControl) -> list[str]:
    """What may have changed something in AEP."""
    harmless = ("/ims/token/v3", "/data/foundation/conversion/mappingSets/validate")
    sent = [each for each in control.requests() if each["method"] != "GET" and each["path"] not in harmless]
    return [f"{each['method']} {each['path'].split('/')[4]}" for each in sent]


def params(control: EmulatorControl) -> dict[str, Any]:
    (flow,) = control.state()["flows"]
    return dict(flow["transformations"][0]["params"])


def test_onboarding_maps_the_columns_and_a_second_run_changes_nothing(control: EmulatorControl) -> None:
    states = run(control)
    assert states["export_now"] == "skipped"
    first = control.requests()
    made = ["connections", "connections", "flows", "mappingSets", "sourceConnections", "targetConnections"]
    assert sorted(written(control)) == ["PATCH flows", *(f"POST {kind}" for kind in made)]
    with client_of(control) as client:
        (mapping_set,) = mapping_sets.iterate(client)
    assert mapping_set.pairs == MAPPINGS
    assert set(mapping_set.columns or ()) == {"email", "first_name", "last_name"}
    held = params(control)
    assert held["profileMapping"] == {"mappingId": mapping_set.id, "mappingVersion": 0}
    assert (held["mandatoryFields"], held["primaryFields"]) == (["email"], [])
    values = [selector["value"] for selector in held["segmentSelectors"]["selectors"]]
    assert [value["id"] for value in values] == control.segments[:2]
    assert {value["schedule"]["triggerType"] for value in values} == {"AFTER_SEGMENT_EVAL"}
    (target,) = control.state()["targetConnections"]
    assert (target["params"]["bucketName"], target["params"]["path"]) == ("acme-partner-files", "exports")

    state = control.state()
    run(control)
    assert written(control) == []
    assert control.state() == state
    second = control.requests()
    assert len(first) <= 30
    assert len(second) <= 14


def test_an_export_at_once_is_waited_for(control: EmulatorControl) -> None:
    assert run(control, export_now=True)["export_now"] == "success"
    runs = control.state()["runs"]
    assert len(runs) == 2
    assert len(control.requests("POST", "/data/core/activation/disflowprovider/adhocrun")) == 1
    assert {each["metrics"]["statusSummary"]["status"] for each in runs} == {"success"}
    assert control.requests("GET", f"{FLOW_SERVICE}/runs")


def test_an_export_that_fails_fails_the_dag(control: EmulatorControl) -> None:
    control.set_switches(run_outcome="failed")
    assert run(control, "failed", export_now=True)["export_now"] == "failed"


def test_changed_columns_are_refused_or_followed_by_the_flow(control: EmulatorControl) -> None:
    run(control)
    segments = params(control)["segmentSelectors"]
    wider = [{"source": source, "destination": column} for source, column in sorted(MAPPINGS)]
    changed = {
        "mappings": [*wider, {"source": "homeAddress.city", "destination": "city"}],
        "mandatory_fields": ["email", "city"],
    }
    states = run(control, "failed", **changed)
    assert tuple(states[f"file_destination.create_{each}"] for each in ("mapping", "flow")) == (
        "failed",
        "upstream_failed",
    )
    assert written(control) == []
    run(control, **changed, if_exists="update")
    assert written(control) == ["PUT mappingSets", "PATCH flows"]
    held = params(control)
    assert (held["profileMapping"]["mappingVersion"], held["mandatoryFields"]) == (1, ["email", "city"])
    assert held["segmentSelectors"] == segments
