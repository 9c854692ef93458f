"""Checks a message that arrives at an inlet, and ingests it.

What is checked is the XDM envelope, the flow, and on request the record itself.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.emulator.collection.errors import InletError
from airflow_provider_flowservice.emulator.collection.store import Inlet, Message
from airflow_provider_flowservice.emulator.dataprep.mapping import apply_mappings
from airflow_provider_flowservice.emulator.dataprep.store import MappingStore
from airflow_provider_flowservice.emulator.flow.catalogue import MAPPING_TRANSFORM
from airflow_provider_flowservice.emulator.flow.mappings import schema_id_of
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource, State
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.world import Sandbox, World

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

_MAX_VIOLATIONS = 5


@dataclass(frozen=True)
class InletRequest:
    """A request to an inlet, with what its messages are checked against.

    :param org_id: the organization that the inlet belongs to.
    :param flow_id: from the request's header or query; None if it is in neither.
    """

    inlet: Inlet
    sandbox: Sandbox
    org_id: str
    flow_id: str | None

    @property
    def _prefix(self) -> str:
        return f"inletId: [{self.inlet.id}] imsOrgId: [{self.org_id}]"

    def bad_request(self, message: str, title: str = "Invalid XDM Message Format") -> InletError:
        """Return a 400 about the message."""
        return InletError(400, title, f"{self._prefix} {message}")

    def flow_of(self, message: Any) -> Resource:
        """Return the flow that a message is for, and check the message's envelope.

        :raises InletError: if the envelope is wrong or the flow does not read from this inlet.
        """
        flow_id = self.flow_id
        if not self.inlet.is_raw and not self._may_be_plain(message):
            header = self._checked_header(message)
            flow_id = header.get("flowId") or flow_id
        elif not isinstance(message, dict):
            raise self.bad_request("Message is not a JSON object", "Invalid Message Format")
        return self._flow(flow_id)

    def _may_be_plain(self, message: Any) -> bool:
        """Whether a record may come without an envelope, which is contested: AEP's documents do not say so."""
        accepts = self.sandbox.world.switches.plain_xdm == "accept"
        return accepts and bool(self.flow_id) and not _has_envelope(message)

    def _checked_header(self, message: Any) -> dict[str, Any]:
        if not _has_envelope(message):
            raise self.bad_request("Message has unknown xdm format")
        header, body = message.get("header"), message.get("body")
        if not isinstance(header, dict):
            raise self.bad_request("The 'header' field is mandatory.")
        if not isinstance(body, dict) or not isinstance(body.get("xdmEntity"), dict):
            raise self.bad_request("The 'body.xdmEntity' field is mandatory.")
        if header.get("imsOrgId", self.org_id) != self.org_id:
            raise self.bad_request("Message has an absent or wrong ims org in the header")
        schema_id = _schema_id(header)
        meta = body.get("xdmMeta")
        if (
            SchemaStore.of(self.sandbox).find(schema_id) is None
            or not isinstance(meta, dict)
            or _schema_id(meta) != schema_id
        ):
            raise self.bad_request("Message has unknown xdm format")
        return header

    def _flow(self, flow_id: object) -> Resource:
        if not flow_id:
            raise self.bad_request("The flow id is missing", "Missing Flow")
        flow = FlowStore.of(self.sandbox).find(Kind.FLOWS, flow_id)
        if flow is None or not self._reads_from_here(flow):
            raise self.bad_request(f"The flow {flow_id} is unknown", "Unknown Flow")
        return flow

    def _reads_from_here(self, flow: Resource) -> bool:
        store = FlowStore.of(self.sandbox)
        sources = (store.find(Kind.SOURCE_CONNECTIONS, each) for each in flow.body["sourceConnectionIds"])
        return any(each and each.body.get("baseConnectionId") == self.inlet.connection.id for each in sources)

    def check_record(self, message: dict[str, Any], flow: Resource) -> None:
        """Validate an XDM message against its schema, as synchronous validation does.

        :param flow: determines the schema of a record without an envelope.
        :raises InletError: with up to five violations.
        """
        # It takes as long to import as the rest of the emulator.
        from jsonschema import Draft7Validator  # type: ignore[import-untyped]

        if self.inlet.is_raw:
            return
        schemas = SchemaStore.of(self.sandbox)
        is_wrapped = _has_envelope(message)
        record = message["body"]["xdmEntity"] if is_wrapped else message
        schema_id = _schema_id(message["header"]) if is_wrapped else self._schema_of(flow)
        validator = Draft7Validator(schemas.resolved(schemas.find(schema_id) or {}))
        errors = list(validator.iter_errors(record))[:_MAX_VIOLATIONS]
        if errors:
            violations = {
                "schemaLocation": "#",
                "pointerToViolation": "#",
                "causingExceptions": [_violation(each) for each in errors],
                "message": f"{len(errors)} schema violations found",
            }
            error = self.bad_request("Message is invalid")
            error.cause = {"_streamingValidation": [violations]}
            raise error

    def _schema_of(self, flow: Resource) -> object:
        target = FlowStore.of(self.sandbox).find(Kind.TARGET_CONNECTIONS, flow.body["targetConnectionIds"][0])
        return schema_id_of(target.body) if target else None

    def ingest(self, record: Any, flow: Resource, xaction_id: str) -> None:
        """Store a message, with the reason if it will be dropped."""
        reason = _reason_to_drop(self.sandbox.world, flow)
        message = Message(record, self._mapped(record, flow), flow.id, xaction_id, reason)
        self.inlet.add(message)

    def _mapped(self, record: Any, flow: Resource) -> dict[str, Any] | None:
        if not self.inlet.is_raw:
            return None
        for transformation in flow.body.get("transformations", []):
            if transformation["name"] == MAPPING_TRANSFORM:
                params = transformation["params"]
                mapping_set = MappingStore.of(self.sandbox).find(params.get("mappingId"))
                version = mapping_set and mapping_set.version(params.get("mappingVersion"))
                return apply_mappings(version.mappings, record)[0] if version else None
        return None


def transaction_id(world: World) -> str:
    """Return a new id in the service's form: milliseconds and two numbers."""
    return f"{world.clock.now_ms()}:{secrets.randbelow(10_000)}:{secrets.randbelow(1_000)}"


def _reason_to_drop(world: World, flow: Resource) -> str | None:
    """Documented: a new flow needs about five minutes. That a disabled one drops everything is a guess."""
    if flow.state is not State.ENABLED:
        return f"the flow is {flow.state.value}"
    age = world.clock.now() - flow.updated_at / 1000
    if age < world.switches.settling_seconds:
        return f"the flow was created or changed {age:.0f} seconds before"
    return None


def _schema_id(holder: dict[str, Any]) -> object:
    reference = holder.get("schemaRef")
    return reference.get("id") if isinstance(reference, dict) and reference.get("contentType") else None


def _has_envelope(message: Any) -> bool:
    return isinstance(message, dict) and not {"header", "body"}.isdisjoint(message)


#: What the service calls the types of JSON, as a schema names them and as it finds them in a record.
_TYPE_NAMES = {
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "object": "JSONObject",
    "array": "JSONArray",
    "null": "Null",
}
_FOUND_NAMES = {
    str: "String",
    int: "Long",
    float: "BigDecimal",
    bool: "Boolean",
    dict: "JSONObject",
    list: "JSONArray",
    type(None): "Null",
}


def _violation(error: ValidationError) -> dict[str, Any]:
    return {
        "keyword": str(error.validator),
        "message": _violation_message(error),
        "pointerToViolation": "/".join(("#", *map(str, error.absolute_path))),
        "schemaLocation": "/".join(("#", *map(str, list(error.absolute_schema_path)[:-1]))),
        "causingExceptions": [],
    }


def _violation_message(error: ValidationError) -> str:
    """Return the words of the service, which are documented for the type alone."""
    if error.validator == "type" and isinstance(error.validator_value, str):
        return f"expected type: {_TYPE_NAMES[error.validator_value]}, found: {_FOUND_NAMES[type(error.instance)]}"
    return str(error.message)
