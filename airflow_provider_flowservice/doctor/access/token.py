"""The token: whether IMS issues one, and what it says of itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.errors import ApiError, FlowServiceError, is_permanent
from airflow_provider_flowservice.client.settings import DEFAULT_SCOPES
from airflow_provider_flowservice.connection_fields import field_name
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http import RequestsTransport, Token
    from airflow_provider_flowservice.client.settings import Settings

_PROJECT = "In Adobe's Developer Console, open Projects > your project"
#: Where Adobe shows a credential.
CREDENTIAL = f"{_PROJECT} > OAuth Server-to-Server"
_ADD_API = f"{_PROJECT} > Add API > Experience Platform API"
_SECONDS_PER_HOUR = 3600.0

#: What IMS's error codes mean, and the remedy.
_REJECTIONS = {
    "invalid_client": (
        "the client id or the client secret is wrong, or the secret was revoked",
        CREDENTIAL
        + f", compare Client ID with {field_name('login')}, and set {field_name('password')} to what Retrieve client"
        " secret shows.",
    ),
    "invalid_scope": (
        "a scope is not granted to the credential",
        f"Clear {field_name('scopes')} of the connection. If it is empty: {_ADD_API} > OAuth Server-to-Server.",
    ),
    "unauthorized_client": (
        "the credential is not an OAuth Server-to-Server credential",
        _ADD_API
        + f" > OAuth Server-to-Server, and set {field_name('login')} and {field_name('password')} to the new"
        " credential's.",
    ),
}


class FreshToken:
    """Takes the place of the tokens that are shared with other processes: keeps what IMS issues, and offers none."""

    def __init__(self) -> None:
        self.lifetime: float | None = None
        self.value: str | None = None

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold nothing: no other process is concerned."""
        yield

    def load(self, key: str) -> Token | None:
        """Return None, so that IMS is asked."""
        return None

    def save(self, key: str, token: Token) -> None:
        """Keep a token."""
        self.value, self.lifetime = token.value, token.lifetime


def examine_token(
    settings: Settings, transport: RequestsTransport, fresh: FreshToken
) -> tuple[list[Finding], bool]:
    """Ask IMS for one token, unless the connection has one, and check what it says of itself.

    :param fresh: the token store of the transport.
    :returns: what was found, and whether there is a token.
    """
    # One from before could hide that the secret was revoked since.
    http.forget_tokens()
    try:
        transport.authorize()
    except FlowServiceError as error:
        return [_refused(error)], False
    token = settings.access_token or fresh.value
    claims = _claims(token or "")
    return [_lifetime(settings, fresh), _scopes(settings, claims), _organization(settings, claims)], True


def _finding(subject: str, seen: str, remedy: str = "", outcome: Outcome = Outcome.FINE) -> Finding:
    operators = () if outcome is Outcome.FINE else EVERYTHING
    return Finding(
        area=Area.TOKEN, subject=subject, outcome=outcome, seen=seen, remedy=remedy, operators=operators
    )


def _refused(error: FlowServiceError) -> Finding:
    subject = "IMS"
    if not is_permanent(error):
        seen = f"IMS does not issue a token now ({_label(error)})."
        return _finding(subject, seen, "Run this again later.", Outcome.UNKNOWN)
    if error.code in _REJECTIONS:
        meaning, remedy = _REJECTIONS[error.code]
        return _finding(subject, f"IMS refuses a token ({_label(error)}): {meaning}.", remedy, Outcome.BROKEN)
    if isinstance(error, ApiError) and error.code is None:
        remedy = (
            f"A proxy on the way, or another server than Adobe's, may have responded: check {field_name('ims_host')} of"
            " the connection, and ask those who run the network."
        )
        seen = f"The server that refuses a token ({_label(error)}) does not respond as IMS does."
        return _finding(subject, seen, remedy, Outcome.BROKEN)
    remedy = f"{CREDENTIAL}, and compare it with the connection."
    return _finding(subject, f"IMS has not issued a token ({_label(error)}).", remedy, Outcome.BROKEN)


def _label(error: FlowServiceError) -> str:
    # IMS chooses the code, which could be anything if another server responds.
    known = error.code if error.code in _REJECTIONS else None
    status = f"status {error.status}" if error.status else type(error).__name__
    return f"{status}, {known}" if known else status


def _lifetime(settings: Settings, fresh: FreshToken) -> Finding:
    if settings.access_token or fresh.lifetime is None:
        remedy = f"Set {field_name('password')} instead, so that tokens are fetched and renewed."
        seen = "The connection has an access token, which is used as it is until it expires."
        return _finding("lifetime", seen, remedy)
    seen = f"IMS has issued a new token for {fresh.lifetime:.0f} seconds."
    if fresh.lifetime < _SECONDS_PER_HOUR:
        seen += " That is less than an hour: it is renewed often."
    return _finding("lifetime", seen)


def _claims(token: str) -> dict[str, Any]:
    """Return what a token says of itself, without verifying it; nothing if it is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _scopes(settings: Settings, claims: dict[str, Any]) -> Finding:
    scope = claims.get("scope")
    where, names = "The token", scope
    if not isinstance(scope, str):
        where, names = "The token does not show its scopes; what was asked for", settings.scopes
    granted = {name.strip() for name in str(names).replace(" ", ",").split(",")}
    missing = [name for name in DEFAULT_SCOPES.split(",") if name not in granted]
    if not missing:
        return _finding("scopes", f"{where} has all scopes that AEP's guides ask for.")
    remedy = f"If requests are refused, clear {field_name('scopes')} of the connection. {_ADD_API}."
    return _finding("scopes", f"{where} lacks {', '.join(missing)}, which AEP's guides ask for.", remedy)


def _organization(settings: Settings, claims: dict[str, Any]) -> Finding:
    named = {value for value in claims.values() if isinstance(value, str) and value.endswith("@AdobeOrg")}
    client = claims.get("client_id")
    if isinstance(client, str) and client != settings.client_id:
        remedy = f"Set {field_name('login')} of the connection to the client id that it was issued for."
        return _finding("organization", "The token was issued for another client id.", remedy, Outcome.BROKEN)
    if not named:
        return _finding("organization", "The token does not show it; the gateway decides.")
    if settings.org_id in named:
        return _finding("organization", "The token is for the organization of the connection.")
    remedy = f"{CREDENTIAL}, and set {field_name('org_id')} of the connection to the Organization ID there."
    return _finding("organization", "The token is for another organization.", remedy, Outcome.BROKEN)
