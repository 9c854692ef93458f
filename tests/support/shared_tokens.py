"""A process that shares its token with others. It loads no Airflow, so that many can be started in a test."""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet

from airflow_provider_flowservice.client.http import request
from airflow_provider_flowservice.client.http.blocking import RequestsTransport
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.hooks.token_file import TokenFiles


class Crypto:
    """Airflow's face of Fernet, with a key or without."""

    def __init__(self, key: bytes | None) -> None:
        self.is_encrypted = key is not None
        self._fernet = Fernet(key or Fernet.generate_key())

    def encrypt(self, msg: bytes) -> bytes:
        return self._fernet.encrypt(msg)

    def decrypt(self, msg: bytes | str, ttl: int | None = None) -> bytes:
        return self._fernet.decrypt(msg, ttl)


def count_flows(settings: Settings, folder: Path, key: bytes) -> int:
    """Make one call, with a token from the folder if there is one."""
    transport = RequestsTransport(settings, token_store=TokenFiles(folder, Crypto(key)))
    try:
        return transport.send(request.count(request.FLOWS))
    finally:
        transport.close()
