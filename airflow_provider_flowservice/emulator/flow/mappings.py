"""What a flow refers to in a mapping set: its version, its target, and the fields that a file must have."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.dataprep.store import MappingSet, MappingSetVersion, MappingStore
from airflow_provider_flowservice.emulator.flow.catalogue import MAPPING_TRANSFORM, PROFILE_TRANSFORM
from airflow_provider_flowservice.emulator.flow.errors import FlowCode, FlowError, invalid
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES
from airflow_provider_flowservice.emulator.flow.store import Resource
from airflow_provider_flowservice.emulator.world import Sandbox

#: What a flow to a file destination takes, empty.
_EMPTY_FIELDS: dict[str, Any] = {"mandatoryFields": [], "primaryFields": [], "profileMapping": {}}
#: The standard identity namespaces in Adobe's samples. A namespace of one's own must be mapped to be known here.
_NAMESPACES = frozenset(
    {
        "AAID",
        "AdCloud",
        "CORE",
        "ECID",
        "Email",
        "Email_LC_SHA256",
        "GAID",
        "Google",
        "IDFA",
        "Phone",
        "Phone_E.164",
        "Phone_SHA256",
        "Phone_SHA256_E.164",
        "TNTID",
        "WAID",
    }
)
#: Kinds of primary fields, and the member that each of them must have.
_PRIMARY_FIELDS = {"ATTRIBUTE": "attributePath", "IDENTITY": "identityNamespace"}


def check_mappings(transformations: list[Any], targets: list[Resource], sandbox: Sandbox) -> None:
    """Check the mapping sets and fields that the transformations of a flow refer to.

    :raises FlowError: for the first thing that is wrong.
    """
    for entry in transformations:
        if entry["name"] == MAPPING_TRANSFORM:
            _check_source_mapping(entry["params"], targets, sandbox)
        elif entry["name"] == PROFILE_TRANSFORM:
            _check_fields(entry["params"], sandbox)


def without_fields(body: dict[str, Any]) -> dict[str, Any]:
    """Return a flow without mapping set, mandatory and primary fields, as if its create had left them empty."""

    def emptied(entry: dict[str, Any]) -> dict[str, Any]:
        empty = {name: value for name, value in _EMPTY_FIELDS.items() if name in entry["params"]}
        return {**entry, "params": entry["params"] | empty}

    if "transformations" not in body:
        return body
    return {**body, "transformations": [emptied(entry) for entry in body["transformations"]]}


def schema_id_of(target: dict[str, Any]) -> str | None:
    """Return the schema that a target connection to the data lake writes to, if it names one."""
    data = target.get("data") or {}
    return (data.get("schema") or {}).get("id")


def _check_source_mapping(params: dict[str, Any], targets: list[Resource], sandbox: Sandbox) -> None:
    mapping_set, version = _find(params, sandbox)
    for target in targets:
        wanted = schema_id_of(target.body)
        if wanted != version.schema_id:
            held = f"schema {version.schema_id}" if version.schema_id else "the columns of a destination"
            raise FlowError(
                FlowCode.MAPPING_SCHEMA_DIFFERS,
                f"The mapping {mapping_set.id} is for {held}, the dataset for {wanted}.",
            )


def _find(reference: dict[str, Any], sandbox: Sandbox) -> tuple[MappingSet, MappingSetVersion]:
    mapping_set = MappingStore.of(sandbox).find(reference.get("mappingId"))
    if mapping_set is None:
        raise FlowError(FlowCode.MAPPING_INVALID, f"The mapping {reference.get('mappingId')} is not found.")
    version = mapping_set.version(reference.get("mappingVersion"))
    if version is None:
        raise FlowError(
            FlowCode.MAPPING_VERSION,
            f"The mapping {mapping_set.id} has no version {reference.get('mappingVersion')}.",
        )
    return mapping_set, version


def _check_fields(params: dict[str, Any], sandbox: Sandbox) -> None:
    """Check what a file must contain. Older flows have the fields beside their attribute selectors.

    What is documented: a reference to a mapping set has an id and a version; a mandatory field is a field of the
    profile or an identity namespace; a primary field is either, with its type. Adobe's samples name the fields as the
    columns do. Which of them must be mapped is documented nowhere: here, each must be the column or the source of a
    mapping, or a standard namespace. That the mapping set must have columns follows from what it is for. The codes of
    the errors are guesses.
    """
    names = _mapped_names(params.get("profileMapping"), sandbox)
    older = params.get(ATTRIBUTES)
    for place, known in ((params, names), (older or {}, None)):
        for name in _mandatory_fields(place) + _primary_fields(place):
            if known is not None and name not in known:
                mapped = ", ".join(sorted(known - _NAMESPACES))
                raise invalid(f"The field {name} is not mapped: the mapping set has {mapped}.")


def _mapped_names(reference: dict[str, Any] | None, sandbox: Sandbox) -> frozenset[str] | None:
    """Return the names that fields may have, or None if the flow has no mapping set yet."""
    if not reference:
        return None
    if None in map(reference.get, ("mappingId", "mappingVersion")):
        raise invalid("profileMapping must have a mappingId and a mappingVersion.")
    mapping_set, version = _find(reference, sandbox)
    if version.schema_id:
        raise FlowError(
            FlowCode.MAPPING_INVALID,
            f"The mapping {mapping_set.id} is for schema {version.schema_id}, not for the columns of a destination.",
        )
    pairs = ((mapping.source, mapping.destination) for mapping in version.mappings)
    return _NAMESPACES.union(*pairs)


def _mandatory_fields(place: dict[str, Any]) -> list[str]:
    fields: list[str] = place.get("mandatoryFields") or []
    if not all(fields):
        raise invalid("mandatoryFields must be a list of names.")
    return fields


def _primary_fields(place: dict[str, Any]) -> list[str]:
    return [_primary_field(each) for each in place.get("primaryFields") or []]


def _primary_field(field: dict[str, Any]) -> str:
    member = _PRIMARY_FIELDS.get(field.get("fieldType", ""))
    if member is None:
        raise invalid(f"Each of primaryFields must have a fieldType: {' or '.join(_PRIMARY_FIELDS)}.")
    name: str | None = field.get(member)
    if not name:
        raise invalid(f"A primary field of the type {field['fieldType']} must have {member}.")
    return name
