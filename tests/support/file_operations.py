"""What the provider does for destinations that take files and map attributes to columns, for the fault matrix."""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_flowservice.client.datasets import FieldMapping
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from tests.support import operators
from tests.support.aep import FLOW_SERVICE, make, profile_flow
from tests.support.files import S3, columns, exported, make_columns, make_file_ends, make_file_flow
from tests.support.operation import MAPPING_SETS, NAME, SEGMENTS, Operation, Sandbox, change, creation

FLOWS = f"{FLOW_SERVICE}/flows"
MANDATORY = ["email"]
#: A flow or its ends, and what refers to a mapping set.
_EXAMPLE = ("a", "b", {"mappingId": "c", "mappingVersion": 0})


def file_operations() -> list[Operation]:
    """Each operation on a mapping set with columns, and on what refers to one."""
    return [_create_columns(), _change_columns(), _create_flow(), _change_flow(), _activate()]


def _columns(**changes: Any) -> FlowServiceCreateMappingSetOperator:
    arguments = {
        "columns": ["email", "first_name"],
        "mappings": [
            {"source": "personalEmail.address", "destination": "email"},
            {"source": "person.name.firstName", "destination": "first_name"},
        ],
    }
    return FlowServiceCreateMappingSetOperator(task_id="x", name=NAME, **{**arguments, **changes})


def _create_columns() -> Operation:
    return creation("mapping set with columns", MAPPING_SETS, lambda _: None, lambda _: _columns())


def _change_columns() -> Operation:
    def prepare(sandbox: Sandbox) -> str:
        one = {"email": {"type": "string"}}
        mapped = (FieldMapping("personalEmail.address", "email"),)
        return sandbox.hook.send(columns(name=NAME, columns=one, mappings=mapped).create()).id

    return change(
        "mapping set with columns",
        "PUT",
        MAPPING_SETS,
        prepare,
        lambda _: _columns(if_exists="update"),
        lambda found: (set(found.columns), len(found.pairs), found.version),
        ({"email", "first_name"}, 2, 1),
    )


def _flow(source: str, target: str, mapped: dict[str, Any], **changes: Any) -> Any:
    return operators.create_flow(
        source,
        target,
        NAME,
        flow_spec=S3.flow_spec_id,
        profile_mapping=mapped,
        mandatory_fields=MANDATORY,
        **changes,
    )


def _is_mapped(flow: dict[str, Any], mapped: dict[str, Any]) -> bool:
    params = flow["transformations"][0]["params"]
    return params["profileMapping"] == mapped and params["mandatoryFields"] == MANDATORY


def _create_flow() -> Operation:
    return creation(
        "flow with mapping",
        FLOWS,
        lambda sandbox: (*make_file_ends(sandbox.hook), make_columns(sandbox.hook)),
        lambda told: _flow(*told),
        left=lambda sandbox, told: sum(_is_mapped(flow, told[2]) for flow in sandbox.named(FLOWS)),
        example=_EXAMPLE,
    )


def _change_flow() -> Operation:
    """One that has another mapping set, and no mandatory column."""

    def prepare(sandbox: Sandbox) -> tuple[str, str, dict[str, Any]]:
        ends = make_file_ends(sandbox.hook)
        before = {"profileMapping": make_columns(sandbox.hook, name="before")}
        flow = profile_flow(*ends, NAME, settings=before)
        make(sandbox.hook, msgspec.structs.replace(flow, spec_id=S3.flow_spec_id))
        return *ends, make_columns(sandbox.hook)

    return Operation(
        name="change flow's mapping",
        prepare=prepare,
        build=lambda told: _flow(*told, if_exists="update"),
        places={"look": ("GET", FLOWS), "write": ("PATCH", f"{FLOWS}/*"), "check": ("GET", f"{FLOWS}/*")},
        left=lambda sandbox, told: [_is_mapped(flow, told[2]) for flow in sandbox.named(FLOWS)],
        wanted=[True],
        example=_EXAMPLE,
    )


def _activate() -> Operation:
    def left(sandbox: Sandbox, told: Any) -> tuple[list[str], bool]:
        (flow,) = sandbox.control.state()["flows"]
        return sandbox.ours(flow["id"])[0], _is_mapped(flow, told[1])

    return Operation(
        name="activate with mapping",
        prepare=lambda sandbox: (make_file_flow(sandbox.hook), make_columns(sandbox.hook)),
        build=lambda told: operators.activate(
            told[0],
            [exported(segment) for segment in SEGMENTS],
            profile_mapping=told[1],
            mandatory_fields=MANDATORY,
        ),
        places={
            "look": ("GET", f"{FLOWS}/*"),
            "write": ("PATCH", f"{FLOWS}/*"),
            "check": ("GET", f"{FLOWS}/*"),
        },
        left=left,
        wanted=(SEGMENTS, True),
        example=("a", _EXAMPLE[2]),
    )
