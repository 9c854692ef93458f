"""IMS tokens: one cache for the whole process, renewed early, dropped when AEP refuses one."""

from __future__ import annotations

import hashlib
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    FlowServiceError,
)
from airflow_provider_flowservice.client.request import Request, ims_token
from airflow_provider_flowservice.client.response import Token
from airflow_provider_flowservice.client.settings import Settings

#: A token is renewed this many seconds before it expires, or after nine tenths of a short life.
EARLY_SECONDS = 300.0


@dataclass
class _Slot:
    """The token of one credential. ``expires`` is monotonic: a wrong wall clock does not age it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: str | None = None
    expires: float = 0.0


_slots: dict[tuple[str, ...], _Slot] = {}
_slots_lock = threading.Lock()


class TokenSource:
    """Tokens of one credential, shared by all sources of that credential in this process.

    :param settings: the credential; with ``access_token`` set, that token is used and IMS is never asked.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        secret_hash = hashlib.sha256((settings.client_secret or "").encode()).hexdigest()
        key = (settings.ims_host, settings.client_id, settings.org_id, settings.scopes, secret_hash)
        with _slots_lock:
            self._slot = _slots.setdefault(key, _Slot())

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held while a token is fetched, so that many threads fetch one."""
        return self._slot.lock

    def cached(self, rejected: str | None = None) -> str | None:
        """The token at hand.

        :param rejected: a token that AEP refused; it is not returned again.
        :returns: a token that is not about to expire, or None.
        :raises AuthenticationError: if the refused token is a ready one, which cannot be renewed.
        """
        if self._settings.access_token:
            if rejected is not None:
                raise AuthenticationError(
                    "AEP refused the ready access token of the connection. Put a fresh one into the extra"
                    " 'access_token', or a client secret into the password so that tokens are fetched.",
                    status=401,
                )
            return self._settings.access_token
        slot = self._slot
        usable = slot.value != rejected and clock.current().monotonic() < slot.expires
        return slot.value if usable else None

    def keep(self, token: Token) -> str:
        """Store a fetched token and return its value."""
        early = min(EARLY_SECONDS, token.lifetime / 10)
        self._slot.value = token.value
        self._slot.expires = clock.current().monotonic() + token.lifetime - early
        return token.value

    def request(self) -> Request[Token]:
        """The request that fetches a token."""
        return ims_token(self._settings.client_id, self._settings.client_secret or "", self._settings.scopes)


def explain_refusal(error: FlowServiceError, settings: Settings) -> FlowServiceError:
    """Turn IMS's refusal of a credential into an error that names the likely cause."""
    if not isinstance(error, (BadRequestError, AuthenticationError)):
        return error
    return _refusal(error, settings)


def _refusal(error: ApiError, settings: Settings) -> AuthenticationError:
    causes: dict[str | None, str] = {
        "invalid_client": "the client id or the client secret is wrong",
        "invalid_scope": f"a scope of {settings.scopes!r} is not granted to the credential",
        "unauthorized_client": "the credential is no OAuth server-to-server credential",
    }
    cause = causes.get(error.code, "IMS does not accept the credential")
    return AuthenticationError(
        f"No token from {settings.ims_host}: {cause} (client id {settings.client_id}). {error.message}",
        status=error.status or 400,
        code=error.code,
        request_id=error.request_id,
        method=error.method,
        path=error.path,
    )


def forget_all() -> None:
    """Drop every cached token of this process."""
    with _slots_lock:
        _slots.clear()
