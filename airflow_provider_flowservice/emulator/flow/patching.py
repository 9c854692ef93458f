"""PATCH: the If-Match header and JSON Patch (RFC 6902)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch

from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError
from airflow_provider_flowservice.emulator.flow.store import Resource
from airflow_provider_flowservice.emulator.flow.validation import SERVER_FIELDS

_OPERATIONS = frozenset({"add", "replace", "remove"})


def check_if_match(supplied: str | None, resource: Resource, *, required: bool) -> None:
    """Compare the header with the resource's etag, quotes included.

    There are no lists, no weak etags and no ``*``: whatever is not exactly the etag in its quotes is
    refused with 412. Only the unquoted and the outdated form are documented; the rest follows from them.

    :param required: a missing header is an error.
    :raises FlowError: 400 when it is missing, 412 when it does not match.
    """
    if supplied is None:
        if required:
            raise FlowError(FlowCode.IF_MATCH_MISSING, "The If-Match header is required for this request.")
        return
    if supplied.strip() != resource.etag:
        raise FlowError(
            FlowCode.VERSION_MISMATCH,
            f"Supplied version=[{supplied.strip()}] does not match"
            f" the current version on entity=[{resource.etag}]",
        )


def read_operations(body: Any) -> list[dict[str, Any]]:
    """Check the form of a patch and give its operations in lower case.

    :raises FlowError: for an empty body or an operation that is not ``add``, ``replace`` or ``remove``.
    """
    if not body:
        raise FlowError(FlowCode.EMPTY_BODY, "The request body is empty.")
    if not isinstance(body, list):
        raise FlowError(FlowCode.PATCH_OPERATION, "The body of a patch must be a list of operations.")
    return [_read_operation(entry) for entry in body]


def _read_operation(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise FlowError(FlowCode.PATCH_OPERATION, "Each operation must be an object.")
    op = str(entry.get("op")).lower()
    if op not in _OPERATIONS:
        raise FlowError(FlowCode.PATCH_OPERATION, f"The operation {entry.get('op')} is not supported.")
    path = entry.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise FlowError(FlowCode.PATCH_OPERATION, "Each operation must have a path that starts with a slash.")
    if path.split("/")[1] in SERVER_FIELDS:
        raise FlowError(FlowCode.FIELD_NOT_PATCHABLE, f"The field {path} cannot be changed.")
    if op == "remove":
        return {"op": op, "path": path}
    if "value" not in entry:
        raise FlowError(FlowCode.PATCH_OPERATION, f"The operation {op} at {path} must have a value.")
    return {"op": op, "path": path, "value": entry["value"]}


def patched(body: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply all operations in their order, or none.

    :return: a new body; the old one is left as it was.
    :raises FlowError: FLOW-1455 when a path does not lead anywhere.
    """
    document = deepcopy(body)
    for operation in operations:
        _apply(document, operation)
    return document


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    try:
        jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        message = f'Missing field "{operation["path"]}": {error}'
        raise FlowError(FlowCode.FIELD_MISSING, message) from error
