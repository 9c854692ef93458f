"""Checks what is in a message: the XDM envelope, the flow, and on request the record itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

from airflow_provider_flowservice.emulator.collection.errors import InletError
from airflow_provider_flowservice.emulator.collection.store import Inlet
from airflow_provider_flowservice.emulator.flow.store import FlowStore, Kind, Resource
from airflow_provider_flowservice.emulator.schemas.store import SchemaStore
from airflow_provider_flowservice.emulator.world import Sandbox

_MAX_VIOLATIONS = 5


@dataclass(frozen=True)
class Arrival:
    """Where a message arrived.

    :param org_id: the organisation that the inlet belongs to.
    :param flow_id: from the request's header or query; None when it is in neither.
    """

    inlet: Inlet
    sandbox: Sandbox
    org_id: str
    flow_id: str | None

    @property
    def _prefix(self) -> str:
        return f"inletId: [{self.inlet.id}] imsOrgId: [{self.org_id}]"

    def refusal(self, message: str, title: str = "Invalid XDM Message Format") -> InletError:
        """A 400 about the message."""
        return InletError(400, title, f"{self._prefix} {message}")

    def flow_of(self, message: Any) -> Resource:
        """Find the flow that a message is for, and check the message's envelope.

        :raises InletError: when the envelope is wrong or the flow does not read from this inlet.
        """
        flow_id = self.flow_id
        if not self.inlet.is_raw:
            header = self._checked_header(message)
            flow_id = header.get("flowId") or flow_id
        elif not isinstance(message, dict):
            raise self.refusal("Message is not a JSON object", "Invalid Message Format")
        return self._flow(flow_id)

    def _checked_header(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict) or not ({"header", "body"} & set(message)):
            raise self.refusal("Message has unknown xdm format")
        header, body = message.get("header"), message.get("body")
        if not isinstance(header, dict):
            raise self.refusal("The 'header' field is mandatory.")
        if not isinstance(body, dict) or not isinstance(body.get("xdmEntity"), dict):
            raise self.refusal("The 'body.xdmEntity' field is mandatory.")
        if header.get("imsOrgId", self.org_id) != self.org_id:
            raise self.refusal("Message has an absent or wrong ims org in the header")
        schema_id = _schema_id(header)
        meta = body.get("xdmMeta")
        if (
            SchemaStore.of(self.sandbox).find(schema_id) is None
            or not isinstance(meta, dict)
            or _schema_id(meta) != schema_id
        ):
            raise self.refusal("Message has unknown xdm format")
        return header

    def _flow(self, flow_id: object) -> Resource:
        if not flow_id:
            raise self.refusal("The flow id is missing", "Missing Flow")
        flow = FlowStore.of(self.sandbox).find(Kind.FLOWS, flow_id)
        if flow is None or not self._reads_from_here(flow):
            raise self.refusal(f"The flow {flow_id} is unknown", "Unknown Flow")
        return flow

    def _reads_from_here(self, flow: Resource) -> bool:
        sources = (
            FlowStore.of(self.sandbox).find(Kind.SOURCE_CONNECTIONS, each)
            for each in flow.body["sourceConnectionIds"]
        )
        return any(each and each.body.get("baseConnectionId") == self.inlet.connection.id for each in sources)

    def check_record(self, message: dict[str, Any]) -> None:
        """Validate an XDM message against its schema, as synchronous validation does.

        :raises InletError: with up to five violations.
        """
        if self.inlet.is_raw:
            return
        schema = SchemaStore.of(self.sandbox).find(_schema_id(message["header"]))
        resolved = SchemaStore.of(self.sandbox).resolved(schema or {})
        errors = list(Draft7Validator(resolved).iter_errors(message["body"]["xdmEntity"]))[:_MAX_VIOLATIONS]
        if errors:
            violations = {
                "schemaLocation": "#",
                "pointerToViolation": "#",
                "causingExceptions": [_violation(error) for error in errors],
                "message": f"{len(errors)} schema violations found",
            }
            refusal = self.refusal("Message is invalid")
            refusal.cause = {"_streamingValidation": [violations]}
            raise refusal


def _schema_id(holder: dict[str, Any]) -> object:
    reference = holder.get("schemaRef")
    return reference.get("id") if isinstance(reference, dict) and reference.get("contentType") else None


def _violation(error: ValidationError) -> dict[str, Any]:
    return {
        "keyword": str(error.validator),
        "message": error.message,
        "pointerToViolation": "/".join(("#", *map(str, error.absolute_path))),
        "schemaLocation": "/".join(("#", *map(str, list(error.absolute_schema_path)[:-1]))),
        "causingExceptions": [],
    }
