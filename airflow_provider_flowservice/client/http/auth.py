"""IMS tokens: cached for the whole process, renewed before they expire, and dropped if AEP rejects them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import (
    AuthenticationError,
    BadRequestError,
    FlowServiceError,
    retyped,
)
from airflow_provider_flowservice.client.http.request import Request, ims_token
from airflow_provider_flowservice.client.http.response import Token
from airflow_provider_flowservice.client.settings import Settings
from airflow_provider_flowservice.connection_fields import field_name

#: Seconds before its expiry at which a token is renewed: the default retry budget, so that it outlives a request.
#: Tokens with a short lifetime are renewed after nine tenths of it.
EARLY_SECONDS = 300.0


@dataclass
class _Slot:
    """The token of a credential. ``expires`` is a monotonic time, which changes of the wall clock do not affect."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    #: One lock per event loop: ``lock`` would block the loop while another thread fetches a token.
    loop_locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = field(
        default_factory=weakref.WeakKeyDictionary
    )
    value: str | None = None
    expires: float = 0.0


_slots: dict[str, _Slot] = {}
_slots_lock = threading.Lock()


def _renew_locks() -> None:
    """Replace all locks in a forked process, which has none of the threads that would release those that are held."""
    global _slots_lock
    _slots_lock = threading.Lock()
    for slot in _slots.values():
        slot.lock = threading.Lock()
        slot.loop_locks = weakref.WeakKeyDictionary()


os.register_at_fork(after_in_child=_renew_locks)


class TokenStore(Protocol):
    """Shares tokens with other processes."""

    def locked(self, key: str) -> AbstractContextManager[None]:
        """Hold a lock for a credential that excludes all other processes."""

    def load(self, key: str) -> Token | None:
        """Return the token of a credential with its remaining lifetime, or None."""

    def save(self, key: str, token: Token) -> None:
        """Save the token of a credential."""


class TokenSource:
    """Provides tokens for a credential. All instances for a credential in a process share them.

    :param settings: the credential; if ``access_token`` is set, it is used and no token is fetched.
    :param store: shares tokens with other processes; None does not share them.
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
        """Return a usable token. Threads and, with a store, processes wait for each other and fetch only one.

        :param rejected: a token that AEP rejected and that must not be returned again.
        :param fetch: fetches a token from IMS.
        :raises FlowServiceError: if IMS does not issue a token.
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
        """Return a usable token. The coroutines of an event loop fetch only one. The store is not used.

        :param rejected: a token that AEP rejected and that must not be returned again.
        :param fetch: fetches a token from IMS.
        :raises FlowServiceError: if IMS does not issue a token.
        """
        if (usable := self.cached(rejected)) is not None:
            return usable
        loop_lock = self._slot.loop_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with loop_lock:
            cached = self.cached(rejected)
            return cached if cached is not None else self.keep(await fetch())

    def cached(self, rejected: str | None = None) -> str | None:
        """Return the cached token, if it is usable.

        :param rejected: a token that AEP rejected and that must not be returned again.
        :returns: a token that is not about to expire, or None if there is none.
        :raises AuthenticationError: if the rejected token is the ``access_token`` setting, which cannot be renewed.
        """
        if self._settings.access_token:
            if rejected is not None:
                raise AuthenticationError(
                    f"AEP rejected the access token of the connection. Set {field_name('access_token')} to a new"
                    f" token, or set {field_name('password')} instead, so that tokens are fetched.",
                    status=401,
                )
            return self._settings.access_token
        slot = self._slot
        usable = slot.value != rejected and clock.current().monotonic() < slot.expires
        return slot.value if usable else None

    def keep(self, token: Token) -> str:
        """Cache a token and return its value."""
        early = min(EARLY_SECONDS, token.lifetime / 10)
        self._slot.value = token.value
        self._slot.expires = clock.current().monotonic() + token.lifetime - early
        return token.value

    def request(self) -> Request[Token]:
        """Return the request that fetches a token (``POST /ims/token/v3``)."""
        return ims_token(self._settings.client_id, self._settings.client_secret or "", self._settings.scopes)


def _is_old(shared: Token) -> bool:
    """Whether a token from the store is so close to its expiry that it would be renewed soon anyway."""
    return shared.lifetime < EARLY_SECONDS


def explain_rejection(error: FlowServiceError, settings: Settings) -> FlowServiceError:
    """Return an error that names the likely cause if IMS rejected the credential; otherwise the error itself."""
    if not isinstance(error, (BadRequestError, AuthenticationError)):
        return error
    causes: dict[str | None, str] = {
        "invalid_client": f"{field_name('login')} or {field_name('password')} of the connection is wrong",
        "invalid_scope": f"{field_name('scopes')} of the connection, {settings.scopes!r}, has one that is not granted",
        "unauthorized_client": "the credential is not an OAuth server-to-server credential",
    }
    cause = causes.get(error.code, "IMS rejected the credential")
    message = f"No token from {settings.ims_host}: {cause} (client id {settings.client_id}). {error.message}"
    return retyped(error, AuthenticationError, message)


def forget_all() -> None:
    """Drop every cached token of this process."""
    with _slots_lock:
        for slot in _slots.values():
            slot.value = None
