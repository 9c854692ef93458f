"""Tokens that the processes of one machine share."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import auth, request
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.http.response import Token
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.emulator.server import EmulatorServer
from airflow_provider_flowservice.hooks import token_file
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


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", Fernet(KEY).encrypt(b"[1]"), Fernet(KEY).encrypt(b"{")],
    ids=["empty", "garbage", "a list", "cut off"],
)
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


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == token_file.__name__]


def fetched(folder: Path, control: EmulatorControl) -> TokenFiles:
    """Fetch a token twice over files that may not be usable, and return them."""
    files = TokenFiles(folder, Crypto(KEY))
    settings = emulator_settings(control.url, control.credential)
    for _ in range(2):
        auth.forget_all()
        transport = RequestsTransport(settings, token_store=files)
        assert transport.send(request.count(request.FLOWS)) == 0
        transport.close()
    return files


@pytest.mark.parametrize("place", ["is a file", "is in a file", "cannot be made", "is read only"])
def test_a_folder_that_cannot_be_used_costs_a_request_and_a_warning(
    emulator: EmulatorServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    (tmp_path / "file").touch()
    folders = {
        "is a file": tmp_path / "file",
        "is in a file": tmp_path / "file" / "flowservice-tokens",
        "cannot be made": Path("/proc/flowservice-tokens"),
        # It is this user's alone, and not even root can make a file in it.
        "is read only": Path("/proc/self/fd"),
    }
    fetched(folders[place], emulator.control)
    assert asked(emulator.control) == 2
    (warning,) = warnings(caplog)
    assert warning.startswith("This task does not share its token with others (token_cache): [Errno ")


@pytest.mark.usefixtures("virtual_clock")
def test_a_lock_that_is_held_for_ever_is_not_waited_for_for_ever(
    emulator: EmulatorServer, folder: Path, files: TokenFiles, caplog: pytest.LogCaptureFixture
) -> None:
    settings = emulator_settings(emulator.url, emulator.control.credential)
    with files.locked(auth.TokenSource(settings)._key):
        fetched(folder, emulator.control)
    assert token_file.LOCK_SECONDS <= clock.current().monotonic() <= token_file.LOCK_SECONDS + 1
    assert asked(emulator.control) == 2
    (warning,) = warnings(caplog)
    assert warning.endswith("another process has held its lock for 30 seconds")
    assert fetched(folder, emulator.control).load(auth.TokenSource(settings)._key) is not None
    assert asked(emulator.control) == 3


def test_a_disk_that_is_full_costs_a_request_and_a_warning(
    emulator: EmulatorServer, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def on_a_full_disk(dir: Path) -> tuple[int, str]:  # noqa: A002
        (dir / "new").symlink_to("/dev/full")
        return os.open(dir / "new", os.O_WRONLY), str(dir / "new")

    monkeypatch.setattr("tempfile.mkstemp", on_a_full_disk)
    fetched(folder, emulator.control)
    assert asked(emulator.control) == 2
    (warning,) = warnings(caplog)
    assert "No space left on device" in warning
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_a_file_that_cannot_be_opened_costs_a_request_and_a_warning(
    emulator: EmulatorServer, folder: Path, files: TokenFiles, caplog: pytest.LogCaptureFixture
) -> None:
    key = auth.TokenSource(emulator_settings(emulator.url, emulator.control.credential))._key
    (folder / key).mkdir()
    fetched(folder, emulator.control)
    assert asked(emulator.control) == 2
    (warning,) = warnings(caplog)
    assert "Is a directory" in warning


def in_a_child(work: Callable[[], object]) -> int:
    """Start a forked process, and return its id; it exits with 0 if ``work`` returns within ten seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            work()
        except BaseException:  # noqa: BLE001 (a child that goes on would run the rest of the tests)
            os._exit(1)
        os._exit(0)
    return child


@pytest.mark.parametrize("shared", [False, True])
def test_a_child_that_is_forked_during_a_fetch_does_not_wait_for_its_parents_threads(
    emulator: EmulatorServer, folder: Path, files: TokenFiles, shared: bool
) -> None:
    emulator.control.inject(fault("delay", "POST", IMS, seconds=1))
    settings = emulator_settings(emulator.url, emulator.control.credential)
    store = files if shared else None

    def count() -> int:
        return RequestsTransport(settings, token_store=store).send(request.count(request.FLOWS))

    thread = threading.Thread(target=count)
    thread.start()
    while not any(slot.lock.locked() for slot in auth._slots.values()):
        clock.current().sleep(0.01)
    children = [in_a_child(count) for _ in range(2)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    thread.join()
    assert asked(emulator.control) == (1 if shared else 3)


@pytest.fixture
def control(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> Iterator[EmulatorControl]:
    """An emulator that is reached over a connection whose tokens are shared."""
    connection = flowservice_connection(emulator.url, emulator.control.credential, token_cache="file")
    monkeypatch.setenv("AIRFLOW_CONN_AEP", connection)
    monkeypatch.setattr(
        "airflow_provider_flowservice.hooks.base.default_token_files", lambda: TokenFiles(folder, Crypto(KEY))
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
