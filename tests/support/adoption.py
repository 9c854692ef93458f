"""What each create operator can adopt: an object that was made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_flowservice.client.datasets.datasets import DesiredDataset
from airflow_provider_flowservice.client.flows import specs
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator
from airflow_provider_flowservice.operators.datasets import FlowServiceCreateDatasetOperator
from airflow_provider_flowservice.operators.schemas import FlowServiceCreateSchemaOperator
from tests.support import operators
from tests.support.aep import FLOW_SERVICE, kinesis, make_ends, profile_flow, profile_store, profiles, stream
from tests.support.operation import DATASETS, MAPPING_SETS, NAME, SCHEMAS
from tests.support.streaming import PERSON, WORK, customers, mapping_set

#: The id of nothing.
NOWHERE = "8256cfb4-17e6-432c-a469-6aedafb16cd5"
OTHER_CLASS = "https://ns.adobe.com/xdm/context/experienceevent"
MAPPINGS = [
    {"source": "first", "destination": "person.name.firstName"},
    {"source": "mail", "destination": "workEmail.address"},
]
HOURLY = {"startTime": 4_000_000_000, "frequency": "hour", "interval": 1}


@dataclass(frozen=True)
class Adoptable:
    """A kind of object.

    :param path: its collection.
    :param desired: the object as the operator would make it, for what its parents are and with a name.
    :param build: the operator, for what its parents are.
    :param parents: makes the parents.
    :param changes: arguments that change a setting that AEP can change.
    :param differing: how an error names that setting, if ``changes`` are given.
    :param stuck: arguments that change a setting that AEP cannot change.
    :param elsewhere: arguments for another spec or other parents, with how an error names the difference.
    :param verb: the method of an update.
    :param is_renamed: whether an update changes the name.
    :param has_secrets: whether each update sends credentials.
    """

    path: str
    desired: Callable[[Any, str], Any]
    build: Callable[..., Any]
    parents: Callable[[FlowServiceHook], Any] = lambda _: None
    changes: dict[str, Any] = field(default_factory=dict)
    differing: str = ""
    stuck: dict[str, Any] = field(default_factory=dict)
    elsewhere: tuple[tuple[dict[str, Any], str], ...] = ()
    verb: str = "PATCH"
    is_renamed: bool = True
    has_secrets: bool = False

    def make(self, hook: FlowServiceHook, parents: Any, name: str = NAME) -> str:
        """Make one by hand; its id."""
        return hook.send(self.desired(parents, name).create()).id


def _schema(_: Any, **changes: Any) -> FlowServiceCreateSchemaOperator:
    return FlowServiceCreateSchemaOperator(
        **{"task_id": "x", "name": NAME, "field_groups": [PERSON], **changes}
    )


def _dataset(schema: str, **changes: Any) -> FlowServiceCreateDatasetOperator:
    return FlowServiceCreateDatasetOperator(**{"task_id": "x", "name": NAME, "schema_id": schema, **changes})


def _mapping_set(schema: str, **changes: Any) -> FlowServiceCreateMappingSetOperator:
    arguments = {"task_id": "x", "name": NAME, "schema_id": schema, "mappings": MAPPINGS}
    return FlowServiceCreateMappingSetOperator(**{**arguments, **changes})


def _make_schema(hook: FlowServiceHook) -> str:
    return hook.send(customers(enable_for_profile=True).create()).id


ADOPTABLES = {
    "base connection": Adoptable(
        f"{FLOW_SERVICE}/connections",
        lambda _, name: kinesis(name),
        lambda _, **changes: operators.create_kinesis(**{"name": NAME, **changes}),
        changes={"auth": {"region": "eu-west-1"}},
        differing="auth.params.region is 'us-east-1', expected 'eu-west-1'",
        elsewhere=(
            (
                {"connection_spec": specs.UNIFIED_PROFILE_SERVICE, "auth_conn_id": None},
                f"connectionSpec.id is '{specs.AMAZON_KINESIS}', expected '{specs.UNIFIED_PROFILE_SERVICE}'",
            ),
        ),
        has_secrets=True,
    ),
    "source connection": Adoptable(
        f"{FLOW_SERVICE}/sourceConnections",
        lambda base_id, name: profiles(base_id, name),
        lambda base_id, **changes: operators.create_source(base_id, **{"name": NAME, **changes}),
        lambda hook: hook.send(profile_store().create()).id,
        stuck={"data_format": "parquet"},
        elsewhere=(
            ({"connection_spec": specs.HTTP_API}, f"expected '{specs.HTTP_API}'"),
            ({"base_connection_id": NOWHERE}, f"expected '{NOWHERE}'"),
            ({"base_connection_id": None}, "expected None"),
        ),
    ),
    "target connection": Adoptable(
        f"{FLOW_SERVICE}/targetConnections",
        lambda base_id, name: stream(base_id, name),
        lambda base_id, **changes: operators.create_target(base_id, **{"name": NAME, **changes}),
        lambda hook: hook.send(kinesis().create()).id,
        changes={"target_params": {"stream": "new", "region": "us-east-1"}},
        differing="params.stream is 'events', expected 'new'",
        stuck={"data_format": "parquet"},
        elsewhere=(
            ({"connection_spec": specs.DATA_LAKE}, f"expected '{specs.DATA_LAKE}'"),
            ({"base_connection_id": NOWHERE}, f"expected '{NOWHERE}'"),
        ),
    ),
    "flow": Adoptable(
        f"{FLOW_SERVICE}/flows",
        lambda ends, name: profile_flow(*ends, name=name, transformations=[specs.empty_transformation()]),
        lambda ends, **changes: operators.create_flow(*ends, **{"name": NAME, **changes}),
        make_ends,
        changes={"schedule_params": HOURLY},
        differing="scheduleParams.frequency is None, expected 'hour'",
        elsewhere=(
            (
                {"flow_spec": NOWHERE},
                f"flowSpec.id is '{specs.PROFILE_DESTINATION_FLOW}', expected '{NOWHERE}'",
            ),
            ({"source_connection_ids": [NOWHERE]}, f"expected '{NOWHERE}'"),
            ({"target_connection_ids": [NOWHERE]}, f"expected '{NOWHERE}'"),
        ),
    ),
    "schema": Adoptable(
        SCHEMAS,
        lambda _, name: customers(name, field_groups=(PERSON,)),
        _schema,
        changes={"field_groups": [PERSON, WORK], "enable_for_profile": True},
        differing=WORK,
        elsewhere=(({"schema_class": OTHER_CLASS}, f"expected '{OTHER_CLASS}'"),),
        is_renamed=False,
    ),
    "dataset": Adoptable(
        DATASETS,
        lambda schema_id, name: DesiredDataset(name=name, schema_id=schema_id),
        _dataset,
        _make_schema,
        changes={"enable_for_profile": True},
        differing="tags.unifiedProfile is 'not enabled', expected 'enabled:true'",
        elsewhere=(({"schema_id": "https://ns.adobe.com/x"}, "expected 'https://ns.adobe.com/x'"),),
        is_renamed=False,
    ),
    "mapping set": Adoptable(
        MAPPING_SETS,
        lambda schema_id, name: mapping_set(schema_id, name=name),
        _mapping_set,
        _make_schema,
        changes={"mappings": MAPPINGS[:1]},
        differing="mappings is",
        elsewhere=(({"schema_id": "https://ns.adobe.com/x"}, "expected 'https://ns.adobe.com/x'"),),
        verb="PUT",
    ),
}
