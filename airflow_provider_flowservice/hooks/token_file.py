"""Tokens shared by all processes on a machine. Each Airflow task is a process and would otherwise fetch its own token.

Each credential has a file, encrypted with Airflow's Fernet key, in a directory that only its owner can access.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_flowservice.client import clock, model
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import Token

if TYPE_CHECKING:
    from airflow.sdk.crypto import FernetProtocol


class _Stored(model.Record, frozen=True, kw_only=True):
    """The content of a token file. ``expires`` is wall-clock time, because other clocks differ between processes."""

    value: str
    expires: float


class TokenFiles:
    """Stores tokens in files.

    :param folder: directory of the files; created with mode 0700.
    :param fernet: encrypts the files.
    :raises InvalidInputError: if Airflow has no Fernet key, or other users can access the directory.
    """

    def __init__(self, folder: Path, fernet: FernetProtocol) -> None:
        if not fernet.is_encrypted:
            problem = "'file' requires Airflow's Fernet key, which is not set"
            remedy = "Set [core] fernet_key, or remove token_cache."
            raise InvalidInputError("extra 'token_cache'", problem, remedy)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_mode & 0o077 or status.st_uid != os.getuid():
            problem = f"the directory {str(folder)!r} is accessible to other users"
            remedy = "Delete it, or give it mode 0700 and the user that runs the tasks as owner."
            raise InvalidInputError("extra 'token_cache'", problem, remedy)
        self._folder = folder
        self._fernet = fernet

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a credential, so that the processes fetch only one token."""
        descriptor = os.open(self._folder / f"{key}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def load(self, key: str) -> Token | None:
        """Return the token of a credential, or None if there is no valid one."""
        from cryptography.fernet import InvalidToken

        try:
            stored = msgspec.json.decode(
                self._fernet.decrypt((self._folder / key).read_bytes()), type=_Stored
            )
        except (FileNotFoundError, InvalidToken, msgspec.MsgspecError):
            return None
        lifetime = stored.expires - clock.current().wall()
        return Token(stored.value, lifetime) if lifetime > 0 else None

    def save(self, key: str, token: Token) -> None:
        """Replace the token of a credential, atomically for other processes."""
        stored = _Stored(value=token.value, expires=clock.current().wall() + token.lifetime)
        # mkstemp creates files with mode 0600.
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._fernet.encrypt(msgspec.json.encode(stored)))
        Path(name).replace(self._folder / key)


def default_token_files() -> TokenFiles:
    """Return the token files in ``$AIRFLOW_HOME/flowservice-tokens``."""
    try:
        from airflow.sdk.crypto import get_fernet
    except ImportError:
        # Airflow before 3.2 has it only here.
        from airflow.models.crypto import get_fernet

    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return TokenFiles(home / "flowservice-tokens", get_fernet())
