"""Checks a message that arrives at an inlet.

What is checked is the XDM envelope, the flow, and on request the record itself.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.emulator.collection.errors import InletError
from airflow_provider_flowservice.emulator.collection.records import (
    has_envelope,
    named_schema,
    xdm_violations,
)
from airflow_provider_flowservice.emulator.collection.store import Inlet
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
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
        return accepts and bool(self.flow_id) and not has_envelope(message)

    def _checked_header(self, message: Any) -> dict[str, Any]:
        if not has_envelope(message):
            raise self.bad_request("Message has unknown xdm format")
        header, body = message.get("header"), message.get("body")
        if not isinstance(header, dict):
            raise self.bad_request("The 'header' field is mandatory.")
        if not isinstance(body, dict) or not isinstance(body.get("xdmEntity"), dict):
            raise self.bad_request("The 'body.xdmEntity' field is mandatory.")
        if header.get("imsOrgId", self.org_id) != self.org_id:
            raise self.bad_request("Message has an absent or wrong ims org in the header")
        schema_id = named_schema(header)
        meta = body.get("xdmMeta")
        if (
            SchemaStore.of(self.sandbox).find(schema_id) is None
            or not isinstance(meta, dict)
            or named_schema(meta) != schema_id
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
        if self.inlet.is_raw:
            return
        errors = xdm_violations(message, flow, self.sandbox)[:_MAX_VIOLATIONS]
        if errors:
            report = {
                "schemaLocation": "#",
                "pointerToViolation": "#",
                "causingExceptions": [_violation(each) for each in errors],
                "message": f"{len(errors)} schema violations found",
            }
            error = self.bad_request("Message is invalid")
            error.cause = {"_streamingValidation": [report]}
            raise error


def transaction_id(world: World) -> str:
    """Return a new id in the service's form: milliseconds and two numbers."""
    return f"{world.clock.now_ms()}:{secrets.randbelow(10_000)}:{secrets.randbelow(1_000)}"


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
