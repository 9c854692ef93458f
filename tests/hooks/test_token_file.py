"""Tokens that the processes of one machine share."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import auth, request
from airflow_provider_flowservice.client.http.response import Token
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.hooks.token_file import TokenFiles
from airflow_provider_flowservice.testing.clock import VirtualClock
from tests.support import shared_tokens
from tests.support.airflow import flowservice_connection
from tests.support.clients import emulator_settings
from tests.support.faults import fault
from tests.support.secrets import leaks, tokens
from tests.support.shared_tokens import Crypto

IMS = "/ims/token/v3"
PROCESSES = 4
Open = Callable[[], TokenFiles]


KEY = Fernet.generate_key()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "flowservice-tokens"


@pytest.fixture
def files(folder: Path) -> TokenFiles:
    return TokenFiles(folder, Crypto(KEY))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_files_are_for_their_owner_alone(files: TokenFiles, folder: Path) -> None:
    before = os.umask(0)
    try:
        with files.locked("key"):
            files.save("key", Token("secret-token", 3600))
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["key", "key.lock"]
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_what_is_kept_is_found_and_cannot_be_read(
    files: TokenFiles, folder: Path, virtual_clock: VirtualClock
) -> None:
    files.save("key", Token("secret-token", 3600))
    virtual_clock.advance(600)
    assert files.load("key") == Token("secret-token", 3000)
    assert list(leaks(folder, ["secret-token"])) == []
    assert files.load("other") is None


def test_a_token_that_has_expired_is_none(files: TokenFiles, virtual_clock: VirtualClock) -> None:
    files.save("key", Token("secret-token", 3600))
    virtual_clock.advance(3600)
    assert files.load("key") is None


@pytest.mark.parametrize("content", [b"", b"garbage", Fernet(KEY).encrypt(b"[1]"), Fernet(KEY).encrypt(b"{")])
def test_a_file_that_cannot_be_read_is_none(files: TokenFiles, folder: Path, content: bytes) -> None:
    (folder / "key").write_bytes(content)
    assert files.load("key") is None


def test_a_file_of_another_fernet_key_is_none(files: TokenFiles, folder: Path) -> None:
    files.save("key", Token("secret-token", 3600))
    assert TokenFiles(folder, Crypto(Fernet.generate_key())).load("key") is None


def test_without_a_fernet_key_nothing_is_kept(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="Fernet key, which is not set"):
        TokenFiles(folder, Crypto(None))
    assert not folder.exists()


@pytest.mark.parametrize("others", [0o777, 0o750, 0o701])
def test_a_folder_that_is_open_to_others_is_refused(folder: Path, others: int) -> None:
    folder.mkdir()
    folder.chmod(others)
    with pytest.raises(InvalidInputError, match="accessible to other users"):
        TokenFiles(folder, Crypto(KEY))


@pytest.fixture
def control(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> Iterator[EmulatorControl]:
    """An emulator that is reached over a connection whose tokens are shared."""
    connection = flowservice_connection(emulator.url, emulator.control.credential, token_cache="file")
    monkeypatch.setenv("AIRFLOW_CONN_AEP", connection)
    monkeypatch.setattr(
        "airflow_provider_flowservice.hooks.flow_service.default_token_files",
        lambda: TokenFiles(folder, Crypto(KEY)),
    )
    yield emulator.control
    auth.forget_all()


def count_flows() -> int:
    hook = FlowServiceHook("aep")
    try:
        return hook.count(request.FLOWS)
    finally:
        hook.close()


def another_process() -> int:
    """What another process does that has fetched no token itself."""
    auth.forget_all()
    return count_flows()


def asked(control: EmulatorControl) -> int:
    return len(control.requests("POST", IMS))


def test_several_processes_ask_for_one_token(control: EmulatorControl, folder: Path) -> None:
    control.inject(fault("delay", "POST", IMS, seconds=2))
    settings = emulator_settings(control.url, control.credential)
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(shared_tokens.count_flows, settings, folder, KEY) for _ in range(PROCESSES)]
        assert [task.result() for task in tasks] == [0] * PROCESSES
    assert len(control.requests("GET", "/flows")) == PROCESSES
    assert asked(control) == 1
    assert control.faults_left() == []
    assert list(tokens(folder)) == []


def test_a_process_takes_the_token_of_another(control: EmulatorControl, virtual_clock: VirtualClock) -> None:
    assert another_process() == another_process() == 0
    assert asked(control) == 1


def test_a_shared_token_that_aep_refuses_is_replaced_for_all(
    control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    another_process()
    control.inject(fault("expire_token", "GET", "flows"))
    assert another_process() == 0
    assert asked(control) == 2
    assert another_process() == 0
    assert asked(control) == 2
    assert control.faults_left() == []


def test_a_shared_token_near_its_end_is_replaced(
    control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    another_process()
    virtual_clock.advance(86_399 - auth.EARLY_SECONDS + 1)
    another_process()
    assert asked(control) == 2


def test_an_identity_service_that_stumbles_is_asked_again(
    control: EmulatorControl, virtual_clock: VirtualClock
) -> None:
    control.inject(fault("status", "POST", IMS, status=503), fault("rate_limit", "POST", IMS, retry_after=9))
    assert another_process() == 0
    assert asked(control) == 3
    assert 9 <= clock.current().monotonic() <= 11
    assert control.faults_left() == []


def test_other_credentials_have_other_files(
    control: EmulatorControl, emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    another_process()
    scoped = flowservice_connection(
        emulator.url, control.credential, token_cache="file", scopes="openid,AdobeID"
    )
    monkeypatch.setenv("AIRFLOW_CONN_AEP", scoped)
    another_process()
    assert asked(control) == 2
    assert len([path for path in folder.iterdir() if path.suffix != ".lock"]) == 2
