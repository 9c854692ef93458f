"""Who may call the emulator, and which sandboxes it has."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

PRODUCTION_SANDBOX = "prod"

_NAMESPACE = uuid.UUID("5f0f6d9b-9d0c-4f4f-8f38-54a3a8a0f5c1")


def stable_uuid(name: str) -> str:
    """Give a UUID that is the same in every run, for what the emulator is seeded with."""
    return str(uuid.uuid5(_NAMESPACE, name))


@dataclass(frozen=True)
class Credential:
    """The one OAuth server-to-server credential that the emulator accepts. It protects nothing."""

    client_id: str = "flowservice-emulator-client"
    client_secret: str = "p8e-emulator-client-secret"  # noqa: S105 (opens nothing but this emulator)
    org_id: str = "5C0FFEE05EED0FACADE0ADBE@AdobeOrg"
    technical_account: str = "7EC40000ACC04D0FACADE0ADBE@techacct.adobe.com"


@dataclass(frozen=True)
class Settings:
    """What is fixed for the emulator's whole life.

    :param sandbox: name of the built-in development sandbox; ``prod`` always exists beside it.
    :param credential: who may call.
    """

    sandbox: str = "dev"
    credential: Credential = Credential()
