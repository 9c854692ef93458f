"""What stands in headers: checked before anything is sent, alike for both transports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.request import Request
from airflow_provider_flowservice.client.model import Operation
from airflow_provider_flowservice.client.streaming.inlet import Endpoints, Inlet
from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.client.conftest import Opener
from tests.support.clients import Client, emulator_settings, open_client
from tests.support.faults import fault

IMS = "/ims/token/v3"
COUNT = request.count(request.FLOWS)
RENAME = [Operation(op="replace", path="/name", value="x")]
#: What pasting leaves inside of a value, and what no header can carry.
BAD = ["a\nb", "a\r\nX-Evil: 1", "a\x00b", "a\x7fb", "a\x85b", "a\u2026b", "a\u200bb", "\U0001f511"]


def fetch_token(client: Client, control: EmulatorControl) -> str:
    credential = control.credential
    token = client.send(request.ims_token(credential.client_id, credential.client_secret, "openid")).value
    control.clear_requests()
    return token


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("setting", "name"), [("sandbox", "sandbox"), ("client_id", "client id"), ("org_id", "organization id")]
)
def test_a_setting_that_no_header_can_carry_is_not_sent(
    transport: str, control: EmulatorControl, setting: str, name: str, bad: str
) -> None:
    settings = emulator_settings(control.url, control.credential, access_token="ready")
    with (
        open_client(transport, msgspec.structs.replace(settings, **{setting: bad})) as client,
        pytest.raises(InvalidInputError, match=f"^{name}: 'a?.* at position [12]\\. Give it as") as caught,
    ):
        client.send(COUNT)
    assert caught.value.message.isprintable()
    assert control.requests() == []


@pytest.mark.parametrize("bad", BAD)
def test_a_token_that_no_header_can_carry_is_neither_sent_nor_shown(
    transport: str, control: EmulatorControl, bad: str
) -> None:
    settings = emulator_settings(control.url, control.credential)
    settings = msgspec.structs.replace(settings, access_token=f"t0ken-one{bad}t0ken-two")
    with (
        open_client(transport, settings) as client,
        pytest.raises(InvalidInputError, match=r"^access token: has a c.*\(U\+[0-9A-F]{4,5}\)") as caught,
    ):
        client.send(COUNT)
    assert "t0ken" not in str(caught.value)
    assert control.requests() == []


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("etag", lambda bad: request.patch(request.FLOWS, "f", bad, RENAME)),
        ("flow_id", lambda bad: Endpoints(Inlet("https://h/collection/a"), bad).batch([b"{}"])),
    ],
)
@pytest.mark.parametrize("bad", BAD)
def test_a_version_or_flow_that_no_header_can_carry_is_not_sent(
    client: Client, control: EmulatorControl, field: str, make: Callable[[str], Request[Any]], bad: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"^{field}: "):
        client.send(make(bad))
    assert control.requests() == []


@pytest.mark.parametrize("bad", BAD)
def test_a_token_of_ims_that_no_header_can_carry_is_neither_used_nor_shown(
    client: Client, control: EmulatorControl, bad: str
) -> None:
    body = {"access_token": f"t0ken-one{bad}t0ken-two", "expires_in": 3600}
    control.inject(fault("status", "POST", IMS, status=200, body=body))
    with pytest.raises(InvalidInputError, match=r"^access_token in the response of IMS: has a ") as caught:
        client.send(COUNT)
    assert "t0ken" not in str(caught.value)
    assert len(control.requests()) == 1


@pytest.mark.parametrize("around", ["{}\n", "\r\n{}", " {}\t"])
def test_white_space_around_a_token_is_left_out(
    open_to_emulator: Opener, transport: str, control: EmulatorControl, around: str
) -> None:
    token = fetch_token(open_to_emulator(), control)
    ready = open_to_emulator(transport, client_secret=None, access_token=around.format(token))
    assert ready.send(COUNT) == 0
    body = {"access_token": around.format(token), "expires_in": 3600}
    control.inject(fault("status", "POST", IMS, status=200, body=body))
    assert open_to_emulator(transport).send(COUNT) == 0
    assert [entry["status"] for entry in control.requests("GET")] == [200, 200]
    assert control.faults_left() == []
