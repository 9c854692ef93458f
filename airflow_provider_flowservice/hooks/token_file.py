"""Tokens shared by all processes on a machine. Each Airflow task is a process and would otherwise fetch its own token.

Each credential has a file, encrypted with Airflow's Fernet key, in a directory that only its owner can access.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import Token
from airflow_provider_flowservice.connection_fields import field_name

if TYPE_CHECKING:
    from airflow.sdk.crypto import FernetProtocol

log = logging.getLogger(__name__)

#: Maximum time in seconds to wait while another process fetches a token. IMS usually responds within one; a process
#: that takes longer retries, or hangs.
LOCK_SECONDS = 30.0
#: Seconds between two attempts to get the lock: short beside a fetch. The operating system could wait by itself, but
#: not for a limited time.
_LOCK_INTERVAL = 0.05


class _Stored(model.Record, frozen=True, kw_only=True):
    """The content of a token file. ``expires`` is wall-clock time, because other clocks differ between processes."""

    value: str
    expires: float


class TokenFiles:
    """Stores tokens in files.

    Files that cannot be used cost a request for a token, not the task: after the first problem, which is logged as a
    warning, an instance finds and saves nothing.

    :param folder: directory of the files; created with mode 0700.
    :param fernet: encrypts the files.
    :raises InvalidInputError: if Airflow has no Fernet key, or other users can access the directory.
    """

    def __init__(self, folder: Path, fernet: FernetProtocol) -> None:
        if not fernet.is_encrypted:
            problem = "'file' requires Airflow's Fernet key, which is not set"
            remedy = "Set fernet_key in section core of Airflow's options, or clear it."
            raise InvalidInputError(field_name("token_cache"), problem, remedy)
        self._folder = folder
        self._fernet = fernet
        self._usable = True
        with self._or_without():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_access(folder)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a credential, so that the processes fetch only one token.

        A lock that another process holds for more than :data:`LOCK_SECONDS` is not waited for any longer.
        """
        descriptor: int | None = None
        if self._usable:
            with self._or_without():
                descriptor = os.open(self._folder / f"{key}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if descriptor is not None:
                with self._or_without():
                    _lock(descriptor)
            yield
        finally:
            if descriptor is not None:
                # Closing alone would not release the lock if a process was forked meanwhile: it has the file open, too.
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)

    def load(self, key: str) -> Token | None:
        """Return the token of a credential, or None if there is no valid one."""
        from cryptography.fernet import InvalidToken

        content = b""
        if self._usable:
            with self._or_without(), suppress(FileNotFoundError):
                content = (self._folder / key).read_bytes()
        try:
            stored = msgspec.json.decode(self._fernet.decrypt(content), type=_Stored)
        except (InvalidToken, msgspec.MsgspecError):
            return None
        lifetime = stored.expires - clock.current().wall()
        return Token(stored.value, lifetime) if lifetime > 0 else None

    def save(self, key: str, token: Token) -> None:
        """Replace the token of a credential, atomically for other processes."""
        if not self._usable:
            return
        stored = _Stored(value=token.value, expires=clock.current().wall() + token.lifetime)
        encrypted = self._fernet.encrypt(msgspec.json.encode(stored))
        with self._or_without():
            # mkstemp creates files with mode 0600.
            descriptor, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(encrypted)
                Path(name).replace(self._folder / key)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        """Go on without the files after an error of the file system in the ``with`` block."""
        try:
            yield
        except OSError as problem:
            self._usable = False
            log.warning("This task does not share its token with others (token_cache): %s", problem)


def _check_access(folder: Path) -> None:
    status = folder.stat()
    if status.st_mode & 0o077 or status.st_uid != os.getuid():
        problem = f"the directory {str(folder)!r} is accessible to other users"
        remedy = "Delete it, or give it mode 0700 and the user that runs the tasks as owner."
        raise InvalidInputError(field_name("token_cache"), problem, remedy)


def _lock(descriptor: int) -> None:
    """Lock a file for this process.

    :raises OSError: if it cannot be locked, or not in time.
    """
    deadline = clock.current().monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.current().monotonic() >= deadline:
                raise TimeoutError(
                    f"another process has held its lock for {LOCK_SECONDS:g} seconds"
                ) from None
            clock.current().sleep(_LOCK_INTERVAL)
        else:
            return


def default_token_files() -> TokenFiles:
    """Return the token files in ``$AIRFLOW_HOME/flowservice-tokens``."""
    try:
        from airflow.sdk.crypto import get_fernet
    except ImportError:
        # Airflow before 3.2 has it only here.
        from airflow.models.crypto import get_fernet

    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return TokenFiles(home / "flowservice-tokens", get_fernet())
