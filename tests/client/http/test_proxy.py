from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from airflow_provider_flowservice.client.errors import (
    FlowServiceError,
    InvalidInputError,
    NotSentError,
    UntrustedServerError,
)
from airflow_provider_flowservice.client.http import auth, request
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.clients import emulator_settings, open_client
from tests.support.proxy import ConnectProxy
from tests.support.raw import answer, serving

HOST = "platform.adobe.test"
ORIGIN = f"https://{HOST}"
LOGIN = "proxy-user:pr0xy-pw"
COUNT = request.count(request.FLOWS)
PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")

pytestmark = pytest.mark.usefixtures("virtual_clock")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: ``ca.pem`` and, signed by it for ``HOST``, ``server.pem`` and ``server.key``."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    issued = authority.issue_cert(HOST, "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "server.key"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(folder / "server.pem"), append=True)
    return folder


@pytest.fixture(scope="module")
def secure_emulator(folder: Path) -> Iterator[EmulatorServer]:
    with EmulatorServer(
        ssl_certfile=str(folder / "server.pem"), ssl_keyfile=str(folder / "server.key")
    ) as server:
        yield server


@pytest.fixture(scope="module")
def address(secure_emulator: EmulatorServer) -> tuple[str, int]:
    url = urlsplit(secure_emulator.url)
    return "127.0.0.1", url.port or 0


@pytest.fixture
def control(secure_emulator: EmulatorServer, folder: Path) -> EmulatorControl:
    control = EmulatorControl(secure_emulator.url, verify=str(folder / "ca.pem"))
    control.reset()
    return control


@pytest.fixture
def proxy(address: tuple[str, int]) -> Iterator[ConnectProxy]:
    with ConnectProxy(address) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*PROXY_VARIABLES, *(name.lower() for name in PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    auth.forget_all()
    yield
    auth.forget_all()


def settings(control: EmulatorControl, origin: str = ORIGIN, **changes: Any) -> Settings:
    return emulator_settings(origin, control.credential, **changes)


def count_flows(transport: str, settings: Settings) -> int:
    with open_client(transport, settings) as client:
        return client.send(COUNT)


@pytest.mark.parametrize("ca_variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("proxy_variable", ["HTTPS_PROXY", "https_proxy"])
def test_the_environment_leads_through_the_proxy(
    transport: str,
    control: EmulatorControl,
    proxy: ConnectProxy,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    proxy_variable: str,
    ca_variable: str,
) -> None:
    monkeypatch.setenv(proxy_variable, proxy.url)
    monkeypatch.setenv(ca_variable, str(folder / "ca.pem"))
    assert count_flows(transport, settings(control)) == 0
    assert set(proxy.connects) == {f"{HOST}:443"}
    assert [entry["status"] for entry in control.requests()] == [200, 200]


def test_the_connection_leads_through_the_proxy(
    transport: str,
    control: EmulatorControl,
    proxy: ConnectProxy,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    own = settings(control, proxy=proxy.url, ca_file=str(folder / "ca.pem"))
    assert count_flows(transport, own) == 0
    assert set(proxy.connects) == {f"{HOST}:443"}


def test_a_proxy_may_be_named_without_a_scheme(
    transport: str,
    control: EmulatorControl,
    proxy: ConnectProxy,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.address)
    assert count_flows(transport, settings(control, ca_file=str(folder / "ca.pem"))) == 0
    assert proxy.connects


def test_a_proxy_gets_the_login_that_it_wants(
    transport: str, control: EmulatorControl, address: tuple[str, int], folder: Path
) -> None:
    with ConnectProxy(address, login=LOGIN) as proxy:
        own = settings(control, proxy=f"http://{LOGIN}@{proxy.address}", ca_file=str(folder / "ca.pem"))
        assert count_flows(transport, own) == 0
        assert proxy.connects


@pytest.mark.parametrize("place", ["connection", "environment"])
def test_a_proxy_that_refuses_was_not_passed_and_its_password_is_not_shown(
    transport: str,
    control: EmulatorControl,
    address: tuple[str, int],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    with ConnectProxy(address, login="somebody:else") as proxy:
        url = f"http://{LOGIN}@{proxy.address}"
        if place == "environment":
            monkeypatch.setenv("HTTPS_PROXY", url)
        extras = {"proxy": url} if place == "connection" else {}
        own = settings(control, ca_file=str(folder / "ca.pem"), retries=0, **extras)
        said = (
            f"the proxy {proxy.address} responds 407: it wants another user and password. Set them in the URL"
        )
        with pytest.raises(NotSentError, match=said) as caught:
            count_flows(transport, own)
    assert "pr0xy-pw" not in str(caught.value)
    assert control.requests() == []


@pytest.mark.parametrize(
    "response",
    [b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad line\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 99_999],
)
@pytest.mark.parametrize("place", ["connection", "environment"])
def test_a_proxy_that_does_not_speak_http_does_not_make_us_show_its_password(
    transport: str, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, place: str, response: bytes
) -> None:
    def respond(connection: socket.socket) -> None:
        connection.sendall(response)

    with serving(respond) as server:
        url = server.url.replace("http://", "http://me:p%2fw@")
        if place == "environment":
            monkeypatch.setenv("HTTPS_PROXY", url)
        extras = {"proxy": url} if place == "connection" else {}
        with pytest.raises(FlowServiceError) as caught:
            count_flows(transport, settings(control, retries=0, **extras))
    assert not [form for form in ("p%2fw", "p%2Fw", "p/w", "me:") if form in str(caught.value)]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [("403 Forbidden", "Ask those who run the proxy to permit this host"), ("503 Busy", "Try again later")],
)
def test_a_proxy_that_does_not_connect_gets_the_remedy_that_fits(
    transport: str, control: EmulatorControl, status: str, remedy: str
) -> None:
    def respond(connection: socket.socket) -> None:
        connection.sendall(answer(b"", status=status))

    said = f"responds {status[:3]} and does not connect to .* {remedy}"
    with serving(respond) as server, pytest.raises(NotSentError, match=said):
        count_flows(transport, settings(control, proxy=server.url, retries=0))


def test_a_proxy_that_is_not_there_was_not_passed(
    transport: str, control: EmulatorControl, folder: Path
) -> None:
    own = settings(control, proxy="http://127.0.0.1:1", ca_file=str(folder / "ca.pem"), retries=0)
    with pytest.raises(
        NotSentError,
        match=r"the proxy 127\.0\.0\.1:1 refuses the connection\. Check Proxy \(extra proxy\) of",
    ):
        count_flows(transport, own)


def test_a_proxy_whose_name_nobody_knows_is_named(
    transport: str, control: EmulatorControl, folder: Path
) -> None:
    url = f"http://{LOGIN}@proxy.invalid:3128"
    own = settings(control, proxy=url, ca_file=str(folder / "ca.pem"), retries=0)
    with pytest.raises(NotSentError, match=r"the proxy proxy\.invalid:3128 is not known: its name") as caught:
        count_flows(transport, own)
    assert "pr0xy-pw" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:pr0xy-pw#1@proxy:3128",
        "http://me:12#pr0xy-pw@proxy:3128",
        "http://me:12/pr0xy-pw@proxy:3128",
        "http://me:pr0xy-pw@proxy:port",
        "http://me:pr0xy-pw@",
        "socks5://me:pr0xy-pw@127.0.0.1:1080",
        "http://me:pr0xy-pw@a..b:3128",
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_that_is_no_url_is_refused_and_not_shown(
    transport: str, control: EmulatorControl, monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(InvalidInputError, match=f"^{variable}: is not a proxy URL") as caught:
        count_flows(transport, settings(control))
    assert "pr0xy" not in str(caught.value)


@pytest.mark.parametrize("no_proxy", [HOST, ".adobe.test", "*"])
def test_no_proxy_is_honoured(
    transport: str,
    control: EmulatorControl,
    proxy: ConnectProxy,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with pytest.raises(NotSentError):
        count_flows(transport, settings(control, ca_file=str(folder / "ca.pem"), retries=0))
    assert proxy.connects == []


def test_loopback_is_reached_directly(
    transport: str,
    control: EmulatorControl,
    proxy: ConnectProxy,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    own = settings(control, control.url, ca_file=str(folder / "ca.pem"))
    assert count_flows(transport, own) == 0
    assert proxy.connects == []


@pytest.mark.parametrize("origin", [ORIGIN, "https://other.adobe.test"])
def test_a_server_that_does_not_verify_is_not_talked_to_and_not_asked_again(
    transport: str,
    control: EmulatorControl,
    proxy: ConnectProxy,
    folder: Path,
    virtual_clock: VirtualClock,
    origin: str,
) -> None:
    trusted = {} if origin == ORIGIN else {"ca_file": str(folder / "ca.pem")}
    with pytest.raises(UntrustedServerError) as caught:
        count_flows(transport, settings(control, origin, proxy=proxy.url, **trusted))
    assert origin in str(caught.value)
    assert "CA file (extra ca_file)" in str(caught.value)
    assert "REQUESTS_CA_BUNDLE" in str(caught.value)
    assert len(proxy.connects) == 1
    assert virtual_clock.sleeps == []
    assert control.requests() == []


def test_without_a_proxy_too_an_unknown_ca_is_refused(transport: str, control: EmulatorControl) -> None:
    with pytest.raises(UntrustedServerError):
        count_flows(transport, settings(control, control.url))
    assert control.requests() == []
