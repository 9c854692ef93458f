"""The Airflow connection of hooks and of triggers: both read it alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk._shared.secrets_masker import SecretsMasker

from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError
from airflow_provider_flowservice.client.http import auth, request
from airflow_provider_flowservice.client.streaming import Inlet
from airflow_provider_flowservice.client.waits import FlowInState
from airflow_provider_flowservice.connection_fields import field_name
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.exceptions import FlowServicePermanentException
from airflow_provider_flowservice.hooks.connection import connection_settings, extras_of
from airflow_provider_flowservice.hooks.credentials import auth_params
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.testing.clock import START
from airflow_provider_flowservice.triggers.base import FlowServiceTrigger
from tests.hooks.test_credentials import KINESIS
from tests.support.airflow import flowservice_connection
from tests.support.tasks import forget_masked, run, shown
from tests.support.triggers import fire

pytestmark = pytest.mark.usefixtures("virtual_clock")

TOKEN = "ready.t0ken.of.tests"
ALLOWED = "AIRFLOW__FLOWSERVICE__ALLOWED_HOSTS"
Problem = Callable[[], str]


def of_a_hook() -> str:
    """What a hook says is wrong with the connection, or an empty string."""
    try:
        FlowServiceHook("aep").count(request.FLOWS)
    except FlowServiceError as error:
        return error.message
    return ""


def of_a_trigger() -> str:
    """What a trigger says is wrong with the connection, or an empty string."""
    wait = FlowInState(flow_id="8256cfb4-17e6-432c-a469-6aedafb16cd5", state="enabled")
    trigger = FlowServiceTrigger(
        flowservice_conn_id="aep", sandbox=None, wait=wait.to_json(), poll_interval=30.0, deadline=START + 60
    )
    event = fire(trigger)
    return str(event["error"]["message"]) if event["status"] == "error" else ""


@pytest.fixture(params=[of_a_hook, of_a_trigger], ids=["hook", "trigger"])
def problem(request: pytest.FixtureRequest) -> Problem:
    """Uses the connection, and returns what is wrong with it."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def connect(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the Airflow connection ``aep``, which differs from the good one in some fields or extras."""

    def made(**changes: Any) -> None:
        connection = flowservice_connection(emulator.url, emulator.control.credential, **changes)
        monkeypatch.setenv("AIRFLOW_CONN_AEP", connection)

    return made


def test_secrets_are_masked_for_hooks_and_triggers(connect: Callable[..., None], problem: Problem) -> None:
    connect(password="client/s3cret", access_token=TOKEN, proxy="http://me:pr0xy-pw@proxy:3128")
    forget_masked()
    assert "access token" in problem()
    for secret in (TOKEN, "client/s3cret", "pr0xy-pw"):
        assert secret not in shown(f"x {secret} y")


def test_fetched_tokens_are_masked_for_hooks_and_triggers(
    connect: Callable[..., None], problem: Problem
) -> None:
    connect()
    forget_masked()
    problem()
    token = auth.TokenSource(FlowServiceHook("aep").settings).cached()
    assert token
    assert token not in shown(f"Authorization: Bearer {token}")


def test_only_secrets_are_masked(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    extras = {"org_id": "5C0FFEE@AdobeOrg", "sandbox": "dev", "access_token": TOKEN}
    # Airflow takes them for secrets, since their names have "token" in them; it warns of one that is as short as this.
    extras |= {"token_cache": "file"}
    connection = Connection(
        conn_id="aep", conn_type="flowservice", login="me", password="client/s3cret", extra=json.dumps(extras)
    )
    forget_masked()
    monkeypatch.setattr(SecretsMasker, "_has_warned_short_secret", False, raising=False)
    with caplog.at_level(logging.WARNING):
        connection_settings(connection, None)
    assert shown(f"{TOKEN}, client/s3cret") == "***, ***"
    plain = "token cache file, sandbox dev, 5C0FFEE@AdobeOrg, " + json.dumps({**extras, "access_token": "x"})
    assert shown(plain) == plain
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("connection", "gateway"),
    [
        ({"uri": "flowservice://me:pw@127.0.0.1:8765/http"}, "http://127.0.0.1:8765"),
        ({"uri": "flowservice://me:pw@gateway:8443/"}, "https://gateway:8443"),
        ({"uri": "flowservice://me:pw@/"}, "https://platform.adobe.io"),
        ({"conn_type": "flowservice", "host": "http://127.0.0.1", "port": 8765}, "http://127.0.0.1:8765"),
        ({"conn_type": "flowservice", "host": "http://127.0.0.1:8765", "port": 0}, "http://127.0.0.1:8765"),
        ({"conn_type": "flowservice", "host": "gateway", "port": 443}, "https://gateway"),
    ],
)
def test_the_port_of_a_connection_is_used_however_it_is_defined(
    connection: dict[str, Any], gateway: str
) -> None:
    extras = json.dumps({"org_id": "5C0FFEE@AdobeOrg", "sandbox": "dev"})
    if "uri" in connection:
        made = Connection.from_uri(connection["uri"], "aep")
        made.extra = extras
    else:
        made = Connection(conn_id="aep", login="me", password="pw", extra=extras, **connection)
    assert connection_settings(made, None).gateway == gateway


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Connection success!"),
        ({"port": 0}, "Connection success!"),
        ({"org_id": None}, "Organization ID (extra org_id) of the connection: is empty."),
        (
            {"password": "wr0ng+secret"},
            "Client ID (login) or Client secret (password) of the connection is wrong",
        ),
        ({"port": 1}, "Port (port) of the connection: 1 is not "),
    ],
)
def test_airflows_command_line_tests_a_connection(
    connect: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    said: str,
) -> None:
    from airflow.cli import cli_parser

    connect(**changes)
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("COLUMNS", "400")
    arguments = cli_parser.get_parser().parse_args(["connections", "test", "aep"])
    with suppress(SystemExit):  # Airflow 3.1 exits with 0, whatever the result.
        arguments.func(arguments)
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "extra", ["t0p s3cret", '{"access_token": "t0p s3cret"', '["t0p s3cret"]', '"t0p s3cret"']
)
def test_extras_that_are_no_object_are_refused_and_not_shown(extra: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        extras_of(Connection(conn_id="aep", conn_type="flowservice", extra=extra))
    assert caught.value.message == (
        'extra of connection \'aep\': is not a JSON object. Write the extras as {"name": "value"}.'
    )


@pytest.mark.parametrize("extra", [None, "", "{}"])
def test_without_extras_there_are_none(extra: str | None) -> None:
    assert extras_of(Connection(conn_id="aep", conn_type="flowservice", extra=extra)) == {}


@pytest.mark.parametrize(
    ("conn_type", "read"),
    [
        ("flowservice", lambda connection: connection_settings(connection, None)),
        ("aws", lambda connection: auth_params(KINESIS, connection, None)),
    ],
)
def test_the_extras_of_every_connection_are_read_alike(
    conn_type: str, read: Callable[[Connection], object]
) -> None:
    # Handed over, and not looked up: before 3.3, Airflow itself does not find a connection with such extras.
    connection = Connection(
        conn_id="aep", conn_type=conn_type, login="me", password="pw", extra="sandbox=dev"
    )
    with pytest.raises(InvalidInputError, match=r"^extra of connection 'aep': is not a JSON object"):
        read(connection)


@pytest.mark.parametrize(
    "allowed", ["", " ", "127.0.0.1", "platform.adobe.io, 127.0.0.1", "127.0.0.1,LOCALHOST"]
)
def test_a_host_that_is_allowed_is_used(
    connect: Callable[..., None], emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    monkeypatch.setenv(ALLOWED, allowed)
    connect()
    assert of_a_hook() == ""
    if "LOCALHOST" in allowed:
        connect(host=emulator.url.replace("127.0.0.1", "LocalHost"))
        assert of_a_hook() == ""


@pytest.mark.parametrize("field", ["host", "ims_host", "collection_host"])
@pytest.mark.parametrize(
    "host", ["https://evil.test:8443", "https://127.0.0.1.evil.test", "platform.adobe.io."]
)
def test_a_host_that_is_not_allowed_is_refused_before_anything_is_sent(
    connect: Callable[..., None],
    emulator: EmulatorServer,
    problem: Problem,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    host: str,
) -> None:
    monkeypatch.setenv(ALLOWED, "127.0.0.1,platform.adobe.io")
    connect(**{field: host})
    name = host.removeprefix("https://").partition(":")[0]
    assert problem() == (
        f"{field_name(field)} of connection 'aep': the host {name!r} is not permitted by allowed_hosts in section"
        " flowservice of Airflow's options. Use a host that allowed_hosts names, or have it added there."
    )
    assert emulator.control.requests() == []


def test_a_list_of_no_hosts_allows_none(
    connect: Callable[..., None], problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOWED, " , ")
    connect()
    assert problem().startswith(
        "API gateway (host) of connection 'aep': the host '127.0.0.1' is not permitted"
    )


def test_adobes_own_hosts_are_checked_too(
    connect: Callable[..., None], problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOWED, "127.0.0.1")
    connect(collection_host=None)
    assert problem().startswith(
        "Collection host (extra collection_host) of connection 'aep': the host 'dcs.adobedc.net' is not permitted"
    )


@pytest.mark.parametrize("url", ["https://evil.test/collection/a", "https://[::1/collection/a"])
def test_an_inlet_on_a_host_that_is_not_allowed_is_refused(
    connect: Callable[..., None], emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(ALLOWED, "127.0.0.1")
    connect()
    operator = FlowServicePostToInletOperator(
        task_id="post", inlet_url=url, messages=[{"a": 1}], flowservice_conn_id="aep"
    )
    with pytest.raises(
        FlowServicePermanentException, match=r"^inlet_url of connection 'aep': the host .* allowed_h"
    ):
        run(operator)
    assert emulator.control.requests() == []


def test_an_inlet_on_an_allowed_host_must_be_the_connections_too(
    connect: Callable[..., None], emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOWED, "127.0.0.1, dcs.adobedc.net")
    connect()
    hook = FlowServiceHook("aep")
    here = Inlet(f"{emulator.url}/collection/a")
    assert hook.checked_inlet(here) is here
    with pytest.raises(InvalidInputError, match="the only host that receives the token"):
        hook.checked_inlet(Inlet("https://dcs.adobedc.net/collection/a"))
    assert hook.count(request.FLOWS) == 0
