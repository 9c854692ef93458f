"""IMS tokens: one cache for the whole process, renewed early, dropped when AEP rejects one."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import AuthenticationError, BadRequestError, FlowServiceError
from airflow_provider_flowservice.client.http.request import Request, ims_token
from airflow_provider_flowservice.client.http.response import Token
from airflow_provider_flowservice.client.settings import Settings

#: A token is renewed this many seconds before it expires, or after nine tenths of a short life.
EARLY_SECONDS = 300.0


@dataclass
class _Slot:
    """The token of one credential. ``expires`` is monotonic: a wrong wall clock does not age it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    #: One for each event loop: the threads' lock would block a loop while a token is fetched.
    loop_locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = field(
        default_factory=weakref.WeakKeyDictionary
    )
    value: str | None = None
    expires: float = 0.0


_slots: dict[str, _Slot] = {}
_slots_lock = threading.Lock()


class TokenStore(Protocol):
    """Keeps tokens where other processes find them."""

    def locked(self, key: str) -> AbstractContextManager[None]:
        """Hold the lock of a credential among all processes."""

    def load(self, key: str) -> Token | None:
        """The token of a credential, with the seconds that it has left."""

    def save(self, key: str, token: Token) -> None:
        """Keep a token."""


class TokenSource:
    """Tokens of one credential, shared by all sources of that credential in this process.

    :param settings: the credential; with ``access_token`` set, that token is used and IMS is never asked.
    :param store: where tokens are shared with other processes, if they are.
    """

    def __init__(self, settings: Settings, store: TokenStore | None = None) -> None:
        self._settings = settings
        self._store = store
        secret_hash = hashlib.sha256((settings.client_secret or "").encode()).hexdigest()
        parts = (settings.ims_host, settings.client_id, settings.org_id, settings.scopes, secret_hash)
        self._key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        with _slots_lock:
            self._slot = _slots.setdefault(self._key, _Slot())

    def token(self, rejected: str | None, fetch: Callable[[], Token]) -> str:
        """A usable token; many threads, and with a store many processes, fetch one together.

        :param rejected: a token that AEP rejected; it is not returned again.
        :param fetch: asks IMS.
        :raises FlowServiceError: if IMS gives none.
        """
        with self._slot.lock:
            cached = self.cached(rejected)
            if cached is not None:
                return cached
            if self._store is None:
                return self.keep(fetch())
            with self._store.locked(self._key):
                shared = self._store.load(self._key)
                if shared is None or shared.value == rejected or _is_old(shared):
                    shared = fetch()
                    self._store.save(self._key, shared)
                return self.keep(shared)

    async def token_async(self, rejected: str | None, fetch: Callable[[], Awaitable[Token]]) -> str:
        """A usable token; all that wait in this event loop fetch one together. Stores are not asked.

        :param rejected: a token that AEP rejected; it is not returned again.
        :param fetch: asks IMS.
        :raises FlowServiceError: if IMS gives none.
        """
        loop_lock = self._slot.loop_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with loop_lock:
            cached = self.cached(rejected)
            return cached if cached is not None else self.keep(await fetch())

    def cached(self, rejected: str | None = None) -> str | None:
        """The token at hand.

        :param rejected: a token that AEP rejected; it is not returned again.
        :returns: a token that is not about to expire, or None.
        :raises AuthenticationError: if the rejected token is a ready-made one, which cannot be renewed.
        """
        if self._settings.access_token:
            if rejected is not None:
                raise AuthenticationError(
                    "AEP rejected the ready-made access token of the connection. Put a new one into the extra"
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


def _is_old(shared: Token) -> bool:
    """Whether a token from the store is so near its end that it would be renewed soon anyway."""
    return shared.lifetime < EARLY_SECONDS


def explain_refusal(error: FlowServiceError, settings: Settings) -> FlowServiceError:
    """Turn IMS's refusal of a credential into an error that names the likely cause."""
    if not isinstance(error, (BadRequestError, AuthenticationError)):
        return error
    causes: dict[str | None, str] = {
        "invalid_client": "the client id or the client secret is wrong",
        "invalid_scope": f"a scope of {settings.scopes!r} is not granted to the credential",
        "unauthorized_client": "the credential is not an OAuth server-to-server credential",
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
