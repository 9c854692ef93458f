"""Everything that the provider does to AEP, each as one operator or sensor with what it needs and leaves."""

from __future__ import annotations

from typing import Any

from airflow_provider_flowservice.client import ActivationMode
from airflow_provider_flowservice.client.datasets import identities
from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.streaming import delivery
from airflow_provider_flowservice.emulator.control import EmulatorControl
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.flows import FlowServiceUpdateFlowOperator
from airflow_provider_flowservice.operators.inlet import FlowServicePostToInletOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from airflow_provider_flowservice.sensors.flows import FlowServiceFlowValidationSensor
from tests.support import operators
from tests.support.aep import (
    FLOW_SERVICE,
    kinesis,
    make,
    make_ends,
    make_flow,
    profile_flow,
    profile_store,
    stream,
)
from tests.support.file_operations import file_operations
from tests.support.lifecycle import lifecycle_operations
from tests.support.operation import (
    ATTRIBUTES,
    DATASETS,
    DESCRIPTORS,
    MAPPING_SETS,
    NAME,
    POLL,
    RECORDS,
    SCHEMAS,
    SEGMENTS,
    Operation,
    Repeats,
    Sandbox,
    change,
    creation,
)
from tests.support.streaming import PERSON, WORK, Source, customers, mapping_set, numbers, open_source, people

MAPPINGS = [
    {"source": "first", "destination": "person.name.firstName"},
    {"source": "mail", "destination": "workEmail.address"},
]


def operations() -> list[Operation]:
    """Each operator and sensor; those that can wait in the triggerer also do."""
    return [
        *_creates(),
        *_updates(),
        *map(_activation, ActivationMode),
        _rename(),
        *map(_posting, MODES),
        _posting(False, concurrency=1),
        *(_waiting(kind, mode) for kind in _WAITS for mode in MODES),
        *lifecycle_operations(),
        *file_operations(),
    ]


MODES = (False, True)
#: Stand for the ids of a source and a target connection.
ENDS = ("a", "b")


def _named_in_mode(name: str, deferrable: bool) -> str:
    return f"{name}, deferred" if deferrable else name


def _new_schema(sandbox: Sandbox) -> str:
    return sandbox.hook.send(customers().create()).id


def _creates() -> list[Operation]:
    return [
        creation(
            "connection",
            f"{FLOW_SERVICE}/connections",
            lambda sandbox: make(sandbox.hook, profile_store("another")),
            lambda _: operators.create_kinesis(NAME),
        ),
        creation(
            "source",
            f"{FLOW_SERVICE}/sourceConnections",
            lambda sandbox: make(sandbox.hook, profile_store()),
            lambda base: operators.create_source(base, NAME),
        ),
        creation(
            "target",
            f"{FLOW_SERVICE}/targetConnections",
            lambda sandbox: make(sandbox.hook, kinesis()),
            lambda base: operators.create_target(base, NAME),
        ),
        creation(
            "flow",
            f"{FLOW_SERVICE}/flows",
            lambda sandbox: make_ends(sandbox.hook),
            lambda ends: operators.create_flow(*ends, NAME),
            example=ENDS,
        ),
        creation("schema", SCHEMAS, lambda _: None, lambda _: _schema(if_exists="reuse")),
        creation("dataset", DATASETS, _new_schema, _dataset),
        creation("mapping set", MAPPING_SETS, _new_schema, _mapping),
    ]


def _schema(**changes: Any) -> FlowServiceCreateSchemaOperator:
    arguments = {
        "task_id": "x",
        "name": NAME,
        "field_groups": [PERSON, WORK],
        "if_exists": "update",
        **changes,
    }
    return FlowServiceCreateSchemaOperator(**arguments)


def _dataset(schema: str, **changes: Any) -> FlowServiceCreateDatasetOperator:
    return FlowServiceCreateDatasetOperator(task_id="x", name=NAME, schema_id=schema, **changes)


def _mapping(schema: str, **changes: Any) -> FlowServiceCreateMappingSetOperator:
    return FlowServiceCreateMappingSetOperator(
        task_id="x", name=NAME, schema_id=schema, mappings=MAPPINGS, **changes
    )


def _updates() -> list[Operation]:
    def target(sandbox: Sandbox) -> str:
        base = make(sandbox.hook, kinesis())
        make(sandbox.hook, stream(base, NAME, stream="old"))
        return base

    def flow(sandbox: Sandbox) -> tuple[str, str]:
        ends = make_ends(sandbox.hook)
        make(sandbox.hook, profile_flow(*ends, NAME))
        return ends

    def dataset(sandbox: Sandbox) -> str:
        schema = sandbox.hook.send(customers(enable_for_profile=True).create()).id
        sandbox.hook.send(DesiredDataset(name=NAME, schema_id=schema).create())
        return schema

    def mapping(sandbox: Sandbox) -> str:
        schema = _new_schema(sandbox)
        one = mapping_set(schema).mappings[:1]
        sandbox.hook.send(mapping_set(schema, *one, name=NAME).create())
        return schema

    hourly = {"startTime": 1_700_000_000, "frequency": "hour", "interval": 1}
    return [
        change(
            "target",
            "PATCH",
            f"{FLOW_SERVICE}/targetConnections",
            target,
            lambda base: operators.create_target(
                base, NAME, if_exists="update", target_params={"stream": "new", "region": "us-east-1"}
            ),
            lambda found: found["params"]["stream"],
            "new",
        ),
        change(
            "flow",
            "PATCH",
            f"{FLOW_SERVICE}/flows",
            flow,
            lambda ends: operators.create_flow(*ends, NAME, if_exists="update", schedule_params=hourly),
            lambda found: found.get("scheduleParams", {}).get("frequency"),
            "hour",
            example=ENDS,
        ),
        change(
            "schema",
            "PATCH",
            SCHEMAS,
            lambda sandbox: sandbox.hook.send(customers(NAME, field_groups=(PERSON,)).create()).id,
            lambda _: _schema(enable_for_profile=True),
            lambda found: (len(found.references), found.profile_enabled),
            (3, True),
        ),
        Operation(
            name="change primary identity",
            prepare=lambda sandbox: sandbox.hook.send(customers(NAME).create()).id,
            build=lambda _: _schema(
                primary_identity={"property": "/workEmail/address", "namespace": "Email"}
            ),
            places={
                "look": ("GET", DESCRIPTORS),
                "write": ("POST", DESCRIPTORS),
                "check": ("GET", DESCRIPTORS),
            },
            left=lambda sandbox, schema: [
                (each.property, each.is_primary)
                for each in sandbox.hook.send(identities.identities_of(schema)).items
            ],
            wanted=[("/workEmail/address", True)],
        ),
        change(
            "dataset",
            "PATCH",
            DATASETS,
            dataset,
            lambda schema: _dataset(schema, if_exists="update", enable_for_profile=True),
            lambda found: found.profile_enabled,
            True,
        ),
        change(
            "mapping set",
            "PUT",
            MAPPING_SETS,
            mapping,
            lambda schema: _mapping(schema, if_exists="update"),
            lambda found: len(found.pairs),
            2,
        ),
    ]


def _activation(mode: ActivationMode) -> Operation:
    """Two segments and an attribute, where one segment was active before, or all but one."""
    path = f"{FLOW_SERVICE}/flows/*"
    adds = mode is ActivationMode.ADD
    before, given, wanted = {
        ActivationMode.ADD: ([], SEGMENTS, SEGMENTS),
        ActivationMode.REMOVE: (SEGMENTS, SEGMENTS[:2], SEGMENTS[2:]),
        ActivationMode.SYNC: (SEGMENTS[:2], SEGMENTS[1:], SEGMENTS[1:]),
    }[mode]

    def prepare(sandbox: Sandbox) -> str:
        flow = make_flow(sandbox.hook)
        if before:
            sandbox.hook.activate_segments(flow, before, profile_attributes=ATTRIBUTES)
        return flow

    return Operation(
        name="activate" if adds else f"activate, {mode.value}",
        prepare=prepare,
        build=lambda flow: operators.activate(
            flow,
            given,
            activation_mode=mode.value,
            profile_attributes=None if mode is ActivationMode.REMOVE else ATTRIBUTES,
            max_removals=100,  # what somebody else adds meanwhile is removed too
        ),
        places={"look": ("GET", path), "write": ("PATCH", path), "check": ("GET", path)},
        left=Sandbox.ours,
        wanted=(wanted, ATTRIBUTES),
    )


def _rename() -> Operation:
    path = f"{FLOW_SERVICE}/flows/*"
    return Operation(
        name="rename",
        prepare=lambda sandbox: make_flow(sandbox.hook),
        build=lambda flow: FlowServiceUpdateFlowOperator(task_id="x", flow_id=flow, new_name=NAME),
        places={"look": ("GET", path), "write": ("PATCH", path), "check": ("GET", path)},
        left=lambda sandbox, _: len(sandbox.named(f"{FLOW_SERVICE}/flows")),
        wanted=1,
    )


def _posting(deferrable: bool, concurrency: int = 8) -> Operation:
    return Operation(
        name=_named_in_mode("post" if concurrency > 1 else "post one by one", deferrable),
        prepare=lambda sandbox: open_source(sandbox.hook, authenticated=True),
        build=lambda source: FlowServicePostToInletOperator(
            task_id="x",
            connection_id=source.connection_id,
            flow_id=source.flow_id,
            messages=people(RECORDS),
            concurrency=concurrency,
            deferrable=deferrable,
        ),
        places={"look": ("GET", f"{FLOW_SERVICE}/connections/*"), "write": ("POST", "/collection/*")},
        left=lambda sandbox, source: sorted(set(kept(sandbox.control, source))),
        wanted=list(range(RECORDS)),
        waits=301.0,
        repeats=Repeats.SEND,
        tries=delivery.ATTEMPTS,
        example=Source("s", "d", "c", "f", None),
    )


def kept(control: EmulatorControl, source: Any) -> list[int]:
    """The numbers of the records that an inlet took and did not drop."""
    return numbers([entry for entry in control.messages(source.inlet.id) if not entry["dropped"]])


#: What each wait of the validation sensor is for, and what is active before it and in its end.
_WAITS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "wait": ({"segments": SEGMENTS}, [], SEGMENTS),
    "wait, absent": ({"absent": SEGMENTS[:2]}, SEGMENTS, SEGMENTS[2:]),
    "wait, exact": ({"segments": SEGMENTS[:2], "exact": True}, SEGMENTS, SEGMENTS[:2]),
}


def _waiting(kind: str, deferrable: bool) -> Operation:
    """A wait on a worker that ends at once, or one in the triggerer that ends at its second poll."""
    arguments, before, wanted = _WAITS[kind]

    def happens(sandbox: Sandbox, flow: str) -> str:
        sandbox.hook.activate_segments(flow, wanted, activation_mode=ActivationMode.SYNC)
        return flow

    def prepare(sandbox: Sandbox) -> str:
        flow = make_flow(sandbox.hook)
        if not deferrable:
            return happens(sandbox, flow)
        if before:
            sandbox.hook.activate_segments(flow, before)
        return flow

    return Operation(
        name=_named_in_mode(kind, deferrable),
        prepare=prepare,
        build=lambda flow: FlowServiceFlowValidationSensor(
            task_id="x", flow_id=flow, deferrable=deferrable, poke_interval=POLL, **arguments
        ),
        places={"look": ("GET", f"{FLOW_SERVICE}/flows/*")},
        left=Sandbox.ours,
        wanted=(wanted, []),
        waits=POLL * 1.1 if deferrable else 0.0,
        meanwhile=happens if deferrable else None,
        polled="look" if deferrable else None,
        exact=arguments.get("exact", False),
    )
