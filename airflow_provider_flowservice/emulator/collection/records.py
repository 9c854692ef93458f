"""The record in a message, and whether it fits its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.emulator.flow.mappings import schema_id_of
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.world import Sandbox

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]


def has_envelope(message: Any) -> bool:
    """Return whether a message has ``header`` and ``body`` around its record, or one of them."""
    return isinstance(message, dict) and not {"header", "body"}.isdisjoint(message)


def named_schema(holder: dict[str, Any]) -> object:
    """Return the id of the schema that a header or ``xdmMeta`` names with its content type, or None."""
    reference = holder.get("schemaRef")
    return reference.get("id") if isinstance(reference, dict) and reference.get("contentType") else None


def xdm_violations(message: dict[str, Any], flow: Resource, sandbox: Sandbox) -> list[ValidationError]:
    """Return what is wrong with the record in an XDM message.

    :param message: with a valid envelope, or none.
    :param flow: determines the schema of a record without an envelope.
    """
    if has_envelope(message):
        return violations(message["body"]["xdmEntity"], named_schema(message["header"]), sandbox)
    return violations(message, target_schema(flow, sandbox), sandbox)


def violations(record: Any, schema_id: object, sandbox: Sandbox) -> list[ValidationError]:
    """Return what is wrong with a record; nothing if there is no such schema."""
    validator = SchemaStore.of(sandbox).validator(schema_id)
    return list(validator.iter_errors(record)) if validator else []


def target_schema(flow: Resource, sandbox: Sandbox) -> object:
    """Return the id of the schema of what a flow writes."""
    target = FlowStore.of(sandbox).find(Kind.TARGET_CONNECTIONS, flow.body["targetConnectionIds"][0])
    return schema_id_of(target.body) if target else None
