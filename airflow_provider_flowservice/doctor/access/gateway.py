"""What the gateway makes of token, API key, organization and sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.model import Frozen, member
from airflow_provider_flowservice.connection_fields import field_name
from airflow_provider_flowservice.doctor.access.token import CREDENTIAL
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING

if TYPE_CHECKING:
    from airflow_provider_flowservice.doctor.aep import Aep, Answer


class _Meaning(Frozen, frozen=True):
    area: Area
    subject: str
    seen: str
    remedy: str


_KEY = _Meaning(
    Area.GATEWAY,
    "API key",
    "The gateway does not accept the client id as an API key",
    f"{CREDENTIAL}, and set {field_name('login')} of the connection to the Client ID for which the token is issued."
    " Under Projects > your project > Add API, the project must have Experience Platform API.",
)
_ORGANIZATION = _Meaning(
    Area.GATEWAY,
    "organization",
    "The credential has no access to the organization",
    f"{CREDENTIAL}, and set {field_name('org_id')} of the connection to the Organization ID there. In Adobe's Admin"
    " Console, open Products > Adobe Experience Platform > the product profile > API credentials, and add the"
    " credential.",
)
_TOKEN = _Meaning(
    Area.GATEWAY,
    "token",
    "The gateway does not accept the token",
    f"Check that {field_name('login')}, {field_name('password')} and {field_name('org_id')} of the connection belong"
    f" together. If {field_name('access_token')} is set, it may have expired: set it to a new one.",
)
_SANDBOX = _Meaning(
    Area.SANDBOX,
    "existence",
    "The sandbox does not exist for this credential",
    f"In AEP, open Sandboxes, and set {field_name('sandbox')} of the connection, or --sandbox, to what is in the column"
    f" Name (not Title). If it is right, open Permissions > Roles > your role > Edit, add the sandbox under Sandboxes,"
    " and under API credentials add the credential.",
)
_NO_SANDBOX = _Meaning(
    Area.SANDBOX,
    "existence",
    "The request does not name a sandbox in the form that AEP expects",
    _SANDBOX.remedy,
)
#: By AEP's error code, without the HTTP status at the end of some codes.
_BY_CODE = {
    "401013": _TOKEN,
    "403010": _TOKEN,
    "FLOW-2114": _TOKEN,
    "FLOW-2115": _TOKEN,
    "403000": _KEY,
    "403003": _KEY,
    "400003": _ORGANIZATION,
    "403025": _ORGANIZATION,
    "403027": _ORGANIZATION,
    "FLOW-2000": _ORGANIZATION,
    "FLOW-2001": _ORGANIZATION,
    "FLOW-2002": _ORGANIZATION,
    "FLOW-2100": _SANDBOX,
    "FLOW-2101": _SANDBOX,
    "FLOW-2102": _SANDBOX,
    "FLOW-2103": _SANDBOX,
    "FLOW-2105": _NO_SANDBOX,
    "FLOW-2110": _NO_SANDBOX,
    "FLOW-2111": _NO_SANDBOX,
}
_ACCEPTED = "Token, API key and organization are accepted."


def examine_gateway(aep: Aep) -> tuple[list[Finding], bool]:
    """Send one request with a token, and the question for the type of the sandbox.

    :returns: what was found, and whether further requests can succeed.
    """
    try:
        answer = aep.get_flow_service("/flows", ("limit", "1"))
    except FlowServiceError as error:
        seen = f"There is no response ({type(error).__name__})."
        return [_unknown(seen)], False
    meaning = _meaning_of(answer)
    if meaning is not None:
        before = [_fine(Area.GATEWAY, "headers", _ACCEPTED)] if meaning.area is Area.SANDBOX else []
        return [*before, _broken(meaning, answer)], False
    if answer.status >= 500 or answer.status == 429 or answer.document is None:
        return [_unknown(f"AEP does not respond as documented (status {answer.label}).")], False
    findings = [_fine(Area.GATEWAY, "headers", _ACCEPTED)]
    if answer.is_success:
        findings.append(_fine(Area.SANDBOX, "existence", "It exists for this credential."))
    return [*findings, _type_of_sandbox(aep)], True


def _meaning_of(answer: Answer) -> _Meaning | None:
    code = answer.code or ""
    if known := _BY_CODE.get(code) or _BY_CODE.get(code.rpartition("-")[0]):
        return known
    if answer.status == 401:
        return _TOKEN
    # A list exists in every sandbox. The old form of Flow Service's errors has no code.
    if answer.status == 404 and answer.document is not None:
        return _SANDBOX
    return None


def _fine(area: Area, subject: str, seen: str) -> Finding:
    return Finding(area=area, subject=subject, outcome=Outcome.FINE, seen=seen)


def _unknown(seen: str) -> Finding:
    return Finding(
        area=Area.GATEWAY,
        subject="headers",
        outcome=Outcome.UNKNOWN,
        seen=seen,
        remedy="Run this again later; status.adobe.com shows the outages that Adobe knows of.",
        operators=EVERYTHING,
    )


def _broken(meaning: _Meaning, answer: Answer) -> Finding:
    return Finding(
        area=meaning.area,
        subject=meaning.subject,
        outcome=Outcome.BROKEN,
        seen=f"{meaning.seen} (status {answer.label}).",
        remedy=meaning.remedy,
        operators=EVERYTHING,
    )


def _type_of_sandbox(aep: Aep) -> Finding:
    """Say whether AEP calls the sandbox production. Only ``--with-writes`` depends on it."""
    try:
        found = member(aep.get_sandbox().document, "type")
    except FlowServiceError:
        found = None
    if found in ("production", "development"):
        seen = f"AEP says that it is a {found} sandbox."
        if found == "production":
            seen += " --with-writes makes nothing in it."
    else:
        seen = "AEP does not say whether it is production. --with-writes makes nothing in it then."
    return _fine(Area.SANDBOX, "type", seen)
