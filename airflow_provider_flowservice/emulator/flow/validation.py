"""What Flow Service checks before it stores a resource: on create, and again after a patch.

Documented: unknown specs, a missing spec version (422), wrong auth spec names, ``state`` in a create. That
parents must exist and fit is documented only as a rule; code and wording of those refusals are guesses.
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, DATA_LAKE, FLOW_SPECS
from airflow_provider_flowservice.emulator.flow.errors import (
    FlowCode,
    FlowError,
    InvalidSpecIdError,
    MissingFieldError,
    not_found,
)
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec, FlowSpec, Role
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State

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
_VERSIONS = frozenset({"1.0", "1"})
_ENDS = (
    ("sourceConnectionIds", Kind.SOURCE_CONNECTIONS),
    ("targetConnectionIds", Kind.TARGET_CONNECTIONS),
)


def accepted_body(body: Any, *, ignore_legacy: bool) -> dict[str, Any]:
    """Give the part of a create's body that is kept.

    :param ignore_legacy: drop ``baseConnection``, which old tutorials print, instead of refusing it.
    :raises FlowError: for an empty body, one that is no object, or one that sets ``state``.
    """
    if not body:
        raise FlowError(FlowCode.EMPTY_BODY, "The request body is empty.")
    if not isinstance(body, dict):
        raise _invalid("The request body must be an object.")
    if "state" in body:
        raise FlowError(FlowCode.STATE_IN_CREATE, "The field state cannot be set by a create request.")
    if "baseConnection" in body and not ignore_legacy:
        raise _invalid("The field baseConnection is unknown; use baseConnectionId.")
    return {
        name: value
        for name, value in body.items()
        if name not in SERVER_FIELDS | {"baseConnection", "providerId"}
    }


def check(kind: Kind, body: dict[str, Any], store: FlowStore, *, draft: bool) -> None:
    """Check a whole resource.

    :param draft: whether it is one, so that it may refer to drafts.
    :raises FlowError: for the first thing that is wrong.
    :raises MissingFieldError: 422 when a field is missing.
    """
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise MissingFieldError("'name' is required")
    if kind is Kind.FLOWS:
        _check_flow(body, store, draft)
        return
    spec = _connection_spec(body)
    if draft and not spec.drafts:
        raise FlowError(
            FlowCode.DRAFT_NOT_SUPPORTED, f"Connection spec {spec.id} does not support draft mode."
        )
    if kind is Kind.CONNECTIONS:
        _check_auth(body, spec)
    else:
        _check_end(kind, body, spec, store, draft)


def _invalid(message: str) -> FlowError:
    return FlowError(FlowCode.FIELD_INVALID, message)


def _spec_reference(body: dict[str, Any], field: str) -> dict[str, Any]:
    reference = body.get(field)
    if not isinstance(reference, dict) or not isinstance(reference.get("id"), str):
        raise InvalidSpecIdError
    return reference


def _connection_spec(body: dict[str, Any]) -> ConnectionSpec:
    reference = _spec_reference(body, "connectionSpec")
    if reference.get("version") is None:
        raise MissingFieldError("connectionSpec.version 'version' is required for spec info")
    spec = CONNECTION_SPECS.get(reference["id"])
    if spec is None or str(reference["version"]) not in _VERSIONS:
        raise InvalidSpecIdError
    return spec


def _check_auth(body: dict[str, Any], spec: ConnectionSpec) -> None:
    auth = body.get("auth")
    if not spec.auth and auth is None:
        return
    if not isinstance(auth, dict):
        raise FlowError(FlowCode.AUTH_SPEC_INVALID, f"auth is required for connection spec {spec.id}.")
    auth_spec = spec.auth_spec(auth.get("specName"))
    if auth_spec is None:
        raise FlowError(
            FlowCode.AUTH_SPEC_INVALID,
            f"The auth spec name {auth.get('specName')} is not found in the connection spec {spec.id}.",
        )
    error = next(Draft7Validator(auth_spec.schema()).iter_errors(auth.get("params")), None)
    if error is not None:
        # The value may be a secret, so only the rule that it breaks is told.
        raise FlowError(FlowCode.AUTH_SPEC_INVALID, _explain(error))


def _explain(error: Any) -> str:
    where = ".".join(("auth", "params", *map(str, error.path)))
    if error.validator == "required":
        missing = next((name for name in error.validator_value if name not in error.instance), "")
        return f"{where}.{missing} is required."
    if error.validator == "anyOf":
        names = " or ".join(option["required"][0] for option in error.validator_value)
        return f"{where} must have {names}."
    return f"{where} does not have the {error.validator} {error.validator_value}."


def _check_end(kind: Kind, body: dict[str, Any], spec: ConnectionSpec, store: FlowStore, draft: bool) -> None:
    base_id = body.get("baseConnectionId")
    if base_id is not None:
        _check_base(base_id, spec, store, draft)
    elif spec.role is not Role.PLATFORM:
        raise _invalid(f"baseConnectionId is required for connection spec {spec.id}.")
    if kind is Kind.TARGET_CONNECTIONS:
        _check_target(body, spec)


def _check_base(base_id: object, spec: ConnectionSpec, store: FlowStore, draft: bool) -> None:
    base = store.find(Kind.CONNECTIONS, base_id)
    if base is None:
        raise not_found(Kind.CONNECTIONS.value, str(base_id))
    if base.body["connectionSpec"]["id"] != spec.id:
        raise _invalid(f"The base connection {base.id} has another connection spec than {spec.id}.")
    _check_published(base, draft)


def _check_published(parent: Resource, draft: bool) -> None:
    if parent.state is State.DRAFT and not draft:
        raise FlowError(
            FlowCode.PUBLISH_ORDER,
            f"The {parent.kind.value} resource {parent.id} is a draft and must be published first.",
            kind=parent.kind.value,
            resource_id=parent.id,
        )


def _check_target(body: dict[str, Any], spec: ConnectionSpec) -> None:
    params = body.get("params") or {}
    missing = next((name for name in spec.target_params if not params.get(name)), None)
    if missing:
        raise _invalid(f"params.{missing} is required for connection spec {spec.id}.")
    if spec.id == DATA_LAKE and not _schema_id(body):
        raise _invalid("data.schema.id is required for a target connection to the data lake.")


def _schema_id(body: dict[str, Any]) -> object:
    data = body.get("data")
    schema = data.get("schema") if isinstance(data, dict) else None
    return schema.get("id") if isinstance(schema, dict) else None


def _check_flow(body: dict[str, Any], store: FlowStore, draft: bool) -> None:
    spec = FLOW_SPECS.get(_spec_reference(body, "flowSpec")["id"])
    if spec is None:
        raise InvalidSpecIdError
    if draft and not spec.drafts:
        raise FlowError(FlowCode.DRAFT_NOT_SUPPORTED, f"Flow spec {spec.id} does not support draft mode.")
    for (field, kind), allowed in zip(_ENDS, (spec.sources, spec.targets), strict=True):
        for end in _flow_ends(body, field, kind, store):
            if end.body["connectionSpec"]["id"] not in allowed:
                raise _invalid(f"The flow spec {spec.id} does not take the {kind.value} resource {end.id}.")
            _check_published(end, draft)
    _check_transformations(body.get("transformations", []), spec)


def _flow_ends(body: dict[str, Any], field: str, kind: Kind, store: FlowStore) -> list[Resource]:
    ids = body.get(field)
    if not isinstance(ids, list) or not ids:
        raise _invalid(f"{field} must be a list of ids that is not empty.")
    ends = [(end_id, store.find(kind, end_id)) for end_id in ids]
    missing = next((end_id for end_id, end in ends if end is None), None)
    if missing is not None:
        raise not_found(kind.value, str(missing))
    return [end for _, end in ends if end is not None]


def _check_transformations(transformations: Any, spec: FlowSpec) -> None:
    if not isinstance(transformations, list):
        raise _invalid("transformations must be a list.")
    for entry in transformations:
        if not isinstance(entry, dict) or not isinstance(entry.get("params"), dict):
            raise _invalid("Each of transformations must have a name and params.")
        if entry.get("name") not in spec.transformations:
            raise _invalid(
                f"The flow spec {spec.id} does not take a transformation named {entry.get('name')}."
            )
        for field in ("segmentSelectors", "profileSelectors"):
            _check_selectors(field, entry["params"].get(field))


def _check_selectors(field: str, group: Any) -> None:
    if group is None:
        return
    selectors = group.get("selectors", []) if isinstance(group, dict) else None
    if not isinstance(selectors, list) or not all(_is_selector(each) for each in selectors):
        raise _invalid(f"{field}.selectors must be a list of selectors, each with a type and a value.")


def _is_selector(selector: Any) -> bool:
    return isinstance(selector, dict) and "type" in selector and isinstance(selector.get("value"), dict)
