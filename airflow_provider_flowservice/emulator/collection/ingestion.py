"""What becomes of the messages that an inlet accepted. AEP tells the sender nothing of those that it drops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_flowservice.emulator.catalog.store import DatasetStore
from airflow_provider_flowservice.emulator.collection.records import target_schema, violations, xdm_violations
from airflow_provider_flowservice.emulator.collection.store import Inlet, Message
from airflow_provider_flowservice.emulator.dataprep.mapping import apply_mappings
from airflow_provider_flowservice.emulator.dataprep.store import MappingStore
from airflow_provider_flowservice.emulator.flow.catalogue import MAPPING_TRANSFORM
from airflow_provider_flowservice.emulator.flow.runs import Sent, count_in_run
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.schemas.unions import is_enabled
from airflow_provider_flowservice.emulator.world import Sandbox

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]


@dataclass
class _Share:
    """The messages of a request that are for one flow.

    :param problem: why AEP will drop all of them; None if it will not.
    """

    flow: Resource
    problem: str | None
    counts: Sent = field(default_factory=Sent)


class Ingestion:
    """Takes in the messages of one request, and counts them in the runs of their flows when it is left."""

    def __init__(self, inlet: Inlet, sandbox: Sandbox) -> None:
        self._inlet = inlet
        self._sandbox = sandbox
        self._shares: dict[str, _Share] = {}

    def __enter__(self) -> Ingestion:
        return self

    def __exit__(self, *_: object) -> None:
        for share in self._shares.values():
            count_in_run(self._sandbox, share.flow, share.counts)

    def add(self, record: Any, flow: Resource, xaction_id: str) -> None:
        """Store a message, with the reason if AEP will drop it."""
        share = self._shares.get(flow.id)
        if share is None:
            problem = self._flow_problem(flow) or self._profile_problem(flow)
            share = self._shares[flow.id] = _Share(flow, problem)
        mapped = self._mapped(record, flow)
        reason = share.problem or self._record_problem(record, mapped, flow)
        self._inlet.add(Message(record, mapped, flow.id, xaction_id, reason))
        size = len(msgspec.json.encode(record))
        share.counts += Sent(1, 0, size, errors=[reason]) if reason else Sent(1, 1, size, size)

    def _mapped(self, record: Any, flow: Resource) -> dict[str, Any] | None:
        if not self._inlet.is_raw:
            return None
        for transformation in flow.body.get("transformations", []):
            if transformation["name"] == MAPPING_TRANSFORM:
                params = transformation["params"]
                mapping_set = MappingStore.of(self._sandbox).find(params.get("mappingId"))
                version = mapping_set and mapping_set.version(params.get("mappingVersion"))
                return apply_mappings(version.mappings, record)[0] if version else None
        return None

    def _flow_problem(self, flow: Resource) -> str | None:
        """Documented: a new flow needs about five minutes. That a disabled one drops everything is a guess."""
        if flow.state is not State.ENABLED:
            return f"the flow is {flow.state.value}"
        world = self._sandbox.world
        age = world.clock.now() - flow.updated_at / 1000
        if age < world.switches.settling_seconds:
            return f"the flow was created or changed {age:.0f} seconds before"
        return None

    def _profile_problem(self, flow: Resource) -> str | None:
        """Whether a dataset is enabled for Profile, but its schema is not."""
        target = FlowStore.of(self._sandbox).get(Kind.TARGET_CONNECTIONS, flow.body["targetConnectionIds"][0])
        params = target.body.get("params") or {}
        dataset = DatasetStore.of(self._sandbox).find(params.get("dataSetId"))
        if dataset is None or not dataset.is_for_profile:
            return None
        schema_id = dataset.body["schemaRef"]["id"]
        if is_enabled(SchemaStore.of(self._sandbox).find(schema_id)):
            return None
        return f"the dataset {dataset.id} is enabled for Profile, but its schema {schema_id} is not"

    def _record_problem(self, record: Any, mapped: dict[str, Any] | None, flow: Resource) -> str | None:
        """What is sent as it comes and not mapped has no schema."""
        if not self._inlet.is_raw:
            return _told(xdm_violations(record, flow, self._sandbox))
        if mapped is None:
            return None
        return _told(violations(mapped, target_schema(flow, self._sandbox), self._sandbox))


def _told(errors: list[ValidationError]) -> str | None:
    if not errors:
        return None
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    where = "/".join(("#", *map(str, errors[0].absolute_path)))
    return f"the record does not fit its schema at {where}: {errors[0].message}{more}"
