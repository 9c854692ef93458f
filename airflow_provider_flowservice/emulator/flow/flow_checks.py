"""What is checked of flows."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.emulator.dataprep.store import MappingStore
from airflow_provider_flowservice.emulator.flow.catalogue import (
    FLOW_SPECS,
    MAPPING_TRANSFORM,
    PROFILE_TRANSFORM,
    STREAMING_TARGETS,
)
from airflow_provider_flowservice.emulator.flow.errors import (
    FlowCode,
    FlowError,
    InvalidSpecIdError,
    not_found,
)
from airflow_provider_flowservice.emulator.flow.rules import (
    check_published,
    invalid,
    schema_id_of,
    spec_reference,
)
from airflow_provider_flowservice.emulator.flow.schedules import (
    check_audience_schedule,
    check_dataset_schedule,
    check_source_schedule,
)
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, SEGMENTS, selector_list
from airflow_provider_flowservice.emulator.flow.specs import FlowSpec
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.world import Sandbox


def check_flow(body: dict[str, Any], sandbox: Sandbox, draft: bool) -> None:
    """Check a flow, its ends and its transformations.

    :raises FlowError: for the first thing that is wrong.
    """
    spec = FLOW_SPECS.get(spec_reference(body, "flowSpec")["id"])
    if spec is None:
        raise InvalidSpecIdError
    if draft and not spec.drafts:
        raise FlowError(FlowCode.DRAFT_NOT_SUPPORTED, f"Flow spec {spec.id} does not support draft mode.")
    sources = _ends(body, "sourceConnectionIds", Kind.SOURCE_CONNECTIONS, FlowStore.of(sandbox))
    targets = _ends(body, "targetConnectionIds", Kind.TARGET_CONNECTIONS, FlowStore.of(sandbox))
    for ends, allowed in ((sources, spec.sources), (targets, spec.targets)):
        _check_ends(ends, allowed, spec, draft)
    _check_transformations(body.get("transformations", []), spec)
    _check_schedules(body, spec, sandbox)
    for entry in body.get("transformations", []):
        if entry["name"] == MAPPING_TRANSFORM:
            _check_mapping(entry["params"], targets, sandbox)


def exports_files(body: dict[str, Any], sandbox: Sandbox) -> bool:
    """Tell whether a flow exports audiences to files, and so needs a schedule for each of them."""
    spec = FLOW_SPECS.get(body.get("flowSpec", {}).get("id", ""))
    if spec is None or PROFILE_TRANSFORM not in spec.transformations:
        return False
    targets = (
        FlowStore.of(sandbox).find(Kind.TARGET_CONNECTIONS, each) for each in body["targetConnectionIds"]
    )
    return not any(each and each.body["connectionSpec"]["id"] in STREAMING_TARGETS for each in targets)


def _check_schedules(body: dict[str, Any], spec: FlowSpec, sandbox: Sandbox) -> None:
    schedule = body.get("scheduleParams")
    if spec.scheduled and spec.is_destination:
        check_dataset_schedule(schedule)
    elif spec.scheduled and schedule:
        check_source_schedule(schedule)
    if exports_files(body, sandbox):
        for selector in selector_list(body, SEGMENTS) or []:
            check_audience_schedule(selector["value"])


def _ends(body: dict[str, Any], field: str, kind: Kind, store: FlowStore) -> list[Resource]:
    ids = body.get(field)
    if not isinstance(ids, list) or not ids:
        raise invalid(f"{field} must be a list of ids that is not empty.")
    ends = [(end_id, store.find(kind, end_id)) for end_id in ids]
    missing = next((end_id for end_id, end in ends if end is None), None)
    if missing is not None:
        raise not_found(kind.value, str(missing))
    return [end for _, end in ends if end is not None]


def _check_ends(ends: list[Resource], allowed: tuple[str, ...], spec: FlowSpec, draft: bool) -> None:
    for end in ends:
        if end.body["connectionSpec"]["id"] not in allowed:
            raise invalid(f"The flow spec {spec.id} does not take the {end.kind.value} resource {end.id}.")
        check_published(end, draft)


def _check_transformations(transformations: Any, spec: FlowSpec) -> None:
    if not isinstance(transformations, list):
        raise invalid("transformations must be a list.")
    for entry in transformations:
        if not isinstance(entry, dict) or not isinstance(entry.get("params"), dict):
            raise invalid("Each of transformations must have a name and params.")
        if entry.get("name") not in spec.transformations:
            raise invalid(
                f"The flow spec {spec.id} does not take a transformation named {entry.get('name')}."
            )
        for field in (SEGMENTS, ATTRIBUTES):
            _check_selectors(field, entry["params"].get(field))


def _check_selectors(field: str, group: Any) -> None:
    if group is None:
        return
    selectors = group.get("selectors", []) if isinstance(group, dict) else None
    if not isinstance(selectors, list) or not all(_is_selector(each) for each in selectors):
        raise invalid(f"{field}.selectors must be a list of selectors, each with a type and a value.")


def _is_selector(selector: Any) -> bool:
    return isinstance(selector, dict) and "type" in selector and isinstance(selector.get("value"), dict)


def _check_mapping(params: dict[str, Any], targets: list[Resource], sandbox: Sandbox) -> None:
    mapping_set = MappingStore.of(sandbox).find(params.get("mappingId"))
    if mapping_set is None:
        raise FlowError(FlowCode.MAPPING_INVALID, f"The mapping {params.get('mappingId')} is not found.")
    version = mapping_set.version(params.get("mappingVersion"))
    if version is None:
        raise FlowError(
            FlowCode.MAPPING_VERSION,
            f"The mapping {mapping_set.id} has no version {params.get('mappingVersion')}.",
        )
    for target in targets:
        wanted = schema_id_of(target.body)
        if version.schema_id and wanted != version.schema_id:
            raise FlowError(
                FlowCode.MAPPING_SCHEMA_DIFFERS,
                f"The mapping {mapping_set.id} is for schema {version.schema_id}, the dataset for {wanted}.",
            )
