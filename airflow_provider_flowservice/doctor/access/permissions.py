"""Whether the credential may read each service that the operators use and, as far as reads show, change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.model import JsonObject, member, objects
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome, Progress
from airflow_provider_flowservice.doctor.services import Service

if TYPE_CHECKING:
    from airflow_provider_flowservice.doctor.aep import Aep, Answer

_EMPTY = " AEP may also show an empty list if a permission is missing."
_NOT_THERE = "If your organization has licensed it, ask Adobe's support, or check that the host is AEP's."


def examine_permissions(aep: Aep, progress: Progress) -> list[Finding]:
    """Read a little of each service."""
    findings = []
    for service in Service:
        progress(f"Permissions: {service.title}")
        findings.append(_examine(aep, service))
    return findings


def _examine(aep: Aep, service: Service) -> Finding:
    if service.probe is None:
        seen = f"It has nothing to read: the first run of {' or '.join(service.operators)} shows whether it works."
        return _finding(service, Outcome.SKIPPED, seen, f"It requires {service.permissions}.")
    path = f"{service.base}{service.probe.path}"
    try:
        answer = aep.get(path, service.probe.params, service.probe.headers)
    except FlowServiceError as error:
        return _unknown(service, f"There is no response ({type(error).__name__}).")
    if answer.status == 403:
        return _forbidden(service, answer)
    if answer.status in (404, 501):
        return _unknown(service, f"It does not exist here (status {answer.label}).", _NOT_THERE)
    if not answer.is_success:
        return _unknown(service, f"AEP responds with status {answer.label}.")
    if answer.document is None:
        return _unknown(service, "The response is not JSON.")
    return _finding(service, Outcome.FINE, _readable(aep, service, answer))


def _finding(service: Service, outcome: Outcome, seen: str, remedy: str = "") -> Finding:
    affects = outcome in (Outcome.BROKEN, Outcome.UNKNOWN)
    return Finding(
        area=Area.PERMISSIONS,
        subject=service.title,
        outcome=outcome,
        seen=seen,
        remedy=remedy,
        operators=service.operators if affects else (),
        partly=service.partly if affects else (),
    )


def _forbidden(service: Service, answer: Answer) -> Finding:
    remedy = (
        f"In AEP, open Permissions > Roles > your role: it must have {service.permissions} under Permissions, the"
        " sandbox under Sandboxes, and the credential under API credentials. A product profile alone is not enough."
    )
    return _finding(service, Outcome.BROKEN, f"It may not be read (status {answer.label}).", remedy)


def _unknown(service: Service, seen: str, remedy: str = "Run this again later.") -> Finding:
    return _finding(service, Outcome.UNKNOWN, seen, remedy)


def _readable(aep: Aep, service: Service, answer: Answer) -> str:
    if not service.is_changed:
        return "It may be read; the operators do not change it."
    items = _items(answer.document)
    if not items:
        return f"It may be read; nothing is there.{_EMPTY}"
    if not service.shows_creator:
        return "It may be read. Reads do not show whether it may be changed."
    own = sum(member(item, "createdClient") == aep.settings.client_id for item in items)
    if own:
        return f"It may be read, and changed: {own} of the newest {len(items)} were made by this credential."
    return "It may be read. Nothing among the newest shows that this credential may change it."


def _items(document: Any) -> list[JsonObject]:
    """Return the objects of a list, which each service has in another member; Catalog has them by id."""
    for name in ("items", "results", "children", "data"):
        if found := objects(document, name):
            return found
    by_id = document.values() if isinstance(document, dict) else ()
    return [each for each in by_id if isinstance(each, dict) and "name" in each]
