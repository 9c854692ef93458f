"""Access tokens: issued, looked up, expired by the emulator's clock, revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from airflow_provider_flowservice.emulator.world import Store, World


@dataclass(frozen=True)
class AccessToken:
    """A token that was issued.

    :param expires_at: seconds since the epoch, by the emulator's clock.
    """

    value: str
    client_id: str
    expires_at: float


class TokenStore(Store):
    """All tokens that are valid."""

    kept = (("_tokens", dict[str, AccessToken]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tokens: dict[str, AccessToken] = {}

    def issue(self, client_id: str, lifetime: float) -> AccessToken:
        """Issue a token.

        :param lifetime: seconds until it expires.
        """
        token = AccessToken(
            f"emulated.{secrets.token_urlsafe(48)}", client_id, self.world.clock.now() + lifetime
        )
        self._tokens[token.value] = token
        return token

    def find(self, value: str) -> AccessToken | None:
        """Return the token if it is known and has not expired."""
        token = self._tokens.get(value)
        if token is None or token.expires_at <= self.world.clock.now():
            return None
        return token

    def revoke(self, value: str) -> None:
        """Revoke a token; an unknown one is ignored."""
        self._tokens.pop(value, None)
