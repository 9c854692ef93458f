"""Checks that connections and flows share."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, InvalidSpecIdError
from airflow_provider_flowservice.emulator.flow.store import Resource, State


def invalid(message: str) -> FlowError:
    """A field that does not hold what it must. Which code AEP gives here is a guess."""
    return FlowError(FlowCode.FIELD_INVALID, message)


def spec_reference(body: dict[str, Any], field: str) -> dict[str, Any]:
    """The ``{"id", "version"}`` in a field.

    :raises InvalidSpecIdError: when there is none.
    """
    reference = body.get(field)
    if not isinstance(reference, dict) or not isinstance(reference.get("id"), str):
        raise InvalidSpecIdError
    return reference


def check_published(parent: Resource, draft: bool) -> None:
    """Only a draft may refer to a draft.

    :raises FlowError: when the parent must be published first.
    """
    if parent.state is State.DRAFT and not draft:
        raise FlowError(
            FlowCode.PUBLISH_ORDER,
            f"The {parent.kind.value} resource {parent.id} is a draft and must be published first.",
            kind=parent.kind.value,
            resource_id=parent.id,
        )


def schema_id_of(target: dict[str, Any]) -> object:
    """The schema that a target connection to the data lake writes to; None when it names none."""
    data = target.get("data")
    schema = data.get("schema") if isinstance(data, dict) else None
    return schema.get("id") if isinstance(schema, dict) else None
