from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_flowservice.client import model
from airflow_provider_flowservice.client.ensure.create import IfExists
from airflow_provider_flowservice.client.errors import (
    InvalidInputError,
    MissingConnectionError,
    NotFoundError,
    PreconditionError,
    is_permanent,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from tests.support.aep import kinesis, make_flow, profile_store, selected
from tests.support.airflow import flowservice_connection
from tests.support.faults import fault
from tests.support.tasks import shown

pytestmark = pytest.mark.usefixtures("virtual_clock")

#: What AEP answers to a credential that has a product profile and no role.
NO_ROLE = {
    "type": "https://ns.adobe.com/aep/errors/FLOW-2120-403",
    "title": "Unauthorized",
    "status": 403,
    "report": {"detailed-message": "User does not have permission to access the resource."},
}
Connect = Callable[..., FlowServiceHook]


@pytest.fixture
def connect(emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Makes a hook whose connection differs from the good one in some fields or extras."""
    hooks: list[FlowServiceHook] = []

    def made(given_sandbox: str | None = None, **changes: Any) -> FlowServiceHook:
        connection = flowservice_connection(emulator.url, emulator.control.credential, **changes)
        monkeypatch.setenv("AIRFLOW_CONN_AEP", connection)
        hooks.append(FlowServiceHook("aep", given_sandbox))
        return hooks[-1]

    yield made
    for hook in hooks:
        hook.close()


@pytest.fixture
def hook(connect: Connect) -> FlowServiceHook:
    return connect()


def test_a_good_connection_is_told_with_one_cheap_read(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    credential = control.credential
    assert hook.test_connection() == (
        True,
        f"Connected to {credential.org_id}, sandbox {credential.sandbox}.",
    )
    (entry,) = control.requests("GET")
    assert (entry["path"], entry["query"]) == ("/data/foundation/flowservice/flows", {"limit": "1"})


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        (
            {"password": "wr0ng+secret"},
            "Client ID (login) or Client secret (password) of the connection is wrong",
        ),
        (
            {"login": "somebody-else"},
            "Client ID (login) or Client secret (password) of the connection is wrong",
        ),
        (
            {"org_id": "0DDBA11@AdobeOrg"},
            "Check Organization ID (extra org_id) of the connection, 0DDBA11@AdobeOrg,",
        ),
        ({"sandbox": "missing"}, "Sandbox 'missing' does not exist for this credential"),
        ({"org_id": None}, "Organization ID (extra org_id) of the connection: is empty"),
        ({"sandbox": None}, "Sandbox (extra sandbox) of the connection: is empty"),
        ({"org_id": "0DDBA11"}, "It must end with @AdobeOrg"),
        ({"login": ""}, "Client ID (login) of the connection: is empty"),
        ({"password": ""}, "Client secret (password) of the connection: is empty"),
        (
            {"host": "http://platform.adobe.io"},
            "API gateway (host) of the connection: 'http://platform.adobe.io' does not use https",
        ),
        ({"password": "", "access_token": "stale.t0ken"}, "rejected the access token of the connection"),
        ({"conn_type": "http"}, "connection 'aep' is of type 'http'"),
        ({"ca_file": "/nowhere.pem"}, "the file '/nowhere.pem' does not exist"),
        ({"read_timeout": "soon"}, "'soon' is not a positive number"),
    ],
)
def test_a_bad_connection_is_told_with_its_likely_cause(
    connect: Connect, changes: dict[str, Any], cause: str
) -> None:
    works, message = connect(**changes).test_connection()
    assert not works
    assert cause in message
    assert not [secret for secret in ("wr0ng+secret", "stale.t0ken") if secret in message]


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (403, NO_ROLE, "Add the credential to a role in AEP's Permissions"),
        (403, {"message": "no"}, "Add the credential to a role in AEP's Permissions"),
        (
            403,
            {"error_code": 403003, "message": "Api Key is invalid"},
            "Set Client ID (login) of the connection, ",
        ),
        (400, {"error_code": "400003", "message": "no org"}, "Check Organization ID (extra org_id) of"),
    ],
)
def test_what_only_a_real_aep_refuses_is_told_with_its_likely_cause(
    hook: FlowServiceHook, control: EmulatorControl, status: int, body: object, cause: str
) -> None:
    control.inject(fault("status", "GET", "flows", status=status, body=body))
    works, message = hook.test_connection()
    assert not works
    assert cause in message


def test_a_pasted_token_works_with_a_line_ending_and_is_not_shown_when_it_is_in_two_lines(
    connect: Connect, control: EmulatorControl
) -> None:
    credential = control.credential
    token = connect().send(request.ims_token(credential.client_id, credential.client_secret, "openid")).value
    assert connect(password="", access_token=f"{token}\n").test_connection()[0]
    control.clear_requests()
    works, message = connect(password="", access_token=f"{token[:9]}\n{token[9:]}").test_connection()
    assert not works
    assert message.startswith(
        "Access token (extra access_token) of the connection: has a control character (U+000A"
    )
    assert not [part for part in (token[:9], token[9:]) if part in message]
    assert control.requests() == []


def test_an_aep_that_is_down_is_told(hook: FlowServiceHook, control: EmulatorControl) -> None:
    control.inject(fault("status", "GET", "flows", times=5, status=503))
    works, message = hook.test_connection()
    assert not works
    assert "HTTP 503" in message


def test_the_operators_sandbox_comes_before_the_connections(
    connect: Connect, control: EmulatorControl
) -> None:
    hook = connect("prod")
    assert hook.settings.sandbox == "prod"
    hook.count(request.FLOWS)
    assert control.requests("GET")[0]["headers"]["x-sandbox-name"] == "prod"


def test_secrets_and_tokens_are_known_to_who_masks_them(
    connect: Connect, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(password="", access_token="ready.t0ken.of.tests")
    assert hook.settings.access_token
    assert "ready.t0ken.of.tests" not in shown("Bearer ready.t0ken.of.tests")
    told: list[str] = []
    for module in ("connection", "base"):
        monkeypatch.setattr(f"airflow_provider_flowservice.hooks.{module}.mask_secret", told.append)
    connect().count(request.FLOWS)
    assert told[0] == control.credential.client_secret
    assert told[1].startswith("emulated.")


def test_a_fetched_token_is_masked(hook: FlowServiceHook) -> None:
    from airflow_provider_flowservice.client.http import auth

    hook.count(request.FLOWS)
    token = auth.TokenSource(hook.settings).cached()
    assert token
    assert token not in shown(f"Authorization: Bearer {token}")


def test_credentials_for_a_destination_are_masked(
    hook: FlowServiceHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "aws", "login": "AKIAHOOK", "password": "aws/s3cret+hook"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS", json.dumps({**connection, "extra": {"region_name": "us-east-1"}}))
    spec = hook.find_connection_spec("Amazon Kinesis")
    found = hook.auth_params(spec, "aws", None)
    assert found.params["secretKey"] == "aws/s3cret+hook"
    assert "aws/s3cret+hook" not in shown("secretKey=aws/s3cret+hook")
    assert "aws/s3cret+hook" not in repr(found)


def test_resources_are_created_read_changed_counted_and_deleted(
    hook: FlowServiceHook, control: EmulatorControl
) -> None:
    created = hook.create(request.CONNECTIONS, profile_store("one").body)
    found = hook.get(request.CONNECTIONS, created.id)
    assert (found.name, found.etag) == ("one", created.etag)
    rename = [model.Operation(op="replace", path="/name", value="two")]
    changed = hook.patch(request.CONNECTIONS, created.id, found.etag or "", rename)
    assert changed is not None
    assert changed.etag != found.etag
    with pytest.raises(PreconditionError):
        hook.patch(request.CONNECTIONS, created.id, found.etag or "", rename)
    assert [c.name for c in hook.iterate(request.CONNECTIONS, filters=["name==two"])] == ["two"]
    assert hook.count(request.CONNECTIONS) == 1
    assert hook.count(request.CONNECTIONS, filters=["name==one"]) == 0
    assert hook.delete(request.CONNECTIONS, created.id) is True
    assert hook.delete(request.CONNECTIONS, created.id) is False
    with pytest.raises(NotFoundError):
        hook.get(request.CONNECTIONS, created.id)


def test_a_flow_is_disabled_and_enabled(hook: FlowServiceHook) -> None:
    flow = make_flow(hook)
    assert hook.get(request.FLOWS, flow).state == "enabled"
    hook.action(request.FLOWS, flow, "disable")
    assert hook.get(request.FLOWS, flow).state == "disabled"


def test_segments_are_activated(hook: FlowServiceHook, control: EmulatorControl) -> None:
    flow = make_flow(hook)
    activation = hook.activate_segments(flow, control.segments[:2], ["a.b"])
    assert activation.patch.added == tuple(control.segments[:2])
    assert selected(control.state()["flows"][0]) == (control.segments[:2], ["a.b"])


def test_a_hook_works_on_after_it_was_closed(hook: FlowServiceHook) -> None:
    hook.close()
    made = hook.ensure(kinesis(), IfExists.REUSE)
    hook.close()
    assert hook.ensure(kinesis(), IfExists.REUSE).id == made.id


def test_a_spec_is_found_by_name_or_id(hook: FlowServiceHook, control: EmulatorControl) -> None:
    by_name = hook.find_connection_spec("Amazon Kinesis")
    assert hook.find_connection_spec(by_name.id) == by_name
    by_name_too = hook.find_flow_spec("upsToStreamingDestination")
    assert by_name_too.id == "71471eba-b620-49e4-90fd-23f1fa0174d8"
    assert hook.find_flow_spec(by_name_too.id) == by_name_too


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Amazon Kinesis Stream", "Did you mean 'Amazon Kinesis'"),
        ("amazon kinesis", "'Amazon Kinesis'"),
        ("Azure EventHub", "'Azure Event Hubs'"),
        ("zzz", "Choose one of: "),
        ("Amazon S3, maybe", "'Amazon S3'"),
    ],
)
def test_a_spec_that_is_not_there_offers_near_ones(hook: FlowServiceHook, name: str, hint: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        hook.find_connection_spec(name)
    assert f"connection_spec: AEP has no connection spec {name!r}" in caught.value.message
    assert hint in caught.value.message


def test_a_flow_spec_that_is_not_there_offers_near_ones(hook: FlowServiceHook) -> None:
    with pytest.raises(InvalidInputError, match=r"flow_spec: .*'upsToStreamingDestination'"):
        hook.find_flow_spec("upsToStreaming")


def test_a_name_that_two_specs_bear_asks_for_an_id(hook: FlowServiceHook, control: EmulatorControl) -> None:
    items = [{"id": "one", "name": "SFTP"}, {"id": "two", "name": "SFTP"}]
    control.inject(fault("status", "GET", "connectionSpecs", status=200, body={"items": items}))
    with pytest.raises(InvalidInputError, match=r"2 are named 'SFTP'. Give an id: one, two"):
        hook.find_connection_spec("SFTP")


def test_host_port_and_scheme_of_the_connection_form_the_gateway(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = emulator.control.credential
    fields = json.loads(flowservice_connection(emulator.url, credential))
    host, _, port = emulator.url.removeprefix("http://").partition(":")
    monkeypatch.setenv(
        "AIRFLOW_CONN_AEP", json.dumps({**fields, "host": host, "port": int(port), "schema": "http"})
    )
    assert FlowServiceHook("aep").settings.gateway == emulator.url


def test_nothing_is_read_before_it_is_needed(control: EmulatorControl) -> None:
    FlowServiceHook("no_such_connection").close()
    assert control.requests() == []


def test_a_connection_that_airflow_does_not_find_is_named_and_may_be_back_later(
    emulator: EmulatorServer,
) -> None:
    with pytest.raises(MissingConnectionError) as caught:
        FlowServiceHook("nobody").count(request.FLOWS)
    assert str(caught.value) == (
        "flowservice_conn_id: Airflow has found no connection 'nobody'. Either it does not exist: create it, or"
        " use another one. Or Airflow's secrets backend or database has failed for a moment: a retry of the task looks"
        " again."
    )
    assert not is_permanent(caught.value)
