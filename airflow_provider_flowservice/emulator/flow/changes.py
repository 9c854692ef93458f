"""How a resource is created and changes: by JSON Patch (RFC 6902), by an action, or by deletion."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, HTTP_API, UNIFIED_PROFILE
from airflow_provider_flowservice.emulator.flow.checks import SERVER_FIELDS, check_resource, exports_files
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, invalid
from airflow_provider_flowservice.emulator.flow.mappings import without_fields
from airflow_provider_flowservice.emulator.flow.origin import is_destination_flow
from airflow_provider_flowservice.emulator.flow.schedules import check_start_kept
from airflow_provider_flowservice.emulator.flow.selectors import stamp_segments
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.json_body import check_shape
from airflow_provider_flowservice.emulator.patching import OPERATIONS, PatchError, apply_patch
from airflow_provider_flowservice.emulator.world import Sandbox

_OPERATIONS = frozenset({"add", "replace", "remove"})


def create(sandbox: Sandbox, kind: Kind, body: dict[str, Any], *, draft: bool = False) -> Resource:
    """Add a connection or a flow, with the inlet of an HTTP API connection.

    :param body: as :func:`.checks.accepted_body` returns it.
    :raises FlowError: for the first thing that is wrong with it.
    :raises MissingFieldError: 422 if a field is missing.
    """
    check_resource(kind, body, sandbox, draft=draft)
    if kind is Kind.FLOWS and sandbox.world.switches.fields_in_create == "ignored":
        body = without_fields(body)
    stamp({}, body, sandbox)
    store = FlowStore.of(sandbox)
    if sandbox.world.switches.duplicate_names == "refuse":
        _check_name_free(store, kind, body["name"])
    resource = store.create(kind, body, State.DRAFT if draft else State.ENABLED)
    if kind is Kind.CONNECTIONS and body["connectionSpec"]["id"] == HTTP_API:
        store.open_inlet(resource)
    return resource


def _check_name_free(store: FlowStore, kind: Kind, name: str) -> None:
    holder = next((each for each in store.all(kind) if each.body["name"] == name), None)
    if holder:
        raise _error(FlowCode.NAME_TAKEN, holder, f"already has the name {name!r}")


def check_if_match(supplied: str | None, resource: Resource, *, required: bool) -> None:
    """Compare the header with the resource's etag, quotes included.

    There are no lists, no weak etags and no ``*``: whatever is not exactly the etag in its quotes is
    refused with 412. Only the unquoted and the outdated form are documented; the rest follows from them.

    :param required: whether a missing header is an error.
    :raises FlowError: 400 if it is missing, 412 if it does not match.
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
    """Check the form of a patch and return its operations, with ``op`` in lower case.

    :raises FlowError: if the body is empty, or an operation is not ``add``, ``replace`` or ``remove``.
    """
    if not body:
        raise FlowError(FlowCode.EMPTY_BODY, "The request body is empty.")
    check_shape(body, OPERATIONS, _wrong_operation)
    return [_read_operation(entry) for entry in body]


def _wrong_operation(message: str) -> FlowError:
    return FlowError(FlowCode.PATCH_OPERATION, message)


def _read_operation(entry: dict[str, Any]) -> dict[str, Any]:
    op = entry.get("op", "").lower()
    if op not in _OPERATIONS:
        raise _wrong_operation(f"The operation {entry.get('op')} is not supported.")
    path = entry.get("path", "")
    if not path.startswith("/"):
        raise _wrong_operation("Each operation must have a path that starts with a slash.")
    if path.split("/")[1] in SERVER_FIELDS:
        raise FlowError(FlowCode.FIELD_NOT_PATCHABLE, f"The field {path} cannot be changed.")
    if op == "remove":
        return {"op": op, "path": path}
    if "value" not in entry:
        raise _wrong_operation(f"The operation {op} at {path} must have a value.")
    return {"op": op, "path": path, "value": entry["value"]}


def patched_body(resource: Resource, operations: list[dict[str, Any]], sandbox: Sandbox) -> dict[str, Any]:
    """Apply all operations in their order, or none, and check the result.

    :return: the new body; the resource is not changed.
    :raises FlowError: FLOW-1455 if a path does not exist, or the code of what is wrong with the result.
    """
    body = _patched(resource.body, operations)
    for field in ("connectionSpec", "flowSpec"):
        if body.get(field) != resource.body.get(field):
            raise FlowError(FlowCode.SPEC_UNCHANGEABLE, f"The field {field} cannot be changed.")
    check_resource(resource.kind, body, sandbox, draft=resource.state is State.DRAFT)
    now = sandbox.world.clock.now()
    check_start_kept(resource.body.get("scheduleParams"), body.get("scheduleParams"), now)
    stamp(resource.body, body, sandbox)
    return body


def _patched(body: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        changed: dict[str, Any] = apply_patch(body, operations)
    except PatchError as error:
        if error.path is None:
            raise invalid(f"The patch cannot be applied: {error}.") from error
        raise FlowError(FlowCode.FIELD_MISSING, f'Missing field "{error.path}": {error}') from error
    return changed


def stamp(old: dict[str, Any], new: dict[str, Any], sandbox: Sandbox) -> None:
    """Write the time into what is new in a body, where AEP does so."""
    if exports_files(new, sandbox):
        stamp_segments(old, new, sandbox.world.clock.now())


def perform(sandbox: Sandbox, resource: Resource, op: str) -> None:
    """Perform ``POST /{collection}/{id}/action?op=``, with ``op`` in upper or lower case.

    :raises FlowError: if the action is unknown, is reserved for providers, or does not apply in this state.
    """
    action = op.lower()
    if action == "publish":
        _publish(sandbox, resource)
    elif action in ("enable", "disable") and resource.kind is Kind.FLOWS:
        _switch(sandbox, resource, State.ENABLED if action == "enable" else State.DISABLED)
    else:
        raise FlowError(
            FlowCode.ACTION_NOT_PERMITTED,
            f"The action {op} is not permitted on {resource.kind.value}.",
            kind=resource.kind.value,
            resource_id=resource.id,
        )


def _switch(sandbox: Sandbox, resource: Resource, wanted: State) -> None:
    if resource.state is State.DRAFT:
        raise _error(FlowCode.TRANSITION_REFUSED, resource, f"cannot go from draft to {wanted.value}")
    if resource.state is wanted:
        raise _error(FlowCode.ACTION_NOT_APPLICABLE, resource, f"is already {wanted.value}")
    FlowStore.of(sandbox).change(resource, state=wanted)


def _publish(sandbox: Sandbox, resource: Resource) -> None:
    if resource.state is not State.DRAFT:
        raise _error(FlowCode.ACTION_NOT_APPLICABLE, resource, "is not a draft")
    check_resource(resource.kind, resource.body, sandbox, draft=False)
    FlowStore.of(sandbox).change(resource, state=State.ENABLED)


def _error(code: FlowCode, resource: Resource, why: str) -> FlowError:
    message = f"The {resource.kind.value} resource {resource.id} {why}."
    return FlowError(code, message, kind=resource.kind.value, resource_id=resource.id)


def delete(store: FlowStore, resource: Resource) -> None:
    """Delete a resource.

    That a base connection in use is refused with FLOW-1418 is documented. That source and target
    connections in use are refused too, and with which code, is a guess.

    :raises FlowError: if another resource refers to it.
    """
    user = next(store.users_of(resource), None)
    if user is not None:
        is_base = resource.kind is Kind.CONNECTIONS
        raise _error(
            FlowCode.BASE_CONNECTION_IN_USE if is_base else FlowCode.WRONG_STATE_FOR_DELETE,
            resource,
            f"is used by {user.kind.value} {user.id}",
        )
    store.delete(resource)


def delete_status(resource: Resource, sandbox: Sandbox) -> int:
    """Return the status of a deletion: 202 in the document about destinations, 204 in that about sources."""
    response = sandbox.world.switches.delete_response
    if response != "by-role":
        return int(response)
    return 202 if _belongs_to_destinations(resource, sandbox) else 204


def _belongs_to_destinations(resource: Resource, sandbox: Sandbox) -> bool:
    if resource.kind is Kind.FLOWS:
        return is_destination_flow(resource.body, sandbox)
    spec = CONNECTION_SPECS[resource.body["connectionSpec"]["id"]]
    return spec.is_destination or spec.id == UNIFIED_PROFILE
