"""The flows that the example DAGs and the scenarios make, taken over: the printed DAG changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.scenarios import read_scenario
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.print_dag.printed import Printed, calls_of
from tests.support import airflow as support

RECORDS = [{"id": "1", "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}]
XDM = [
    {
        "_id": "1",
        "person": {"name": {"firstName": "Ada", "lastName": "Byron"}},
        "workEmail": {"address": "ada@example.com"},
    }
]


@pytest.mark.parametrize(
    ("dag_id", "conf", "printing", "running"),
    [
        ("onboard_kinesis_destination", {}, 8, 11),
        ("onboard_event_hubs_destination", {}, 8, 11),
        ("onboard_s3_destination", {}, 9, 12),
        ("onboard_http_api_source", {"data_type": "raw", "records": RECORDS}, 7, 9),
        ("onboard_http_api_source", {"data_type": "xdm", "records": XDM}, 6, 8),
        ("onboard_many_destinations", {}, 12, 11),
    ],
)
def test_a_run_of_what_was_printed_sends_no_write(
    printed: Printed, control: EmulatorControl, dag_id: str, conf: dict[str, Any], printing: int, running: int
) -> None:
    dag_run = support.run_dag(dag_id, conf)
    assert dag_run.state == "success", support.task_states(dag_run)
    state = control.state()
    flow_ids = [flow["id"] for flow in state["flows"]]
    assert flow_ids
    control.clear_requests()
    printed.print(*flow_ids)
    calls = calls_of(control)
    assert {method for method, _ in calls} == {"GET"}
    assert len(calls) <= printing
    for flow_id in flow_ids:
        ran = printed.run_flow(flow_id)
        assert ran.succeeded, ran.errors
        assert ran.sent == []
        assert ran.calls <= running
    if dag_id == "onboard_s3_destination":
        assert printed.run_flow(flow_ids[0], plan_only=True).succeeded
    assert control.state() == state


@pytest.mark.parametrize(
    ("scenario", "number"),
    [("quiet", 1), ("bad-day", 20), ("streaming_flows: {count: 200, runs: 200}", 200)],
    ids=["quiet", "bad-day", "like busy-sandbox"],
)
def test_the_flows_of_a_scenario(
    airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: str, number: int
) -> None:
    auth.forget_all()
    source: str | Path = scenario
    if ":" in scenario:
        # The shipped one differs in its numbers alone.
        source = tmp_path / "scenario.yaml"
        source.write_text(scenario)
    with EmulatorServer(prepare=read_scenario(source)) as server:
        control = server.control
        control.clear_faults()
        control.set_switches(change_delay_seconds=0, scheduled_runs=False)
        monkeypatch.setenv(
            "AIRFLOW_CONN_FLOWSERVICE_DEFAULT",
            support.flowservice_connection(control.url, control.credential),
        )
        printed = Printed(control, tmp_path, monkeypatch)
        control.clear_requests()
        printed.print("--all", "--kind", "destination")
        calls = calls_of(control)
        state = control.state()
        flows = state["flows"]
        assert len(flows) == number == len(list(tmp_path.glob("*.py")))
        # Lists of flows and of three kinds of connections; catalogs, names of segments; and two connections of which
        # a list does not tell whether it shows all.
        assert len(calls) <= 4 * (number // 100 + 1) + 5
        enabled = next(flow["id"] for flow in flows if flow["state"] == "enabled")
        disabled = [flow["id"] for flow in flows if flow["state"] == "disabled"][:1]
        for flow_id in (enabled, *disabled):
            ran = printed.run_flow(flow_id)
            assert ran.succeeded, ran.errors
            assert ran.sent == []
        assert control.state() == state
    auth.forget_all()
