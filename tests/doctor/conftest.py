"""A sandbox with at least one of everything that the doctor looks at, and the AEP that it examines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_flowservice.client.http import auth
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import SwitchValue
from airflow_provider_flowservice.doctor.habits import READ_HABITS
from airflow_provider_flowservice.doctor.habits.model import examine_habit
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.flow.seeding import seed_streaming_flows
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.settings import Switches
from airflow_provider_flowservice.emulator.world import World
from tests.doctor.writes import Sandbox
from tests.emulator.conftest import PROFILE_CLASS, REGISTRY, Api, identity
from tests.support.clients import emulator_settings

#: More flows than are on a page unless a limit is given, and runs of some of them.
FLOWS, RUNS_PER_FLOW = 24, 2
IDENTITY_MAP = "https://ns.adobe.com/xdm/context/identitymap"


def populate(world: World) -> None:
    """Fill the built-in sandbox with flows to Amazon Kinesis that have run."""
    seed_streaming_flows(world.open_sandbox(world.settings.sandbox), FLOWS, RUNS_PER_FLOW)


def add_schema(api: Api) -> None:
    """Add a schema that is enabled for Profile without a primary identity."""
    assert api.enable(api.schema()).status_code == 200


def add_identified_schemas(api: Api) -> None:
    """Add a schema with a primary identity, and one with an identity map; both are enabled for Profile."""
    schema_id = api.schema()
    assert api.call("POST", f"{REGISTRY}/tenant/descriptors", json=identity(schema_id)).status_code == 201
    body = {
        "type": "object",
        "title": "A map",
        "description": "",
        "allOf": [{"$ref": each} for each in (PROFILE_CLASS, IDENTITY_MAP)],
    }
    mapped_id = api.create(f"{REGISTRY}/tenant/schemas", body)["$id"]
    assert [api.enable(each).status_code for each in (schema_id, mapped_id)] == [200, 200]


def fill(control: EmulatorControl, make: Callable[[Api], object]) -> None:
    """Add what someone else makes."""
    api = Api(control.url, control)
    api.log_in()
    make(api)
    api.session.close()


def refilled(server: EmulatorServer, make: Callable[[Api], object]) -> EmulatorControl:
    """The control of an emulator that holds nothing but what is made."""
    server.control.reset()
    fill(server.control, make)
    return ready(server)


@pytest.fixture(scope="session")
def populated_servers() -> Iterator[list[EmulatorServer]]:
    """Two emulators that hold the same."""
    with ExitStack() as stack:
        servers = [stack.enter_context(EmulatorServer(prepare=populate)) for _ in range(2)]
        for server in servers:
            fill(server.control, add_schema)
            fill(server.control, lambda api: api.schema("Without union"))
        yield servers


@pytest.fixture
def populated(populated_servers: list[EmulatorServer]) -> EmulatorControl:
    """An emulator with a sandbox in which every habit can be seen."""
    return ready(populated_servers[0])


@pytest.fixture
def second(populated_servers: list[EmulatorServer]) -> EmulatorControl:
    """Another one."""
    return ready(populated_servers[1])


@pytest.fixture(scope="session")
def small_server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def one(small_server: EmulatorServer) -> EmulatorControl:
    """An emulator with one base connection, to Amazon Kinesis."""
    return refilled(small_server, Api.kinesis_base)


@pytest.fixture
def few(small_server: EmulatorServer) -> EmulatorControl:
    """An emulator with what one flow to Amazon Kinesis consists of, made within some seconds."""

    def make(api: Api) -> None:
        api.profile_base("older")
        api.control.advance(1)
        api.flow()

    return refilled(small_server, make)


@pytest.fixture
def with_identity(small_server: EmulatorServer) -> EmulatorControl:
    """An emulator with two schemas that are enabled for Profile: by a primary identity, and by an identity map."""
    return refilled(small_server, add_identified_schemas)


@pytest.fixture(scope="session")
def many_server() -> Iterator[EmulatorServer]:
    def prepare(world: World) -> None:
        seed_streaming_flows(world.open_sandbox(world.settings.sandbox), 5001, 1)

    with EmulatorServer(prepare=prepare) as server:
        yield server


@pytest.fixture
def many(many_server: EmulatorServer) -> EmulatorControl:
    """An emulator whose lists of all kinds have many pages."""
    return ready(many_server)


@pytest.fixture(scope="session")
def empty_server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def empty(empty_server: EmulatorServer) -> EmulatorControl:
    """An emulator with an empty sandbox."""
    return ready(empty_server)


@pytest.fixture
def empty_sandbox(small_server: EmulatorServer) -> Iterator[Sandbox]:
    """A sandbox without anything."""
    auth.forget_all()
    small_server.control.reset()
    sandbox = Sandbox(small_server.control)
    yield sandbox
    sandbox.api.session.close()
    auth.forget_all()


@pytest.fixture
def sandbox(empty_sandbox: Sandbox) -> Sandbox:
    """A sandbox with a flow and two schemas, one of which is enabled for Profile."""
    api = empty_sandbox.api
    api.flow()
    assert api.enable(api.schema("Enabled")).status_code == 200
    api.schema()
    empty_sandbox.control.clear_requests()
    return empty_sandbox


def ready(server: EmulatorServer) -> EmulatorControl:
    """The control of an emulator whose resources are there, and nothing that a test before has set."""
    control = server.control
    control.set_switches(**Switches().as_json())
    control.clear_faults()
    control.clear_requests()
    return control


@pytest.fixture
def connect() -> Iterator[Callable[[EmulatorControl], Aep]]:
    """Makes the AEP that is examined."""
    with ExitStack() as stack:
        yield lambda control: aep_of(control, stack)


def aep_of(control: EmulatorControl, stack: ExitStack) -> Aep:
    """An emulator as the AEP that is examined, with a new token."""
    auth.forget_all()
    stack.callback(auth.forget_all)
    settings = emulator_settings(control.url, control.credential)
    transport = RequestsTransport(settings)
    stack.callback(transport.close)
    tokens = auth.TokenSource(settings)
    token = transport.send(tokens.request())
    tokens.keep(token)
    return Aep(settings, transport, token.lifetime)


def values_found(aep: Aep) -> dict[str, SwitchValue | None]:
    """The values of the switches that reads show; None if one cannot be determined."""
    return {habit.switch: examine_habit(habit, aep).value for habit in READ_HABITS}
