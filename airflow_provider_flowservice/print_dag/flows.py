"""The tasks of a flow: its connections, its mapping set, the flow itself, its activation, and its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_flowservice.client import (
    FLOW_SPECS,
    DesiredFlow,
    DesiredMappingSet,
    Flow,
    FlowState,
    specs,
)
from airflow_provider_flowservice.client.datasets import (
    BodyForm,
    MappingSet,
    check_destinations,
    read_columns,
    read_mappings,
)
from airflow_provider_flowservice.client.errors import DriftError, InvalidInputError, PermissionDeniedError
from airflow_provider_flowservice.client.flows import (
    FIELD_ARGUMENTS,
    FlowSource,
    check_dataset_schedule,
    field_settings,
    settings_of,
)
from airflow_provider_flowservice.client.model import JsonObject, SelectorKind, member
from airflow_provider_flowservice.print_dag.accounts import is_shown
from airflow_provider_flowservice.print_dag.activation import activation
from airflow_provider_flowservice.print_dag.composition import Composition, Subject
from airflow_provider_flowservice.print_dag.connections import (
    NOTHING,
    SCHEMA_NOTE,
    UPDATE,
    common_arguments,
    has_name,
    source_connection,
    subject_of,
    target_connection,
)
from airflow_provider_flowservice.print_dag.model import Argument, Operator, PrintedFlow, Reference
from airflow_provider_flowservice.print_dag.reading import Reader

#: The parameters of a flow from the profile store that activation or arguments of the operator set.
_KNOWN_PARAMS = {kind.value for kind in SelectorKind} | {"profileMapping", "mandatoryFields", "primaryFields"}
_MAPPING = "Mapping"


def print_flow(flow: Flow, reader: Reader, *, with_mapping: bool = True) -> PrintedFlow:
    """Return a flow as a DAG has it. What the flow refers to is read.

    :param with_mapping: whether its mapping set is a task, too; otherwise the flow refers to it by its id.
    """
    composition = Composition(reader)
    subject = subject_of(Operator.FLOW, "Flow", flow)
    source = _source_of(flow, reader)
    is_destination = source is not FlowSource.SYSTEM
    ends = {
        "source_connection_ids": [
            source_connection(composition, each) for each in flow.source_connection_ids
        ],
        "target_connection_ids": [
            target_connection(composition, each, is_destination=is_destination)
            for each in flow.target_connection_ids
        ],
    }
    flow_id: Any = flow.id
    if not has_name(flow):
        text = f"The operator needs a name, and the flow is named {flow.name!r}. It is referred to by its id."
        composition.lost(subject, text)
    else:
        flow_id = _flow(composition, flow, ends, source, subject, with_mapping)
    variable = ""
    if source is FlowSource.PROFILES:
        variable = activation(
            composition, flow, flow_id, Subject(Operator.ACTIVATION, flow.id, subject.title)
        )
    if flow.state == FlowState.DISABLED:
        arguments = [Argument("flow_id", flow_id), Argument("state", FlowState.DISABLED.value)]
        composition.add(Operator.STATE, flow.id, "state", "disable_flow", arguments, after=variable)
    elif flow.state == FlowState.DRAFT:
        composition.remarks.append(
            "The flow is a draft. To publish it and its connections, add FlowServicePublishFlowOperator with flow_id."
        )
    elif flow.state not in (FlowState.ENABLED, None):
        composition.lost(subject, f"Its state is {flow.state!r}, which the DAG does not set.")
    return PrintedFlow(
        flow_id=flow.id,
        name=flow.name,
        tasks=composition.finished_tasks,
        accounts=tuple(composition.accounts),
        notes=composition.notes,
        remarks=tuple(composition.remarks),
        losses=tuple(composition.losses),
    )


def _source_of(flow: Flow, reader: Reader) -> FlowSource:
    shown = flow.source_spec_ids
    if not shown:
        sources = map(reader.source_connection, flow.source_connection_ids)
        shown = tuple(each.connection_spec.id for each in sources if each)
    return FlowSource.of(*(each.lower() for each in shown))


def _flow(
    composition: Composition,
    flow: Flow,
    ends: Mapping[str, Any],
    source: FlowSource,
    subject: Subject,
    with_mapping: bool,
) -> Any:
    spec = composition.reader.flow_spec(flow.flow_spec)
    if source is FlowSource.PROFILES:
        settings, extra = _settings(composition, flow, subject, with_mapping)
        transformations = None
    else:
        settings = {}
        transformations, extra = _transformations(composition, flow, subject, with_mapping)
    schedule = _schedule(composition, flow, subject)
    desired = DesiredFlow(
        name=flow.name,
        spec_id=flow.flow_spec.id,
        source_connection_ids=flow.source_connection_ids,
        target_connection_ids=flow.target_connection_ids,
        transformations=transformations,
        settings=settings,
        schedule_params=schedule,
    )
    if problem := _problem(desired, flow):
        text = f"{problem} It is referred to by its id, and a run neither compares nor changes it."
        composition.lost(subject, text)
        return flow.id
    arguments = common_arguments(composition, flow, spec, subject)
    arguments.append(composition.spec(FLOW_SPECS, "flow_spec", flow.flow_spec))
    arguments += [Argument(name, value) for name, value in ends.items()]
    arguments += extra
    if schedule:
        arguments.append(Argument("schedule_params", schedule))
    return composition.add(Operator.FLOW, flow.id, "flow", "create_flow", [*arguments, UPDATE])


def _problem(desired: DesiredFlow, flow: Flow) -> str:
    if not flow.source_connection_ids or not flow.target_connection_ids:
        return "The operator needs source and target connections, and AEP does not show any."
    differing = [*desired.fixed_differences(flow), *desired.not_applied(flow)]
    if differing:
        return f"The operator would change it: {'; '.join(map(str, differing))}."
    try:
        return "The operator would change it." if desired.updates(flow) else ""
    except DriftError as error:
        return error.message


def _schedule(composition: Composition, flow: Flow, subject: Subject) -> JsonObject | None:
    schedule = flow.schedule_params
    if not schedule:
        return None
    try:
        if "timeUnit" in schedule:
            check_dataset_schedule(schedule)
    except InvalidInputError as error:
        text = f"The operator does not take its schedule, which stays as it is: {error.message}"
        composition.lost(subject, text)
        return None
    if not is_shown("schedule", schedule):
        text = "Its schedule has a value that looks like a credential, so it is not in the file and stays as it is."
        composition.lost(subject, text)
        return None
    return schedule


def _settings(
    composition: Composition, flow: Flow, subject: Subject, with_mapping: bool
) -> tuple[JsonObject, list[Argument]]:
    """Return the settings of a flow from the profile store that the operator takes, and the arguments for them."""
    held = settings_of(flow)
    _tell_rest(composition, flow, subject)
    if held and flow.flow_spec.id.lower() == specs.PROFILE_DESTINATION_FLOW:
        text = f"The operator does not take {', '.join(held)} for its flow spec, and leaves them as they are."
        composition.lost(subject, text)
        return {}, []
    values = dict(zip(("profileMapping", "mandatoryFields", "primaryFields"), FIELD_ARGUMENTS, strict=True))
    settings: JsonObject = {}
    arguments: list[Argument] = []
    for name, value in held.items():
        try:
            if not _is_taken(name, value):
                raise InvalidInputError(values[name], "has an element that is not supported", "Leave it out.")
            settings |= field_settings(**{values[name]: value})
        except InvalidInputError:
            text = f"The operator does not take its {name}, and leaves them as they are."
            composition.lost(subject, text)
            continue
        if name == "profileMapping":
            value = _reference(composition, value, subject, with_mapping)
        arguments.append(Argument(values[name], value))
    return settings, arguments


def _is_taken(name: str, value: Any) -> bool:
    """Whether a setting has the form of the operator's argument."""
    if name == "profileMapping":
        return isinstance(value, Mapping)
    if not isinstance(value, list):
        return False
    if name == "primaryFields":
        return all(isinstance(each, Mapping) for each in value)
    return all(isinstance(each, str) and each.strip() not in NOTHING for each in value)


def _tell_rest(composition: Composition, flow: Flow, subject: Subject) -> None:
    """Tell which parts of the transformations neither the operator nor activation sets."""
    names = [str(member(each, "name")) for each in flow.transformations]
    others = [name for name in names if name != specs.TRANSFORM]
    params = {
        name
        for each in flow.transformations
        if member(each, "name") == specs.TRANSFORM
        for name in member(each, "params") or {}
    }
    rest = [*others, *sorted(params - _KNOWN_PARAMS)]
    if rest:
        text = f"Its transformations have {', '.join(rest)}, which the operator leaves as it is."
        composition.lost(subject, text)


def _transformations(
    composition: Composition, flow: Flow, subject: Subject, with_mapping: bool
) -> tuple[list[JsonObject] | None, list[Argument]]:
    """Return the transformations of a flow that reads from elsewhere, and the argument for them."""
    held = list(flow.transformations)
    if not held:
        return None, []
    if not all(isinstance(each, Mapping) and is_shown("transformation", each) for each in held):
        text = "Its transformations stay as they are and are not in the file: one is not an object, or has a secret."
        composition.lost(subject, text)
        return None, []
    printed: list[Any] = []
    first = True
    for each in held:
        shown = each
        if each.get("name") == _MAPPING and first and isinstance(each.get("params"), Mapping):
            first = False
            params = each["params"]
            if isinstance(params.get("mappingId"), str):
                shown = {**each, "params": _reference(composition, params, subject, with_mapping)}
        printed.append(shown)
    note = (
        () if len(held) == 1 else ("Of these, only the first Mapping is compared with AEP's, and changed.",)
    )
    return held, [Argument("transformations", printed, note)]


def _reference(
    composition: Composition, held: Mapping[str, Any], subject: Subject, with_mapping: bool
) -> JsonObject:
    """Return what refers to a mapping set: the output of its task if there can be one, otherwise its id."""
    mapping_id, version = held.get("mappingId"), held.get("mappingVersion")
    if not with_mapping or not isinstance(mapping_id, str) or version is None:
        return dict(held)
    task = _mapping_task(composition, mapping_id, version)
    if isinstance(task, Reference):
        version_of = Reference(task.variable, version, "mapping_version")
        return {**held, "mappingId": Reference(task.variable, mapping_id), "mappingVersion": version_of}
    text = f"The mapping set {mapping_id} is only referred to by its id: {task}."
    composition.lost(subject, text)
    return dict(held)


def _mapping_task(composition: Composition, mapping_id: str, version: Any) -> Reference | str:
    """Return the task of a mapping set, which is added unless there is one; or the reason if there cannot be one."""
    try:
        found, rest = composition.reader.mapping_set(mapping_id)
    except PermissionDeniedError:
        return "this credential may not read it"
    if found is None:
        return "AEP does not have it any more"
    if str(found.version) != str(version):
        return f"the flow refers to version {version}, and the newest one is {found.version}"
    if rest:
        return f"the operator does not set its {', '.join(rest)}, and would drop it with a change"
    return composition.made(Operator.MAPPING_SET, found.id) or _mapping_set(composition, found)


def _mapping_set(composition: Composition, found: MappingSet) -> Reference | str:
    """Add the task of a mapping set; return the reason if the operator cannot take it over."""
    mappings = [
        {"source": field.source, "destination": field.destination}
        | ({} if field.source_type == "ATTRIBUTE" else {"sourceType": field.source_type})
        for field in found.fields
    ]
    columns = None if found.columns is None else dict(found.columns)
    if columns is not None and all(each == {"type": "string"} for each in columns.values()):
        shown_columns: Any = list(columns)
    else:
        shown_columns = columns
    if columns is None and not found.schema_id:
        return "AEP does not show its target"
    try:
        fields = read_mappings(mappings)
        if columns is not None:
            check_destinations(fields, read_columns(columns))
    except InvalidInputError as error:
        return f"the operator would reject it: {error.message}"
    name = found.name or ""
    if name.strip() == "None" or (name and found.form is BodyForm.OLD):
        return f"the operator does not take its name {name!r}"
    desired = DesiredMappingSet(
        name=name,
        schema_id=None if columns is not None else found.schema_id,
        columns=columns,
        mappings=fields,
        form=found.form,
    )
    if differing := [*desired.fixed_differences(found), *desired.not_applied(found)]:
        return f"the operator would change it: {'; '.join(map(str, differing))}"
    arguments = [Argument("adopt_id", found.id)]
    arguments += [Argument("name", name)] if name else []
    if columns is not None:
        arguments.append(Argument("columns", shown_columns))
    else:
        arguments.append(Argument("schema_id", found.schema_id, (SCHEMA_NOTE,)))
    note = "A change makes a new version of the mapping set, which the flow then refers to."
    arguments.append(Argument("mappings", mappings, (note,)))
    if found.form is BodyForm.OLD:
        arguments.append(Argument("body_form", BodyForm.OLD.value))
    return composition.add(Operator.MAPPING_SET, found.id, "mapping", "create_mapping", [*arguments, UPDATE])
