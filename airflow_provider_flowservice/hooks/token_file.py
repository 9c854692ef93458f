"""Tokens shared by the processes of one machine: every Airflow task is a process, and each would ask IMS.

There is a file for each credential, encrypted with Airflow's Fernet key, in a folder that only its owner can read.
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
    """A token as the file holds it. ``expires`` is wall time: no other clock is the same in all processes."""

    value: str
    expires: float


class TokenFiles:
    """Keeps tokens in files.

    :param folder: where the files are; created with mode 0700.
    :param fernet: encrypts them.
    :raises InvalidInputError: if Airflow has no Fernet key, or others can look into the folder.
    """

    def __init__(self, folder: Path, fernet: FernetProtocol) -> None:
        if not fernet.is_encrypted:
            raise InvalidInputError(
                "extra 'token_cache'",
                "'file' needs Airflow's Fernet key, and none is set",
                "Set [core] fernet_key, or leave token_cache out.",
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_mode & 0o077 or status.st_uid != os.getuid():
            raise InvalidInputError(
                "extra 'token_cache'",
                f"the folder {str(folder)!r} is open to others",
                "Remove it, or give it mode 0700 and the user that runs the tasks.",
            )
        self._folder = folder
        self._fernet = fernet

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of a credential, so that many processes fetch one token."""
        descriptor = os.open(self._folder / f"{key}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def load(self, key: str) -> Token | None:
        """The token of a credential, or None if there is none that can be read."""
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
        """Replace the token of a credential; another process never sees half of it."""
        stored = _Stored(value=token.value, expires=clock.current().wall() + token.lifetime)
        # mkstemp makes files of mode 0600.
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._fernet.encrypt(msgspec.json.encode(stored)))
        Path(name).replace(self._folder / key)


def default_token_files() -> TokenFiles:
    """The files of this Airflow: in ``$AIRFLOW_HOME/flowservice-tokens``."""
    from airflow.sdk.crypto import get_fernet

    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return TokenFiles(home / "flowservice-tokens", get_fernet())
