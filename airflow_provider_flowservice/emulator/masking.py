"""Hides secrets before anything is shown: in the journal, in the state, on the page."""

from __future__ import annotations

from typing import Any

MASK = "********"

_SECRET_KEYS = frozenset(
    {
        "accesstoken",
        "applicationsecret",
        "authorization",
        "clientsecret",
        "connectionstring",
        "credentials",
        "jwttoken",
        "passphrase",
        "password",
        "privatekey",
        "s3secretkey",
        "saskey",
        "sasuri",
        "secretaccesskey",
        "secretkey",
        "serviceprincipalkey",
        "sshkey",
        "token",
    }
)


def is_secret_key(name: str) -> bool:
    """Return whether a field of this name holds a secret; case, ``_`` and ``-`` do not matter."""
    return name.replace("_", "").replace("-", "").lower() in _SECRET_KEYS


def masked(value: Any) -> Any:
    """Return a copy of a JSON value in which each secret is replaced by :data:`MASK`.

    A JSON Patch operation names the field in its ``path``, so that name decides whether its value is masked.
    """
    if isinstance(value, list):
        return [masked(item) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: MASK if _hides(key, item) else masked(item) for key, item in value.items()}
    path = value.get("path")
    if "op" in value and isinstance(path, str) and is_secret_key(path.rpartition("/")[2]):
        copy["value"] = MASK
    return copy


def _hides(key: str, value: Any) -> bool:
    return is_secret_key(key) and value is not None


def masked_header(name: str, value: str) -> str:
    """Mask the value of an ``Authorization`` header, but not its scheme."""
    if not is_secret_key(name):
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space else MASK
