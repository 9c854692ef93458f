"""What the fields of a connection are called: in Airflow's form, and in every message about them.

Airflow reads the form in all of its processes, so this module imports nothing.
"""

from __future__ import annotations

#: Label of each of Airflow's own fields that a connection uses.
STANDARD_FIELDS = {"host": "API gateway", "port": "Port", "login": "Client ID", "password": "Client secret"}
#: Label of each extra.
EXTRAS = {
    "org_id": "Organization ID",
    "sandbox": "Sandbox",
    "ims_host": "IMS host",
    "collection_host": "Collection host",
    "connect_timeout": "Connect timeout",
    "read_timeout": "Read timeout",
    "proxy": "Proxy",
    "ca_file": "CA file",
    "access_token": "Access token",
    "scopes": "Scopes",
    "token_cache": "Token cache",
    "retries": "Retries",
    "retry_budget": "Retry budget",
}


def field_name(name: str) -> str:
    """Return what messages call a field: its label, for the form, and its name, for a connection as JSON or URI.

    :param name: name of the field or extra, for example ``login`` or ``org_id``.
    :returns: for example ``Client ID (login)`` or ``Organization ID (extra org_id)``.
    """
    if name in STANDARD_FIELDS:
        return f"{STANDARD_FIELDS[name]} ({name})"
    return f"{EXTRAS[name]} (extra {name})"
