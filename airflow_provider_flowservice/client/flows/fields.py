"""Mapping set of a flow, and its mandatory and primary fields for files: how they are given, and where they are.

A flow from a source refers to its mapping set in the transformation ``Mapping``. One to files has its settings in the
parameters of its transformation ``GeneralTransform``; older ones have mandatory and primary fields next to their
attribute selectors instead.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_flowservice.client.ensure import Difference, compare
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError
from airflow_provider_flowservice.client.flows.specs import TRANSFORM, FlowSource
from airflow_provider_flowservice.client.model import Flow, JsonObject, Operation, SelectorKind, member

PROFILE_MAPPING = "profileMapping"
_SETTINGS = (PROFILE_MAPPING, "mandatoryFields", "primaryFields")
#: The arguments of the operators for the settings.
FIELD_ARGUMENTS = ("profile_mapping", "mandatory_fields", "primary_fields")
_MEMBERS = {"mappingId", "mappingVersion"}


def field_settings(
    profile_mapping: Mapping[str, Any] | None = None,
    mandatory_fields: Sequence[str] | None = None,
    primary_fields: Sequence[Mapping[str, Any]] | None = None,
) -> JsonObject:
    """Validate mapping set, mandatory and primary fields, and return those that are given by their names in AEP.

    :param profile_mapping: ``{"mappingId": ..., "mappingVersion": ...}``; empty for none.
    :raises InvalidInputError: if ``profile_mapping`` is not of this form, its id is empty, or its version no number.
    """
    mapping = None if profile_mapping is None else _profile_mapping(profile_mapping)
    values = zip(_SETTINGS, (mapping, mandatory_fields, primary_fields), strict=True)
    return {name: value for name, value in values if value is not None}


def _profile_mapping(given: Mapping[str, Any]) -> JsonObject:
    if not given:
        return {}
    if given.keys() != _MEMBERS:
        problem = f"has the keys {', '.join(sorted(map(str, given)))}"
        remedy = "Give mappingId and mappingVersion: the id of a mapping set and its XCom mapping_version."
        raise InvalidInputError("profile_mapping", problem, remedy)
    mapping_id, version = given["mappingId"], given["mappingVersion"]
    if not isinstance(mapping_id, str) or not mapping_id.strip():
        remedy = "Give the id that FlowServiceCreateMappingSetOperator returns."
        raise InvalidInputError("profile_mapping['mappingId']", f"{mapping_id!r} is not an id", remedy)
    if isinstance(version, bool) or not str(version).isdecimal():
        raise InvalidInputError(
            "profile_mapping['mappingVersion']", f"{version!r} is not a version", "Give a number such as 0."
        )
    return {"mappingId": mapping_id, "mappingVersion": int(version)}


def named(settings: Iterable[str]) -> str:
    """Return the arguments that settings are given with, for an error message."""
    arguments = dict(zip(_SETTINGS, FIELD_ARGUMENTS, strict=True))
    return ", ".join(arguments.get(name, name) for name in settings)


def mapping_params(transformations: Sequence[Any]) -> Mapping[str, Any]:
    """Return the parameters of the ``Mapping`` transformation, which refers to a mapping set."""
    named = (each for each in transformations if member(each, "name") == "Mapping")
    params = member(next(named, None), "params")
    return params if isinstance(params, Mapping) else {}


def profile_mapping_id(transformations: Sequence[Any]) -> str | None:
    """Return the id of the mapping set that defines the attributes of a flow to a file destination."""
    found = (member(each, "params", "profileMapping", "mappingId") for each in transformations)
    return next((str(mapping_id) for mapping_id in found if mapping_id), None)


def settings_differences(flow: Flow, settings: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the settings of a flow that differ from the given ones."""
    return tuple(
        each for name, value in settings.items() for each in _compare(flow.transformations, name, value)
    )


def settings_of(flow: Flow) -> JsonObject:
    """Return the settings of a flow that are not empty, by their names in AEP."""
    held = {name: _held(flow.transformations, name) for name in _SETTINGS}
    return {name: value for name, value in held.items() if value}


def settings_held(flow: Flow, settings: Mapping[str, Any]) -> JsonObject:
    """Return those of the given settings for which a flow has a value that is not empty."""
    return {name: value for name, value in settings.items() if _held(flow.transformations, name)}


def patch_settings(flow: Flow, settings: Mapping[str, Any]) -> tuple[tuple[Operation, ...], list[Any]]:
    """Compute the patch that sets the settings that differ, and the transformations after it.

    :raises DriftError: if the flow has no place for a setting.
    """
    after = copy.deepcopy(list(flow.transformations))
    operations: list[Operation] = []
    for name, value in settings.items():
        place = _place(name, after)
        if place is None:
            raise missing_transformation(flow, SelectorKind.SEGMENT)
        if _compare(after, name, value):
            path, holder = place
            holder[name] = value
            operations.append(Operation(op="add", path=f"{path}/{name}", value=value))
    return tuple(operations), after


def missing_transformation(flow: Flow, kind: SelectorKind) -> DriftError:
    """Return the error for selectors or settings that a flow has no place for."""
    about = f"{flow.id} ({flow.name!r})"
    if FlowSource.of(*flow.source_spec_ids) is FlowSource.DATASETS:
        return DriftError(
            f"flow {about} exports datasets, so nothing can be activated on it. Segments need a flow whose source"
            " connection has the connection spec specs.UNIFIED_PROFILE_SERVICE."
        )
    recreate = (
        "recreate the flow with FlowServiceCreateFlowOperator, which sends the empty lists that must be present at"
        " creation."
    )
    if kind is SelectorKind.ATTRIBUTE:
        return DriftError(
            "a file destination takes its attributes from a mapping set: make one with"
            " FlowServiceCreateMappingSetOperator(columns=...), and pass its id and version as profile_mapping instead"
            f" of profile_attributes. Flow {about} has no transformation with {kind.value}. If it is not to a file"
            f" destination, {recreate}"
        )
    return DriftError(
        f"flow {about} has no transformation with {kind.value}, so nothing can be activated on it. To change that,"
        f" {recreate}"
    )


def _compare(transformations: Sequence[Any], name: str, value: Any) -> tuple[Difference, ...]:
    return compare(name, value, _held(transformations, name), exact=True)


def _held(transformations: Sequence[Any], name: str) -> Any:
    _, holder = _place(name, transformations) or ("", {})
    return holder.get(name)


def _place(name: str, transformations: Sequence[Any]) -> tuple[str, JsonObject] | None:
    """Return the object that contains a setting or else can contain it, with its path; None if there is none."""
    places = list(_places(name, transformations))
    return next((place for place in places if name in place[1]), places[0] if places else None)


def _places(name: str, transformations: Sequence[Any]) -> Iterator[tuple[str, JsonObject]]:
    for index, transformation in enumerate(transformations):
        params, path = member(transformation, "params"), f"/transformations/{index}/params"
        if member(transformation, "name") != TRANSFORM or not isinstance(params, dict):
            continue
        older = params.get(SelectorKind.ATTRIBUTE.value)
        if name != PROFILE_MAPPING and name not in params and isinstance(older, dict):
            yield f"{path}/{SelectorKind.ATTRIBUTE.value}", older
        else:
            yield path, params
