"""What a person can do about an error that AEP reports."""

from __future__ import annotations

from airflow_provider_flowservice.client.errors import ApiError, FlowServiceError
from airflow_provider_flowservice.client.settings import Settings

_ROLE = "Add the credential to a role in AEP's Permissions; a product profile alone is not enough."
_ORG = (
    "Check extra 'org_id' ({org_id}) of the connection, and that the credential belongs to that organization."
)
_SANDBOX = (
    "Sandbox {sandbox!r} does not exist for this credential. Check its name, or "
    + _ROLE[0].lower()
    + _ROLE[1:]
)
_API_KEY = "The login of the connection must be the client id ({client_id}) that the token was issued for."
_REFUSED = "Check that client id, client secret and organization belong together."

#: AEP's code, without the HTTP status that some of them end with, to what to do.
_BY_CODE = {
    "401013": _REFUSED,
    "403000": _API_KEY,
    "403003": _API_KEY,
    "400003": _ORG,
    "403025": _ORG,
    "403027": _ORG,
    "FLOW-2000": _ORG,
    "FLOW-2001": _ORG,
    "FLOW-2002": _ORG,
    "FLOW-2100": _SANDBOX,
    "FLOW-2101": _SANDBOX,
    "FLOW-2102": _SANDBOX,
    "FLOW-2103": _SANDBOX,
    "FLOW-2118": _ROLE,
    "FLOW-2120": _ROLE,
    "FLOW-2121": _ROLE,
}


def advise(error: FlowServiceError, settings: Settings) -> str:
    """The remedy for an error, or an empty text where none is known."""
    if not isinstance(error, ApiError):
        return ""
    code = error.code or ""
    stem = code if code in _BY_CODE else code.rpartition("-")[0]
    remedy = _BY_CODE.get(stem, _ROLE if error.status == 403 else "")
    return remedy.format(org_id=settings.org_id, sandbox=settings.sandbox, client_id=settings.client_id)
