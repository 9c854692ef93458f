from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

import pytest

from airflow_provider_flowservice.client.errors import (
    ApiError,
    BadRequestError,
    InvalidResponseError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitError,
    RenewedTokenError,
    ResponseLostError,
    ServerError,
)
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.asynchronous import AiohttpTransport
from airflow_provider_flowservice.client.http.retry import MAX_DELAY
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.client.conftest import Opener
from tests.support.aep import FLOW_SERVICE, kinesis, make, profile_store
from tests.support.clients import Client, emulator_settings, open_client
from tests.support.faults import fault
from tests.support.raw import answer, serving

COUNT = request.count(request.FLOWS)


def reads(control: EmulatorControl) -> list[int | None]:
    return [entry["status"] for entry in control.requests("GET")]


def test_every_request_says_who_asks_and_for_which_sandbox(client: Client, control: EmulatorControl) -> None:
    make(client, profile_store())
    client.send(COUNT)
    credential = control.credential
    for entry in control.requests(path=FLOW_SERVICE):
        headers = entry["headers"]
        assert headers["x-api-key"] == credential.client_id
        assert headers["x-gw-ims-org-id"] == credential.org_id
        assert headers["x-sandbox-name"] == credential.sandbox
        assert headers["accept"] == "application/json"
        assert ("content-type" in headers) == (entry["method"] == "POST")
    identifiers = [entry["headers"]["x-request-id"] for entry in control.requests()]
    assert len(set(identifiers)) == len(identifiers)
    assert {UUID(identifier).version for identifier in identifiers} == {4}


def test_one_connection_never_sees_another_sandbox(open_to_emulator: Opener, transport: str) -> None:
    made = make(open_to_emulator(transport), profile_store())
    prod = open_to_emulator(transport, sandbox="prod")
    assert prod.send(request.count(request.CONNECTIONS)) == 0
    with pytest.raises(NotFoundError):
        prod.send(request.get(request.CONNECTIONS, made))


@pytest.mark.parametrize("faults", ["reset", "reset_after"])
def test_a_read_that_is_lost_is_sent_again(client: Client, control: EmulatorControl, faults: str) -> None:
    control.inject(fault(faults, "GET", "flows", times=2))
    assert client.send(COUNT) == 0
    assert reads(control) == [None, None, 200]
    assert control.faults_left() == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_read_that_fails_for_a_while_is_sent_again(
    client: Client, control: EmulatorControl, status: int
) -> None:
    control.inject(fault("status", "GET", "flows", times=4, status=status))
    assert client.send(COUNT) == 0
    assert reads(control) == [status] * 4 + [200]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (403, PermissionDeniedError), (404, NotFoundError), (501, ServerError)],
)
def test_what_a_retry_does_not_cure_is_not_retried(
    client: Client, control: EmulatorControl, virtual_clock: VirtualClock, status: int, kind: type[ApiError]
) -> None:
    control.inject(fault("status", "GET", "flows", status=status, body={"message": "because"}))
    with pytest.raises(kind, match="because"):
        client.send(COUNT)
    assert reads(control) == [status]
    assert virtual_clock.sleeps == []


def test_retries_end(open_to_emulator: Opener, transport: str, control: EmulatorControl) -> None:
    control.inject(fault("status", "GET", "flows", times=3, status=503))
    with pytest.raises(ServerError) as caught:
        open_to_emulator(transport, retries=2).send(COUNT)
    assert caught.value.status == 503
    assert control.faults_left() == []


@pytest.mark.parametrize(
    ("header", "least"), [("7", 7), ("Tue, 14 Nov 2023 22:13:50 GMT", 30), ("1000000", MAX_DELAY)]
)
def test_the_servers_wish_to_wait_is_kept(
    client: Client, control: EmulatorControl, virtual_clock: VirtualClock, header: str, least: float
) -> None:
    control.inject(fault("status", "GET", "flows", status=429, headers={"Retry-After": header}))
    client.send(COUNT)
    (slept,) = virtual_clock.sleeps
    assert least <= slept <= least + 1


def test_the_budget_bounds_all_attempts_together(
    open_to_emulator: Opener, transport: str, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    control.inject(fault("status", "GET", "flows", times=9, status=429, headers={"Retry-After": "30"}))
    client = open_to_emulator(transport, retries=100, retry_budget=70)
    with pytest.raises(RateLimitError) as caught:
        client.send(COUNT)
    assert caught.value.retry_after == 30
    assert len(virtual_clock.sleeps) == 2
    assert virtual_clock.monotonic() < 70


def test_an_answer_that_does_not_come_in_time_is_lost_and_asked_for_again(
    open_to_emulator: Opener, transport: str, control: EmulatorControl
) -> None:
    client = open_to_emulator(transport, read_timeout=0.2)
    client.send(COUNT)
    control.inject(fault("delay", "GET", "flows", seconds=1))
    assert client.send(COUNT) == 0
    assert control.faults_left() == []


def test_an_answer_that_never_comes_in_time_is_an_error(
    open_to_emulator: Opener, transport: str, control: EmulatorControl
) -> None:
    client = open_to_emulator(transport, read_timeout=0.1, retries=0)
    client.send(COUNT)
    control.inject(fault("delay", "GET", "flows", seconds=1))
    with pytest.raises(ResponseLostError, match=f"GET {FLOW_SERVICE}/flows"):
        client.send(COUNT)


@pytest.mark.parametrize("faults", ["reset", "reset_after", "status"])
def test_a_create_that_may_have_had_its_effect_is_not_sent_again_by_itself(
    client: Client, control: EmulatorControl, faults: str
) -> None:
    control.inject(fault(faults, "POST", "connections", **({"status": 503} if faults == "status" else {})))
    with pytest.raises((ResponseLostError, ServerError)):
        make(client, kinesis())
    assert len(control.requests("POST", FLOW_SERVICE)) == 1


def test_a_create_that_surely_had_none_is_sent_again(client: Client, control: EmulatorControl) -> None:
    control.inject(fault("status", "POST", "connections", times=2, status=429))
    made = make(client, kinesis())
    assert [item["id"] for item in control.state()["connections"]] == [made]


def test_a_delete_whose_answer_is_lost_is_sent_again(client: Client, control: EmulatorControl) -> None:
    made = make(client, kinesis())
    control.inject(fault("status", "DELETE", "connections/*", status=503))
    client.send(request.delete(request.CONNECTIONS, made))
    assert control.state()["connections"] == []


@pytest.mark.parametrize("answer", ["202", "204"])
def test_a_delete_is_done_whatever_success_it_is_answered_with(
    client: Client, control: EmulatorControl, answer: str
) -> None:
    control.set_switches(delete_response=answer)
    client.send(request.delete(request.CONNECTIONS, make(client, kinesis())))
    assert control.state()["connections"] == []


def test_a_server_that_does_not_listen_was_not_reached(open_to_emulator: Opener, transport: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = open_to_emulator(transport, ims_host=f"http://127.0.0.1:{port}", retries=1)
    said = rf"no connection: 127\.0\.0\.1:{port} refuses the connection\. Check IMS host \(extra ims_host\) of the"
    with pytest.raises(NotSentError, match=said):
        client.send(COUNT)


def test_a_name_that_nobody_knows_was_not_reached(open_to_emulator: Opener, transport: str) -> None:
    client = open_to_emulator(transport, ims_host="https://ims.invalid", retries=0)
    said = r"no connection: ims\.invalid:443 is not known: .* Check IMS host \(extra ims_host\) of the"
    with pytest.raises(NotSentError, match=said):
        client.send(COUNT)


@pytest.mark.parametrize("body", ["<html>", {"items": []}, {"count": "many"}, [1]])
def test_a_success_of_another_shape_is_asked_for_again_and_then_an_error(
    client: Client, control: EmulatorControl, body: object
) -> None:
    control.inject(fault("status", "GET", "flows", status=200, body=body))
    assert client.send(COUNT) == 0
    control.inject(fault("status", "GET", "flows", times=5, status=200, body=body))
    with pytest.raises(InvalidResponseError):
        client.send(COUNT)
    assert control.faults_left() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_with_a_token(
    client: Client, control: EmulatorControl, emulator: EmulatorServer, status: int
) -> None:
    headers = {"Location": f"{emulator.url}{FLOW_SERVICE}/elsewhere"}
    control.inject(fault("status", "GET", "flows", status=status, headers=headers))
    with pytest.raises(BadRequestError, match=f"HTTP {status}"):
        client.send(COUNT)
    assert [entry["path"] for entry in control.requests("GET")] == [f"{FLOW_SERVICE}/flows"]


def test_an_error_carries_what_adobes_support_asks_for(client: Client, control: EmulatorControl) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.send(request.get(request.FLOWS, "nothing"))
    (entry,) = control.requests("GET")
    error = caught.value
    assert error.request_id == entry["headers"]["x-request-id"]
    assert (error.method, error.path) == ("GET", f"{FLOW_SERVICE}/flows/nothing")
    assert (error.status, error.code) == (404, "FLOW-1439-404")


@pytest.mark.parametrize("resource_id", ["a b", "a%20b", "a+b", "é", "a?b#c"])
def test_an_id_arrives_as_it_was_given(client: Client, control: EmulatorControl, resource_id: str) -> None:
    with pytest.raises(NotFoundError):
        client.send(request.get(request.FLOWS, resource_id))
    (entry,) = control.requests("GET")
    assert entry["path"] == f"{FLOW_SERVICE}/flows/{resource_id}"
    assert entry["query"] == {}


def test_neither_a_netrc_nor_a_cookie_takes_part(
    client: Client, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    control.inject(
        fault("status", "GET", "flows", status=200, headers={"Set-Cookie": "a=b"}, body={"count": 7})
    )
    assert client.send(COUNT) == 7
    assert client.send(COUNT) == 0
    for entry in control.requests("GET"):
        assert entry["headers"]["authorization"].startswith("Bearer ")
        assert "cookie" not in entry["headers"]


def test_requests_of_one_loop_run_side_by_side(
    emulator: EmulatorServer, control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    async def work() -> list[int]:
        transport = AiohttpTransport(emulator_settings(emulator.url, control.credential))
        try:
            return await asyncio.gather(*(transport.send(COUNT) for _ in range(20)))
        finally:
            await transport.close()

    control.inject(fault("reset", "GET", "flows", times=5), fault("status", "GET", "flows", status=503))
    assert asyncio.run(work()) == [0] * 20
    assert control.faults_left() == []


def test_what_aep_says_comes_short_and_on_one_line(client: Client, control: EmulatorControl) -> None:
    said = "first\r\nsecond\x1b[31m " + "long " * 1000
    body = {"error_code": "40\n1", "message": said, "requestId": "r\x00"}
    control.inject(fault("status", "GET", "flows", status=403, body=body))
    with pytest.raises(
        PermissionDeniedError, match=r"HTTP 403 40 1: first second \[31m long .*\.\.\. Add the"
    ) as caught:
        client.send(COUNT)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1200
    assert (caught.value.code, caught.value.request_id) == ("40 1", "r")


def test_a_secret_is_not_shown_even_where_a_long_text_is_cut(
    client: Client, control: EmulatorControl
) -> None:
    client.send(COUNT)
    secret = control.credential.client_secret
    cuts = [*range(900, 1000, 5), *range(270, 300)]
    bodies = [{"message": "x" * before + secret} for before in cuts]
    # A proxy's page, of which less is shown than of AEP's words. The emulator sends it with quotation marks.
    bodies += ["x" * before + secret for before in cuts]
    for body in bodies:
        control.inject(fault("status", "GET", "flows", status=400, body=body))
        with pytest.raises(BadRequestError) as caught:
            client.send(COUNT)
        assert secret[:5] not in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        "<html>" + "x" * 280 + "{}",
        {"message": "x" * 900 + "{}" * 5},
        {"message": "bad form: client_secret={quoted}&scope=openid"},
        {"error_code": "{}", "message": "no", "report": {"request-id": "{}"}},
        {"type": "https://ns.adobe.com/aep/errors/{}", "title": "no"},
    ],
    ids=["page", "long", "form", "code", "type"],
)
def test_a_secret_that_aep_echoes_is_shown_nowhere(
    open_to_emulator: Opener, transport: str, control: EmulatorControl, body: Any
) -> None:
    secret = "line one  of a/secret\nline two=="
    client = open_to_emulator(transport, client_secret=secret, access_token="ready.token")

    def echo(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: echo(member) for name, member in value.items()}
        return value.replace("{quoted}", quote_plus(secret)).replace("{}", secret)

    control.inject(fault("status", "GET", "flows", status=400, body=echo(body)))
    with pytest.raises(BadRequestError) as caught:
        client.send(COUNT)
    error = caught.value
    shown = f"{error.message} {error.args} {error.code} {error.request_id}"
    assert "***" in shown
    assert not [part for part in ("line one", "line+one", "line%20one", "line two") if part in shown]


def test_a_token_that_was_renewed_is_not_shown_either(client: Client, control: EmulatorControl) -> None:
    client.send(COUNT)
    (entry,) = control.requests("POST", "/ims")
    first = control.requests("GET")[-1]["headers"]["authorization"]
    assert entry
    control.inject(fault("status", "GET", "flows", times=2, status=401, body={"message": f"bad {first}"}))
    with pytest.raises(RenewedTokenError, match=r"401: bad Bearer \*\*\*"):
        client.send(COUNT)


def test_what_fails_in_an_unknown_compression_is_known_by_its_status(transport: str) -> None:
    head = ("Content-Encoding: br", "Content-Type: text/html")

    def respond(connection: socket.socket) -> None:
        connection.sendall(answer(b"\x0b\x02\x80page\x03", *head, status="404 Not Found"))

    with (
        serving(respond) as server,
        open_client(transport, server.settings(retries=0)) as client,
        pytest.raises(NotFoundError, match="HTTP 404: no explanation"),
    ):
        client.send(request.get(request.FLOWS, "f"))
