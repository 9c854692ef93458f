"""Whole runs in plan mode, through a real Airflow against the emulator: everything is looked at, nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import airflow as support
from tests.support import dags
from tests.support.airflow import AWS_SECRET, SAS_KEY
from tests.support.operators import create_profile_store
from tests.support.secrets import forms

pytestmark = pytest.mark.usefixtures("airflow_database")

KINESIS, EVENT_HUBS, FILES, SOURCE = (
    "onboard_kinesis_destination",
    "onboard_event_hubs_destination",
    "onboard_s3_destination",
    "onboard_http_api_source",
)
ONBOARDING = pytest.mark.parametrize("dag_id", [KINESIS, EVENT_HUBS, FILES, SOURCE])


def conf(control: EmulatorControl, dag_id: str, **more: Any) -> dict[str, Any]:
    segments: list[Any] = control.segments[:3]
    if dag_id == FILES:
        more = {"export_now": True, **more}
        segments = [{"id": segment} for segment in segments]
    return {**({} if dag_id == SOURCE else {"segments": segments}), **more}


def plan(control: EmulatorControl, dag_id: str, **more: Any) -> dict[str, Any]:
    """Run a DAG in plan mode; what its tasks returned, by task."""
    control.clear_requests()
    dag_run = support.run_dag(dag_id, conf(control, dag_id, plan_only=True, **more))
    assert dag_run.state == "success", support.task_states(dag_run)
    written = [(entry["method"], entry["path"]) for entry in control.requests() if entry["method"] != "GET"]
    assert [each for each in written if each != ("POST", "/ims/token/v3")] == []
    return {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in dag_run.get_task_instances()}


def onboard(control: EmulatorControl, dag_id: str, **more: Any) -> dict[str, Any]:
    with clock.installed(VirtualClock.in_step_with(control)):
        dag_run = support.run_dag(dag_id, conf(control, dag_id, **more))
    assert dag_run.state == "success", support.task_states(dag_run)
    return {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in dag_run.get_task_instances()}


def creates(task_id: str) -> bool:
    """Whether a task creates something, by the last part of its id, before which those of task groups stand."""
    return task_id.rpartition(".")[2].startswith(("create", "connect", "open"))


@ONBOARDING
def test_on_an_empty_sandbox_everything_is_planned(control: EmulatorControl, dag_id: str) -> None:
    before = control.state()
    returned = plan(control, dag_id)
    assert control.state() == before
    made = {task_id: value for task_id, value in returned.items() if creates(task_id) and value is not None}
    assert len(made) >= 5
    assert all(value.startswith("plan:") for value in made.values()), made


@ONBOARDING
def test_on_a_full_sandbox_everything_is_found(control: EmulatorControl, dag_id: str) -> None:
    made = onboard(control, dag_id)
    before = control.state()
    returned = plan(control, dag_id)
    assert control.state() == before
    ids = {task_id: value for task_id, value in made.items() if creates(task_id) and value is not None}
    assert len(ids) >= 5
    assert {task_id: returned[task_id] for task_id in ids} == ids


def test_a_run_after_its_plan_does_what_was_planned(control: EmulatorControl) -> None:
    planned = plan(control, KINESIS)
    done = onboard(control, KINESIS)
    for name in ("added", "profile_attributes_added"):
        assert planned["activate_segments"][name] == done["activate_segments"][name]
    assert [operation["op"] for operation in planned["activate_segments"]["operations"]] == ["add"] * 6


@ONBOARDING
def test_the_log_shows_what_would_be_sent_and_no_secret(
    control: EmulatorControl, dag_id: str, task_log: pytest.LogCaptureFixture
) -> None:
    plan(control, dag_id)
    for path in ("sourceConnections", "targetConnections", "flows", "connections"):
        assert f" would be created: POST /data/foundation/flowservice/{path}\n" in task_log.text
    for secret in (AWS_SECRET, SAS_KEY, control.credential.client_secret):
        assert not [form for form in forms(secret) if form in task_log.text.encode()]


def test_the_log_shows_a_flow_before_and_after(
    control: EmulatorControl, task_log: pytest.LogCaptureFixture
) -> None:
    onboard(control, KINESIS, profile_attributes=["person.name.firstName"])
    task_log.clear()
    late = control.segments[5]
    plan(control, KINESIS, segments=[late], profile_attributes=[])
    assert "would be changed:\n--- before" in task_log.text
    lines = task_log.text.splitlines()
    assert [line for line in lines if line.startswith("+") and late in line]
    assert "--- before" in lines
    assert "+++ after" in lines
    assert not any(line.startswith("-") and control.segments[0] in line for line in lines)


@pytest.mark.parametrize("plan_only", [True, False])
def test_a_template_that_is_rendered_to_a_text_is_understood(
    control: EmulatorControl, plan_only: bool
) -> None:
    """Without ``render_template_as_native_obj`` the text of a false param would count as true."""

    def build() -> None:
        create_profile_store(plan_only="{{ params.plan_only }}", params={"plan_only": plan_only})

    ran = dags.run(f"plan_{plan_only}".lower(), build)
    assert ran.succeeded, ran.errors
    assert ran.results["profile_store"].startswith("plan:") is plan_only
    assert len(control.state()["connections"]) == (0 if plan_only else 1)
