"""What is checked of base, source and target connections."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

from airflow_provider_flowservice.emulator.catalog.store import DatasetStore
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS, DATA_LAKE
from airflow_provider_flowservice.emulator.flow.errors import (
    FlowCode,
    FlowError,
    InvalidSpecIdError,
    MissingFieldError,
    not_found,
)
from airflow_provider_flowservice.emulator.flow.rules import (
    check_published,
    invalid,
    schema_id_of,
    spec_reference,
)
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec, Role
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.world import Sandbox

_VERSIONS = frozenset({"1.0", "1"})


def check_connection(kind: Kind, body: dict[str, Any], sandbox: Sandbox, draft: bool) -> None:
    """Check a connection of any kind.

    :raises FlowError: for the first thing that is wrong.
    :raises MissingFieldError: when the spec has no version.
    """
    spec = _connection_spec(body)
    if draft and not spec.drafts:
        raise FlowError(
            FlowCode.DRAFT_NOT_SUPPORTED, f"Connection spec {spec.id} does not support draft mode."
        )
    if kind is Kind.CONNECTIONS:
        _check_auth(body, spec)
        return
    _check_base(body.get("baseConnectionId"), spec, FlowStore.of(sandbox), draft)
    if kind is Kind.TARGET_CONNECTIONS:
        _check_target(body, spec, sandbox)


def _connection_spec(body: dict[str, Any]) -> ConnectionSpec:
    reference = spec_reference(body, "connectionSpec")
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
        raise FlowError(FlowCode.AUTH_SPEC_INVALID, _explain(error))


def _explain(error: ValidationError) -> str:
    """Say which rule is broken, and where. The value may be a secret, so it is not told."""
    where = ".".join(("auth", "params", *map(str, error.path)))
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{where}.{missing} is required."
    if error.validator == "anyOf":
        names = " or ".join(option["required"][0] for option in error.validator_value)
        return f"{where} must have {names}."
    return f"{where} does not have the {error.validator} {error.validator_value}."


def _check_base(base_id: object, spec: ConnectionSpec, store: FlowStore, draft: bool) -> None:
    if base_id is None:
        if spec.role is Role.PLATFORM:
            return
        raise invalid(f"baseConnectionId is required for connection spec {spec.id}.")
    base = store.find(Kind.CONNECTIONS, base_id)
    if base is None:
        raise not_found(Kind.CONNECTIONS.value, str(base_id))
    if base.body["connectionSpec"]["id"] != spec.id:
        raise invalid(f"The base connection {base.id} has another connection spec than {spec.id}.")
    check_published(base, draft)


def _check_target(body: dict[str, Any], spec: ConnectionSpec, sandbox: Sandbox) -> None:
    params = body.get("params") or {}
    if not isinstance(params, dict):
        raise invalid("params must be an object.")
    missing = next((name for name in spec.target_params if not params.get(name)), None)
    if missing:
        raise invalid(f"params.{missing} is required for connection spec {spec.id}.")
    if spec.id != DATA_LAKE:
        return
    if SchemaStore.of(sandbox).find(schema_id_of(body)) is None:
        raise invalid(f"data.schema.id {schema_id_of(body)} is not a schema of this sandbox.")
    if DatasetStore.of(sandbox).find(params["dataSetId"]) is None:
        raise invalid(f"params.dataSetId {params['dataSetId']} is not a dataset of this sandbox.")
