"""Where the links of tasks lead, through a real Airflow against the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests

from airflow_provider_flowservice.client import FLOWS, clock
from airflow_provider_flowservice.client.flows.console import Console
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.links import FlowServiceLink
from airflow_provider_flowservice.operators.activation import FlowServiceAdHocActivationOperator
from airflow_provider_flowservice.operators.connections import FlowServiceDeleteConnectionOperator
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.flows import (
    FlowServiceDeleteFlowOperator,
    FlowServiceFindFlowOperator,
    FlowServicePruneFlowsOperator,
    FlowServiceRunFlowOperator,
    FlowServiceSetFlowStateOperator,
    FlowServiceUpdateFlowOperator,
)
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.runs import FlowServiceFlowRunReportOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from airflow_provider_flowservice.sensors.flows import (
    FlowServiceFlowRunSensor,
    FlowServiceFlowStateSensor,
    FlowServiceFlowValidationSensor,
)
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support import dags
from tests.support.aep import aep_settings, make_flow
from tests.support.batch import make_batch_flow
from tests.support.operators import (
    activate,
    create_flow,
    create_kinesis,
    create_profile_store,
    create_source,
    create_target,
)
from tests.support.streaming import open_source
from tests.support.tasks import run

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
LONG_AGO = 1_000_000_000
LINK = FlowServiceLink()


def link_of(operator: Any) -> str:
    """The part of an operator's link behind the emulator's address, which must lead to something."""
    url = urlsplit(LINK.get_link(operator, ti_key=None))  # type: ignore[arg-type]
    origin = f"{url.scheme}://{url.netloc}"
    response = requests.get(f"{origin}/_emulator/page{url.fragment}", timeout=10)
    assert response.status_code == 200, response.text
    assert operator.hook.settings.gateway == origin
    return unquote(url.fragment)


def page_of(operator: Any) -> str:
    """Run an operator; where its link leads."""
    run(operator)
    return link_of(operator)


def made(operator: Any, view: str) -> str:
    """Run a create operator, whose link must lead to the object; its id."""
    made_id, _ = run(operator)
    assert link_of(operator) == f"/{view}/{made_id}"
    return str(made_id)


def test_each_task_about_a_destination_links_to_its_object(control: EmulatorControl) -> None:
    profile_store = made(create_profile_store(), "connections")
    source = made(create_source(profile_store), "sourceConnections")
    target = made(create_target(made(create_kinesis(), "connections")), "targetConnections")
    flow_id = made(create_flow(source, target), "flows")
    for operator in (
        create_flow(source, target, plan_only=True),
        activate(flow_id, control.segments[:1]),
        activate(flow_id, control.segments[:1], plan_only=True),
        FlowServiceFindFlowOperator(task_id="x", name="flow"),
        FlowServiceUpdateFlowOperator(task_id="x", flow_id=flow_id, new_name="renamed"),
        FlowServiceSetFlowStateOperator(task_id="x", flow_id=flow_id, state="disabled"),
        FlowServiceFlowStateSensor(task_id="x", flow_id=flow_id, state="disabled"),
        FlowServiceFlowValidationSensor(task_id="x", flow_id=flow_id, segments=control.segments[:1]),
    ):
        assert page_of(operator) == f"/flows/{flow_id}"
    sandbox = f"?sandbox={control.credential.sandbox}"
    prune = FlowServicePruneFlowsOperator(task_id="x", keep=[flow_id], name_prefix="renamed")
    assert page_of(prune) == f"/flows{sandbox}"
    assert page_of(FlowServiceDeleteFlowOperator(task_id="x", flow_id=flow_id)) == f"/flows{sandbox}"
    delete = FlowServiceDeleteConnectionOperator(task_id="x", connection_id=target, kind="target")
    assert page_of(delete) == f"/targetConnections{sandbox}"


def test_each_task_about_a_source_links_to_its_object(
    control: EmulatorControl, hook: FlowServiceHook
) -> None:
    schema_id = made(FlowServiceCreateSchemaOperator(task_id="x", name="people"), "schemas")
    made(FlowServiceCreateDatasetOperator(task_id="x", name="people", schema_id=schema_id), "datasets")
    source = open_source(hook)
    names: dict[str, Any] = {
        "name": "first names",
        "schema_id": source.schema_id,
        "mappings": [{"source": "first", "destination": "person.name.firstName"}],
    }
    made(FlowServiceCreateMappingSetOperator(task_id="x", **names), "mappingSets")
    post: dict[str, Any] = {"task_id": "x", "messages": [{"first": "Ada"}], "settle_seconds": 0}
    by_flow = FlowServicePostToInletOperator(flow_id=source.flow_id, **post)
    assert page_of(by_flow) == f"/flows/{source.flow_id}"
    by_connection = FlowServicePostToInletOperator(connection_id=source.connection_id, max_failures=1, **post)
    assert page_of(by_connection) == f"/inlets/{source.inlet.id}"


def test_a_run_has_a_link_of_its_own(control: EmulatorControl, hook: FlowServiceHook) -> None:
    control.set_switches(run_seconds=0)
    flow_id = make_batch_flow(hook)
    start = FlowServiceRunFlowOperator(
        task_id="x", flow_id=flow_id, window_start=1_700_000_000, window_end=1_700_086_400
    )
    run_page = page_of(start)
    (started,) = hook.runs(flow_id)
    assert run_page == f"/runs/{started.id}"
    assert page_of(FlowServiceFlowRunSensor(task_id="x", flow_id=flow_id, run_id=started.id)) == run_page
    window = FlowServiceFlowRunSensor(task_id="x", flow_id=flow_id, started_after=LONG_AGO)
    assert page_of(window) == f"/flows/{flow_id}"
    report = FlowServiceFlowRunReportOperator(task_id="x", since=LONG_AGO)
    assert page_of(report) == f"/runs?sandbox={control.credential.sandbox}"


def test_tasks_that_are_only_for_destinations_link_to_aeps_page_of_them() -> None:
    console = Console(aep_settings())
    of_flow: dict[str, Any] = {"task_id": "x", "flow_id": UNKNOWN, "segments": [UNKNOWN]}
    for operator in (
        activate(UNKNOWN, [UNKNOWN]),
        FlowServiceAdHocActivationOperator(**of_flow),
        FlowServiceFlowValidationSensor(**of_flow),
    ):
        assert operator.page_in(console).endswith("/destination/browse")


def test_a_task_that_fails_has_a_link_and_one_without_a_connection_has_none(
    control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = FlowServiceUpdateFlowOperator(task_id="x", flow_id=UNKNOWN, new_name="x")
    with pytest.raises(FlowServicePermanentException):
        run(missing)
    assert missing.page_url == f"{control.url}/#/flows/{UNKNOWN}"
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", '{"conn_type": "flowservice"}')
    unconnected = FlowServiceUpdateFlowOperator(task_id="x", flow_id=UNKNOWN, new_name="x")
    with pytest.raises(FlowServicePermanentException, match="org_id"):
        run(unconnected)
    assert unconnected.page_url == ""


# In DAGs


def links(dag_id: str) -> dict[tuple[str, int], str]:
    """What Airflow knows of the links of a DAG's tasks, as its user interface shows them."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(
            select(XComModel).where(XComModel.dag_id == dag_id, XComModel.key == LINK.xcom_key)
        )
        return {(each.task_id, each.map_index): XComModel.deserialize_value(each) for each in found}


@pytest.mark.usefixtures("airflow_database")
def test_a_task_has_its_link_while_it_waits_and_afterwards(
    control: EmulatorControl, hook: FlowServiceHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow_id = make_flow(hook)
    # The first look finds the flow enabled, so that the task defers; its trigger sees the change.
    control.set_switches(change_delay_seconds=100)
    hook.action(FLOWS, flow_id, "disable")
    during = []
    original = FlowServiceTrigger.run

    async def spied(trigger: FlowServiceTrigger) -> AsyncIterator[Any]:
        during.append(links("links_while_waiting"))
        async for event in original(trigger):
            yield event

    monkeypatch.setattr(FlowServiceTrigger, "run", spied)

    def build() -> None:
        FlowServiceFlowStateSensor(
            task_id="wait", flow_id=flow_id, state="disabled", deferrable=True, timeout=600
        )

    with clock.installed(VirtualClock.in_step_with(control)):
        assert dags.run("links_while_waiting", build).succeeded
    expected = {("wait", -1): f"{control.url}/#/flows/{flow_id}"}
    assert during == [expected]
    assert links("links_while_waiting") == expected


@pytest.mark.usefixtures("airflow_database")
def test_mapped_failed_and_planned_tasks_in_a_dag(control: EmulatorControl, hook: FlowServiceHook) -> None:
    flow_ids = [make_flow(hook, name) for name in ("one", "two")]

    def build() -> None:
        state = FlowServiceSetFlowStateOperator.partial(task_id="mapped", state="disabled")
        state.expand(flow_id=[*flow_ids, UNKNOWN])
        create_profile_store("another", task_id="planned", plan_only=True)
        FlowServiceFindFlowOperator(task_id="skipped", name="nothing", if_missing="skip")

    ran = dags.run("links", build)
    assert ran.states == {"mapped": "failed", "planned": "success", "skipped": "skipped"}
    assert links("links") == {
        ("mapped", 0): f"{control.url}/#/flows/{flow_ids[0]}",
        ("mapped", 1): f"{control.url}/#/flows/{flow_ids[1]}",
        ("mapped", 2): f"{control.url}/#/flows/{UNKNOWN}",
        ("planned", -1): "",
        ("skipped", -1): "",
    }
