from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from airflow_provider_flowservice.client import FLOWS, errors
from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.emulator.tls import certificates_in
from tests.support.clients import emulator_settings, open_client

NAME = "aep.test"
FILES = ("ca-key.pem", "ca.pem", "server-key.pem", "server.pem")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names under .test lead to this machine, as a compose file would have it."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".test") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("transport", ["requests", "aiohttp"])
def test_the_provider_reaches_the_emulator_by_name(transport: str, tmp_path: Path) -> None:
    with EmulatorServer(tls=tmp_path, allowed_hosts=[NAME]) as server:
        url = server.url_of(NAME)
        assert url.startswith(f"https://{NAME}:")
        settings = emulator_settings(url, server.control.credential, ca_file=str(tmp_path / "ca.pem"))
        with open_client(transport, settings) as client:
            assert client.send(request.count(FLOWS)) == 0


@pytest.mark.usefixtures("names")
def test_another_name_is_not_served(tmp_path: Path) -> None:
    with EmulatorServer(tls=tmp_path, allowed_hosts=[NAME]) as server:
        url = server.url_of("other.test")
        settings = emulator_settings(url, server.control.credential, ca_file=str(tmp_path / "ca.pem"))
        with (
            open_client("requests", settings) as client,
            pytest.raises(errors.UntrustedServerError, match="ca_file"),
        ):
            client.send(request.count(FLOWS))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_loopback_is_served_with_the_same_certificate(host: str, tmp_path: Path) -> None:
    with EmulatorServer(tls=tmp_path) as server:
        control = EmulatorControl(server.url_of(host), verify=str(tmp_path / "ca.pem"))
        assert control.health()["status"] == "ok"
        with pytest.raises(requests.exceptions.SSLError):
            EmulatorControl(server.url).health()


def test_certificates_are_kept_and_only_what_is_missing_is_made(tmp_path: Path) -> None:
    certificates_in(tmp_path, [])
    first = {name: (tmp_path / name).read_bytes() for name in FILES}
    assert sorted(path.name for path in tmp_path.iterdir()) == list(FILES)
    certificates_in(tmp_path, [])
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == first
    certificates_in(tmp_path, [NAME])
    assert (tmp_path / "ca.pem").read_bytes() == first["ca.pem"]
    certificate = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", NAME]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    # The certificate of another CA is of no use.
    for name in ("ca.pem", "ca-key.pem"):
        (tmp_path / name).unlink()
    certificates_in(tmp_path, [NAME])
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    served = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    served.verify_directly_issued_by(authority)


def test_what_expires_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_flowservice.emulator import tls

    certificates_in(tmp_path, [])
    first = {name: (tmp_path / name).read_bytes() for name in FILES}
    monkeypatch.setattr(tls.EmulatorClock, "now", lambda _: 86400 * 380 + _made_at(tmp_path))
    certificates_in(tmp_path, [])
    assert (tmp_path / "ca.pem").read_bytes() == first["ca.pem"]
    assert (tmp_path / "server.pem").read_bytes() != first["server.pem"]
    monkeypatch.setattr(tls.EmulatorClock, "now", lambda _: 86400 * 4000 + _made_at(tmp_path))
    certificates_in(tmp_path, [])
    assert (tmp_path / "ca.pem").read_bytes() != first["ca.pem"]


def _made_at(directory: Path) -> float:
    certificate = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    return certificate.not_valid_before_utc.timestamp()


def test_private_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    files = certificates_in(tmp_path / "new", [])
    assert [path.stat().st_mode & 0o777 for path in (files.key, files.key.with_name("ca-key.pem"))] == [
        0o600
    ] * 2


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"])
def test_a_file_that_is_something_else_is_an_error(name: str, tmp_path: Path) -> None:
    certificates_in(tmp_path, [])
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=r"no certificate and private key .*; remove both"):
        certificates_in(tmp_path, [])


def test_a_certificate_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    certificates_in(tmp_path, [])
    (tmp_path / "ca-key.pem").unlink()
    with pytest.raises(ValueError, match=r"ca-key\.pem.*remove both"):
        certificates_in(tmp_path, [])


@pytest.mark.parametrize("name", ["", "*.example.com", "https://aep", "aep:8765", "-aep", "a..b", "a" * 254])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be served; an allowed host is a name"):
        EmulatorServer(tls=tmp_path, allowed_hosts=[name])
    assert list(tmp_path.iterdir()) == []


def test_a_name_needs_https() -> None:
    with pytest.raises(ValueError, match=r"aep can be served with HTTPS only.*add --tls"):
        EmulatorServer(allowed_hosts=["aep"])


def test_the_command_says_where_the_ca_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0"]
    command += ["--tls", str(tmp_path), "--allow-host", NAME]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
        finally:
            process.terminate()
    assert "https://127.0.0.1:" in lines[0]
    assert lines[1].startswith(f"also on https://{NAME}:")
    assert lines[2].strip().endswith(str(tmp_path / "ca.pem"))
