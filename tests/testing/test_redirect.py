"""With the fixture, nothing reaches the AEP that the connections lead to."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
from typing import Any

import pytest
import requests
from airflow.sdk import DAG, task

from airflow_provider_flowservice.client import FLOWS, errors, http
from airflow_provider_flowservice.client.settings import TEST_EMULATOR_VARIABLE
from airflow_provider_flowservice.client.waits import FlowInState
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.connections import FlowServiceCreateConnectionOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowStateSensor
from airflow_provider_flowservice.testing.clock import VirtualClock
from airflow_provider_flowservice.testing.database import register
from airflow_provider_flowservice.testing.emulator import FlowServiceEmulator
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.support.aep import make_flow
from tests.support.airflow import task_states
from tests.support.clients import emulator_settings
from tests.support.operators import create_kinesis, create_profile_store
from tests.support.tasks import run
from tests.support.triggers import fire

pytestmark = pytest.mark.usefixtures("airflow_database")

UNKNOWN = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
#: Sandbox by connection.
DEFINED = {"flowservice_default": "prod", "flowservice_eu": "eu"}
EVERY_CONNECTION = [*DEFINED, "not_defined"]


def count_flows(conn_id: str) -> None:
    FlowServiceHook(conn_id).count(FLOWS)


def count_in_child(method: str, conn_id: str) -> None:
    child = multiprocessing.get_context(method).Process(target=count_flows, args=(conn_id,))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
    child.join()
    assert child.exitcode == 0


def asked(emulator: FlowServiceEmulator) -> list[str]:
    """The sandboxes of the requests so far, without the token's; they are forgotten then."""
    found = [entry["headers"].get("x-sandbox-name", "") for entry in emulator.requests]
    emulator.control.clear_requests()
    return [sandbox for sandbox in found if sandbox]


def build(conn_id: str, flow_id: str) -> DAG:
    """Operators, hook code, hook code in a forked child, and a sensor that defers."""
    with DAG(f"reaches_{conn_id}", schedule=None) as dag:
        create_profile_store(flowservice_conn_id=conn_id)
        create_kinesis("another", flowservice_conn_id=conn_id, auth_conn_id="not_defined_either")

        @task
        def count() -> None:
            count_flows(conn_id)

        @task
        def fork() -> None:
            count_in_child("fork", conn_id)

        count()
        # In a child of dag.test(), Airflow itself hangs when it looks for a connection outside of the environment.
        if conn_id in DEFINED:
            fork()
        FlowServiceFlowStateSensor(
            task_id="wait",
            flowservice_conn_id=conn_id,
            flow_id=flow_id,
            state="disabled",
            timeout=600,
            deferrable=True,
        )
    return dag


@pytest.mark.parametrize("conn_id", EVERY_CONNECTION)
def test_a_dag_reaches_the_emulator_alone(
    production: EmulatorControl,
    flowservice_emulator: FlowServiceEmulator,
    flowservice_clock: VirtualClock,
    conn_id: str,
) -> None:
    hook = FlowServiceHook(conn_id)
    flow_id = make_flow(hook)
    # The first look of the sensor finds the flow enabled, so that it defers; its trigger sees the change.
    flowservice_emulator.control.set_switches(change_delay_seconds=100)
    hook.action(FLOWS, flow_id, "disable")
    hook.close()
    asked(flowservice_emulator)
    dag = build(conn_id, flow_id)
    register(dag)
    dag_run = dag.test()
    assert set(task_states(dag_run).values()) == {"success"}, task_states(dag_run)
    assert sum(flowservice_clock.sleeps) >= 100
    assert set(asked(flowservice_emulator)) == {DEFINED.get(conn_id, "dev")}
    assert {each["name"] for each in flowservice_emulator.state["connections"]} >= {
        "profile store",
        "another",
    }
    assert production.requests() == []


@pytest.mark.parametrize("conn_id", EVERY_CONNECTION)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_reaches_the_emulator_alone(
    production: EmulatorControl, flowservice_emulator: FlowServiceEmulator, conn_id: str, method: str
) -> None:
    count_in_child(method, conn_id)
    assert len(asked(flowservice_emulator)) == 1
    assert production.requests() == []


@pytest.mark.parametrize("conn_id", EVERY_CONNECTION)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_trigger_reaches_the_emulator_alone(
    production: EmulatorControl, flowservice_emulator: FlowServiceEmulator, conn_id: str, elsewhere: bool
) -> None:
    flow_id = make_flow(FlowServiceHook(conn_id))
    asked(flowservice_emulator)
    trigger = FlowServiceTrigger(
        flowservice_conn_id=conn_id,
        sandbox=None,
        wait=FlowInState(flow_id=flow_id, state="enabled").to_json(),
        poll_interval=60,
        deadline=4_000_000_000,
    )
    event = fire_elsewhere(trigger) if elsewhere else fire(trigger)
    assert event["status"] == "done", event
    assert len(asked(flowservice_emulator)) == 1
    assert production.requests() == []


def fire_elsewhere(trigger: FlowServiceTrigger) -> Any:
    """Run a trigger in a process of its own, which gets what a triggerer gets: its arguments and the environment."""
    _, arguments = trigger.serialize()
    code = (
        "import json, sys; from tests.support.triggers import fire;"
        " from airflow_provider_flowservice.triggers.base import FlowServiceTrigger;"
        " print('event', json.dumps(fire(FlowServiceTrigger(**json.loads(sys.argv[1])))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    events = [line for line in done.stdout.splitlines() if line.startswith("event ")]
    assert events, done.stdout + done.stderr
    return json.loads(events[0].removeprefix("event "))


def test_the_transports_reject_any_other_host_and_other_libraries_do_not(
    production: EmulatorControl, flowservice_emulator: FlowServiceEmulator
) -> None:
    settings = emulator_settings(production.url, production.credential)
    asked_for = http.count(FLOWS)

    async def send() -> None:
        transport = http.AiohttpTransport(settings)
        try:
            await transport.send(asked_for)
        finally:
            await transport.close()

    blocking = http.RequestsTransport(settings)
    for attempt in (lambda: blocking.send(asked_for), lambda: asyncio.run(send())):
        with pytest.raises(errors.NotTheEmulatorError, match="nothing but its emulator") as caught:
            attempt()
        assert production.url in str(caught.value)
        assert errors.is_permanent(caught.value)
    blocking.close()
    assert production.requests() == []
    requests.get(f"{production.url}/data/foundation/flowservice/flows", timeout=10)
    assert len(production.requests()) == 1


def test_without_the_fixture_connections_lead_where_they_say(production: EmulatorControl) -> None:
    count_flows("flowservice_default")
    assert [entry["headers"]["x-sandbox-name"] for entry in production.requests(method="GET")] == ["prod"]
    with pytest.raises(errors.MissingConnectionError, match="no connection 'not_defined'"):
        count_flows("not_defined")


def test_a_connection_is_still_checked(
    flowservice_emulator: FlowServiceEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FLOWSERVICE_DEFAULT", '{"conn_type": "http"}')
    with pytest.raises(errors.InvalidInputError, match="is of type 'http'"):
        count_flows("flowservice_default")


def test_an_emulator_that_is_not_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_EMULATOR_VARIABLE, "http://127.0.0.1:1")
    with pytest.raises(errors.InvalidInputError, match=f"{TEST_EMULATOR_VARIABLE}.*Unset it"):
        count_flows("flowservice_default")


WITH_CREDENTIALS = [spec for spec in CONNECTION_SPECS.values() if spec.auth]


@pytest.mark.parametrize("spec", WITH_CREDENTIALS, ids=lambda spec: spec.name)
def test_a_missing_auth_connection_gets_credentials_that_fit(
    flowservice_emulator: FlowServiceEmulator, spec: Any
) -> None:
    operator = FlowServiceCreateConnectionOperator(
        task_id="x", name="x", connection_spec=spec.id, auth_conn_id="not_defined"
    )
    connection_id, _ = run(operator)
    (made,) = flowservice_emulator.state["connections"]
    assert made["id"] == connection_id


def test_an_auth_connection_that_exists_is_used_as_it_is(
    flowservice_emulator: FlowServiceEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"region": "eu-west-1"}
    mine = {"conn_type": "generic", "login": "AKIAMINE", "password": "mine+mine", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KINESIS_DESTINATION", json.dumps(mine))
    run(create_kinesis())
    (made,) = flowservice_emulator.state["connections"]
    assert (
        made["auth"]["params"].items()
        >= {"accessKeyId": "AKIAMINE", "secretKey": "********", **extra}.items()
    )
