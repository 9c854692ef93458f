from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "airflow_provider_flowservice.emulator"]


def test_a_server_is_gone_after_its_block() -> None:
    before = set(threading.enumerate())
    with EmulatorServer(sandbox="mine") as server:
        assert server.control.credential.sandbox == "mine"
        url = server.url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/_emulator/health", timeout=1)
    # Those of earlier tests may have ended meanwhile.
    assert set(threading.enumerate()) <= before


def test_a_server_is_gone_when_its_block_fails() -> None:
    server = EmulatorServer()
    with pytest.raises(RuntimeError, match="on purpose"), server:
        raise RuntimeError("on purpose")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/_emulator/health", timeout=1)


def test_two_servers_have_nothing_in_common() -> None:
    with EmulatorServer() as one, EmulatorServer() as two:
        one.control.open_sandbox("extra")
        assert one.url != two.url
        with pytest.raises(requests.HTTPError):
            two.control.state("extra")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.com", ""])
def test_only_loopback_is_served_unless_told_otherwise(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        EmulatorServer(host=host)


def test_a_taken_port_is_an_error() -> None:
    with EmulatorServer() as server, pytest.raises(OSError, match="in use"):
        EmulatorServer(port=int(server.url.rpartition(":")[2])).start()


def test_https(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key, ca = (tmp_path / name for name in ("chain.pem", "key.pem", "ca.pem"))
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(ca))
    with EmulatorServer(ssl_certfile=str(chain), ssl_keyfile=str(key)) as server:
        assert server.url.startswith("https://")
        assert EmulatorControl(server.url, verify=str(ca)).health()["status"] == "ok"
        with pytest.raises(requests.exceptions.SSLError):
            EmulatorControl(server.url).health()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_is_and_ends_cleanly(number: signal.Signals) -> None:
    arguments = [*COMMAND, "--port", "0", "--sandbox", "qa"]
    with subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
            assert EmulatorControl(url).credential.sandbox == "qa"
            process.send_signal(number)
            rest, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert (process.returncode, rest, errors) == (0, "", "")


def test_the_command_refuses_to_serve_other_machines() -> None:
    done = subprocess.run(
        [*COMMAND, "--host", "0.0.0.0"], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 1
    assert "loopback" in done.stderr


def test_the_emulator_imports_neither_airflow_nor_the_client() -> None:
    code = (
        "import sys, airflow_provider_flowservice.emulator.server\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'"
        " or name.startswith('airflow_provider_flowservice.client')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[]"
