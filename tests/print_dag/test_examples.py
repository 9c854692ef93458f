"""The flows that the example DAGs make, taken over: the printed DAG changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.print_dag.printed import Printed
from tests.support import airflow as support

RECORDS = [{"id": "1", "firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"}]


@pytest.mark.parametrize(
    ("dag_id", "conf", "calls"),
    [
        ("onboard_kinesis_destination", {}, 13),
        ("onboard_event_hubs_destination", {}, 13),
        ("onboard_s3_destination", {}, 14),
        ("onboard_http_api_source", {"data_type": "raw", "records": RECORDS}, 14),
        ("onboard_http_api_source", {"data_type": "xdm", "records": []}, 14),
        ("onboard_many_destinations", {}, 24),
    ],
)
def test_a_run_of_what_was_printed_sends_no_write(
    printed: Printed, control: EmulatorControl, dag_id: str, conf: dict[str, Any], calls: int
) -> None:
    dag_run = support.run_dag(dag_id, conf)
    assert dag_run.state == "success", support.task_states(dag_run)
    state = control.state()
    flow_ids = [flow["id"] for flow in state["flows"]]
    assert flow_ids
    control.clear_requests()
    printed.print(*flow_ids)
    journal = [each for each in control.requests() if each["path"] != "/ims/token/v3"]
    assert {each["method"] for each in journal} == {"GET"}
    print([(e["method"], e["path"]) for e in journal])
    for flow_id in flow_ids:
        print(printed.path(flow_id).read_text())
        for plan_only in (True, False):
            ran = printed.run_flow(flow_id, plan_only=plan_only)
            assert ran.succeeded, ran.errors
            assert ran.sent == []
            print(ran.calls)
    assert control.state() == state
