from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from airflow_provider_flowservice.doctor.findings import Area, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING, Service
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support.customer import SANDBOX, Customer, in_area
from tests.support.proxy import ConnectProxy
from tests.support.raw import answer, sending, serving

HOST = "gateway.acme.test"
HOSTS = {"host": "API gateway", "ims_host": "IMS host", "collection_host": "Collection host"}
pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name under .test is known."""
    resolve = socket.getaddrinfo

    def only_real(host: Any, *arguments: Any, **options: Any) -> Any:
        if str(host).endswith(".test"):
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: Name or service not known")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_real)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca.pem`` and, signed by it for HOST, ``server.pem`` and ``server.key``; ``other.pem`` for another host."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name, host in (("server", HOST), ("other", "another.acme.test")):
        issued = authority.issue_cert(host)
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(folder / f"{name}.pem"), append=True)
    return folder


@pytest.fixture
def secure(certificates: Path, time: VirtualClock) -> Iterator[EmulatorServer]:
    pem, key = (str(certificates / f"server.{end}") for end in ("pem", "key"))
    with EmulatorServer(ssl_certfile=pem, ssl_keyfile=key, sandbox=SANDBOX) as server:
        # It is not the one that the clock is in step with.
        time.follow(None)
        yield server


def port_of(server: EmulatorServer) -> tuple[str, int]:
    return "127.0.0.1", int(server.url.rpartition(":")[2])


def behind(customer: Customer, through: ConnectProxy, **changes: Any) -> None:
    """Lead all hosts of the connection through a proxy."""
    origin = f"https://{HOST}"
    hosts = dict.fromkeys(HOSTS, origin)
    customer.connect(**{**hosts, "proxy": through.url, **changes})


def test_every_server_is_reached(customer: Customer) -> None:
    found = in_area(customer.access().findings, Area.NETWORK)
    assert list(found) == list(HOSTS.values())
    assert {each.seen for each in found.values()} == {"Reached directly; without TLS."}
    asked = [entry for entry in customer.control.requests() if "authorization" not in entry["headers"]]
    assert [entry["method"] for entry in asked if entry["path"] != "/ims/token/v3"] == ["GET"]
    assert all("x-sandbox-name" not in entry["headers"] for entry in asked)


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_that_is_not_found(customer: Customer, unknown_names: None, name: str) -> None:
    customer.connect(**{name: f"https://{HOST}"})
    found = customer.broken()
    assert (found.area, found.subject) == (Area.NETWORK, HOSTS[name])
    assert "name cannot be resolved" in found.seen
    assert found.operators == (Service.INLETS.operators if name == "collection_host" else EVERYTHING)
    assert (customer.access().aep is None) == (name != "collection_host")


def test_a_server_that_does_not_listen(customer: Customer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        customer.connect(ims_host=f"http://127.0.0.1:{closed.getsockname()[1]}")
        found = customer.broken()
    assert found.subject == "IMS host"
    assert found.seen == "No connection: it refuses the connection."
    assert "IMS host (extra ims_host)" in found.remedy


def test_a_page_of_a_proxy_instead_of_aep(customer: Customer) -> None:
    page = answer(b"<html>Acme: log in first</html>", "Content-Type: text/html")
    with serving(sending(page)) as server:
        customer.connect(host=server.url)
        found = customer.broken()
    assert (found.area, found.subject) == (Area.NETWORK, "API gateway")
    assert "not AEP's JSON" in found.seen
    # Nothing that has responded like this has got a token.
    assert [entry for entry in customer.control.requests() if entry["path"] == "/ims/token/v3"] == []


def test_a_connection_that_breaks(customer: Customer) -> None:
    with serving(sending(b"")) as server:
        customer.connect(host=server.url)
        assert "no complete response" in customer.broken().seen


def test_the_way_through_a_proxy_with_its_own_ca(
    customer: Customer, secure: EmulatorServer, certificates: Path
) -> None:
    with ConnectProxy(port_of(secure)) as proxy:
        behind(customer, proxy, ca_file=str(certificates / "ca.pem"))
        access = customer.access()
    found = in_area(access.findings, Area.NETWORK)
    assert {each.seen for each in found.values()} == {
        "Reached through the proxy; its certificate is trusted."
    }
    assert access.aep is not None
    assert set(proxy.connects) == {f"{HOST}:443"}


@pytest.fixture
def refusal(customer: Customer, secure: EmulatorServer) -> Any:
    """The finding for the gateway behind a proxy."""

    def found(login: str | None = None, target: tuple[str, int] | None = None, **changes: Any) -> Any:
        with ConnectProxy(target or port_of(secure), login) as proxy:
            behind(customer, proxy, **changes)
            findings = in_area(customer.access().findings, Area.NETWORK)
        assert {each.outcome for each in findings.values()} == {Outcome.BROKEN}
        for each in findings.values():
            assert customer.leaks(f"{each.seen} {each.remedy}") == []
        return findings["API gateway"]

    return found


def test_a_proxy_that_requires_a_password(refusal: Any) -> None:
    found = refusal(login="acme-user:acme-password")
    assert "the proxy responds 407" in found.seen
    assert "Proxy (extra proxy)" in found.remedy


def test_a_proxy_that_cannot_be_reached(customer: Customer, refusal: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = refusal(proxy=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert found.seen == "No connection: the proxy refuses the connection."


def test_a_ca_that_is_not_trusted(refusal: Any) -> None:
    found = refusal()
    assert "signed by a CA that is not trusted" in found.seen
    assert "CA file (extra ca_file)" in found.remedy
    assert "REQUESTS_CA_BUNDLE" in found.remedy


def test_a_certificate_for_another_host(refusal: Any, certificates: Path) -> None:
    pem, key = (str(certificates / f"other.{end}") for end in ("pem", "key"))
    with EmulatorServer(ssl_certfile=pem, ssl_keyfile=key) as other:
        found = refusal(target=port_of(other), ca_file=str(certificates / "ca.pem"))
    assert "is for another host" in found.seen


def test_a_server_that_does_not_speak_tls(customer: Customer, refusal: Any) -> None:
    plain = int(customer.url.rpartition(":")[2])
    assert "TLS has failed" in refusal(target=("127.0.0.1", plain)).seen
