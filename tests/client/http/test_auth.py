from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import (
    AuthenticationError,
    RenewedTokenError,
    ServerError,
    is_permanent,
)
from airflow_provider_flowservice.client.http import auth, request
from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.http.response import Token
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.client.conftest import Opener
from tests.support.aep import FLOW_SERVICE, kinesis, make
from tests.support.clients import Client, emulator_settings
from tests.support.faults import fault

IMS = "/ims/token/v3"
BAD_TOKEN = {"error_code": "401013", "message": "Oauth token is not valid"}
COUNT = request.count(request.FLOWS)


def tokens_fetched(control: EmulatorControl) -> int:
    return len(control.requests("POST", IMS))


def refuse_tokens(control: EmulatorControl, times: int = 1, method: str = "GET") -> None:
    control.inject(fault("status", method, f"{FLOW_SERVICE}/*", times=times, status=401, body=BAD_TOKEN))


def fetch_token(emulator: EmulatorServer, open_to_emulator: Opener) -> str:
    credential = emulator.control.credential
    asked = request.ims_token(credential.client_id, credential.client_secret, "openid")
    return open_to_emulator().send(asked).value


def test_one_token_serves_all_requests_and_transports(
    open_to_emulator: Opener, control: EmulatorControl
) -> None:
    for transport in ("requests", "aiohttp", "requests"):
        client = open_to_emulator(transport)
        client.send(COUNT)
        client.send(COUNT)
    open_to_emulator(sandbox="prod").send(COUNT)
    assert tokens_fetched(control) == 1


def test_one_token_serves_many_threads(open_to_emulator: Opener, control: EmulatorControl) -> None:
    control.inject(fault("delay", "POST", IMS, seconds=0.05))
    barrier = threading.Barrier(8)
    answers: list[int] = []

    def work(client: Client) -> None:
        barrier.wait()
        answers.append(client.send(COUNT))

    threads = [threading.Thread(target=work, args=(open_to_emulator(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 8
    assert tokens_fetched(control) == 1


def test_one_token_serves_many_coroutines(
    emulator: EmulatorServer, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    control.inject(fault("delay", "POST", IMS, seconds=0.05))

    async def work() -> list[int]:
        transport = AiohttpTransport(emulator_settings(emulator.url, control.credential))
        try:
            return await asyncio.gather(*(transport.send(COUNT) for _ in range(8)))
        finally:
            await transport.close()

    assert asyncio.run(work()) == [0] * 8
    assert tokens_fetched(control) == 1


def test_another_secret_is_another_token(open_to_emulator: Opener, control: EmulatorControl) -> None:
    open_to_emulator().send(COUNT)
    with pytest.raises(AuthenticationError):
        open_to_emulator(client_secret="changed").send(COUNT)


def test_a_refused_token_is_renewed_once_and_the_request_sent_again(
    client: Client, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    refuse_tokens(control)
    assert client.send(COUNT) == 0
    assert tokens_fetched(control) == 2
    assert virtual_clock.sleeps == []
    assert control.faults_left() == []


def test_a_create_that_was_refused_is_sent_again_with_the_new_token(
    client: Client, control: EmulatorControl
) -> None:
    refuse_tokens(control, method="POST")
    make(client, kinesis("mine"))
    assert len(control.state()["connections"]) == 1


def test_a_second_refusal_is_the_answer(client: Client, control: EmulatorControl) -> None:
    refuse_tokens(control, times=2)
    with pytest.raises(
        RenewedTokenError,
        match=r"IMS accepts the credential: .* Check that Client ID \(login\), Client secret ",
    ) as caught:
        client.send(COUNT)
    assert (caught.value.status, caught.value.code) == (401, "401013")
    assert not is_permanent(caught.value)
    assert tokens_fetched(control) == 2
    assert control.faults_left() == []


def test_a_token_that_another_thread_renewed_is_taken(
    open_to_emulator: Opener, control: EmulatorControl
) -> None:
    clients = [open_to_emulator() for _ in range(3)]
    for client in clients:
        client.send(COUNT)
    control.clear_requests()
    refuse_tokens(control)
    for client in clients:
        client.send(COUNT)
    assert tokens_fetched(control) == 1


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(86_400, 86_100), (1_000, 900), (10, 9)])
def test_a_token_is_renewed_before_it_expires(
    client: Client, control: EmulatorControl, virtual_clock: VirtualClock, lifetime: int, renewed_after: int
) -> None:
    virtual_clock.follow(control.advance)
    control.set_switches(token_lifetime=lifetime)
    client.send(COUNT)
    virtual_clock.advance(renewed_after - 0.5)
    client.send(COUNT)
    assert tokens_fetched(control) == 1
    virtual_clock.advance(1)
    client.send(COUNT)
    assert tokens_fetched(control) == 2
    assert control.requests(status=401) == []


@pytest.mark.parametrize("hours", [-1, 1, 10_000])
def test_a_wall_clock_that_is_set_does_not_age_a_token(
    client: Client, control: EmulatorControl, virtual_clock: VirtualClock, hours: int
) -> None:
    client.send(COUNT)
    virtual_clock.set_wall_ahead(hours * 3600)
    client.send(COUNT)
    assert tokens_fetched(control) == 1


def test_a_token_that_expired_unseen_is_renewed(
    client: Client, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    client.send(COUNT)
    control.advance(90_000)
    client.send(COUNT)
    assert tokens_fetched(control) == 2
    assert len(control.requests(status=401)) == 1


def test_a_ready_token_is_used_and_ims_is_never_asked(
    emulator: EmulatorServer, open_to_emulator: Opener, transport: str, control: EmulatorControl
) -> None:
    token = fetch_token(emulator, open_to_emulator)
    control.clear_requests()
    client = open_to_emulator(transport, client_secret=None, access_token=token)
    assert client.send(COUNT) == 0
    assert tokens_fetched(control) == 0


def test_a_ready_token_that_is_refused_cannot_be_renewed(
    open_to_emulator: Opener, transport: str, control: EmulatorControl
) -> None:
    client = open_to_emulator(transport, client_secret=None, access_token="stale.token")
    with pytest.raises(
        AuthenticationError, match=r"Set Access token \(extra access_token\) to a new"
    ) as caught:
        client.send(COUNT)
    assert caught.value.status == 401
    assert "stale.token" not in str(caught.value)
    assert [entry["path"] for entry in control.requests()] == ["/data/foundation/flowservice/flows"]


@pytest.mark.parametrize("changes", [{"client_secret": "wr0ng+secret"}, {"client_id": "somebody"}])
def test_a_credential_that_ims_refuses_is_explained(
    open_to_emulator: Opener, transport: str, control: EmulatorControl, changes: dict[str, Any]
) -> None:
    client = open_to_emulator(transport, **changes)
    said = r"Client ID \(login\) or Client secret \(password\) of the connection is wrong"
    with pytest.raises(AuthenticationError, match=said) as caught:
        client.send(COUNT)
    assert "wr0ng+secret" not in str(caught.value)
    assert tokens_fetched(control) == 1
    assert len(control.requests()) == 1


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (
            400,
            {"error": "invalid_scope"},
            r"Scopes \(extra scopes\) .* 'openid,AdobeID.*', has one that is not",
        ),
        (400, {"error": "unauthorized_client"}, "not an OAuth server-to-server credential"),
        (400, {"error": "invalid_request", "error_description": "odd"}, "IMS rejected .* odd"),
        (401, "gone", "IMS rejected the credential"),
    ],
)
def test_each_refusal_of_ims_has_its_cause(
    client: Client, control: EmulatorControl, status: int, body: object, cause: str
) -> None:
    control.inject(fault("status", "POST", IMS, status=status, body=body))
    with pytest.raises(AuthenticationError, match=cause):
        client.send(COUNT)
    assert tokens_fetched(control) == 1


@pytest.mark.parametrize(
    "faults",
    [
        [fault("status", "POST", IMS, status=503, headers={"Retry-After": "7"})],
        [fault("status", "POST", IMS, status=429)],
        [fault("reset", "POST", IMS), fault("reset_after", "POST", IMS)],
        [fault("status", "POST", IMS, status=200, body={"token_type": "bearer"})],
        [fault("status", "POST", IMS, status=200, body="<html>")],
    ],
)
def test_an_identity_service_that_stumbles_is_asked_again(
    client: Client, control: EmulatorControl, faults: list[dict[str, Any]]
) -> None:
    control.inject(*faults)
    assert client.send(COUNT) == 0
    assert control.faults_left() == []


def test_an_identity_service_that_is_down_is_given_up_without_a_word_of_the_secret(
    client: Client, control: EmulatorControl
) -> None:
    secret = control.credential.client_secret
    control.inject(fault("status", "POST", IMS, times=5, status=500, body={"message": f"echo {secret}"}))
    with pytest.raises(ServerError, match=r"echo \*\*\*") as caught:
        client.send(COUNT)
    assert secret not in str(caught.value)
    assert control.faults_left() == []


def test_the_token_goes_to_the_gateway_and_never_to_ims(client: Client, control: EmulatorControl) -> None:
    client.send(COUNT)
    identity, gateway = control.requests()
    assert identity["path"] == IMS
    assert not {"authorization", "x-api-key"} & set(identity["headers"])
    assert identity["query"] == {}
    assert gateway["headers"]["authorization"].startswith("Bearer ")


def test_every_token_is_told_to_who_masks_it(
    emulator: EmulatorServer, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    told: list[str] = []
    transport = RequestsTransport(emulator_settings(emulator.url, control.credential), on_token=told.append)
    transport.send(COUNT)
    refuse_tokens(control)
    transport.send(COUNT)
    transport.close()
    assert len(set(told)) == 2


def test_a_refused_token_is_not_given_out_again(virtual_clock: VirtualClock) -> None:
    auth.forget_all()
    settings = emulator_settings("http://127.0.0.1:1", _Credential(), client_secret="s")
    source, other = auth.TokenSource(settings), auth.TokenSource(settings)
    assert source.cached() is None
    source.keep(Token("first", 1_000))
    assert other.cached() == "first"
    assert other.cached(rejected="first") is None
    other.keep(Token("second", 1_000))
    assert source.cached(rejected="first") == "second"
    auth.forget_all()
    assert auth.TokenSource(settings).cached() is None


class _Credential:
    client_id = "me"
    client_secret = "s"
    org_id = "5C0FFEE@AdobeOrg"
    sandbox = "dev"
