"""What Flow Service checks before it stores a resource: on create, and again after a patch.

Documented: unknown specs, a missing spec version (422), wrong auth spec names, ``state`` in a create, wrong
mappings. That parents must exist and fit is documented only as a rule; code and wording of those refusals
are guesses.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.flow.connection_checks import check_connection
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, MissingFieldError
from airflow_provider_flowservice.emulator.flow.flow_checks import check_flow
from airflow_provider_flowservice.emulator.flow.rules import invalid
from airflow_provider_flowservice.emulator.flow.store import Kind
from airflow_provider_flowservice.emulator.world import Sandbox

SERVER_FIELDS = frozenset(
    {
        "id",
        "createdAt",
        "updatedAt",
        "createdBy",
        "updatedBy",
        "createdClient",
        "updatedClient",
        "sandboxId",
        "sandboxName",
        "imsOrgId",
        "state",
        "version",
        "etag",
        "inheritedAttributes",
        "typeInfo",
        "runs",
        "lastOperation",
        "lastRunDetails",
    }
)
_IGNORED = frozenset({"baseConnection", "providerId"})


def accepted_body(body: Any, *, ignore_legacy: bool) -> dict[str, Any]:
    """Give the part of a create's body that is kept.

    :param ignore_legacy: drop ``baseConnection``, which old tutorials print, instead of refusing it.
    :raises FlowError: for an empty body, one that is no object, or one that sets ``state``.
    """
    if not body:
        raise FlowError(FlowCode.EMPTY_BODY, "The request body is empty.")
    if not isinstance(body, dict):
        raise invalid("The request body must be an object.")
    if "state" in body:
        raise FlowError(FlowCode.STATE_IN_CREATE, "The field state cannot be set by a create request.")
    if "baseConnection" in body and not ignore_legacy:
        raise invalid("The field baseConnection is unknown; use baseConnectionId.")
    return {name: value for name, value in body.items() if name not in SERVER_FIELDS | _IGNORED}


def check(kind: Kind, body: dict[str, Any], sandbox: Sandbox, *, draft: bool) -> None:
    """Check a whole resource.

    :param draft: whether it is one, so that it may refer to drafts.
    :raises FlowError: for the first thing that is wrong.
    :raises MissingFieldError: 422 when a field is missing.
    """
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise MissingFieldError("'name' is required")
    if kind is Kind.FLOWS:
        check_flow(body, sandbox, draft)
    else:
        check_connection(kind, body, sandbox, draft)
